#!/usr/bin/env python3
"""Real mail goes in by mx and by submission, out to a sink and to a mailbox, and comes back the same.

Reads every message under DIR/corpora of GONIEC_SUITES (also inside .tar.gz), made CRLF, free of NUL and
bare CR, and without the From_ line of an mbox; without that folder a few hard messages of its own.
What came back must end with what was sent, after trace fields alone; on submission Date and Message-ID
may be added and Bcc is gone. A refusal counts as right only for its reason (several From fields, size).
"""
import asyncio
import os
import re
import smtplib
import ssl
import sys
import tarfile
import tempfile
import threading
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[:0] = [str(Path(__file__).resolve().parent.parent / 'harness'), str(Path(__file__).resolve().parent.parent / 'conformance')]
from goniec_server import GoniecServer
from wait import until
from world import World

TRACE = rb'(?:(?:Return-Path|Received|Delivered-To|Authentication-Results|Received-SPF):[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)'
ADDED = rb'(?:(?:Date|Message-ID):[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)'
OWN = [b'Subject: dots\r\n\r\n.\r\n..\r\n...\r\nend\r\n', b'Subject: empty\r\n\r\n', b'Subject: 8-bit\r\n\r\n\xe9\xe8\xff\r\n',
       b'Subject: long\r\n\r\n' + b'x' * 998 + b'\r\n', b'Subject: blanks \r\nX-Fold: a\r\n\t \r\n b\r\n\r\n\r\n \r\n\t\r\n\r\n',
       b'Subject: large\r\n\r\n' + b'0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n' * 20000]


def clean(raw):
    raw = raw.replace(b'\0', b'')
    if raw.startswith(b'From '):
        raw = raw.partition(b'\n')[2]
    text = re.sub(rb'\r*\n', b'\n', raw).replace(b'\r', b'')
    text = text if text.endswith(b'\n') else text + b'\n'
    return text.replace(b'\n', b'\r\n')


def corpus():
    folder = Path(os.environ.get('GONIEC_SUITES') or '/nonexistent', 'corpora')
    messages = list(OWN)
    for path in sorted(folder.rglob('*')) if folder.exists() else []:
        if path.name.endswith(('.tar.gz', '.tgz')):
            with tarfile.open(path) as archive:
                messages += [clean(archive.extractfile(member).read()) for member in archive if member.isfile()]
        elif path.is_file() and path.suffix not in ('.md', '.json', '.tsv'):
            messages.append(clean(path.read_bytes()))
    return [each for each in messages if re.match(rb'[\x21-\x39\x3b-\x7e]+[ \t]*:', each)]


def header_of(data):
    return data.partition(b'\r\n\r\n')[0] + b'\r\n'


def without(data, *names):
    head, gap, body = data.partition(b'\r\n\r\n')
    field = b'|'.join(name.encode() for name in names)
    kept = re.sub(rb'(?mi)^(?:' + field + rb')[ \t]*:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*', b'', head + b'\r\n')
    return kept + (b'\r\n' + body if gap else b'')


def same(got, sent, submitted):
    """All but trace fields; Return-Path is a trace field that the last server replaces (RFC 5321 §4.4)."""
    sent = without(sent, 'Return-Path')
    got = without(got, 'Return-Path')
    if submitted:
        sent = without(sent, 'Bcc')
    if got.endswith(sent) and re.fullmatch(TRACE + b'*', got[:len(got) - len(sent)], re.I):
        return True
    if not submitted:
        return False
    # What was added stands before or behind the fields of the sender.
    rest, own = (re.sub(b'(?i)^' + TRACE + b'*', b'', each) for each in (got, sent))
    head, _, body = own.partition(b'\r\n\r\n')
    got_head, _, got_body = rest.partition(b'\r\n\r\n')
    return body == got_body and bool(re.fullmatch(ADDED + b'*', (got_head + b'\r\n').replace(head + b'\r\n', b'', 1), re.I))


def refused_rightly(code, text, data):
    many = len(re.findall(rb'(?mi)^From[ \t]*:', header_of(data)))
    return code // 100 == 5 and (many != 1 or b'5.6' in text or b'5.3.4' in text or b'5.4.6' in text or len(header_of(data)) > 200000
                                 or re.search(rb'(?mi)^From[ \t]*:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*,', header_of(data)) is not None)


