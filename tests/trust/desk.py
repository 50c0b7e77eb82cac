#!/usr/bin/env python3
"""What an operator of a domain relies on, against the real server: DNS advice over a real Knot that loads the
printed records as they are, certificates that change, the web paths of ACME and MTA-STS, an ACME client (uacme)
against an ACME server (Pebble), reports by mail read into lists.

Closes with `N passed, N failed`.
"""
import hashlib
import http.client
import json
import os
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import jsonschema

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tests/harness'))
from goniec_server import GoniecServer  # noqa: E402
from tally import Tests                 # noqa: E402
from wait import until                  # noqa: E402

DOMAIN, HOST, ADDRESS = 'example.test', 'mx.example.test', '203.0.113.7'
REPORTS = f'reports@{DOMAIN}'


def schema(name):
    return json.loads((ROOT / f'docs/schemas/{name}.json').read_text())


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(('127.0.0.1', 0))
        return one.getsockname()[1]


class Knot:
    """example.test and the reverse zone; `records` is a file that the zone includes as it is."""
    def __init__(self, folder):
        self.folder, self.port, self.process = Path(folder), free_port(socket.SOCK_DGRAM), None
        self.folder.mkdir()
        self.records, self.reverse = self.folder / 'records', self.folder / 'reverse.zone'
        self.records.write_text('')
        self.write_reverse('')
        self.extra = ''

    def write_reverse(self, lines):
        self.reverse.write_text(f'$TTL 60\n@ SOA ns.{DOMAIN}. h.{DOMAIN}. 1 60 60 60 60\n@ NS ns.{DOMAIN}.\n{lines}')

    def start(self):
        self.stop()
        (self.folder / 'example.zone').write_text(
            f'$ORIGIN {DOMAIN}.\n$TTL 60\n@ SOA ns h 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n{self.extra}$INCLUDE {self.records}\n')
        here = self.folder
        (here / 'knot.conf').write_text(
            f'server:\n    rundir: "{here}"\n    listen: 127.0.0.1@{self.port}\n    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\n'
            f'log:\n  - target: stderr\n    any: warning\ndatabase:\n    storage: "{here}"\ntemplate:\n  - id: default\n    storage: "{here}"\n'
            f'    zonefile-load: whole\n    journal-content: none\nzone:\n  - domain: {DOMAIN}.\n    file: example.zone\n'
            '  - domain: 113.0.203.in-addr.arpa.\n    file: reverse.zone\n  - domain: test.\n    file: test.zone\n')
        (here / 'test.zone').write_text(f'$TTL 60\n@ SOA ns.{DOMAIN}. h.{DOMAIN}. 1 60 60 60 60\n@ NS ns.{DOMAIN}.\n')
        with open(here / 'log', 'ab') as log:
            self.process = subprocess.Popen(['knotd', '-c', str(here / 'knot.conf')], stdout=log, stderr=log, stdin=subprocess.DEVNULL)

        def listens():
            try:
                socket.create_connection(('127.0.0.1', self.port), 1).close()
                return True
            except OSError:
                return False
        until('Knot', listens, 20)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(20)
            self.process = None


def certificate(folder, stem, name, days=90):
    cert, key = Path(folder, f'{stem}.pem'), Path(folder, f'{stem}.key')
    fresh_cert, fresh_key = f'{cert}.new', f'{key}.new'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', str(days), '-subj', f'/CN={name}',
                    '-addext', f'subjectAltName=DNS:{name}', '-keyout', fresh_key, '-out', fresh_cert], check=True, capture_output=True)
    os.rename(fresh_key, key)
    os.rename(fresh_cert, cert)
    return str(cert), str(key)


