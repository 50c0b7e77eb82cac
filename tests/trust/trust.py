#!/usr/bin/env python3
"""A goniec that judges strangers, over a real DNS server: SPF, iprev, DKIM by python3-dkim, DMARC that rejects,
quarantines and leaves alone, overrides, DNS that does not answer, forged Authentication-Results, and what
trace and metrics tell of it. Closes with `N passed, N failed`.
"""
import re
import smtplib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from email import message_from_bytes
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'tests/harness'), str(Path(__file__).parent)]
from goniec_server import GoniecServer                                      # noqa: E402
from stranger import BAD, GOOD, NAMELESS, Dns, Key, Stranger, letter, txt   # noqa: E402
from tally import Tests                                                     # noqa: E402
from wait import until                                                      # noqa: E402

USER, PASSWORD, TRUSTED = 'user@goniec.test', 'secret', '198.51.100.7'


def zones(key):
    sender = []
    for name, policy in {'pass': 'reject', 'reject': 'reject', 'quarantine': 'quarantine', 'none': 'none', 'observed': 'reject', 'testing': 'reject; t=y'}.items():
        sender += [txt(name, f'v=spf1 ip4:{GOOD} -all exp=why.{name}'), txt(f'_dmarc.{name}', f'v=DMARC1; p={policy}'),
                   txt(f's1._domainkey.{name}', key.record)]
    sender += [txt('why.pass', 'see https://pass.test/why?ip=%{i}'), f'mail.pass A {GOOD}', txt('mail.pass', f'v=spf1 ip4:{GOOD} -all'),
               txt('_dmarc.silent', 'v=DMARC1; p=none'), txt('loop', 'v=spf1 include:loop.test -all'), txt('exp', 'v=spf1 -all exp=why.pass.test'),
               txt('spfonly', 'v=spf1 -all'),
               txt('s1._domainkey.lists', key.record), txt('s1._domainkey.other', key.record)]
    return {'test': sender, '2.0.192.in-addr.arpa': ['10 PTR mail.pass.test.', '66 PTR mail.pass.test.'], '113.0.203.in-addr.arpa': []}


class World:
    def __init__(self, folder):
        folder = Path(folder)
        self.key = Key(folder)
        self.dns = Dns(folder / 'dns', zones(self.key))
        self.servers = []
        self.silence = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)   # takes questions, answers none
        self.silence.bind(('127.0.0.1', 0))
        self.mild = self.server(folder / 'mild', {'override': [{'domains': ['observed.test'], 'dmarc': 'observe'}], 'trust': {'arc_sealers': ['lists.test']}})
        self.strict = self.server(folder / 'strict', {'trust': {'spf': 'reject', 'temporary': 'defer', 'junk': 'mark'}})
        self.laboratory = self.server(folder / 'laboratory', {}, proxied=False)
        self.firm = self.server(folder / 'firm', {'trust': {'private': 'apply'}}, proxied=False)
        self.deaf_laboratory = self.server(folder / 'deaf_laboratory', {'resolver': self.nobody()}, proxied=False)
        self.deaf = self.server(folder / 'deaf', {'trust': {'check_time': '2s'}, 'resolver': self.nobody()})

    def nobody(self):
        return {'servers': [f'127.0.0.1:{self.silence.getsockname()[1]}'], 'dnssec': 'off'}

    def server(self, folder, config, proxied=True):
        folder.mkdir()
        server = GoniecServer(folder, 'mx.goniec.test')
        mx = {'proxy_from': ['127.0.0.0/8'], 'trust': [f'{TRUSTED}/32']} if proxied else {}
        server.start([{'kind': 'mx', **mx}, 'submissions', 'pop3s', {'kind': 'admin', 'address': '127.0.0.1:0'}],
                     {'resolver': {'servers': [f'127.0.0.1:{self.dns.port}'], 'dnssec': 'off'}, **config})
        server.goniec('domain', 'add', 'goniec.test')
        server.add_user(USER, PASSWORD)
        self.servers.append(server)
        return server

    def send(self, token, author, source=GOOD, sender=None, server=None, extra='', sign=None, helo='mail.pass.test'):
        """(code, text) of the end of the message."""
        data = letter(author, token, extra)
        if sign:
            data = self.key.sign(data, sign)
        with Stranger((server or self.mild).port('mx'), source, helo) as client:
            client.ehlo()
            assert client.mail(author.strip('<>') if sender is None else sender)[0] == 250
            assert client.rcpt(USER)[0] == 250
            code, text = client.data(data)
            return code, text.decode()

    def find(self, token, server=None, seconds=20):
        def look():
            return next((data for data in (server or self.mild).mailbox(USER, PASSWORD).values() if token.encode() in data), None)
        return message_from_bytes(until(f'{token} in the mailbox', look, seconds, 0.1))

    def results(self, token, server=None):
        fields = self.find(token, server).get_all('Authentication-Results') or []
        return [re.sub(r'\s+', ' ', field) for field in fields]

    def stages(self, token, server=None):
        return (server or self.mild).json('trace', f'<{token}@trust.test>')['stages']

    def stop(self):
        for server in self.servers:
            server.stop()
        self.dns.stop()
        self.silence.close()


