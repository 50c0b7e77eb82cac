"""The world around the server under test: a DNS server and the sinks that take or refuse its mail.

All sinks share one port, each on its own loopback address; what one refuses and offers follows from
its name (the header of the case file says which). Ports are free ones of the system.
"""
import asyncio
import contextlib
import email
import email.policy
import functools
import re
import socket
import struct
from dataclasses import dataclass, field

SINKS = ('ok', 'dsn', 'bounce', 'defer', 'sevenbit')
BLOCKED = '127.99.99.99'
LOOP_NET = '127.100.'


def name_octets(name):
    return b''.join(bytes([len(label)]) + label.encode() for label in name.rstrip('.').split('.') if label) + b'\0'


class Dns(asyncio.DatagramProtocol):
    A, MX, TXT, SOA = 1, 15, 16, 6

    def __init__(self, sinks):
        mx = lambda host: struct.pack('>H', 10) + name_octets(host)
        text = lambda value: bytes([len(value)]) + value.encode()
        listed = '.'.join(reversed(BLOCKED.split('.')))
        self.zone = {
            ('example.test', self.MX): mx('mx.example.test'), ('mx.example.test', self.A): socket.inet_aton('127.0.0.1'),
            ('remote.test', self.MX): mx('mx.ok.remote.test'), ('remote.test', self.TXT): text('v=spf1 ip4:127.0.0.0/8 -all'),
            ('_dmarc.remote.test', self.TXT): text('v=DMARC1; p=none'), ('c.test', self.A): socket.inet_aton('127.0.0.1'),
            (f'{listed}.dnsbl.test', self.A): socket.inet_aton('127.0.0.2')}
        for sink in sinks:
            self.zone[f'{sink.name}.remote.test', self.MX] = mx(f'mx.{sink.name}.remote.test')
            self.zone[f'mx.{sink.name}.remote.test', self.A] = socket.inet_aton(sink.host)

    def answer(self, query):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode('latin-1').lower())
            at += 1 + query[at]
        name, kind = '.'.join(labels), struct.unpack('>H', query[at + 1:at + 3])[0]
        found = self.zone.get((name, kind))
        known = any(f'.{each}'.endswith(f'.{name}') for each, _ in self.zone)
        head = query[:2] + struct.pack('>HHHHH', 0x8580 | (0 if known else 3), 1, bool(found), not found, 0)
        soa = name_octets('ns.test') * 2 + struct.pack('>IIIII', 1, 60, 60, 60, 60)
        kind, value = (kind, found) if found else (self.SOA, soa)
        owner = b'\xc0\x0c' if found else name_octets('test')
        return head + query[12:at + 5] + owner + struct.pack('>HHIH', kind, 1, 60, len(value)) + value

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        with contextlib.suppress(IndexError, struct.error):
            self.transport.sendto(self.answer(data), peer)

    async def stream(self, reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, IndexError, struct.error, asyncio.CancelledError):
            while True:
                size, = struct.unpack('>H', await reader.readexactly(2))
                answer = self.answer(await reader.readexactly(size))
                writer.write(struct.pack('>H', len(answer)) + answer)
        writer.close()


@dataclass
class Message:
    id: str
    box: str            # None: queued, or at a sink
    sender: str
    rcpts: list
    data: bytes
    crlf: bool = True   # False: the line ends are the store's own
    sink: str = ''
    params: dict = field(default_factory=dict)
    fields: list = None

    def __post_init__(self):
        if not self.crlf:
            self.data = re.sub(rb'(?<!\r)\n', b'\r\n', self.data)

    @functools.cached_property
    def head(self):
        return email.message_from_bytes(self.data.partition(b'\r\n\r\n')[0] + b'\r\n\r\n', policy=email.policy.compat32)

    def values(self, name):
        return [re.sub(r'\r?\n(?=[ \t])', '', str(value)) for value in self.head.get_all(name, [])]

    @property
    def body(self):
        return self.data.partition(b'\r\n\r\n')[2].decode('latin-1')

    @property
    def is_dsn(self):
        return self.sender in ('', '<>') and any('multipart/report' in value.lower() for value in self.values('Content-Type'))

    @property
    def bare(self):
        return re.findall(rb'(?<!\r)\n|\r(?!\n)', self.data)

    def to(self, local):
        return self.box == local or any(each.strip('<>').split('@')[0] == local for each in self.rcpts)


