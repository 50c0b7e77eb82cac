#!/usr/bin/env python3
"""The dashboard in a real browser over real mail: a goniec of its own, a peer that accepts, defers and refuses,
Chromium by playwright-core (walk.mjs). Every page in English and Polish, light and dark, wide and 320 pixels;
axe; the keyboard; the first mail; actions on the queue; forty hostile mails that may run nothing.

    run.py [--dist] [--pictures DIR]    the pictures of the documentation go to DIR; --dist shows the bundle of
                                        build/web instead of the one in the program
Closes with `N passed, N failed`. A build without the dashboard (no npm) fails as a whole.
"""
import http.server
import json
import os
import smtplib
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
from email.message import EmailMessage
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tests/harness'))
from goniec_server import GoniecServer  # noqa: E402
from hostile import hostile_mails       # noqa: E402
from tally import Tests                 # noqa: E402
from wait import until                  # noqa: E402

ADMIN, PASSWORD = 'admin@example.test', 'a long enough password'
SHOP = 'sklep@example.test'
REPLIES = {'unknown': '550 5.1.1 <{}>: Recipient address rejected: User unknown', 'grey': '451 4.7.1 Greylisted, please come back in 300 seconds',
           'full': '452 4.2.2 Mailbox full', 'spam': '554 5.7.1 Message refused as spam'}
MAILS = [('anna@wp.pl', 'Potwierdzenie zamówienia nr 20417'), ('jan.kowalski@o2.pl', 'Twoja faktura za listopad'), ('ewa@gmail.com', 'Paczka jest w drodze'),
         ('unknown.nowak@o2.pl', 'Zmiana hasła'), ('grey.kasia@onet.pl', 'Witamy w sklepie!'), ('full.tomasz@interia.pl', 'Przypomnienie o koszyku'),
         ('spam.magda@gmail.com', 'Nowości tygodnia: zima'), ('biuro@wp.pl', 'Your receipt'), ('zofia@outlook.com', 'Dziękujemy za opinię'),
         ('marek@wp.pl', 'Potwierdzenie zamówienia nr 20418'), ('grey.piotr@wp.pl', 'Twoja faktura za listopad'), ('ola@gmail.com', 'Zwrot przyjęty')]


class Peer(socketserver.StreamRequestHandler):
    """Every server of the world: accepts, or refuses by the recipient's first word."""
    def handle(self):
        def say(line):
            self.wfile.write(line.encode() + b'\r\n')
        say('220 mx.peer.test ESMTP')
        while line := self.rfile.readline():
            verb, _, rest = line.decode('latin1').strip().partition(' ')
            verb = verb.upper()
            if verb == 'EHLO':
                say('250-mx.peer.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES')
            elif verb == 'RCPT':
                address = rest.partition('<')[2].partition('>')[0]
                say(REPLIES.get(address.partition('.')[0].partition('@')[0], '250 2.1.5 Ok').format(address))
            elif verb == 'DATA':
                say('354 go on')
                while (line := self.rfile.readline()) not in (b'.\r\n', b''):
                    pass
                say('250 2.0.0 Ok: queued as 4F1A2B')
            elif verb == 'QUIT':
                return say('221 2.0.0 Bye')
            else:
                say('250 2.0.0 Ok')


class Hook(http.server.BaseHTTPRequestHandler):
    """An endpoint that takes nothing."""
    def do_POST(self):
        self.rfile.read(int(self.headers.get('Content-Length', 0)))
        self.send_response(503)
        self.end_headers()
        self.wfile.write(b'down for repairs')

    def log_message(self, *words):
        pass


class Mailer:
    def __init__(self, server):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.client = smtplib.SMTP_SSL('127.0.0.1', server.port('submissions'), context=context, timeout=20)
        self.client.login(ADMIN, PASSWORD)

    def send(self, recipient, octets, sender=SHOP):
        """The queue id, by the reply."""
        self.client.ehlo_or_helo_if_needed()
        self.client.mail(sender, ['BODY=8BITMIME'])
        code, text = self.client.rcpt(recipient)
        assert code == 250, text
        code, text = self.client.data(octets)
        assert code == 250, text
        return text.decode().split()[-1]


def letter(recipient, subject, number):
    mail = EmailMessage()
    mail['From'], mail['To'], mail['Subject'] = f'Sklep <{SHOP}>', recipient, subject
    mail['Message-ID'], mail['X-Tag'] = f'<{number}.20417@example.test>', 'invoice' if number % 3 == 0 else 'order'
    mail.set_content(f'Dzień dobry,\n\ndziękujemy za zamówienie nr {20400 + number}.\n')
    mail.add_alternative(f'<style>h1 {{ font-weight: 500; color: #0b5a4a }}</style><h1>Dziękujemy!</h1><p style="font-size:16px">Zamówienie '
                         f'<b>nr {20400 + number}</b> wyślemy jutro.</p><table border="1" cellpadding="6"><tr><td>Kubek</td><td align="right">39,00 zł</td></tr>'
                         '<tr><td>Dostawa</td><td align="right">12,99 zł</td></tr></table><p><a href="https://example.pl/20417">Zobacz zamówienie</a></p>'
                         '<img src="https://tracker.invalid/open.gif" width="1" height="1">', subtype='html')
    if number % 4 == 0:
        mail.add_attachment(b'%PDF-1.4\n', maintype='application', subtype='pdf', filename=f'faktura-{20400 + number}.pdf')
    return mail.as_bytes(policy=mail.policy.clone(linesep='\r\n'))


