"""Many connections of one program: opened and greeted, kept, and looked at without waiting."""
import resource
import selectors
import socket
import time


def raise_descriptor_limit():
    """Inherited by the servers, too."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Crowd:
    """open(): each connection is greeted and says EHLO; those refused are counted by their first line."""

    def __init__(self, port, source='127.0.0.1'):
        self.port, self.source = port, source
        self.sockets, self.refused = [], {}

    def open(self, count, hello=b'EHLO idle.test\r\n', at_once=500, seconds=120):
        pending, steps, opened = selectors.DefaultSelector(), {}, 0
        end = time.monotonic() + seconds
        while opened < count or steps:
            while opened < count and len(steps) < at_once:
                one = socket.socket()
                one.settimeout(30)
                one.bind((self.source, 0))
                one.connect(('127.0.0.1', self.port))
                one.setblocking(False)
                pending.register(one, selectors.EVENT_READ)
                steps[one] = b''
                opened += 1
            for key, _ in pending.select(1):
                self._step(pending, steps, key.fileobj, hello)
            if time.monotonic() > end:
                raise SystemExit(f'{len(steps)} connections of {count} wait after {seconds} s')
        return self

    def _step(self, pending, steps, one, hello):
        try:
            got = one.recv(4096)
        except OSError:
            got = b''
        text = steps[one] = steps[one] + got
        if got and text.startswith(b'220') and text.count(b'220 ') == 1 and b'\n' in text and b'250' not in text:
            one.send(hello)
            return
        if got and b'\n250 ' not in text and not text.startswith((b'4', b'5')):
            return
        pending.unregister(one)
        del steps[one]
        if b'\n250 ' in text:
            self.sockets.append(one)
            return
        line = text.split(b'\r\n')[0].decode(errors='replace')
        self.refused[line] = self.refused.get(line, 0) + 1
        one.close()

    def closed(self):
        """How many the server has closed since."""
        gone = 0
        for one in self.sockets:
            try:
                gone += one.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b''
            except BlockingIOError:
                pass
            except OSError:
                gone += 1
        return gone

    def close(self):
        for one in self.sockets:
            one.close()
        self.sockets.clear()