def holds(text, *parts):
    for part in parts:
        assert part in text, f'{part!r} is not in {text!r}'


def swaks(port, source, *words):
    return subprocess.run(['swaks', '--server', f'127.0.0.1:{port}', '--proxy-version', '1', '--proxy-family', 'TCP4', '--proxy-source', source,
                           '--proxy-source-port', '4444', '--proxy-dest', '192.0.2.1', '--proxy-dest-port', '25', '--ehlo', 'mail.pass.test',
                           '--to', USER, *words], capture_output=True, text=True, timeout=60)


# ---------------------------------------------------------------- what passes
def passes(world):
    done = swaks(world.mild.port('mx'), GOOD, '--from', 'anna@pass.test', '--header', 'Subject: swaks-pass')
    assert done.returncode == 0, done.stdout
    message = world.find('swaks-pass')
    names = [name for name, value in message.items()]
    at = names.index('Authentication-Results')
    assert names[at - 1] == 'Received', names
    holds(re.sub(r'\s+', ' ', message['Authentication-Results']), 'mx.goniec.test; iprev=pass (mail.pass.test) policy.iprev=192.0.2.10;',
          f'spf=pass (ip4:{GOOD}) smtp.mailfrom=anna@pass.test;', 'dmarc=pass (p=reject dis=none) header.from=pass.test')


def null_sender(world):
    assert world.send('null-sender', '<anna@mail.pass.test>', sender='')[0] == 250
    holds(world.results('null-sender')[0], 'spf=pass', 'smtp.helo=mail.pass.test', 'dmarc=pass')


def helo_beside(world):
    assert world.send('helo-beside', '<anna@none.test>', source=BAD)[0] == 250
    holds(world.results('helo-beside')[0], 'smtp.mailfrom=anna@none.test', 'spf=fail (-all) smtp.helo=mail.pass.test')
    assert any(each['rule'] == 'spf_helo.fail' for each in world.stages('helo-beside'))
    assert world.send('helo-none', '<anna@none.test>', source=BAD, helo='norecord.test')[0] == 250
    assert 'smtp.helo' not in world.results('helo-none')[0]


def signed(world):
    assert world.send('signed', '<anna@reject.test>', source=BAD, sign='reject.test')[0] == 250
    holds(world.results('signed')[0], 'iprev=fail', 'spf=fail', 'dkim=pass', 'header.d=reject.test', 'dmarc=pass')


def signed_below(world):
    assert world.send('below', '<anna@news.reject.test>', source=BAD, sender='x@spfonly.test', sign='reject.test')[0] == 250
    holds(world.results('below')[0], 'dkim=pass', 'dmarc=pass', 'header.from=news.reject.test')


