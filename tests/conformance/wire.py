"""A client connection whose bytes, half close, reset and TLS are all in our hands, and SCRAM over it.

Promises: it reads at any time, so a long write never stalls; a reply is waited for, never guessed.
"""
import asyncio
import base64
import hashlib
import hmac
import os
import re
import socket
import ssl
import struct
import time
import warnings

REPLY_LIMIT = 12    # seconds for a reply that is due


def tls_context(options):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    version = lambda number: getattr(ssl.TLSVersion, {'1.0': 'TLSv1'}.get(number, 'TLSv' + number.replace('.', '_')))
    if 'max' in options:        # to offer what is old, the local policy must step aside
        warnings.simplefilter('ignore', DeprecationWarning)
        context.set_ciphers('ALL:@SECLEVEL=0')
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, version(options['max'])
    if 'min' in options:
        context.minimum_version = version(options['min'])
    if 'alpn' in options:
        context.set_alpn_protocols([options['alpn']])
    return context


def client_hello():
    outgoing = ssl.MemoryBIO()
    try:
        tls_context({}).wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname='mx.example.test').do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


class Wire:
    """A client connection whose bytes, half close, reset and TLS are all in our hands. It reads at any time, so a long write never stalls."""

    def __init__(self, sock):
        self.sock, self.raw, self.buffer = sock, bytearray(), bytearray()
        self.tls, self.ready, self.eof, self.wake = None, False, False, asyncio.Event()
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.pump = asyncio.create_task(self._pump())

    @classmethod
    async def connect(cls, host, port, source):
        sock = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET)
        sock.setblocking(False)
        if host.startswith('127.'):
            sock.bind((source, 0))
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(sock, (host, port)), REPLY_LIMIT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(sock)

    async def _pump(self):
        while not self.eof:
            try:
                data = await asyncio.get_running_loop().sock_recv(self.sock, 1 << 16)
            except OSError:
                data = b''
            self.raw += data
            self.eof = not data
            self.wake.set()

    def _absorb(self):
        """Moves what has come into the buffer of clear text."""
        data = bytes(self.raw)
        self.raw.clear()
        if self.tls is None:
            self.buffer += data
            return
        self.incoming.write(data)
        try:
            while self.ready and (chunk := self.tls.read(1 << 16)):
                self.buffer += chunk
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self.eof = True

    async def _more(self, deadline):
        """Waits for more input; False at the deadline."""
        try:
            await asyncio.wait_for(self.wake.wait(), max(0.001, deadline - time.monotonic()))
            return True
        except TimeoutError:
            return False

    async def _write(self, octets):
        try:
            await asyncio.get_running_loop().sock_sendall(self.sock, octets)
        except OSError:
            pass    # the reader reports the closed connection

    async def send(self, octets):
        if self.tls:
            self.tls.write(octets)
            octets = self.outgoing.read()
        await self._write(octets)

    async def reply(self, limit=REPLY_LIMIT):
        """The next reply as text, 'EOF', 'TLSALERT', or '-' when none came in time."""
        deadline = time.monotonic() + limit
        while True:
            self.wake.clear()
            self._absorb()
            if self.buffer[:2] == b'\x15\x03' and not self.tls:
                self.buffer.clear()
                return 'TLSALERT'
            if match := re.match(rb'(?:\d{3}-[^\n]*\n)*(?!\d{3}-)[^\n]*\n', bytes(self.buffer)):
                del self.buffer[:match.end()]
                return '\n'.join(line.removesuffix('\r') for line in match.group().decode('latin-1').split('\n')[:-1])
            if self.eof:
                return 'EOF'
            if not await self._more(deadline):
                return '-'

    async def start_tls(self, options):
        self.incoming.write(bytes(self.buffer))     # clear text after the 220 would be taken for TLS: let it fail
        self.buffer.clear()
        self.tls = tls_context(options).wrap_bio(self.incoming, self.outgoing, server_hostname=options.get('sni', 'mx.example.test'))
        deadline, verdict = time.monotonic() + REPLY_LIMIT, ''
        while not verdict:
            self.wake.clear()
            self._absorb()
            try:
                self.tls.do_handshake()
                self.ready, verdict = True, 'TLSOK'
            except ssl.SSLWantReadError:
                verdict = 'EOF' if self.eof else ''
            except ssl.SSLError as error:
                verdict = 'TLSALERT' if 'ALERT' in str(error) else 'TLSFAIL'
            await self._write(self.outgoing.read())
            if not verdict and not await self._more(deadline):
                verdict = 'TLSFAIL'
        if verdict != 'TLSOK':
            self.close()
        return verdict

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def close(self, reset=False):
        self.pump.cancel()
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.sock.close()
        self.eof, self.tls = True, None


async def scram(wire, user, password, spoil_nonce):
    """RFC 5802 client for SHA-256 without channel binding: the last reply, and whether the server's signature is right."""
    nonce = base64.b64encode(os.urandom(15)).decode()
    bare = f'n={user.replace("=", "=3D").replace(",", "=2C")},r={nonce}'
    await wire.send(b'AUTH SCRAM-SHA-256 ' + base64.b64encode(f'n,,{bare}'.encode()) + b'\r\n')
    reply = await wire.reply()
    if not reply.startswith('334 '):
        return reply, False
    first = base64.b64decode(reply[4:]).decode()
    server = dict(part.split('=', 1) for part in first.split(','))
    salted = hashlib.pbkdf2_hmac('sha256', password.encode(), base64.b64decode(server['s']), int(server['i']))
    sign = lambda key, text: hmac.digest(key, text.encode(), 'sha256')
    final = f'c=biws,r={server["r"]}' + ('x' if spoil_nonce else '')
    signed = f'{bare},{first},{final}'
    client_key = sign(salted, 'Client Key')
    proof = bytes(a ^ b for a, b in zip(client_key, sign(hashlib.sha256(client_key).digest(), signed)))
    await wire.send(base64.b64encode(f'{final},p={base64.b64encode(proof).decode()}'.encode()) + b'\r\n')
    reply = await wire.reply()
    verifier = 'v=' + base64.b64encode(sign(sign(salted, 'Server Key'), signed)).decode()
    if reply.startswith('334 '):        # the signature comes as a last challenge
        proved = base64.b64decode(reply[4:]).decode() == verifier
        await wire.send(b'\r\n')
        return await wire.reply(), proved
    return reply, reply.startswith('235') and base64.b64encode(verifier.encode()).decode() in reply
