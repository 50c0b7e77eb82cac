"""What the transport test stands on: a certificate authority, a signed zone with its trust anchor, a web
server for MTA-STS policies, and SMTP servers that attack TLS, each in one way.

Promises: all of it lives in the test's namespaces (stage.py); certificates are made by openssl, the zone is
signed by Knot, TLS is Python's ssl. A fake server writes down what it was told, and whether in clear.
"""
import hashlib
import http.server
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import stage
from wait import until

EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']


def openssl(*words, data=None):
    return subprocess.run(['openssl', *words], input=data, check=True, capture_output=True).stdout


class Authority:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pem, self.key = str(self.folder / 'ca.pem'), str(self.folder / 'ca.key')
        openssl('req', '-x509', *EC, '-days', '30', '-subj', '/CN=test authority', '-keyout', self.key, '-out', self.pem)

    def issue(self, file, *names, days=30):
        """A certificate for the names, with the authority's behind it: (chain, key)."""
        key, request, leaf, chain = (str(self.folder / f'{file}.{kind}') for kind in ('key', 'csr', 'leaf', 'pem'))
        openssl('req', *EC, '-subj', f'/CN={file}', '-addext', 'subjectAltName=' + ','.join(f'DNS:{name}' for name in names), '-keyout', key, '-out', request)
        openssl('x509', '-req', '-in', request, '-CA', self.pem, '-CAkey', self.key, '-CAcreateserial', '-copy_extensions', 'copy', '-days', str(days), '-out', leaf)
        Path(chain).write_text(Path(leaf).read_text() + Path(self.pem).read_text())
        return chain, key


def first_der(pem):
    return openssl('x509', '-outform', 'der', data=Path(pem).read_bytes())


def tlsa_end_entity(pem):
    key = openssl('x509', '-noout', '-pubkey', data=Path(pem).read_bytes())
    return '3 1 1 ' + hashlib.sha256(openssl('pkey', '-pubin', '-outform', 'der', data=key)).hexdigest()


def tlsa_anchor(pem):
    return '2 0 1 ' + hashlib.sha256(first_der(pem)).hexdigest()


# ---------------------------------------------------------------- names
class Zones:
    """test. is signed, plain. is not; a name in `bogus` is delegated with a DS that fits nothing."""

    def __init__(self, folder):
        self.folder, self.records, self.bogus, self.process, self.serial = Path(folder), [], [], None, 1
        (self.folder / 'db').mkdir(parents=True, exist_ok=True)

    def add(self, line):
        self.records.append(line)

    def write(self):
        self.serial += 1
        for zone in ['test', 'plain', *self.bogus]:
            lines = [f'$ORIGIN {zone}.', '$TTL 60', f'@ SOA ns.test. hostmaster.test. {self.serial} 60 60 60 60', '@ NS ns.test.']
            if zone in ('test', 'plain'):
                lines += [record for record in self.records if record.split()[0].endswith(f'.{zone}.')]
            else:
                lines.append('_25 TLSA 3 1 1 ' + 32 * '00')
            if zone == 'test':
                lines.append(f'ns A {stage.ADDRESSES["dns"]}')
                lines += [f'{each}. NS ns.test.\n{each}. DS 4711 13 2 {64 * "a"}' for each in self.bogus]
            (self.folder / f'{zone}.zone').write_text('\n'.join(lines) + '\n')

    def start(self):
        self.write()
        zones = ''.join(f'  - domain: {zone}.\n    file: {zone}.zone\n' for zone in ['plain', *self.bogus])
        (self.folder / 'knot.conf').write_text(
            f'server:\n    rundir: "{self.folder}"\n    user: root:root\n    listen: {stage.ADDRESSES["dns"]}@53\n    udp-workers: 1\n'
            f'    tcp-workers: 1\n    background-workers: 1\nlog:\n  - target: stderr\n    any: warning\ndatabase:\n    storage: "{self.folder}/db"\n'
            f'policy:\n  - id: p\n    algorithm: ecdsap256sha256\ntemplate:\n  - id: default\n    storage: "{self.folder}"\n    zonefile-load: difference-no-serial\n'
            f'    journal-content: all\nzone:\n  - domain: test.\n    file: test.zone\n    dnssec-signing: on\n    dnssec-policy: p\n{zones}')
        with open(self.folder / 'log', 'ab') as log:
            self.process = subprocess.Popen(['knotd', '-c', str(self.folder / 'knot.conf')], stdout=log, stderr=log)
        until('the DNS server', lambda: stage.listening(stage.ADDRESSES['dns'], 53), 20)
        (stage.STAGE / 'resolv.conf').write_text(f'nameserver {stage.ADDRESSES["dns"]}\n')
        stage.run('mount', '--bind', stage.STAGE / 'resolv.conf', '/etc/resolv.conf')

    def reload(self):
        """After records changed."""
        self.write()
        stage.run('knotc', '-c', self.folder / 'knot.conf', 'zone-reload')

    def anchor(self):
        text = until('the keys of the zone', lambda: stage.run('keymgr', '-c', self.folder / 'knot.conf', 'test.', 'ds'), 10)
        path = self.folder / 'anchor'
        path.write_text(''.join(f'test. IN {line[line.index("DS"):]}\n' for line in text.splitlines() if line))
        return str(path)