# ---------------------------------------------------------------- what does not
def rejected(world):
    code, text = world.send('rejected', '<anna@reject.test>', source=BAD)
    assert code == 550, (code, text)
    holds(text, '5.7.1 DMARC: reject.test', 'p=reject', f'SPF: fail for reject.test from {BAD}', 'DKIM:', 'd=reject.test')
    log = until('a line of the refusal', lambda: next((line for line in world.mild.log.read_text().splitlines() if 'dmarc.reject' in line or 'DMARC: reject.test' in line), None))
    holds(log, 'reject')


def rejected_by_swaks(world):
    done = swaks(world.mild.port('mx'), BAD, '--from', 'anna@reject.test', '--header', 'Subject: swaks-reject')
    assert done.returncode == 26, done.stdout
    holds(done.stdout, '550 5.7.1 DMARC')


def rejected_though_spf_passes_elsewhere(world):
    assert world.send('elsewhere', '<anna@reject.test>', source=GOOD, sender='x@none.test')[0] == 550


def rejected_with_a_broken_signature(world):
    data = world.key.sign(letter('<anna@reject.test>', 'broken'), 'reject.test').replace(b'Good day', b'Bad day')
    with Stranger(world.mild.port('mx'), BAD) as client:
        client.ehlo()
        client.mail('anna@reject.test')
        client.rcpt(USER)
        code, text = client.data(data)
    assert code == 550, text


def quarantined(world):
    assert world.send('quarantined', '<anna@quarantine.test>', source=BAD)[0] == 250
    stages = until('a delivery', lambda: [each for each in world.stages('quarantined') if each['stage'] == 'deliver'])
    holds(stages[0]['reply'], 'Junk')
    assert any(each['rule'] == 'dmarc.quarantine' for each in world.stages('quarantined'))
    assert not any(b'quarantined' in data for data in world.mild.mailbox(USER, PASSWORD).values()), 'it is in INBOX'


def quarantine_only_marked(world):
    assert world.send('marked', '<anna@quarantine.test>', source=BAD, server=world.strict, sender='x@silent.test')[0] == 250
    holds(world.results('marked', world.strict)[0], 'dmarc=fail (p=quarantine dis=quarantine)')


def in_test_mode(world):
    assert world.send('testing', '<anna@testing.test>', source=BAD)[0] == 250
    assert any(each['rule'] == 'dmarc.quarantine' for each in world.stages('testing'))


def left_alone(world):
    assert world.send('alone', '<anna@none.test>', source=BAD)[0] == 250
    holds(world.results('alone')[0], 'spf=fail', 'dmarc=fail (p=none dis=none)')


def overridden(world):
    assert world.send('overridden', '<anna@observed.test>', source=BAD)[0] == 250
    holds(world.results('overridden')[0], 'dmarc=fail (p=reject dis=none)')
    assert any(each['rule'] == 'dmarc.observed' for each in world.stages('overridden'))


def several_authors(world):
    assert world.send('two-authors', '<anna@none.test>, <b@reject.test>', source=BAD, sender='anna@none.test', extra='Sender: <anna@none.test>\r\n')[0] == 550
    assert world.send('no-sender', '<anna@none.test>, <b@reject.test>', source=BAD, sender='anna@none.test')[0] == 550
    assert world.send('two-fields', '<anna@none.test>', source=BAD, extra='From: <b@pass.test>\r\n')[0] == 550


def spf_alone(world):
    code, text = world.send('spf-alone', '<anna@silent.test>', source=BAD, sender='x@exp.test', server=world.strict)
    assert code == 550, text
    holds(text, '5.7.23 SPF: exp.test', f'ip={BAD}')
    assert world.send('spf-alone', '<anna@silent.test>', source=BAD, sender='x@exp.test')[0] == 250