class Sink:
    """An SMTP server that records all; what it refuses and offers follows from its name."""

    def __init__(self, name, host, inbox):
        self.name, self.host, self.inbox = name, host, inbox

    async def serve(self, reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, asyncio.CancelledError):
            await self.talk(reader, lambda text: writer.write(text.encode() + b'\r\n'))
        writer.close()

    async def talk(self, reader, say):
        host = f'mx.{self.name}.remote.test'
        offers = ['SIZE 50000000', 'ENHANCEDSTATUSCODES'] + ['8BITMIME'] * (self.name != 'sevenbit') + ['DSN'] * (self.name == 'dsn')
        refusal = {'bounce': '550 5.1.1 no such mailbox', 'defer': '451 4.3.0 try again later'}.get(self.name)
        sender, rcpts, params, line = '', [], {}, ''
        say(f'220 {host} ESMTP')
        while line != 'QUIT':
            line = (await reader.readuntil(b'\r\n'))[:-2].decode('latin-1')
            verb, path = line[:4].upper(), re.match(r'[^<]*<(.*?)>(.*)', line)
            if verb == 'EHLO':
                say(f'250-{host}\r\n' + ''.join(f'250-{each}\r\n' for each in offers) + '250 PIPELINING')
            elif verb == 'MAIL' and path:
                sender, rcpts, params = path[1], [], {'mail': path[2], 'rcpt': ''}
                say('250 2.1.0 sender ok')
            elif verb == 'RCPT' and path:
                if not refusal:
                    rcpts.append(path[1])
                    params['rcpt'] += path[2]
                say(refusal or '250 2.1.5 recipient ok')
            elif verb == 'DATA' and rcpts:
                say('354 go on')
                data = b''
                while (part := await reader.readuntil(b'\r\n')) != b'.\r\n':
                    data += part[1:] if part.startswith(b'.') else part
                self.inbox.append(Message(f'{self.name}-{len(self.inbox)}', None, sender, rcpts, data, sink=self.name, params=params))
                sender, rcpts, params = '', [], {}
                say('250 2.0.0 taken')
            else:
                done = dict.fromkeys(('RSET', 'NOOP'), '250 2.0.0 ok')
                say({'QUIT': '221 2.0.0 bye', 'DATA': '503 5.5.1 no recipients', 'HELO': f'250 {host}', **done}.get(verb, '500 5.5.2 unknown'))


class World:
    """The DNS server and the sinks; all sinks share one port, each on its own loopback address."""

    async def start(self, dns_port):
        self.inbox, self.servers = [], []
        self.sinks = [Sink(name, f'127.0.2.{i}', self.inbox) for i, name in enumerate(SINKS, 1)]
        self.port = 0
        for sink in self.sinks:
            server = await asyncio.start_server(sink.serve, sink.host, self.port, limit=1 << 26)
            self.servers.append(server)
            self.port = server.sockets[0].getsockname()[1]
        dns = Dns(self.sinks)
        server = await asyncio.start_server(dns.stream, '127.0.0.1', dns_port)
        self.dns_port = server.sockets[0].getsockname()[1]
        self.udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: dns, ('127.0.0.1', self.dns_port))
        self.servers.append(server)

    def fixture(self):
        sinks = {f'{sink.name}.remote.test': {'host': sink.host, 'port': self.port, 'mx': f'mx.{sink.name}.remote.test'} for sink in self.sinks}
        return {'dns': {'host': '127.0.0.1', 'port': self.dns_port}, 'sinks': sinks,
                'clients': LOOP_NET + '0.0/16', 'blocked': BLOCKED, 'dnsbl': 'dnsbl.test'}