def start_server(folder, peer_port):
    server = GoniecServer(folder, hostname='mail.example.test')
    server.start([{'kind': 'submissions'}, {'kind': 'submission'}, {'kind': 'mx'}, {'kind': 'http'}],
                 {'admin': ADMIN, 'retry': {'schedule': ['1h']}, 'webhooks': {'private_targets': True}, 'retention': {'bodies': '7d'},
                  'route': [{'domains': ['*'], 'relay': f'smtp://127.0.0.1:{peer_port}', 'tls': 'none'}]})
    server.goniec('domain', 'add', 'example.test')
    server.add_user(ADMIN, PASSWORD, '--send-as', '*@example.test')
    server.goniec('alias', 'add', SHOP, ADMIN)
    return server


class Walk:
    """walk.mjs, asked line by line: {"do": …} -> {"ok": […], "failed": {…}}."""
    def __init__(self, base, pictures):
        self.process = subprocess.Popen(['node', str(ROOT / 'tests/browser/walk.mjs')], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, 'BASE': base, 'LOGIN': ADMIN, 'PASSWORD': PASSWORD, 'PICTURES': str(pictures)})

    def ask(self, what, **more):
        self.process.stdin.write(json.dumps({'do': what, **more}) + '\n')
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError('the browser ended')
        answer = json.loads(line)
        if 'error' in answer:
            raise AssertionError(answer['error'])
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


class Dist:
    """npm run dev before a real server."""
    def __init__(self, target):
        self.process = subprocess.Popen(['node', str(ROOT / 'web/dev/server.mjs')], stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, 'PORT': '0', 'TARGET': target})
        self.base = self.process.stdout.readline().strip().rstrip('/')


def web_checks(tests):
    def run(*words):
        done = subprocess.run(words, cwd=ROOT / 'web', capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, (done.stdout + done.stderr)[-1500:]
    tests.check('the sources fit their types and the contract', run, 'npx', '--no-install', 'tsc', '--noEmit', '-p', '.')
    tests.check('words, search, mail and CSV are read and written as they should be', run, 'node', 'test/run.mjs')

    def no_hosts():
        text = (ROOT / 'web/package-lock.json').read_text()
        assert '"resolved"' not in text and '://' not in text
    tests.check('the lock file names no host', no_hosts)


def first_mail(walk, server):
    snippet = walk.ask('first')['snippet']
    done = subprocess.run(['bash', '-c', snippet], capture_output=True, text=True, timeout=30)
    assert '"id"' in done.stdout, f'{snippet}\n{done.stdout}{done.stderr}'
    walk.ask('turns_green')


def send_real(server):
    mailer = Mailer(server)
    sent = [mailer.send(to, letter(to, subject, number)) for number, (to, subject) in enumerate(MAILS)]
    mailer.client.quit()
    # All but those that the peer put off are settled.
    until('an empty queue but for what is deferred', lambda: len(server.queue()) <= 3, 30)
    return sent


def send_hostile(server):
    mailer = Mailer(server)
    sent = {name: mailer.send('anna@wp.pl', octets) for name, octets in hostile_mails(SHOP, 'anna@wp.pl')}
    mailer.client.quit()
    return sent


PAGES = {'overview': '/?since=24h', 'activity': '/activity', 'queue': '/queue', 'deliverability': '/deliverability?since=24h',
         'bounces': '/deliverability?tab=bounces&since=24h&class=bad_mailbox', 'dns': '/deliverability?tab=dns',
         'opens and clicks': '/deliverability?tab=loads&since=24h', 'reports': '/deliverability?tab=reports', 'rules': '/deliverability?tab=rules',
         'recipients': '/recipients', 'check': '/recipients?check=unknown.nowak@o2.pl', 'keys': '/developers', 'SMTP settings': '/developers?tab=smtp', 'webhooks': '/developers?tab=webhooks',
         'snippets': '/developers?tab=snippets', 'sandbox': '/developers?tab=sandbox', 'templates': '/developers?tab=templates', 'system': '/system',
         'listeners': '/system?tab=listeners', 'certificates': '/system?tab=certificates', 'storage': '/system?tab=storage', 'config': '/system?tab=config'}


def walk_pages(tests, walk, real):
    refused, delivered, waiting = real[3], real[0], real[5]
    pages = {**PAGES, 'message that waits': f'/m/{waiting}', 'message': f'/m/{refused}', 'transcript': f'/m/{refused}?tab=transcript', 'authentication': f'/m/{delivered}?tab=authentication',
             'preview': f'/m/{delivered}?tab=preview', 'source': f'/m/{delivered}?tab=source', 'events': f'/m/{delivered}?tab=events', 'unknown message': '/m/0000000000000'}
    for name, path in pages.items():
        tests.check(f'{name}: English, light', lambda: walk.ask('page', path=path, language='en', theme='light'))
        tests.check(f'{name}: Polish, dark, and 320 pixels wide', lambda: walk.ask('page', path=path, language='pl', theme='dark', narrow=True))


def webhooks(tests, walk, server):
    hook = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Hook)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    endpoint = f'http://127.0.0.1:{hook.server_port}/goniec'
    try:
        tests.check('a webhook: made, tested, its answer shown', lambda: walk.ask('webhook', endpoint=endpoint))
        mailer = Mailer(server)
        mailer.send('anna@wp.pl', letter('anna@wp.pl', 'Po webhooku', 40))
        tests.check('a webhook: attempts, dead letters counted, deleted when asked about', lambda: walk.ask('webhook_attempts', endpoint=endpoint))
    finally:
        hook.shutdown()