def broken_record(world):
    assert world.send('broken-record', '<anna@silent.test>', sender='x@loop.test')[0] == 250
    holds(world.results('broken-record')[0], 'spf=permerror')


def sealed(world):
    """A seal counts when its sealer is on the list, its chain holds, and it speaks of this author."""
    def bring(token, domain, author='reject.test', change=lambda data: data):
        data = change(world.key.seal(letter('<anna@reject.test>', token), domain, author))
        with Stranger(world.mild.port('mx'), BAD) as client:
            client.ehlo()
            client.mail('list@none.test')
            client.rcpt(USER)
            return client.data(data)
    assert bring('sealed', 'lists.test')[0] == 250
    holds(world.results('sealed')[0], 'arc=pass (i=1 sealed by lists.test)', 'dmarc=fail')
    assert any(each['rule'] == 'dmarc.arc' for each in world.stages('sealed'))
    for domain, author, change in (('other.test', 'reject.test', lambda data: data), ('lists.test', 'pass.test', lambda data: data),
                                   ('lists.test', 'reject.test', lambda data: data.replace(b'Good day', b'Bad day'))):
        code, text = bring('unsealed', domain, author, change)
        assert code == 550, (domain, author, text)


# ---------------------------------------------------------------- DNS that does not answer
def temporary(world):
    """Knot refuses what it does not know: the domain's wish is unknown, and never read as none."""
    assert world.send('temporary', '<anna@elsewhere.example>', sender='x@elsewhere.example')[0] == 250
    holds(world.results('temporary')[0], 'spf=temperror', 'dmarc=temperror')
    code, text = world.send('temporary', '<anna@elsewhere.example>', sender='x@elsewhere.example', server=world.strict)
    assert code == 451, text
    holds(text, '4.7.1 DMARC', 'elsewhere.example')


def deaf(world):
    """No DNS server at all: the answer to the message comes in bounded time."""
    began = time.monotonic()
    assert world.send('deaf', '<anna@reject.test>', source=BAD, server=world.deaf)[0] == 250
    assert time.monotonic() - began < 8, time.monotonic() - began
    holds(world.results('deaf', world.deaf)[0], 'iprev=temperror', 'spf=temperror', 'dmarc=temperror')


def gone_in_between(world):
    """A client that leaves while questions are open leaves nothing behind; the server ends in order."""
    for _ in range(20):
        client = Stranger(world.deaf.port('mx'), BAD)
        client.ehlo()
        client.mail('anna@reject.test')
        client.close()
    assert world.send('after', '<anna@reject.test>', source=BAD, server=world.deaf)[0] == 250


# ---------------------------------------------------------------- who may not speak for us
def forged(world):
    extra = ('Authentication-Results: mx.goniec.test; dmarc=pass header.from=none.test\r\n'
             'Authentication-Results:\r\n\t(x (y)) "MX.goniec.TEST" 1; spf=pass\r\n'
             'Authentication-Results: mx.other.test; spf=pass\r\nX-Goniec-Junk: forged\r\n')
    assert world.send('forged', '<anna@none.test>', source=BAD, extra=extra)[0] == 250
    fields = world.results('forged')
    assert len(fields) == 2 and fields[0].startswith('mx.goniec.test; iprev=') and fields[1].startswith('mx.other.test;'), fields


def injected(world):
    sender = '"a\\";dkim=pass header.d=bank.test (\\\\"@none.test'
    assert world.send('injected', '<anna@none.test>', source=BAD, sender=sender)[0] == 250
    field = world.results('injected')[0]
    bare = re.sub(r'"(\\.|[^"\\])*"', '""', field)
    assert 'bank.test' not in bare and bare.count('dkim=') <= 1, field


def bring_plainly(server, token, author):
    with smtplib.SMTP('127.0.0.1', server.port('mx'), 'client.test', timeout=40) as client:
        client.ehlo()
        assert client.mail(author)[0] == 250 and client.rcpt(USER)[0] == 250
        code, text = client.data(letter(f'<{author}>', token))
        return code, text.decode()


