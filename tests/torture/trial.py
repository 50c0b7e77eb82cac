"""One trial of one server: its hooks, a sink and a client of the auditor, and the judge at the end.

    server = Server('goniec', folder); trial = Trial(server, folder)
    trial.begin(); trial.load(connections=8); … server.kill(); server.start() …; trial.end()
Promises: the server is known by its hooks alone (hooks/common), the sink is never killed, all that is
started ends with end() or close(). Refuses: a server that does not greet within its patience (TooLate).
"""
import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / 'tests/harness')]
from wait import TooLate, patient, until  # noqa: E402

AUDITOR = ROOT / 'build/release/auditor'
TEMPERS = 'ok,ok,ok,ok,ok,ok,ok,ok,ok,ok,ok,ok,once,cut,shut,slow,refuse,later'

NOTICES_S = {'opensmtpd': 20}    # it gathers failures in memory before it makes a notice of them, when no listing shows them
QUIET_S = {'stub': 3}           # it tries again at once, so a queue in which nothing moves holds what it cannot read; the others are given 30
FLUSHED = ('postfix', 'opensmtpd')      # they would wait long before a second try
ASK_S = 0.7


def now_us():
    return time.time_ns() // 1000


def free_port():
    """Below the range from which outgoing connections draw: one of them would take it while the server is down."""
    while True:
        port = random.randrange(12000, 32000)
        with socket.socket() as taken:
            try:
                taken.bind(('127.0.0.1', port))
                return port
            except OSError:
                continue