class Desk:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.knot = Knot(self.folder / 'dns')
        self.knot.start()
        self.cert, self.key = certificate(self.folder, 'first', HOST)
        self.other, self.other_key = certificate(self.folder, 'second', f'mta-sts.{DOMAIN}', days=5)
        self.server = GoniecServer(self.folder / 'one', HOST)
        self.server.folder.mkdir()
        self.challenges = self.folder / 'challenges'
        self.challenges.mkdir()
        self.config = {'tls': {'certificate': self.cert, 'key': self.key}, 'certificate': [{'certificate': self.other, 'key': self.other_key}],
                       'resolver': {'servers': [f'127.0.0.1:{self.knot.port}'], 'dnssec': 'off'}, 'web': {'challenges': str(self.challenges)},
                       'mta_sts': {'mode': 'enforce'}, 'reports': {'address': REPORTS, 'send': True}}
        # The first mx is for strangers: their address comes by the PROXY protocol, since nobody judges 127.0.0.1.
        self.server.start([{'kind': 'mx', 'proxy_from': ['127.0.0.1/32']}, 'mx', 'submissions', 'pop3s', 'http', 'https', 'admin'], self.config)
        self.server.goniec('domain', 'add', DOMAIN)
        self.server.add_user(REPORTS, 'secret')

    def stop(self):
        self.knot.stop()
        return self.server.stop(12)

    def log(self):
        return self.server.log.read_text(errors='replace')

    # ------------------------------------------------------------ DNS
    def dns(self, *words):
        return self.server.run('dns', DOMAIN, '--address', ADDRESS, *words, seconds=90)

    def checked(self, status):
        done = self.dns('--check', '--json')
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        found = json.loads(done.stdout)
        jsonschema.validate(found, schema('dns'))
        return {(row['topic'], row['name']): row for row in found['records']}

    def advice_of_an_empty_zone(self):
        self.server.run('dkim', 'create', DOMAIN)     # where the server has keys
        rows = self.checked(1)
        states = {topic: row['state'] for (topic, name), row in rows.items()}
        for topic in ('MX', 'address', 'SPF', 'DMARC'):
            assert states[topic] == 'missing', (topic, states)
        assert all(row['why'] for row in rows.values()) and all(row['fix'] for row in rows.values())

    def advice_is_loaded_as_it_is(self):
        printed = self.dns('--format', 'zone')
        assert printed.returncode == 0, printed.stderr
        self.knot.records.write_text(printed.stdout)
        reverse = [row for row in json.loads(self.dns('--json').stdout)['records'] if row['type'] == 'PTR']
        self.knot.write_reverse(''.join(f'{row["name"]}. PTR {row["value"]}\n' for row in reverse))
        self.knot.start()
        self.server.goniec('reload')
        rows = self.checked(0)
        bad = {key: row for key, row in rows.items() if row['state'] != 'ok' and row['topic'] not in ('autoconfig', 'DKIM')}
        assert not bad, bad

    def advice_sees_a_wrong_record(self):
        good = self.knot.records.read_text()
        try:
            self.knot.records.write_text(good.replace('v=spf1 a:', 'v=spf1 ip4:192.0.2.1 -a:').replace(f'IN MX 10 {HOST}.', 'IN MX 10 mx.elsewhere.test.'))
            self.knot.start()
            rows = self.checked(1)
            assert rows['MX', DOMAIN]['state'] == 'wrong' and 'elsewhere' in rows['MX', DOMAIN]['found']
            assert rows['SPF', DOMAIN]['state'] == 'wrong' and f'a:{HOST}' in rows['SPF', DOMAIN]['value']
            table = self.dns('--check')
            assert table.returncode == 1 and 'why:' in table.stdout and 'fix:' in table.stdout
        finally:
            self.knot.records.write_text(good)
            self.knot.start()

    def advice_without_dns_cannot_tell(self):
        self.knot.stop()
        try:
            rows = self.checked(0)
            assert {row['state'] for row in rows.values()} == {'cannot tell'}, rows
        finally:
            self.knot.start()

    # ------------------------------------------------------------ certificates
    def shown(self, kind='submissions', name=HOST):
        context = ssl._create_unverified_context()
        with socket.create_connection(('127.0.0.1', self.server.port(kind)), 10) as plain:
            with context.wrap_socket(plain, server_hostname=name) as wire:
                return hashlib.sha256(wire.getpeercert(True)).hexdigest()

    def digest(self, path):
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(Path(path).read_text())).hexdigest()

    def certificate_by_name(self):
        assert self.shown() == self.digest(self.cert)
        assert self.shown(name=f'mta-sts.{DOMAIN}') == self.digest(self.other)
        assert self.shown(name='unknown.test') == self.digest(self.cert)

    def certificate_changes(self):
        before = self.digest(self.cert)
        certificate(self.folder, 'first', HOST)
        assert before != self.digest(self.cert)
        for kind in ('submissions', 'pop3s', 'https'):
            until(f'the new certificate on {kind}', lambda: self.shown(kind) == self.digest(self.cert), 40, 0.2)

    def certificate_that_is_broken(self):
        good, key = Path(self.cert).read_text(), Path(self.key).read_text()
        try:
            Path(self.key).write_text(Path(self.other_key).read_text())
            until('a word about it', lambda: 'cannot be used, the ones in use stay' in self.log(), 40, 0.2)
            assert self.shown() == hashlib.sha256(ssl.PEM_cert_to_DER_cert(good)).hexdigest()
            assert self.server.run('reload').returncode != 0 and self.server.run('doctor').returncode == 1
        finally:
            Path(self.key).write_text(key)
        self.server.goniec('reload')

    def certificate_that_ends(self):
        status = self.server.json('status')
        jsonschema.validate(status, schema('status'))
        days = {row['names'][0]: row['days'] for row in status['certificates']}
        assert days[HOST] > 80 and days[f'mta-sts.{DOMAIN}'] < 6, days
        assert 'expires in 4 days' in self.log() or 'expires in 5 days' in self.log()
        metrics = urllib.request.urlopen(f'http://127.0.0.1:{self.server.port("admin")}/metrics', timeout=10).read().decode()
        assert f'goniec_tls_certificate_expiry_seconds{{certificate="{HOST}"}}' in metrics
        done = self.server.run('doctor')
        assert done.returncode == 1 and 'renew it now' in done.stdout, done.stdout

    # ------------------------------------------------------------ web
    def get(self, kind, path, host='mx.example.test'):
        port = self.server.port(kind)
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=10) if kind == 'http' else \
            http.client.HTTPSConnection('127.0.0.1', port, timeout=10, context=ssl._create_unverified_context())
        connection.request('GET', path, headers={'Host': host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.getheader('Content-Type')

    def challenge(self):
        (self.challenges / 'token-1_A').write_text('token-1_A.key')
        assert self.get('http', '/.well-known/acme-challenge/token-1_A')[:2] == (200, 'token-1_A.key')
        for path in ('', 'none', '../one/goniec.toml', '%2e%2e/one', 'a/b', 'x' * 200, '.'):
            assert self.get('http', f'/.well-known/acme-challenge/{path}')[0] == 404, path
        # The dashboard is for browsers that take gzip, the API for who has a key, the rest for nobody.
        for path, status in (('/', 406), ('/api/v1/status', 401), ('/metrics', 404), ('/health', 404), ('/.well-known/other', 404)):
            assert self.get('http', path)[0] == status, (path, self.get('http', path)[0])

    def policy(self):
        path = '/.well-known/mta-sts.txt'
        status, text, kind = self.get('https', path, f'mta-sts.{DOMAIN}')
        assert status == 200 and kind == 'text/plain' and text.split() == ['version:', 'STSv1', 'mode:', 'enforce', 'mx:', HOST, 'max_age:', '604800'], (status, text, kind)
        assert self.get('https', path, 'mta-sts.other.test')[0] == 404 and self.get('https', path, HOST)[0] == 404

    def acme(self):
        """uacme gets a certificate from Pebble by http-01 through our http listener, and the server takes it into use."""
        here = self.folder / 'acme'
        here.mkdir()
        certificate(here, 'pebble', 'localhost')
        port, management = free_port(), free_port()
        (here / 'pebble.json').write_text(json.dumps({'pebble': {
            'listenAddress': f'127.0.0.1:{port}', 'managementListenAddress': f'127.0.0.1:{management}', 'certificate': str(here / 'pebble.pem'),
            'privateKey': str(here / 'pebble.key'), 'httpPort': self.server.port('http'), 'tlsPort': self.server.port('https'), 'ocspResponderURL': ''}}))
        self.knot.extra += 'new A 127.0.0.1\n'
        self.knot.start()
        with open(here / 'log', 'wb') as log:
            pebble = subprocess.Popen(['pebble', '-config', str(here / 'pebble.json'), '-dnsserver', f'127.0.0.1:{self.knot.port}'],
                                      stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, 'PEBBLE_VA_NOSLEEP': '1', 'PEBBLE_WFE_NONCEREJECT': '0'})
        try:
            directory = f'https://localhost:{port}/dir'

            def answers():
                try:
                    return urllib.request.urlopen(directory, timeout=2, context=ssl._create_unverified_context()).status == 200
                except (urllib.error.URLError, OSError):
                    return False
            until('Pebble', answers, 30)
            # The client trusts the system's roots: in a mount namespace of its own these are Pebble's.
            alone = ['unshare', '-m' if os.geteuid() == 0 else '-rm', 'sh', '-c', f'mount --bind {here}/pebble.pem /etc/ssl/certs/ca-certificates.crt && exec "$@"', 'sh']
            hook, environment = str(ROOT / 'packaging/uacme-hook'), {**os.environ, 'GONIEC_CHALLENGES': str(self.challenges)}
            for words in (['new'], ['-h', hook, 'issue', f'new.{DOMAIN}']):
                done = subprocess.run([*alone, 'uacme', '-v', '-y', '-a', directory, '-c', str(here / 'uacme'), *words], capture_output=True, text=True, timeout=90, env=environment)
                assert done.returncode == 0, (words, done.stdout, done.stderr, (here / 'log').read_text(errors='replace')[-2000:])
            assert not [each for each in self.challenges.iterdir() if each.name != 'token-1_A'], 'tokens are taken away'
            Path(self.key).write_bytes((here / f'uacme/private/new.{DOMAIN}/key.pem').read_bytes())
            Path(self.cert).write_bytes((here / f'uacme/new.{DOMAIN}/cert.pem').read_bytes())
            until('the issued certificate', lambda: self.shown() == self.digest(self.cert), 40, 0.2)
        finally:
            pebble.terminate()
            pebble.wait(20)

    # ------------------------------------------------------------ reports
    def send(self, mail):
        with smtplib.SMTP('127.0.0.1', self.server.port('mx'), timeout=30) as client:
            client.sendmail('dmarc@reporter.example', [REPORTS], mail)

    def sample(self, name):
        return (ROOT / 'tests/data/reports' / name).read_bytes().replace(b'\n', b'\r\n')

    def listed(self, *words, name=None):
        found = self.server.json(*words)
        jsonschema.validate(found, schema(name or '-'.join(words[:2])))
        return found

    def reports_are_read(self):
        self.send(self.sample('dmarc/zip.eml'))
        self.send(self.sample('tls/mail.eml'))
        report = until('a DMARC report', lambda: self.listed('dmarc', 'report'), 30, 0.2)
        assert len(report) == 1 and report[0]['domain'] == 'example.org' and report[0]['messages'] == 19 and report[0]['passed'] == 17, report
        sources = self.listed('dmarc', 'sources')
        assert [(row['source'], row['messages'], row['dispositions']) for row in sources] == \
            [('192.0.2.25', 17, {'none': 17}), ('2001:db8::25', 2, {'quarantine': 2})], sources
        tls = until('a TLS report', lambda: self.listed('tlsrpt', 'list'), 30, 0.2)
        assert tls[0]['failures'] == {'tlsa-invalid': 1} and tls[1]['successful'] == 1, tls
        assert self.listed('dmarc', 'report', '--domain', 'other.test') == []
        assert '192.0.2.25' in self.server.goniec('dmarc', 'sources') and 'Reporter of Example' in self.server.goniec('dmarc', 'report')

    def reports_twice_are_one(self):
        self.send(self.sample('dmarc/gzip.eml'))
        self.send(b'Subject: no report\r\nFrom: a@b.example\r\n\r\nhello\r\n')
        self.send(self.sample('dmarc/gzip.eml').replace(b'H4sI', b'H4sX'))
        until('a word about the broken one', lambda: 'gzip:' in self.log() and 'no report in it' in self.log(), 30, 0.2)
        assert len(self.listed('dmarc', 'report')) == 1

    def reports_stay(self):
        self.server.stop()
        self.server.launch()
        assert len(self.listed('dmarc', 'report')) == 1 and len(self.listed('tlsrpt', 'list')) == 2
        assert len(self.server.mailbox(REPORTS, 'secret')) == 5, 'the mail itself stays'


    def reports_are_sent(self):
        """A forged message is refused as its domain asks, and the domain is told: full circle, its reports come here too."""
        class Stranger(smtplib.SMTP):
            def _get_socket(self, host, port, timeout):
                wire = super()._get_socket(host, port, timeout)
                wire.sendall(b'PROXY TCP4 198.51.100.99 203.0.113.7 40000 25\r\n')
                return wire
        self.knot.extra += f'_dmarc.them TXT "v=DMARC1; p=reject; rua=mailto:{REPORTS}"\nthem.{DOMAIN}._report._dmarc TXT "v=DMARC1"\n'
        self.knot.start()
        self.server.goniec('reload')
        doors = json.loads((self.server.store / 'listeners.json').read_text())
        port = int(next(row['address'] for row in doors if row['kind'] == 'mx').rpartition(':')[2])
        for _ in range(2):
            try:
                with Stranger('127.0.0.1', port, timeout=30) as client:
                    client.sendmail(f'x@them.{DOMAIN}', [REPORTS], f'From: boss@them.{DOMAIN}\r\nSubject: forged\r\n\r\nx\r\n'.encode())
                raise AssertionError('a forged message was taken')
            except smtplib.SMTPDataError as refused:
                assert refused.smtp_code == 550, refused
        assert self.server.json('dmarc', 'send') == {'sent': 1}
        report = until('our own report', lambda: self.listed('dmarc', 'report', '--domain', f'them.{DOMAIN}'), 30, 0.2)
        assert report[0]['messages'] == 2 and report[0]['passed'] == 0 and report[0]['reporter'] == HOST and report[0]['policy'] == 'reject', report
        sources = self.listed('dmarc', 'sources', '--domain', f'them.{DOMAIN}')
        assert [(row['source'], row['dispositions']) for row in sources] == [('198.51.100.99', {'reject': 2})], sources
        assert self.server.json('dmarc', 'send') == {'sent': 0}


TESTS = ('advice_of_an_empty_zone', 'advice_is_loaded_as_it_is', 'advice_sees_a_wrong_record', 'advice_without_dns_cannot_tell', 'certificate_by_name',
         'certificate_changes', 'certificate_that_is_broken', 'certificate_that_ends', 'challenge', 'policy', 'reports_are_read', 'reports_twice_are_one', 'reports_stay', 'reports_are_sent',
         'acme')


def main():
    tests = Tests()
    names = sys.argv[1:] or TESTS
    with tempfile.TemporaryDirectory(prefix='desk-') as folder:
        desk = Desk(folder)
        try:
            for name in names:
                tests.check(name, getattr(desk, name), tell=lambda: desk.log()[-1500:])
        finally:
            tests.check('ends within 12 s of SIGTERM', lambda: desk.stop() or 1 / 0)
    tests.close()


if __name__ == '__main__':
    main()
