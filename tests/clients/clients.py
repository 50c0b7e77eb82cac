#!/usr/bin/env python3
"""Unmodified clients of others' services against the real binary: npm postmark (4 and 5), resend, standardwebhooks, @sendgrid/mail,
mailgun.js, nodemailer, and PHPMailer, each by a base URL of this machine, through main calls and error classes.

Each script of this folder prints a line for each of its cases; a client that reaches for another host is stopped
by guard.js and fails. The packages come by `npm ci` from package-lock.json, which names no host, into build/clients.
Closes with `N passed, N failed`; when the registry cannot be reached it says so, ends with 77 and is not green.
"""
import hashlib
import http.client
import http.server
import json
import os
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import urllib.parse
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / 'tests/harness'))

from goniec_server import GoniecServer  # noqa: E402
from tally import Tests                 # noqa: E402
from wait import TooLate, pause, until  # noqa: E402

BUILD = ROOT / 'build/clients'
PASSWORD = 'secret-of-anna'
SCRIPTS = [  # (name, words)
    ('postmark', ['node', 'postmark.js', 'postmark', 'prefix']),
    ('postmark at the root', ['node', 'postmark.js', 'postmark', 'root']),
    ('postmark, facts', ['node', 'postmark_facts.js', 'postmark']),
    ('postmark 4', ['node', 'postmark.js', 'postmark4', 'root']),
    ('resend', ['node', 'resend.js']),
    ('webhooks', ['node', 'webhooks.js']),
    ('sendgrid', ['node', 'sendgrid.js', 'prefix']),
    ('sendgrid at the root', ['node', 'sendgrid.js', 'root']),
    ('mailgun', ['node', 'mailgun.js', 'prefix']),
    ('mailgun at the root', ['node', 'mailgun.js', 'root']),
    ('nodemailer', ['node', 'nodemailer.js']),
    ('PHPMailer', ['php', '-d', 'extension=ctype', '-d', 'extension=mbstring', 'phpmailer.php']),
]


def install():
    """node_modules as the lock says, made anew when it changes."""
    modules = BUILD / 'node_modules'
    wanted = hashlib.sha256((HERE / 'package-lock.json').read_bytes()).hexdigest()
    stamp = BUILD / 'installed'
    if not (stamp.exists() and stamp.read_text() == wanted and modules.exists()):
        BUILD.mkdir(parents=True, exist_ok=True)
        for name in ('package.json', 'package-lock.json'):
            shutil.copy2(HERE / name, BUILD / name)
        done = subprocess.run(['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', str(BUILD), '--cache', str(BUILD / 'cache')],
                              cwd=BUILD, capture_output=True, text=True, timeout=600)
        if done.returncode:
            print(f'the registry of npm packages cannot be reached, or has not what is wanted:\n{done.stderr[-1500:]}')
            sys.exit(77)
        stamp.write_text(wanted)
    # A script finds its packages beside itself.
    for script in [*HERE.glob('*.js'), *HERE.glob('*.php')]:
        shutil.copy2(script, BUILD / script.name)