class Server:
    """A server behind its hooks. Its folder keeps the spool over kills."""

    def __init__(self, name, folder, view='', **environment):
        self.name, self.folder = name, Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, self.sink, self.under, self.asked = free_port(), 0, '', 0.0
        self.environment = {'TORTURE_VIEW': str(view), 'TORTURE_FAULT': 'none', **environment}
        self.events = self.folder / 'events'
        self.events.touch()

    def hook(self, action, seconds=60, check=True):
        environment = {**os.environ, 'GONIEC': os.environ.get('GONIEC', str(ROOT / 'build/release/goniec')), 'TORTURE_AUDITOR': str(AUDITOR),
                       'TORTURE_FOLDER': str(self.folder), 'TORTURE_PORT': str(self.port), 'TORTURE_SINK': str(self.sink),
                       'TORTURE_UNDER': self.under, **self.environment}
        done = subprocess.run([HERE / 'hooks' / self.name, action], env=environment, capture_output=True, text=True, errors='replace', timeout=patient(seconds))
        if check and done.returncode:
            raise RuntimeError(f'hooks/{self.name} {action}: status {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}')
        return done.stdout

    def note(self, what, at_us=0):
        with open(self.events, 'a') as out:
            out.write(f'{what} {at_us or now_us()}\n')

    def greets(self):
        try:
            with socket.create_connection(('127.0.0.1', self.port), 5) as wire:
                wire.settimeout(5)
                return wire.recv(3) == b'220'
        except OSError:
            return False

    def start(self, seconds=60):
        self.hook('start')
        until(f'the greeting of {self.name}', self.greets, seconds, 0.005)
        self.note('up')

    def kill(self):
        self.note('kill')
        self.hook('kill')
        self.note('dead')

    def stop(self, seconds=60):
        self.hook('stop', seconds)

    def queue(self):
        return self.hook('queue-list', check=False)

    def flush(self):
        """Asked for, not needed: OpenSMTPD has let it wait for a minute and more."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.hook('flush', check=False)

    def is_drained(self):
        """Nor does a notice to audit@sender.test wait. Asked seldom, as each question is a program or two: in between it says no."""
        if time.monotonic() < self.asked + ASK_S:
            return False
        listing = self.hook('queue-list')   # one that fails is no empty queue
        self.asked = time.monotonic()
        return 'audit' not in listing

    def ended(self):
        """Whether the process that start launched is gone."""
        try:
            pid = (self.folder / 'pid').read_text()
            return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] == 'Z'
        except OSError:
            return True

    def aliases(self):
        """Other names of the spool: as the server sees it inside its view, and as a mount point."""
        lines = self.hook('spool-dir').strip().splitlines()[1:]
        return [line for name in lines for line in (name, self.environment['TORTURE_VIEW'] + name)]

    def output(self):
        path = self.folder / 'output'
        return path.read_text(errors='replace') if path.exists() else ''


class Log:
    """Counts the lines of one kind (or of several) in a file that grows, or what weigh() says of each."""

    def __init__(self, path, kind, within=b'', weigh=lambda line: 1):
        self.path, self.kind, self.within, self.weigh, self.at, self.count = Path(path), kind, within, weigh, 0, 0

    def value(self):
        if self.path.exists():
            with open(self.path, 'rb') as log:
                log.seek(self.at)
                text = log.read()
            whole = text[:text.rfind(b'\n') + 1]
            self.at += len(whole)
            self.count += sum(self.weigh(line) for line in whole.splitlines() if line.startswith(self.kind) and self.within in line)
        return self.count


class Trial:
    numbers = itertools.count(1)

    def __init__(self, server, folder, window_ms=2000):
        self.server, self.folder, self.window_ms = server, Path(folder), window_ms
        self.doubtful = ()      # messages in a write or sync that failed
        self.folder.mkdir(parents=True, exist_ok=True)
        self.client_log, self.sink_log = self.folder / 'client', self.folder / 'sink'
        self.acks, self.client, self.sink = Log(self.client_log, b'ack '), None, None

    def begin(self, start=True):
        port_file = self.folder / 'port'
        port_file.unlink(missing_ok=True)
        self.sink = subprocess.Popen([AUDITOR, 'sink', '--log', self.sink_log, '--port-file', port_file, '--port', str(self.server.sink)])
        until('the sink', port_file.exists, 10, 0.005)
        self.server.sink = int(port_file.read_text())
        if start:
            self.server.start()
        return self

    def load(self, **options):
        words = [f'{part}' for name, value in {'tempers': TEMPERS, **options}.items() for part in (f'--{name}', value)]
        self.client = subprocess.Popen([AUDITOR, 'client', '--port', str(self.server.port), '--log', self.client_log, *words])
        return self

    def wait_acks(self, count, seconds=60):
        """So many more acknowledgements than there are now."""
        wanted = self.acks.value() + count
        until(f'{count} acknowledgements of {self.server.name}', lambda: self.acks.value() >= wanted or self.client.poll() is not None, seconds)

    def settle(self, seconds=120, longest=7200):
        """The client ends what it has begun; the server's queue is let empty, TooLate after `longest`."""
        if self.client:
            if self.client.poll() is None:
                self.client.send_signal(signal.SIGTERM)
            self.client.wait(patient(120))
        quiet = patient(QUIET_S.get(self.server.name, 30))
        deadline, size, moved = time.monotonic() + (quiet if self.server.name in QUIET_S else seconds), -1, time.monotonic()

        def empty():
            nonlocal size, moved
            if self.server.is_drained():
                return True
            if self.server.name in FLUSHED:
                self.server.flush()
            grown = self.sink_log.stat().st_size if self.sink_log.exists() else 0
            if grown != size:       # a notice that still waits would count as lost: it is waited for as long as anything moves
                size, moved = grown, time.monotonic()
            return time.monotonic() > max(deadline, moved + quiet)
        until('an empty queue', empty, seconds + longest, 0.25)

    def judge(self, *more):
        queue = self.folder / 'queue'
        queue.write_text(self.server.queue())
        done = subprocess.run([AUDITOR, 'judge', '--client', self.client_log, '--sink', self.sink_log, '--events', self.server.events,
                               '--queue', queue, '--window-ms', str(patient(self.window_ms)),
                               '--doubtful', ','.join(map(str, sorted(self.doubtful))), *more], capture_output=True, text=True)
        return json.loads(done.stdout)

    def close(self):
        for each in (self.client, self.sink):
            if each and each.poll() is None:
                each.kill()
                each.wait()
        self.server.hook('kill', check=False)

    def end(self, seconds=120, live_after=None):
        """The books when the queue is empty; or `live_after` seconds later, and what is listed then counts as queued."""
        try:
            try:
                self.settle(seconds, 7200 if live_after is None else live_after)
            except TooLate as late:
                if live_after is None:
                    raise
                print(f'      judged with what is queued: {late}', flush=True)
            deadline = time.monotonic() + NOTICES_S.get(self.server.name, 0)
            return until('the last notices', lambda: (found := self.judge()) and (not found['lost'] or time.monotonic() > deadline) and found, 60, 0.5)
        finally:
            self.close()


def fresh(path):
    shutil.rmtree(path, ignore_errors=True)
    Path(path).mkdir(parents=True)
    return Path(path)


def verdict(found):
    """The sentence of a judgement, and whether it is clean."""
    bad = {name: found[name] for name in ('lost', 'corrupt', 'ghosts', 'unexplained') if found[name]}
    text = (f'{found["messages"]} messages, {found["recipients"]} recipients, {found["kills"]} kills: '
            f'{found["lost"]} lost, {found["corrupt"]} corrupt, {found["ghosts"]} ghosts, {found["unexplained"]} unexplained; duplicates '
            f'{found["duplicates_of_kills"]} of kills, {found["duplicates_of_client"]} resent, {found["duplicates_of_cuts"]} of cuts')
    if bad:
        text += ' ' + ' '.join(f'{name}: {found[name + "_which"]}' for name in bad) + ' '.join(['', *found['unexplained_facts']])
    return not bad, text


__all__ = ['AUDITOR', 'HERE', 'ROOT', 'TEMPERS', 'Log', 'Server', 'TooLate', 'Trial', 'free_port', 'fresh', 'now_us', 'patient', 'until', 'verdict']