def main():
    tests = Tests()
    pictures = Path(sys.argv[-1]).resolve() if '--pictures' in sys.argv else ROOT / 'build/test/pictures'
    pictures.mkdir(parents=True, exist_ok=True)
    kind = ROOT / 'build/web/kind'
    if not kind.exists() or kind.read_text().strip() != 'dashboard':
        print('the dashboard is not in this build: npm could not be reached (build/web/npm.log)\n0 passed, 1 failed')
        sys.exit(1)
    web_checks(tests)
    peer = socketserver.ThreadingTCPServer(('127.0.0.1', 0), Peer)
    peer.daemon_threads = True
    threading.Thread(target=peer.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix='goniec-browser-') as folder:
        server = start_server(folder, peer.server_address[1])
        base = f'http://127.0.0.1:{server.port("http")}'
        shown = Dist(base) if '--dist' in sys.argv else None
        walk = Walk(shown.base if shown else base, pictures)
        try:
            run_walk(tests, walk, server)
        finally:
            walk.close()
            if shown:
                shown.process.terminate()
                shown.process.wait(10)
            server.stop()
            peer.shutdown()
    tests.close()


def run_walk(tests, walk, server):
    tests.check('the door: wrong is told, right lets in, the page asked for is shown', walk.ask, 'login')
    tests.check('nothing sent yet: the snippet that is shown sends the first mail, and the page turns green', first_mail, walk, server)
    real = send_real(server)
    tests.check('the events reach the page while it is open', walk.ask, 'settled')
    walk_pages(tests, walk, real)
    tests.check('the keyboard', walk.ask, 'keyboard')
    tests.check('a search stays in the address and finds; the message says why it bounced', lambda: walk.ask('search', text='to:unknown.nowak@o2.pl', subject='Zmiana hasła'))
    tests.check('terms of a search are taken away one by one; what is misspelt is told', walk.ask, 'terms')
    told = [json.loads(server.goniec('explain', '550 5.1.1 User unknown', '--json', '--lang', language))['explanations'][0] for language in ('en', 'pl')]
    tests.check('why, and what to do: in the words that goniec explain has, in both languages',
                lambda: walk.ask('why', id=real[3], cause=[each['cause'] for each in told], fix=[each['fix'] for each in told]))
    tests.check('providers by hour, as a picture and as a table', walk.ask, 'heat')
    tests.check('what servers said, of a class of refusals', walk.ask, 'replies')
    tests.check('DNS: what is wanted is copied', lambda: walk.ask('dns', domain='example.test'))
    # Before hand and hostile mail change what is seen.
    tests.check('pictures', lambda: walk.ask('pictures', refused=real[3], delivered=real[0]))
    tests.check('the queue: counted before it is done, held, released', walk.ask, 'queue')
    tests.check('the retry ladder; each action says what it does before it does it', lambda: walk.ask('ladder', id=real[5], recipient='full.tomasz@interia.pl'))
    tests.check('the story of an address; off the list when asked about', lambda: walk.ask('story', email='unknown.nowak@o2.pl'))
    webhooks(tests, walk, server)
    tests.check('a change without the token is refused', walk.ask, 'csrf')
    for name, queue_id in send_hostile(server).items():
        tests.check(f'hostile, {name}: runs nothing', lambda: walk.ask('hostile', id=queue_id))
    tests.check('hostile mails in lists run nothing', walk.ask, 'hostile_lists')
    tests.check('logging out', walk.ask, 'logout')


main()
