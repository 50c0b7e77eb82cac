"""The world around a server that judges strangers: a Knot DNS server with the zones of senders, and a client
that comes from any address (by the PROXY protocol) and signs with python3-dkim.

Promises: loopback only, a free port for DNS, no root; knotd ends with stop().
"""
import os
import smtplib
import socket
import subprocess
from pathlib import Path

import dkim
import dns.exception
import dns.message
import dns.query

from wait import until

GOOD, BAD, NAMELESS = '192.0.2.10', '192.0.2.66', '203.0.113.5'


def free_port():
    """Free for UDP and TCP now."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
            stream.bind(('127.0.0.1', 0))
            try:
                datagram.bind(stream.getsockname())
            except OSError:
                continue
            return stream.getsockname()[1]


class Dns:
    """zones: {origin: lines}; each gets its SOA and NS."""
    def __init__(self, folder, zones):
        self.folder, self.port = Path(folder), free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        config = [f'server:\n    rundir: "{self.folder}"\n    listen: 127.0.0.1@{self.port}\n    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1',
                  f'log:\n  - target: stderr\n    any: warning\ndatabase:\n    storage: "{self.folder}"\ntemplate:\n  - id: default\n    storage: "{self.folder}"\n'
                  '    zonefile-load: whole\n    journal-content: none\nzone:']
        if os.geteuid() == 0:
            config[0] += '\n    user: root:root'
        for origin, lines in zones.items():
            text = f'$ORIGIN {origin}.\n$TTL 60\n@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n' + '\n'.join(lines) + '\n'
            (self.folder / f'{origin}.zone').write_text(text)
            config.append(f'  - domain: {origin}.\n    file: {origin}.zone')
        (self.folder / 'knot.conf').write_text('\n'.join(config) + '\n')
        with open(self.folder / 'log', 'ab') as log:
            self.process = subprocess.Popen(['knotd', '-c', str(self.folder / 'knot.conf')], stdout=log, stderr=log)
        until('the DNS server', lambda: self.answers(next(iter(zones))), 20)

    def answers(self, origin):
        try:
            return dns.query.udp(dns.message.make_query(origin + '.', 'SOA'), '127.0.0.1', 1, self.port).answer
        except (dns.exception.DNSException, OSError):
            return None

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def txt(name, text):
    """A TXT record in strings of at most 200 octets."""
    text = text.replace('\\', '\\\\').replace('"', '\\"').replace(';', '\\;')
    return f'{name} TXT ' + ' '.join(f'"{text[at:at + 200]}"' for at in range(0, len(text), 200))


class Key:
    def __init__(self, folder):
        path = Path(folder) / 'dkim.pem'
        subprocess.run(['openssl', 'genrsa', '-traditional', '-out', str(path), '2048'], check=True, capture_output=True)
        self.pem = path.read_bytes()
        der = subprocess.run(['openssl', 'rsa', '-in', str(path), '-pubout', '-outform', 'DER'], check=True, capture_output=True).stdout
        import base64
        self.record = 'v=DKIM1; k=rsa; p=' + base64.b64encode(der).decode()

    def sign(self, message, domain, selector=b's1'):
        return dkim.sign(message, selector, domain.encode(), self.pem, include_headers=[b'from', b'to', b'subject', b'date', b'message-id'],
                         canonicalize=(b'relaxed', b'relaxed')) + message

    def seal(self, message, domain, author):
        """As a list at `domain` would: it saw DMARC pass for the author."""
        seen = f'Authentication-Results: {domain}; arc=none; dmarc=pass header.from={author}\r\n'.encode() + message
        fields = dkim.arc_sign(seen, b's1', domain.encode(), self.pem, domain.encode(), include_headers=[b'from', b'to', b'subject', b'date', b'message-id'])
        return b''.join(fields) + seen


class Stranger(smtplib.SMTP):
    """A session from `source`, as a proxy before the server says it."""
    def __init__(self, port, source, helo='mail.pass.test'):
        self.source = source
        super().__init__('127.0.0.1', port, local_hostname=helo, timeout=40)

    def _get_socket(self, host, port, timeout):
        wire = super()._get_socket(host, port, timeout)
        wire.sendall(f'PROXY TCP4 {self.source} 192.0.2.1 4444 25\r\n'.encode())
        return wire


def letter(author, token, extra='', body='Good day.\r\n'):
    return (f'From: {author}\r\nTo: <user@goniec.test>\r\nSubject: {token}\r\nDate: Mon, 23 Nov 2026 20:00:00 +0000\r\n'
            f'Message-ID: <{token}@trust.test>\r\n{extra}\r\n{body}').encode()