# ---------------------------------------------------------------- the web
class PolicyServer:
    """https on one address: a host has its certificate and its reply (status, headers, body). It keeps what was posted."""

    def __init__(self, address):
        self.hosts, self.asked, self.posted = {}, [], []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                host = self.connection.asked_for or ''
                owner.asked.append((host, self.path))
                status, headers, body = owner.hosts[host][1]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                content = self.rfile.read(int(self.headers['Content-Length']))
                owner.posted.append((self.connection.asked_for, self.path, dict(self.headers), content))
                self.do_GET()

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer((address, 443), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = self.choose
        self.context = context
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def choose(self, connection, name, context):
        connection.asked_for = name
        if name in self.hosts:
            connection.context = self.hosts[name][0]
        return None

    def add(self, host, certificate, status=200, body='', headers=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        if not self.hosts:
            self.context.load_cert_chain(*certificate)
        self.hosts[host] = (context, (status, headers or {'Content-Type': 'text/plain'}, body.encode()))

    def times(self, host):
        return sum(1 for each, _ in self.asked if each == host)


# ---------------------------------------------------------------- attacks
class Attacker:
    """An SMTP server that takes all mail and breaks TLS in one way. `heard`: (command, in TLS) in order."""

    def __init__(self, address, mode, certificate):
        self.mode, self.heard, self.sessions = mode, [], 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        self.listener = socket.create_server((address, 25))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        self.sessions += 1
        connection.settimeout(20)
        try:
            self.talk(connection)
        except (OSError, ssl.SSLError, ValueError):
            pass
        finally:
            connection.close()

    def talk(self, connection):
        secured, stream = False, connection.makefile('rwb', buffering=0)
        stream.write(b'220 attacker ESMTP\r\n')
        while line := stream.readline():
            words = line.decode('latin-1').strip()
            verb = words.split(' ')[0].upper()
            self.heard.append((words, secured))
            if verb == 'EHLO':
                offers = ['attacker', '8BITMIME']
                if not secured and self.mode != 'strip':
                    offers.append('STARTTLS')
                if secured and self.mode == 'requiretls':
                    offers.append('REQUIRETLS')
                stream.write(''.join(f'250{"-" if each is not offers[-1] else " "}{each}\r\n' for each in offers).encode())
            elif verb == 'STARTTLS' and self.mode == '454':
                stream.write(b'454 4.7.0 TLS not available\r\n')
            elif verb == 'STARTTLS' and self.mode == 'garbage':
                stream.write(b'\x16\xff\x00 no reply at all \xfe\r\n')
            elif verb == 'STARTTLS' and self.mode == 'broken':
                stream.write(b'220 go\r\n')
                connection.recv(1024)
                connection.sendall(b'\x15\x03\x01\x00\x02\x02\x28 not tls')
                return
            elif verb == 'STARTTLS':
                stream.write(b'220 go\r\n' + (b'250-injected\r\n250 PIPELINING\r\n' if self.mode == 'inject' else b''))
                connection = self.context.wrap_socket(connection, server_side=True)
                secured, stream = True, connection.makefile('rwb', buffering=0)
            elif verb == 'DATA':
                stream.write(b'354 go\r\n')
                while (text := stream.readline()) and text != b'.\r\n':
                    pass
                self.heard.append(('CONTENT', secured))
                stream.write(b'250 2.0.0 taken\r\n')
            elif verb == 'QUIT':
                stream.write(b'221 bye\r\n')
                return
            else:
                stream.write(b'250 2.0.0 ok\r\n')

    def in_clear(self):
        """What of a message was said in clear."""
        return [words for words, secured in self.heard if not secured and words.split(' ')[0].split(':')[0].upper() in ('MAIL', 'RCPT', 'DATA', 'CONTENT')]

    def contents(self, secured):
        return sum(1 for words, tls in self.heard if words == 'CONTENT' and tls == secured)
