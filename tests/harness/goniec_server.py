"""A goniec of a test's own: its folder, configuration, certificate and accounts, by public names only.

    server = GoniecServer(folder)
    server.start(listeners=['mx', 'submission', 'pop3s'], config={'retry': {'schedule': ['1s']}})
    server.goniec('domain', 'add', 'example.test')
    server.port('mx')
Promises: nothing but the contract is used (TOML, `goniec …`, listeners.json, POP3), ports are free
ones, the server's log is in folder/server.log, and stop() ends it (SIGTERM, then SIGKILL and a word).
"""
import json
import os
import poplib
import signal
import ssl
import subprocess
from pathlib import Path

from wait import TooLate, until

ROOT = Path(__file__).resolve().parents[2]


def binary():
    return os.environ.get('GONIEC') or str(ROOT / 'build/release/goniec')


def toml_value(value):
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, list):
        return '[' + ', '.join(toml_value(each) for each in value) + ']'
    return str(value) if isinstance(value, int) else json.dumps(value, ensure_ascii=False)


def toml(config):
    """Top-level values first, then tables, then arrays of tables."""
    lines = [f'{key} = {toml_value(value)}' for key, value in config.items()
             if not isinstance(value, dict) and not (isinstance(value, list) and value and isinstance(value[0], dict))]
    for key, value in config.items():
        rows = [(f'[{key}]', value)] if isinstance(value, dict) else \
            [(f'[[{key}]]', each) for each in value] if isinstance(value, list) and value and isinstance(value[0], dict) else []
        for title, table in rows:
            lines += ['', title] + [f'{name} = {toml_value(each)}' for name, each in table.items()]
    return '\n'.join(lines) + '\n'


def make_certificate(folder, name, key_options=('ec', '-pkeyopt', 'ec_paramgen_curve:P-256')):
    cert, key = Path(folder, 'cert.pem'), Path(folder, 'key.pem')
    if not cert.exists():
        subprocess.run(['openssl', 'req', '-x509', '-newkey', *key_options, '-nodes', '-days', '30',
                        '-subj', f'/CN={name}', '-addext', f'subjectAltName=DNS:{name},DNS:localhost,IP:127.0.0.1',
                        '-keyout', str(key), '-out', str(cert)], check=True, capture_output=True)
        key.chmod(0o600)
    return str(cert), str(key)


class GoniecServer:
    def __init__(self, folder, hostname='mx.example.test'):
        self.folder, self.hostname = Path(folder), hostname
        self.store, self.config = self.folder / 'store', self.folder / 'goniec.toml'
        self.log, self.pid_file = self.folder / 'server.log', self.folder / 'pid'

    # ------------------------------------------------------------ life
    def configure(self, listeners, config=None, address='127.0.0.1'):
        """listeners: kinds, or dicts with kind and address."""
        self.store.mkdir(parents=True, exist_ok=True)
        cert, key = make_certificate(self.folder, self.hostname)
        rows = [each if isinstance(each, dict) else {'kind': each} for each in listeners]
        rows = [{'address': f'{address}:0', **each} for each in rows]
        whole = {'hostname': self.hostname, 'user': 'root' if os.geteuid() == 0 else '', 'storage': {'path': str(self.store)},
                 'tls': {'certificate': cert, 'key': key}, 'local': {'aliases': [], 'socket': str(self.folder / 'submit.sock')},
                 **(config or {}), 'listener': rows}
        if not whole['user']:
            del whole['user']
        self.config.write_text(toml(whole))

    def launch(self):
        listeners = self.store / 'listeners.json'
        listeners.unlink(missing_ok=True)
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen([binary(), 'serve', '--config', str(self.config)], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True)
        self.pid_file.write_text(str(self.process.pid))

        def ready():
            if self.process.poll() is not None:
                raise TooLate(f'goniec serve ended with {self.process.returncode}: {self.log.read_text(errors="replace")[-2000:]}')
            return listeners.exists() and self.listeners()
        until('listeners.json', ready, 20)

    def start(self, listeners, config=None, address='127.0.0.1'):
        self.configure(listeners, config, address)
        self.launch()
        return self

    def pid(self):
        return int(self.pid_file.read_text())

    def alive(self):
        """Not a zombie either: the server may be a child of ours that nobody has waited for."""
        try:
            return Path(f'/proc/{self.pid()}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
        except OSError:
            return False

    def stop(self, seconds=15):
        if self.pid_file.exists() and self.alive():
            os.kill(self.pid(), signal.SIGTERM)
            try:
                until('an end after SIGTERM', lambda: not self.alive(), seconds)
            except TooLate:
                os.kill(self.pid(), signal.SIGKILL)
                until('an end after SIGKILL', lambda: not self.alive(), 10)
                return False
        return True

    def kill(self):
        os.kill(self.pid(), signal.SIGKILL)
        until('an end after SIGKILL', lambda: not self.alive(), 10)
        if getattr(self, 'process', None) and self.process.pid == self.pid():
            self.process.wait(20)  # the first thread may be gone while another still holds the lock of the store

    # ------------------------------------------------------------ names
    def listeners(self):
        try:
            rows = json.loads((self.store / 'listeners.json').read_text())
        except ValueError:
            return None
        return {row['kind']: row['address'].rpartition(':')[::2] for row in rows}

    def port(self, kind):
        return int(self.listeners()[kind][1])

    # ------------------------------------------------------------ commands
    def run(self, *words, stdin='', seconds=30):
        return subprocess.run([binary(), *words, '--config', str(self.config)], input=stdin, text=True, capture_output=True, timeout=seconds)

    def goniec(self, *words, stdin=''):
        done = self.run(*words, stdin=stdin)
        if done.returncode:
            raise RuntimeError(f'goniec {" ".join(words)}: status {done.returncode}: {done.stdout}{done.stderr}')
        return done.stdout

    def json(self, *words):
        return json.loads(self.goniec(*words, '--json'))

    def add_user(self, address, password, *options):
        self.goniec('user', 'add', address, '--password-stdin', *options, stdin=password + '\n')

    def queue(self):
        found = self.json('queue', 'list')
        return found if isinstance(found, list) else found.get('messages', [])

    # ------------------------------------------------------------ mailboxes
    def pop(self, address, password):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        box = poplib.POP3_SSL('127.0.0.1', self.port('pop3s'), context=context, timeout=20)
        poplib._MAXLINE = 1 << 24
        box.user(address)
        box.pass_(password)
        return box

    def mailbox(self, address, password, known=()):
        """{uidl: bytes}, or None for what is already known."""
        box = self.pop(address, password)
        try:
            found = {}
            for line in box.uidl()[1]:
                number, name = line.decode().split()
                found[name] = None if name in known else b'\r\n'.join(box.retr(int(number))[1]) + b'\r\n'
            return found
        finally:
            box.quit()

    def wait_for_mail(self, address, password, count=1, seconds=20):
        def enough():
            found = self.mailbox(address, password)
            return list(found.values()) if len(found) >= count else None
        return until(f'{count} messages for {address}', enough, seconds, 0.1)