class AdminSocket(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__('localhost', timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(str(self.path))


class Mail(http.server.BaseHTTPRequestHandler):
    """What the scripts ask for: /came?word=…, a mail that has all the words, as soon as it is there; /turn, a moment."""
    server_version = 'mail'

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == '/turn':
            pause(0.1)
            return self.answer(200, b'')
        words = [word.encode() for word in urllib.parse.parse_qs(url.query).get('word', [])]
        try:
            self.answer(200, until(f'mail with {words}', lambda: self.server.find(words), 20, 0.1))
        except TooLate as error:
            self.answer(404, str(error).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


class MailServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, goniec):
        super().__init__(('127.0.0.1', 0), Mail)
        self.goniec, self.seen, self.lock = goniec, {}, threading.Lock()

    def find(self, words):
        with self.lock:
            new = self.goniec.mailbox('anna@example.test', PASSWORD, self.seen)
            self.seen.update({name: data for name, data in new.items() if data is not None})
            return next((data for data in self.seen.values() if all(word in self.unfolded(data) for word in words)), None)

    @staticmethod
    def unfolded(data):
        """Header lines joined, encoded words and base64 as they are: the scripts ask for plain words."""
        return data.replace(b'\r\n ', b' ')


class Remote(socketserver.StreamRequestHandler):
    """The server of remote.test: nobody whose name begins with hard is there."""

    def handle(self):
        self.say('220 mx.remote.test')
        for line in self.rfile:
            word = line[:4].upper()
            if word == b'RCPT':
                self.say('550 5.1.1 no such user' if b'<hard' in line.lower() else '250 2.1.5 ok')
            elif word == b'DATA':
                self.say('354 go on')
                while (octets := self.rfile.readline()) and octets != b'.\r\n':
                    pass
                self.say('250 2.0.0 taken')
            elif word == b'QUIT':
                return self.say('221 bye')
            else:
                self.say('250 mx.remote.test')

    def say(self, text):
        self.wfile.write(text.encode() + b'\r\n')


class RemoteServer(socketserver.ThreadingTCPServer):
    daemon_threads = True


class Clients:
    def __init__(self, folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.folder = folder
        self.remote = RemoteServer(('127.0.0.1', 0), Remote)
        threading.Thread(target=self.remote.serve_forever, daemon=True).start()
        self.server = GoniecServer(folder, 'mail.example.test')
        self.server.start(['http', 'submission', 'pop3s'], {'limits': {'messages_per_account_hour': 0}, 'webhooks': {'private_targets': True}, 'resolver': {'servers': ['127.0.0.1:1'], 'dnssec': 'off'},
                           'route': [{'domains': ['remote.test'], 'relay': f'smtp://127.0.0.1:{self.remote.server_address[1]}'}]})
        self.server.goniec('domain', 'add', 'example.test')
        self.server.add_user('anna@example.test', PASSWORD)
        self.server.goniec('alias', 'add', 'shop@example.test', 'anna@example.test')
        self.server.add_user('jan@example.test', 'secret-of-jan')
        for name in ('cc', 'bcc', 'r'):
            self.server.goniec('alias', 'add', f'{name}@example.test', 'jan@example.test')
        self.mail = MailServer(self.server)
        threading.Thread(target=self.mail.serve_forever, daemon=True).start()
        port = self.server.port('http')
        self.environment = {
            **os.environ, 'URL': f'http://127.0.0.1:{port}', 'HOST': f'127.0.0.1:{port}', 'PORT': str(port),
            'RESEND_BASE_URL': f'http://127.0.0.1:{port}', 'SMTP_PORT': str(self.server.port('submission')),
            'MAIL': f'http://127.0.0.1:{self.mail.server_address[1]}', 'GUARD_LOG': str(folder / 'guard.log'),
            'KEY': self.key('all', ['send', 'read', 'manage']), 'SEND_KEY': self.key('send', ['send']), 'READ_KEY': self.key('read', ['read']),
            'SENDGRID_KEY': self.key('sendgrid', ['send'], format='sendgrid')}
        for name in ('http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY'):
            self.environment.pop(name, None)

    def key(self, name, scopes, **more):
        socket_file = AdminSocket(self.server.store / 'goniec.sock')
        socket_file.request('POST', '/api/v1/api-keys', json.dumps({'name': name, 'scopes': scopes, **more}), {'Content-Type': 'application/json'})
        answer = socket_file.getresponse()
        body = json.loads(answer.read())
        if answer.status != 201:
            raise RuntimeError(f'no key {name}: {answer.status} {body}')
        return body['token']

    def run(self, words):
        """(case, '' or what is wrong) of each case of a script."""
        guard = Path(self.environment['GUARD_LOG'])
        guard.unlink(missing_ok=True)
        if words[0] == 'node':
            words = ['node', '--require', str(BUILD / 'guard.js'), *words[1:]]
        done = subprocess.run(words, cwd=BUILD, env=self.environment, capture_output=True, text=True, timeout=300)
        results, last = [], None
        for line in done.stdout.splitlines():
            if line.startswith('ok    '):
                last = [line[6:], '']
                results.append(last)
            elif line.startswith('FAIL  '):
                name, _, why = line[6:].partition(': ')
                last = [name, why]
                results.append(last)
            elif last and last[1]:
                last[1] += '\n' + line
        if guard.exists():
            results.append(['stays on this machine', guard.read_text()])
        if done.returncode and not any(why for _, why in results) or not results:
            results.append(['ends well', f'status {done.returncode}: {done.stdout[-500:]}{done.stderr[-2000:]}'])
        return results


def guard_stops_a_client(clients):
    """The guard itself: a client without the base URL is stopped before any packet."""
    script = BUILD / 'guard_test.js'
    script.write_text("const p = require('postmark'); new p.ServerClient('x').sendEmail({From: 'a@b.c', To: 'a@b.c', TextBody: 'x'})"
                      ".then(() => process.exit(3), () => process.exit(0));")
    Path(clients.environment['GUARD_LOG']).unlink(missing_ok=True)
    done = subprocess.run(['node', '--require', str(BUILD / 'guard.js'), str(script)], cwd=BUILD, env=clients.environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert 'api.postmarkapp.com' in Path(clients.environment['GUARD_LOG']).read_text()


def main():
    install()
    tests, wanted = Tests(), sys.argv[1:]
    clients = Clients(BUILD / 'server')

    def verdict(why):
        assert not why, why
    try:
        tests.check('the guard stops a client without a base URL', guard_stops_a_client, clients)
        for name, words in SCRIPTS:
            if wanted and name not in wanted:
                continue
            for case, why in clients.run(words):
                tests.check(f'{name}: {case}', verdict, why)
    finally:
        clients.mail.shutdown()
        clients.remote.shutdown()
        stopped = clients.server.stop()
    tests.check('the server stops', verdict, '' if stopped else 'it had to be killed')
    tests.close()


if __name__ == '__main__':
    main()
