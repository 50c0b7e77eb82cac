#!/usr/bin/env python3
"""Mail that goniec signs, verified by python3-dkim and rspamd, and not when changed; mail that
they sign, verified here; `goniec dkim` with a DNS server that has the record, has not, or has another.

SMTP submission, sendmail and notices are signed; what a stranger hands in under our name is not.
Closes with `N passed, N failed`.
"""
import json
import re
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import dkim
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import jsonschema

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'tests/harness'), str(Path(__file__).parent)]
from goniec_server import GoniecServer   # noqa: E402
from rspamd import Rspamd                        # noqa: E402
from tally import Tests                          # noqa: E402
from wait import until                           # noqa: E402

USER, PASSWORD = 'anna@example.test', 'secret'


class Names:
    """A DNS server over UDP that knows TXT records and nothing else."""
    def __init__(self):
        self.records = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(('127.0.0.1', 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                data, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            question = dns.message.from_wire(data)
            answer = dns.message.make_response(question, recursion_available=True)
            name = str(question.question[0].name).rstrip('.').lower()
            value = self.records.get(name)
            if value is None:
                answer.set_rcode(dns.rcode.NXDOMAIN)
                answer.authority.append(dns.rrset.from_text('test.', 1, 'IN', 'SOA', 'ns.test. a.test. 1 60 60 60 1'))
            elif question.question[0].rdtype == dns.rdatatype.TXT:
                pieces = ' '.join(f'"{value[at:at + 255]}"' for at in range(0, len(value), 255))
                answer.answer.append(dns.rrset.from_text(question.question[0].name, 5, 'IN', 'TXT', pieces))
            self.socket.sendto(answer.to_wire(), peer)

    def txt(self, name, timeout=5):
        return self.records.get(name.decode().rstrip('.').lower(), '').encode()


class World:
    def __init__(self, folder):
        self.folder, self.names, self.rspamd = Path(folder), Names(), None
        self.server = GoniecServer(self.folder, 'mx.example.test')
        self.server.start(['mx', 'submissions', 'pop3s'],
                          {'resolver': {'servers': [f'127.0.0.1:{self.names.port}'], 'dnssec': 'off'},
                           'route': [{'domains': ['*'], 'relay': 'sink'}]})
        self.server.goniec('domain', 'add', 'example.test')
        self.server.add_user(USER, PASSWORD)

    def keys(self, *words):
        found = json.loads(self.server.goniec('dkim', *words, '--json'))
        jsonschema.validate(found, json.loads((ROOT / 'docs/schemas/dkim.json').read_text()))
        return found

    def publish(self, keys):
        for key in keys:
            self.names.records[key['record']['name']] = key['record']['value']

    def submit(self, token, body, sender=USER, to=USER, options=()):
        context = ssl._create_unverified_context()
        with smtplib.SMTP_SSL('127.0.0.1', self.server.port('submissions'), context=context, timeout=30) as client:
            client.login(USER, PASSWORD)
            head = f'From: Anna <{sender}>\r\nTo: {to}\r\nSubject: {token}\r\n  folded,  with  blanks\r\nCc: b@example.test\r\n\r\n'
            client.sendmail(sender, [to], head.encode() + body, rcpt_options=list(options))

    def received(self, token):
        def look():
            for data in self.server.mailbox(USER, PASSWORD).values():
                if token.encode() in data:
                    return data
            return None
        return until(f'{token} in the mailbox', look, 30, 0.2)

    def stop(self):
        self.server.stop()
        if self.rspamd:
            self.rspamd.stop()
        self.names.socket.close()


def signed_fields(message):
    return len(re.findall(rb'(?m)^DKIM-Signature:', message.split(b'\r\n\r\n')[0]))


def verified(world, message):
    """Which of the signatures python3-dkim takes, from the top."""
    checker = dkim.DKIM(message)
    return [checker.verify(idx=at, dnsfunc=world.names.txt) for at in range(signed_fields(message))]


def used_when_seen(world):
    keys = world.keys('create', 'example.test')
    assert [key['state'] for key in keys] == ['pending', 'pending'], keys
    assert 'PRIVATE' not in json.dumps(keys)
    world.submit('before', b'unsigned\r\n')
    assert signed_fields(world.received('before')) == 0
    world.names.records[keys[0]['record']['name']] = 'v=DKIM1; p=AAAA'
    assert {key['state'] for key in world.keys('check')} == {'pending'}
    world.publish(keys)
    until('both keys active', lambda: {key['state'] for key in world.keys('check')} == {'active'}, 30, 0.5)
    text = world.server.goniec('dkim', 'list', 'example.test')
    assert 'active' in text and 'IN TXT "v=DKIM1; k=rsa; p=' in text, text


def taken_by_peer(world):
    bodies = {'plain': b'Hello,  Bob \r\n\r\nbye\r\n\r\n\r\n', 'empty': b'', 'dots': b'.\r\n..\r\n. x\r\n',
              'utf8': 'zażółć gęślą \r\n'.encode(), 'large': b'0123456789 abcdef\t\r\n' * 60000}
    for token, body in bodies.items():
        world.submit(f'peer-{token}', body)
        message = world.received(f'peer-{token}')
        assert signed_fields(message) == 2, message[:2000]
        assert verified(world, message) == [True, True], (token, message[:2000])
        head = message.split(b'\r\n\r\n')[0]
        assert b' l=' not in head.split(b'Received:')[0]
        changed = message.replace(b'Subject: ', b'Subject: Re: ', 1)
        assert verified(world, changed) == [False, False], token
        assert verified(world, message.replace(b'\r\nCc:', b'\r\nReply-To: x@y.test\r\nCc:', 1)) == [False, False], token


def socket_and_trace(world):
    world.server.goniec('send', '--from', USER, '--to', USER, '-', stdin=f'From: {USER}\nTo: {USER}\nSubject: by-the-socket\n\nhello\n')
    message = world.received('by-the-socket')
    assert verified(world, message) == [True, True], message
    identity = re.search(rb'Message-ID: (<[^>]+>)', message)[1].decode()
    stages = world.server.json('trace', identity)['stages']
    signed = [stage for stage in stages if stage['stage'] == 'sign']
    assert signed and '_domainkey.example.test' in signed[0]['reply'], stages


def stranger_is_not_signed(world):
    with smtplib.SMTP('127.0.0.1', world.server.port('mx'), timeout=30) as client:
        client.sendmail('x@elsewhere.test', [USER], b'From: Anna <anna@example.test>\r\nSubject: stranger\r\n\r\nhello\r\n')
    assert signed_fields(world.received('stranger')) == 0


def notice_is_signed(world):
    world.submit('with-a-notice', b'x\r\n', options=['NOTIFY=SUCCESS'])
    message = world.received('multipart/report')
    assert verified(world, message) == [True, True], message[:3000]


def rotation(world):
    before = {key['selector'] for key in world.keys('list')}
    keys = world.keys('rotate', 'example.test')
    assert len(keys) == 2 and not before & {key['selector'] for key in keys}, keys
    world.submit('before-rotation', b'x\r\n')
    assert verified(world, world.received('before-rotation')) == [True, True]
    world.publish(keys)
    until('the new pair active', lambda: [key['state'] for key in world.keys('check')].count('retiring') == 2, 30, 0.5)
    world.submit('after-rotation', b'x\r\n')
    message = world.received('after-rotation')
    assert verified(world, message) == [True, True]
    assert keys[0]['selector'].encode() in message and keys[1]['selector'].encode() in message
    retired = world.keys('retire', 'example.test')
    assert {key['selector'] for key in retired} == before and all(key['record']['value'].endswith('p=') for key in retired), retired
    refused = world.server.run('dkim', 'retire', 'example.test')
    assert refused.returncode == 67, refused


def survives_restart(world):
    assert world.server.stop()
    assert not [path for path in world.server.store.rglob('*') if path.is_file() and path.stat().st_mode & 0o077 and path.name != 'listeners.json']
    world.server.launch()
    world.submit('after-restart', b'x\r\n')
    assert verified(world, world.received('after-restart')) == [True, True]


def peers_mail_verifies_here(world):
    """python3-dkim signs in all canonical forms, rspamd in its own; the verifier is that of the server."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    record = 'v=DKIM1; k=rsa; p=' + ''.join(public.decode().splitlines()[1:-1])
    letter = (b'From: Joe <joe@peer.test>\r\nTo:  Bob <bob@example.test>\r\nSubject: Re:\r\n  folded \t value\r\n'
              b'Date: Thu, 26 Nov 2026 01:00:00 +0000\r\n\r\nHello  \tBob \r\n\r\n. dot\r\n\r\n\r\n')
    folder = world.folder / 'signed'
    folder.mkdir()
    (world.folder / 'peer.key').write_bytes(pem)
    world.rspamd = Rspamd(world.folder / 'rspamd', world.names.port, world.folder / 'peer.key')
    field = world.rspamd.signature(letter, 'joe@peer.test')
    (folder / 'rspamd.txt').write_bytes(f's1._domainkey.peer.test {record}\r\n\r\n'.encode() + field + letter)
    for header in (b'simple', b'relaxed'):
        for body in (b'simple', b'relaxed'):
            field = dkim.sign(letter, b's1', b'peer.test', pem, canonicalize=(header, body))
            name = f'{header.decode()}-{body.decode()}.txt'
            (folder / name).write_bytes(f's1._domainkey.peer.test {record}\r\n\r\n'.encode() + field + letter)
    done = subprocess.run([ROOT / 'tests/vectors/run', 'dkim', folder], capture_output=True, text=True, timeout=300)
    assert '5 passed, 0 failed' in done.stdout, done.stdout + done.stderr
    broken = folder / 'relaxed-relaxed.txt'
    broken.write_bytes(broken.read_bytes().replace(b'Hello', b'Hullo'))
    done = subprocess.run([ROOT / 'tests/vectors/run', 'dkim', broken], capture_output=True, text=True, timeout=300)
    assert '0 passed, 1 failed' in done.stdout, done.stdout + done.stderr


def rspamd_verifies(world):
    for token, body in {'text': b'Hello,  Bob \r\n\r\nbye\r\n\r\n', 'more': b'0123456789 abcdef\t\r\n' * 6000}.items():
        world.submit(f'rspamd-{token}', body)
        message = world.received(f'rspamd-{token}')
        found = world.rspamd.verdicts(message)
        assert list(found) == ['ALLOW'] and len(found['ALLOW']) == 2, (found, message[:2000])
        changed = world.rspamd.verdicts(message.replace(b'Subject: ', b'Subject: Re: ', 1))
        assert list(changed) == ['REJECT'], changed


def main():
    tests = Tests()
    with tempfile.TemporaryDirectory(prefix='signing.') as folder:
        world = World(folder)
        try:
            for name, test in [('a key is used when its record is seen in DNS', used_when_seen),
                               ('what is signed here verifies by python3-dkim, and changed does not', taken_by_peer),
                               ('what comes by the socket of sendmail is signed, the timeline names the keys', socket_and_trace),
                               ("a stranger's mail under our name is not signed", stranger_is_not_signed),
                               ('notices are signed', notice_is_signed),
                               ('keys are rotated and retired', rotation),
                               ('keys survive a restart, readable by nobody else', survives_restart),
                               ('what python3-dkim and rspamd sign verifies here', peers_mail_verifies_here),
                               ('what is signed here verifies by rspamd, and changed does not', rspamd_verifies)]:
                tests.check(name, test, world, tell=lambda: world.server.log.read_text(errors='replace')[-1500:])
        finally:
            world.stop()
    tests.close()


if __name__ == '__main__':
    main()