def from_loopback(world):
    """Without a word in the configuration: judged, and nothing refused. With private = "apply": as all others."""
    assert bring_plainly(world.laboratory, 'laboratory', 'anna@reject.test')[0] == 250
    holds(world.results('laboratory', world.laboratory)[0], 'spf=fail', 'dmarc=fail (p=reject dis=none)')
    assert any(each['rule'] == 'private.observed' for each in world.stages('laboratory', world.laboratory))
    code, text = bring_plainly(world.firm, 'firm', 'anna@reject.test')
    assert code == 550, text
    holds(text, '5.7.1 DMARC: reject.test', '127.0.0.1')
    assert bring_plainly(world.firm, 'firm', 'anna@quarantine.test')[0] == 250
    assert any(each['rule'] == 'dmarc.quarantine' for each in world.stages('firm', world.firm))


def from_loopback_without_dns(world):
    """Two messages are held for a second each, the others not at all."""
    began = time.monotonic()
    for number in range(20):
        assert bring_plainly(world.deaf_laboratory, f'silence{number}', 'anna@reject.test')[0] == 250
    assert time.monotonic() - began < 8, time.monotonic() - began
    holds(world.results('silence19', world.deaf_laboratory)[0], 'iprev=temperror', 'spf=temperror', 'dmarc=temperror')


def trusted(world):
    assert world.send('trusted', '<anna@reject.test>', source=TRUSTED)[0] == 250
    assert not world.results('trusted'), world.results('trusted')
    assert not any(each['stage'] == 'check' for each in world.stages('trusted'))


# ---------------------------------------------------------------- what is told
def traced(world):
    world.send('traced', '<anna@none.test>', source=BAD)
    rules = {each['rule']: each['reply'] for each in world.stages('traced') if each['stage'] == 'check'}
    assert {'iprev.fail', 'spf.fail', 'dmarc.fail'} <= set(rules), rules
    holds(rules['spf.fail'], 'none.test', '-all')
    holds(rules['dmarc.fail'], 'p=none')
    holds(world.mild.goniec('trace', '<traced@trust.test>'), 'spf.fail', 'dmarc.fail')


def counted(world):
    address = ':'.join(world.mild.listeners()['admin'])
    text = urllib.request.urlopen(f'http://{address}/metrics', timeout=20).read().decode()
    holds(text, 'goniec_trust_results_total{check="spf",result="pass"}', 'goniec_trust_results_total{check="dmarc",result="fail"}',
          'goniec_trust_dispositions_total{disposition="reject",rule="dmarc.reject"}', 'goniec_messages_rejected_total{reason="dmarc.reject"}')


def nameless(world):
    assert world.send('nameless', '<anna@none.test>', source=NAMELESS)[0] == 250
    holds(world.results('nameless')[0], 'iprev=permerror')


def ends(world):
    for server in world.servers:
        assert server.stop(), 'it had to be killed'


TESTS = [passes, null_sender, helo_beside, signed, signed_below, rejected, rejected_by_swaks, rejected_though_spf_passes_elsewhere,
         rejected_with_a_broken_signature, quarantined, quarantine_only_marked, in_test_mode, left_alone, overridden, several_authors,
         spf_alone, broken_record, sealed, temporary, deaf, gone_in_between, forged, injected, from_loopback, from_loopback_without_dns, trusted, traced, counted, nameless, ends]


def main():
    tests = Tests()
    wanted = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix='goniec-trust-') as folder:
        world = World(folder)
        try:
            for test in TESTS:
                if not wanted or test.__name__ in wanted:
                    tests.check(test.__name__, test, world, tell=lambda: world.mild.log.read_text(errors='replace')[-1500:])
        finally:
            world.stop()
    tests.close()


if __name__ == '__main__':
    main()
