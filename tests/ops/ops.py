#!/usr/bin/env python3
"""What an operator types, against the real server: queue changes and filters, backup and restore while serving,
doctor and salvage, reload, the exit codes, each --json document against its schema in docs/schemas.

Closes with `N passed, N failed`.
"""
import json
import os
import re
import shutil
import signal
import smtplib
import sqlite3
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

import jsonschema

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tests/harness'))
import sight                            # noqa: E402
from goniec_server import GoniecServer  # noqa: E402
from tally import Tests                 # noqa: E402
from wait import until                  # noqa: E402

USER, PASSWORD = 'user@example.test', 'secret'
DONE, NO, USAGE, DATA, NO_USER, DOWN, DAMAGED, LATER, CONFIG = 0, 1, 64, 65, 67, 69, 74, 75, 78


def schema(name):
    return json.loads((ROOT / f'docs/schemas/{name}.json').read_text())


class Ops:
    """A server whose mail for *.later.test waits: its relay is a port where nobody listens."""
    def __init__(self, folder):
        self.folder = Path(folder)
        self.next_hop = GoniecServer(self.folder / 'next')
        self.next_hop.folder.mkdir()
        self.next_hop.start(['mx', 'pop3s', 'admin'], {})
        self.next_hop.goniec('domain', 'add', 'verified.test')
        self.next_hop.add_user('real@verified.test', PASSWORD)
        self.server = GoniecServer(self.folder / 'one')
        self.server.folder.mkdir()
        self.config = {'route': [{'domains': ['verified.test'], 'relay': f'smtp://127.0.0.1:{self.next_hop.port("mx")}'}, {'domains': ['later.test', '*.later.test'], 'relay': 'smtp://127.0.0.1:1'}, {'domains': ['*'], 'relay': 'sink'}],
                       'limits': {'messages_per_account_hour': 0}}
        self.server.start(['mx', 'submission', 'submissions', 'pop3s', 'admin'], self.config)
        self.server.goniec('domain', 'add', 'example.test')
        self.server.add_user(USER, PASSWORD)

    def submit(self, to, token, sender=USER):
        """The id in the 250."""
        context = ssl._create_unverified_context()
        with smtplib.SMTP_SSL('127.0.0.1', self.server.port('submissions'), context=context, timeout=30) as client:
            client.login(USER, PASSWORD)
            client.mail(sender)
            for each in to if isinstance(to, list) else [to]:
                assert client.rcpt(each)[0] == 250
            code, text = client.data(f'Subject: {token}\r\nMessage-ID: <{token}@example.test>\r\n\r\n{token}\r\n'.encode())
            assert code == 250, text
            return re.search(rb'queued as ([A-Z0-9]+)', text)[1].decode()

    def waits(self, message):
        until(f'{message} is deferred', lambda: [m for m in self.list('--state', 'deferred') if m['id'] == message], 20, 0.1)
        return message

    def list(self, *filters):
        found = json.loads(self.server.goniec('queue', 'list', *filters, '--json'))
        jsonschema.validate(found, schema('queue-list'))
        return found

    def change(self, *words, status=DONE):
        done = self.server.run('queue', *words, '--json')
        assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
        found = json.loads(done.stdout)
        jsonschema.validate(found, schema('queue-changes'))
        return found

    def document(self, name, *words, status=DONE):
        done = self.server.run(*words, '--json')
        assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
        found = json.loads(done.stdout)
        jsonschema.validate(found, schema(name))
        return found

    # ------------------------------------------------------------ the queue
    def filters(self):
        one = self.waits(self.submit('anna@later.test', 'filters-one'))
        two = self.waits(self.submit(['jan@sub.later.test', 'ewa@later.test'], 'filters-two'))
        ids = lambda *words: sorted(m['id'] for m in self.list(*words))  # noqa: E731
        assert ids() == sorted([one, two])
        assert ids('--to', 'ANNA') == [one] and ids('--to', 'jan@') == [two]
        assert ids('--domain', 'sub.later.test') == [two] and ids('--domain', 'nowhere.test') == []
        assert ids('--from', 'user@') == sorted([one, two]) and ids('--from', 'nobody') == []
        assert ids('--older-than', '1h') == [] and ids('--older-than', '0s') == sorted([one, two])
        assert ids('--state', 'held') == []
        shown = self.list_of('show', one)[0]
        assert shown['size'] == self.document('trace', 'trace', one)['size'] > 100, 'header and body'
        recipient = shown['recipients'][0]
        assert recipient['to'] == 'anna@later.test' and recipient['tries'] >= 1 and recipient['next_at'], shown
        assert 'refused' in recipient['reply'].lower() or 'connect' in recipient['reply'].lower(), shown

    def list_of(self, *words):
        return self.document('queue-list', 'queue', *words)

    def dry_run(self):
        before = self.list()
        for verb in ('hold', 'bounce', 'delete', 'retry'):
            planned = self.change(verb, '--all', '--dry-run')
            assert len(planned) >= 2, planned
        assert [m['state'] for m in self.list()] == [m['state'] for m in before]

    def hold_and_release(self):
        one = next(m['id'] for m in self.list('--to', 'anna'))
        self.change('hold', one)
        assert [m['id'] for m in self.list('--state', 'held')] == [one]
        self.server.kill()
        self.server.launch()
        assert [m['id'] for m in self.list('--state', 'held')] == [one], 'a hold survives kill -9'
        self.change('release', one)
        self.waits(one)

    def retry(self):
        one = next(m for m in self.list('--to', 'anna'))
        before = one['recipients'][0]['tries']
        self.change('retry', one['id'])
        until('another try', lambda: self.list('--to', 'anna')[0]['recipients'][0]['tries'] > before, 20, 0.1)

    def bounce(self):
        one = next(m['id'] for m in self.list('--to', 'anna'))
        self.change('bounce', one, '--reason', 'the address is wrong')
        assert not self.list('--to', 'anna')
        mails = self.server.wait_for_mail(USER, PASSWORD, 1)
        report = next(text for text in mails if b'multipart/report' in text)
        assert b'anna@later.test' in report and b'Action: failed' in report and b'the address is wrong' in report, report[-1500:]

    def delete(self):
        two = next(m['id'] for m in self.list('--to', 'ewa'))
        count = len(self.server.mailbox(USER, PASSWORD))
        self.change('delete', two)
        assert not self.list()
        assert len(self.server.mailbox(USER, PASSWORD)) == count, 'a delete tells nobody'

    def needs_a_choice(self):
        for verb in ('retry', 'hold', 'release', 'bounce', 'delete'):
            done = self.server.run('queue', verb)
            assert done.returncode == USAGE and '--all' in done.stderr, (verb, done.returncode, done.stderr)
        assert self.server.run('queue', 'show', 'NOSUCHIDATALL').returncode == NO_USER

    # ------------------------------------------------------------ what is shown
    def documents(self):
        one = self.waits(self.submit('zofia@later.test', 'documents'))
        self.document('queue-stats', 'queue', 'stats')
        self.document('status', 'status')
        self.document('doctor', 'doctor')
        self.document('domains', 'domain', 'list')
        self.document('users', 'user', 'list')
        self.document('aliases', 'alias', 'list')
        self.document('route', 'route', 'a@later.test')
        self.document('config-show', 'config', 'show', '--effective')
        self.document('config-test', 'config', 'test')
        told = self.document('trace', 'trace', one)
        assert [each['stage'] for each in told['stages']][:4] == ['connect', 'identify', 'envelope', 'content'], told
        assert told == self.document('trace', 'trace', '<documents@example.test>')
        assert [each['class'] for each in told['stages'] if each.get('class')][:1] == ['connection'], told
        said = self.document('explain', 'explain', '550 5.1.1 <a@b.test>: User unknown', '--lang', 'pl')['explanations']
        assert [(each['class'], each['permanent'], each['recipient']) for each in said] == [('bad_mailbox', True, None)], said
        assert self.server.run('explain', 'hello').returncode == 64
        said = self.document('explain', 'explain', one)['explanations']
        assert [(each['class'], each['recipient']) for each in said] == [('connection', 'zofia@later.test')], said
        for line in self.server.goniec('event', 'tail', '--after', '0', '--once', '--json').splitlines():
            jsonschema.validate(json.loads(line), schema('event'))
        self.change('delete', one)

    def errors(self):
        for words, status in ((('trace', 'NOSUCHIDATALL'), NO_USER), (('user', 'remove', 'nobody@example.test'), NO_USER),
                              (('domain', 'add', 'bad domain'), DATA), (('nonsense',), USAGE), (('domain', 'add', 'example.test'), DATA)):
            done = self.server.run(*words)
            assert done.returncode == status and done.stderr.strip(), (words, done.returncode, done.stderr)

    # ------------------------------------------------------------ config
    def reload(self):
        text = self.server.config.read_text()
        with smtplib.SMTP('127.0.0.1', self.server.port('mx'), timeout=20) as client:
            client.ehlo('c.test')
            self.server.config.write_text(text.replace('[limits]', '[limits]\nrecipient = 5'))
            done = self.server.run('reload')
            assert done.returncode == CONFIG and 'recipients' in done.stderr and re.search(r'goniec\.toml:\d+', done.stderr), done.stderr
            assert client.noop()[0] == 250, 'the session lives on'
            self.server.config.write_text(text.replace('[limits]', '[limits]\nmessage_size = "1MiB"'))
            os.kill(self.server.pid(), signal.SIGHUP)

            def taken():
                with smtplib.SMTP('127.0.0.1', self.server.port('mx'), timeout=20) as fresh:
                    fresh.ehlo('c.test')
                    return fresh.esmtp_features.get('size') == str(1 << 20)
            until('the new size', taken, 10, 0.1)
            assert client.noop()[0] == 250, 'the session lives on'
        self.server.config.write_text(text)
        self.server.goniec('reload')

    # ------------------------------------------------------------ relay domains
    def verify(self):
        """recipients = verify: the next hop is asked by RCPT, and nothing is taken that it would refuse."""
        self.server.goniec('domain', 'add', 'verified.test', '--relay', '--recipients', 'verify')
        with smtplib.SMTP('127.0.0.1', self.server.port('mx'), timeout=30) as client:
            client.ehlo('c.test')
            client.mail('s@elsewhere.test')
            for _ in range(2):  # asked, then remembered
                code, text = client.rcpt('nobody@verified.test')
                assert code == 550 and text.startswith(b'5.1.1'), (code, text)
            assert client.rcpt('real@verified.test')[0] == 250
            assert client.data(b'Subject: verified\r\n\r\ntext\r\n')[0] == 250
            mails = self.next_hop.wait_for_mail('real@verified.test', PASSWORD)
            assert b'Subject: verified' in mails[0]
            self.next_hop.stop()
            client.mail('s@elsewhere.test')
            code, text = client.rcpt('other@verified.test')
            assert code == 450, (code, text)
        until('an empty queue', lambda: not self.list(), 20, 0.1)

    # ------------------------------------------------------------ backup
    def backup(self):
        self.submit(USER, 'backed-up')
        waiting = self.waits(self.submit('later@later.test', 'waits-in-backup'))
        until('delivery', lambda: any(b'backed-up' in m for m in self.server.mailbox(USER, PASSWORD).values()), 20, 0.1)
        mails = sorted(self.server.mailbox(USER, PASSWORD).values())
        self.server.goniec('backup', 'create', str(self.folder / 'copy'))
        assert self.server.run('backup', 'create', str(self.folder / 'copy')).returncode != DONE, 'a folder that is not empty'
        other = GoniecServer(self.folder / 'two')
        other.folder.mkdir()
        other.configure(['mx', 'submissions', 'pop3s', 'admin'], self.config)
        other.goniec('backup', 'restore', str(self.folder / 'copy'))
        other.launch()
        try:
            assert sorted(other.mailbox(USER, PASSWORD).values()) == mails
            assert [m['id'] for m in other.queue()] == [waiting]
        finally:
            other.stop()
        assert other.run('backup', 'restore', str(self.folder / 'copy')).returncode != DONE, 'there is a store already'
        damaged = self.folder / 'damaged-copy'
        shutil.copytree(self.folder / 'copy', damaged)
        largest = max((p for p in damaged.rglob('*') if p.is_file()), key=lambda p: p.stat().st_size)
        data = bytearray(largest.read_bytes())
        at = data.find(b'backed-up\r\n')
        assert at > 0
        data[at] ^= 1
        largest.write_bytes(data)
        third = GoniecServer(self.folder / 'three')
        third.folder.mkdir()
        third.configure(['mx'], self.config)
        done = third.run('backup', 'restore', str(damaged))
        assert done.returncode == DAMAGED, (done.returncode, done.stderr)
        self.change('delete', waiting)

    def salvage(self):
        self.submit(USER, 'salvaged')
        waiting = self.waits(self.submit('later@later.test', 'waits-in-salvage'))
        until('delivery', lambda: any(b'salvaged' in m for m in self.server.mailbox(USER, PASSWORD).values()), 20, 0.1)
        mails = sorted(self.server.mailbox(USER, PASSWORD).values())
        assert self.server.run('doctor', '--salvage', str(self.folder / 'busy')).returncode != DONE, 'not while it serves'
        self.server.stop()
        database = self.server.store / 'goniec.db'
        connection = sqlite3.connect(database)
        connection.execute('PRAGMA wal_checkpoint(TRUNCATE)')  # the write-ahead log holds a good copy: not now
        connection.close()
        data = bytearray(database.read_bytes())
        found = [match.start() for match in re.finditer(rb'waits-in-salvage\r\n', data)]
        assert found, 'the body lies in the file as it was sent'
        for at in found:
            data[at] ^= 1
        database.write_bytes(data)
        rescued = GoniecServer(self.folder / 'four')
        rescued.folder.mkdir()
        rescued.configure(['mx', 'submissions', 'pop3s', 'admin'], self.config)
        shutil.rmtree(rescued.store)
        done = self.server.run('doctor', '--salvage', str(rescued.store), seconds=60)
        named = waiting in done.stdout + done.stderr
        rescued.launch()
        try:
            # Named, or whole: a message whose group was hot lies in the journal too, and is taken from there.
            assert named or waiting in [m['id'] for m in rescued.queue()], (waiting, done.returncode, done.stdout, done.stderr)
            assert sorted(rescued.mailbox(USER, PASSWORD).values()) == mails
        finally:
            rescued.stop()


def main():
    tests = Tests()
    with tempfile.TemporaryDirectory(prefix='ops-') as folder:
        ops = Ops(folder)
        try:
            for name in ('filters', 'dry_run', 'hold_and_release', 'retry', 'bounce', 'delete', 'needs_a_choice', 'documents', 'errors', 'reload', 'verify', 'backup', 'salvage'):
                tests.check(name, getattr(ops, name))
        finally:
            ops.next_hop.stop()
            tests.check('ends within 10 s of SIGTERM', lambda: ops.server.stop(12) or 1 / 0)
        sight.check(tests, folder)
    tests.close()


if __name__ == '__main__':
    main()