class Run:
    def __init__(self, server, world):
        self.server, self.world, self.passed, self.failed, self.refused = server, world, 0, 0, 0

    def send(self, client, number, data, to):
        """True when it was taken. The number rides in the envelope sender."""
        try:
            client.mail(f'c{number}@remote.test', ['BODY=8BITMIME', f'SIZE={len(data)}'])
            code, text = client.rcpt(to)
            if code == 250:
                code, text = client.data(data)
        except smtplib.SMTPException as error:
            code, text = 0, str(error).encode()
        if code == 250:
            return True
        client.rset()
        self.refused += 1
        if not refused_rightly(code, text, data):
            self.fail(f'message {number} to {to}: {code} {text[:200]}', data)
        return False

    def fail(self, text, data=b''):
        self.failed += 1
        if self.failed <= 8:
            print(f'FAIL {text} {header_of(data)[:150]!r}')

    def compare(self, got, sent, where, submitted):
        for number, data in sent.items():
            if number not in got:
                self.fail(f'message {number} never came to {where}', data)
            elif not same(got[number], data, submitted):
                Path(self.server.folder / f'{where}-{number}.eml').write_bytes(got[number])
                self.fail(f'message {number} came changed to {where}: {got[number][:300]!r}', data)
            else:
                self.passed += 1

    def mailbox(self, submitted):
        found = {}
        for data in self.server.mailbox('user@example.test', 'reader').values():
            match = re.search(rb'(?mi)^Return-Path:[ \t]*<c(\d+)@', data)
            if match:
                found[int(match[1])] = data
        return found

    def send_all(self, open_client, messages, first, to):
        """Five hundred a connection: the server ends a session after a thousand."""
        taken = {}
        for start in range(0, len(messages), 500):
            with open_client() as client:
                part = enumerate(messages[start:start + 500], first + start)
                taken.update({number: data for number, data in part if self.send(client, number, data, to)})
        return taken

    def mx_client(self):
        client = smtplib.SMTP('127.0.0.1', self.server.port('mx'), timeout=60)
        client.ehlo('c.test')
        return client

    def submission_client(self):
        client = smtplib.SMTP('127.0.0.1', self.server.port('submission'), timeout=60)
        client.starttls(context=ssl._create_unverified_context())
        client.login('bob@example.test', 'builder')
        return client

    def through_mx(self, messages):
        taken = self.send_all(self.mx_client, messages, 0, 'user@example.test')
        until('all in the mailbox', lambda: not self.server.queue(), 300, 0.5)
        self.compare(self.mailbox(False), taken, 'mailbox', False)

    def through_submission(self, messages):
        taken = self.send_all(self.submission_client, messages, 100000, 'x@ok.remote.test')
        until('an empty queue', lambda: not self.server.queue(), 300, 0.5)
        got = {int(m.sender[1:].split('@')[0]): m.data for m in list(self.world.inbox) if re.match(r'c\d+@', m.sender)}
        self.compare(got, taken, 'sink', True)


def main():
    loop, world = asyncio.new_event_loop(), World()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    asyncio.run_coroutine_threadsafe(world.start(0), loop).result(10)
    messages = corpus()
    print(f'{len(messages)} messages')
    with tempfile.TemporaryDirectory(prefix='corpora-', dir='/tmp') as folder:
        server = GoniecServer(folder)
        try:
            server.start(['mx', 'submission', 'pop3s'], {
                'resolver': {'servers': [f'127.0.0.1:{world.dns_port}'], 'dnssec': 'off'},
                'delivery': {'mx_port': world.port, 'private_targets': True}, 'limits': {'messages_per_account_hour': 0}})
            server.goniec('domain', 'add', 'example.test')
            server.add_user('user@example.test', 'reader')
            server.add_user('bob@example.test', 'builder', '--send-as', '*')
            run = Run(server, world)
            run.through_mx(messages)
            run.through_submission(messages)
        finally:
            server.stop()
            kept = Path('build/test/corpora')
            kept.mkdir(parents=True, exist_ok=True)
            (kept / 'server.log').write_text(server.log.read_text(errors='replace')[-2000000:] if server.log.exists() else '')
            for path in Path(folder).glob('*.eml'):
                (kept / path.name).write_bytes(path.read_bytes())
    print(f'{run.refused} refused for their content\n\n{run.passed} passed, {run.failed} failed')
    return 1 if run.failed else 0


if __name__ == '__main__':
    sys.exit(main())
