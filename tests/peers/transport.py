#!/usr/bin/env python3
"""TLS to other servers, on the wire: DANE by a signed zone, MTA-STS by a web server, REQUIRETLS, TLS reports
posted to a web server, and every downgrade that somebody between can try. The receiver of good mail is Debian's
Postfix.

Names: zone test. is signed (DANE), plain. is not (MTA-STS). Each test has a domain of its own; goniec tries
once, and the test reads its timeline and what the other side heard. Closes with `N passed, N failed`.
"""
import contextlib
import gzip
import json
import os
import smtplib
import ssl
import sys

import stage

stage.unpack('postfix')
stage.enter()

import mta                                                     # noqa: E402 (paths are set by stage)
from goniec_server import GoniecServer                         # noqa: E402
from tally import Tests                                        # noqa: E402
from transport_world import Attacker, Authority, PolicyServer, Zones, tlsa_anchor, tlsa_end_entity  # noqa: E402
from wait import pause, until                                  # noqa: E402

ZEROS = '3 1 1 ' + 32 * '00'
WEB = '10.9.0.80'
POSTFIX = stage.ADDRESSES['postfix']
# Domains that Postfix receives for, each with a host of its own name: (TLSA or none).
HOSTED = ['three.test', 'two.test', 'wrong.test', 'bogus.test', 'unusable.test', 'next.test', 'enforce.plain', 'testing.plain',
          'mismatch.plain', 'free.plain', 'redirect.plain', 'badweb.plain', 'unlisted.plain', 'record.plain']
ATTACKS = ['strip', '454', 'garbage', 'broken', 'inject', 'othername', 'expired']
ASKERS = ['dane', 'sts', 'route', 'nobody']


def letter(token, to, header=''):
    return (f'From: <user@goniec.test>\r\nTo: <{to}>\r\nSubject: {token}\r\nMessage-ID: <{token}@stage.test>\r\n'
            f'Date: Mon, 23 Nov 2026 20:00:00 +0000\r\n{header}\r\ntext\r\n').encode()


class World:
    def __init__(self):
        folder = stage.STAGE / 'transport'
        self.authority = Authority(folder / 'ca')
        self.zones = Zones(folder / 'dns')
        self.attackers, self.count, self.web = {}, 0, None
        self.make_postfix_names()
        self.make_attackers()
        self.zones.start()
        self.web = PolicyServer(WEB)
        self.make_policies()
        self.goniec = GoniecServer(stage.STAGE / 'goniec', 'mx.goniec.test')

    # ------------------------------------------------------------ names and servers
    def host(self, domain, address, tlsa=None, preference=10, name=None):
        name = name or f'mx.{domain}'
        self.zones.add(f'{domain}. MX {preference} {name}.')
        if not any(line.startswith(f'{name}. A ') for line in self.zones.records):
            self.zones.add(f'{name}. A {address}')
            if tlsa:
                self.zones.add(f'_25._tcp.{name}. TLSA {tlsa}')

    def make_postfix_names(self):
        names = [f'mx.{domain}' for domain in HOSTED if domain != 'mismatch.plain']
        self.postfix_certificate = self.authority.issue('postfix', *names)
        chain = self.postfix_certificate[0]
        tlsa = {'three.test': tlsa_end_entity(chain), 'two.test': tlsa_anchor(self.authority.pem), 'wrong.test': ZEROS,
                'unusable.test': '0 0 1 ' + 32 * '11', 'next.test': ZEROS}
        for domain in HOSTED:
            self.host(domain, POSTFIX, tlsa.get(domain))
        self.host('next.test', POSTFIX, preference=20, name='mx.free.plain')
        self.zones.bogus.append('_tcp.mx.bogus.test')
        # kumomta#484: a host in common, one domain with a policy, one without.
        self.host('common.plain', POSTFIX, name='mx.mismatch.plain')

    def make_attackers(self):
        good = self.authority.issue('attacker', *[f'mx.a{attack}.{asker}' for attack in ATTACKS for asker in ('dane.test', 'sts.plain', 'route.plain', 'nobody.plain')])
        wrong = self.authority.issue('othername', 'elsewhere.example')
        kinds = [(attack, asker) for attack in ATTACKS for asker in ASKERS] + [('requiretls', 'dane'), ('plainly', 'dane')]
        for number, (attack, asker) in enumerate(kinds):
            address = f'10.9.1.{number + 1}'
            stage.run('ip', 'address', 'add', f'{address}/24', 'dev', 'lo')
            domain = f'a{attack}.{asker}.{"test" if asker == "dane" else "plain"}'
            certificate = {'othername': wrong}.get(attack) or \
                (self.authority.issue(f'expired{number}', f'mx.{domain}', days=-1) if attack == 'expired' else good)
            by_anchor = attack in ('othername', 'expired')
            tlsa = (tlsa_anchor(self.authority.pem) if by_anchor else tlsa_end_entity(certificate[0])) if asker == 'dane' else None
            self.host(domain, address, tlsa)
            self.attackers[domain] = Attacker(address, attack, certificate)

    def make_policies(self):
        stage.run('ip', 'address', 'add', f'{WEB}/24', 'dev', 'lo')
        enforced = ['enforce.plain', 'mismatch.plain', 'unlisted.plain', 'record.plain', 'redirect.plain', 'badweb.plain'] + \
            [f'a{attack}.sts.plain' for attack in ATTACKS]
        web = self.authority.issue('web', 'reports.plain', *[f'mta-sts.{domain}' for domain in [*enforced, 'testing.plain']])
        bad = self.authority.issue('badweb', 'elsewhere.example')
        for domain in [*enforced, 'testing.plain']:
            mode = 'testing' if domain == 'testing.plain' else 'enforce'
            host = 'mx.other.plain' if domain in ('unlisted.plain', 'testing.plain') else f'mx.{domain}'
            body = f'version: STSv1\nmode: {mode}\nmx: {host}\nmax_age: 604800\n'
            self.zones.add(f'mta-sts.{domain}. A {WEB}')
            self.zones.add(f'_mta-sts.{domain}. TXT "v=STSv1; id=1"')
            certificate = bad if domain == 'badweb.plain' else web
            if domain == 'redirect.plain':
                self.web.add(f'mta-sts.{domain}', certificate, 301, '', {'Location': 'https://mta-sts.enforce.plain/.well-known/mta-sts.txt'})
            else:
                self.web.add(f'mta-sts.{domain}', certificate, 200, body)
        # Where TLS reports are posted: a web server that proves its name, and one that does not.
        for host, about, certificate in (('reports.plain', 'three.test', web), ('badreports.plain', 'two.test', bad)):
            self.zones.add(f'{host}. A {WEB}')
            self.zones.add(f'_smtp._tls.{about}. TXT "v=TLSRPTv1; rua=https://{host}/v1/tls?of={about}"')
            self.web.add(host, certificate, 201)
        self.zones.reload()

    def start_postfix(self):
        self.postfix = mta.Postfix()
        view = self.postfix.view
        view.write('/etc/peer.crt', open(self.postfix_certificate[0], encoding='ascii').read())
        view.write('/etc/peer.key', open(self.postfix_certificate[1], encoding='ascii').read(), 0o600)
        self.postfix.start()
        domains = [*HOSTED, 'common.plain']
        view.run('postconf', '-e', 'virtual_mailbox_domains=' + ' '.join(domains),
                 'virtual_mailbox_maps=inline:{' + ', '.join(f'user@{domain}=Maildir/' for domain in domains) + '}')
        view.run('postfix', 'reload')

    def start_goniec(self):
        ip = stage.ADDRESSES['goniec']
        routes = [{'domains': [f'a{attack}.route.plain' for attack in ATTACKS], 'relay': 'mx', 'tls': 'required'}]
        self.goniec.start([{'kind': 'mx', 'address': f'{ip}:25'}, {'kind': 'submission', 'address': f'{ip}:587'}, 'pop3s', 'admin'], {
            'resolver': {'servers': [f'{stage.ADDRESSES["dns"]}:53'], 'dnssec': 'require', 'trust_anchor': self.zones.anchor()},
            'delivery': {'private_targets': True, 'roots': self.authority.pem}, 'route': routes,
            'reports': {'address': 'reports@goniec.test', 'send': True}, 'limits': {'messages_per_account_hour': 0}, 'retry': {'schedule': ['1h'], 'delay_notice': '0s'}})
        self.goniec.goniec('domain', 'add', 'goniec.test')
        self.goniec.add_user('user@goniec.test', 'secret', '--send-as', '*@arequiretls.dane.test', '--send-as', '*@aplainly.dane.test')

    # ------------------------------------------------------------ mail
    def send(self, domain, header='', mail_options=(), sender='user@goniec.test'):
        """Hands a letter in; gives the first outcome of its timeline."""
        self.count += 1
        token = f't{self.count}-{domain.replace(".", "-")}'
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with smtplib.SMTP(stage.ADDRESSES['goniec'], 587, timeout=30) as client:
            client.starttls(context=context)
            client.login('user@goniec.test', 'secret')
            client.sendmail(sender, [f'user@{domain}'], letter(token, f'user@{domain}', header), mail_options)

        def outcome():
            trace = self.goniec.json('trace', f'<{token}@stage.test>')
            return next((each for each in trace['stages'] if each['stage'] in ('deliver', 'route') and each.get('rule') in
                         ('delivered', 'relayed', 'deferred', 'failed') or each['stage'] == 'route' and each.get('reply')), None)
        return token, until(f'an outcome of {token}', outcome, 60, 0.1)

    def delivered(self, domain, verified, **how):
        token, outcome = self.send(domain, **how)
        assert outcome['rule'] in ('delivered', 'relayed'), outcome
        assert (outcome['tls'] or {}).get('verified') == verified, outcome
        self.postfix.find(token)
        return outcome

    def deferred(self, domain, *words, **how):
        token, outcome = self.send(domain, **how)
        assert outcome['rule'] == 'deferred' or outcome['stage'] == 'route', outcome
        for word in words:
            assert word in outcome['reply'], (word, outcome)
        return outcome


# ---------------------------------------------------------------- DANE
def dane_end_entity(w):
    outcome = w.delivered('three.test', 'dane')
    assert outcome['tls_required'].startswith('verified, by DANE (TLSA of _25._tcp.mx.three.test'), outcome


def dane_anchor(w):
    w.delivered('two.test', 'dane')


def dane_wrong(w):
    w.deferred('wrong.test', 'DANE', '_25._tcp.mx.wrong.test')


def dane_bogus(w):
    w.deferred('bogus.test', 'TLSA of _25._tcp.mx.bogus.test cannot be looked up')


def dane_unusable(w):
    outcome = w.delivered('unusable.test', 'none')
    assert outcome['tls'] and outcome['tls_required'].startswith('encrypted, by DANE'), outcome


def dane_next_mx(w):
    outcome = w.delivered('next.test', 'none')
    assert 'mx.free.plain' in outcome['site'], outcome


def dane_lifted(w):
    w.delivered('wrong.test', 'none', header='TLS-Required: No\r\n')


# ---------------------------------------------------------------- MTA-STS
def sts_enforce(w):
    outcome = w.delivered('enforce.plain', 'mta_sts')
    assert 'MTA-STS of enforce.plain (enforce, id 1)' in outcome['tls_required'], outcome
    w.delivered('enforce.plain', 'mta_sts')
    assert w.web.times('mta-sts.enforce.plain') == 1, w.web.asked


def sts_wrong_certificate(w):
    w.deferred('mismatch.plain', 'MTA-STS of mismatch.plain', 'not for mx.mismatch.plain')


def sts_common_host(w):
    """Two domains, one host: what the one forbids the other has."""
    w.delivered('common.plain', 'none')
    w.deferred('mismatch.plain', 'MTA-STS of mismatch.plain')
    w.delivered('common.plain', 'none')


def sts_testing(w):
    outcome = w.delivered('testing.plain', 'none')
    assert 'reported by MTA-STS of testing.plain' in outcome['tls_required'], outcome


def sts_unlisted(w):
    w.deferred('unlisted.plain', 'does not list mx.unlisted.plain')


def sts_redirect(w):
    w.delivered('redirect.plain', 'none')
    assert w.web.times('mta-sts.redirect.plain') == 1
    assert 'redirects (301)' in w.goniec.goniec('route', 'user@redirect.plain'), w.goniec.goniec('route', 'user@redirect.plain')


def sts_bad_web(w):
    w.delivered('badweb.plain', 'none')
    assert w.web.times('mta-sts.badweb.plain') == 0, 'the request went out over a connection that nobody vouches for'


def sts_survives(w):
    """The record is gone, the web server too, goniec starts anew: the policy is in force."""
    w.delivered('record.plain', 'mta_sts')
    w.goniec.stop()
    w.zones.records = [line for line in w.zones.records if not line.startswith('_mta-sts.record.plain.')]
    w.zones.reload()
    w.goniec.launch()
    outcome = w.delivered('record.plain', 'mta_sts')
    assert 'MTA-STS of record.plain' in outcome['tls_required'], outcome
    assert w.web.times('mta-sts.record.plain') == 1


def route_tells(w):
    text = w.goniec.goniec('route', 'user@three.test')
    assert 'verified, by DANE (TLSA of _25._tcp.mx.three.test)' in text and '3 1 1 ' in text, text
    text = w.goniec.goniec('route', 'user@enforce.plain')
    assert 'verified, by MTA-STS of enforce.plain (enforce, id 1)' in text, text


# ---------------------------------------------------------------- attacks
def attack_is_seen(w, attack, asker):
    domain = f'a{attack}.{asker}.{"test" if asker == "dane" else "plain"}'
    server = w.attackers[domain]
    _, outcome = w.send(domain)
    assert server.sessions > 0, outcome
    assert not server.in_clear(), server.heard
    encrypted_is_enough = asker == 'route' and attack in ('othername', 'expired')
    if attack == 'inject' or encrypted_is_enough:  # what was injected is not believed; TLS is as good as it was
        assert outcome['rule'] == 'deferred' or server.contents(True) == 1, outcome
        assert not encrypted_is_enough or outcome['rule'] != 'deferred', outcome
    else:
        assert outcome['rule'] == 'deferred', outcome
        who = {'dane': 'DANE (TLSA of', 'sts': f'MTA-STS of {domain} (enforce', 'route': 'route 1'}[asker]
        assert who in outcome['reply'], outcome


def downgrade_lasts_one_attempt(w):
    """Where nobody asks for TLS the mail gets through, and the next one is encrypted again."""
    server = w.attackers['abroken.nobody.plain']
    _, outcome = w.send('abroken.nobody.plain')
    assert outcome['rule'] in ('delivered', 'relayed') and outcome['tls'] is None, outcome
    assert server.contents(False) == 1, server.heard
    server.mode = 'plainly'
    pause(6)  # a kept connection would take the next one as it is
    _, outcome = w.send('abroken.nobody.plain')
    assert outcome['tls'] and server.contents(True) == 1, (outcome, server.heard)


def stripped_without_policy(w):
    for attack in ('strip', '454'):
        _, outcome = w.send(f'a{attack}.nobody.plain')
        assert outcome['rule'] in ('delivered', 'relayed') and outcome['tls'] is None, outcome


# ---------------------------------------------------------------- REQUIRETLS
def requiretls_goes_on(w):
    server = w.attackers['arequiretls.dane.test']
    _, outcome = w.send('arequiretls.dane.test', mail_options=['REQUIRETLS'])
    assert outcome['rule'] in ('delivered', 'relayed') and outcome['tls']['verified'] == 'dane', outcome
    assert any(words.startswith('MAIL') and 'REQUIRETLS' in words and secured for words, secured in server.heard), server.heard


def requiretls_bounces(w):
    for domain in ('aplainly.dane.test', 'free.plain'):  # does not offer it; nobody vouches for its MX
        _, outcome = w.send(domain, mail_options=['REQUIRETLS'])
        assert outcome['rule'] == 'failed' and '5.7.30' in outcome['reply'], outcome
    assert w.attackers['aplainly.dane.test'].contents(True) == 0


def requiretls_of_a_report(w):
    """RFC 8689 §5: the report asks for it too, goes out over TLS, and is not lost where that is not offered."""
    for domain, offered in (('arequiretls.dane.test', True), ('aplainly.dane.test', False)):
        server = w.attackers[domain]
        before = server.contents(True)
        _, outcome = w.send('free.plain', mail_options=['REQUIRETLS', 'RET=FULL'], sender=f'user@{domain}')
        assert outcome['rule'] == 'failed', outcome
        until(f'the report at {domain}', lambda: server.contents(True) > before, 30, 0.1)  # pylint: disable=cell-var-from-loop
        asked = [words for words, secured in server.heard if words.startswith('MAIL FROM:<>') and secured]
        assert asked and all(('REQUIRETLS' in words) == offered for words in asked), server.heard
        assert not server.in_clear(), server.heard


# ---------------------------------------------------------------- reports
def tls_reports_are_posted(w):
    """RFC 8460 §5.4. Nothing is posted to a server that does not prove its name, and the report waits."""
    w.delivered('three.test', 'dane')
    w.delivered('two.test', 'dane')
    assert w.goniec.json('dmarc', 'send') == {'sent': 1}
    (host, path, headers, content), = w.web.posted
    assert (host, path) == ('reports.plain', '/v1/tls?of=three.test') and headers['Content-Type'] == 'application/tlsrpt+gzip', (host, path, headers)
    report = json.loads(gzip.decompress(content))
    policy, = report['policies']
    assert policy['policy']['policy-domain'] == 'three.test' and policy['policy']['policy-type'] == 'tlsa', report
    assert policy['summary']['total-successful-session-count'] >= 1 and policy['summary']['total-failure-session-count'] == 0, report
    assert 'https://badreports.plain/v1/tls?of=two.test was not taken' in w.goniec.log.read_text(errors='replace')
    assert w.goniec.json('dmarc', 'send') == {'sent': 0} and len(w.web.posted) == 1


def main():
    tests, world = Tests(), World()
    try:
        tests.check('Postfix starts', world.start_postfix, tell=lambda: world.postfix.log())
        tests.check('goniec starts', world.start_goniec, tell=lambda: (world.zones.folder / 'log').read_text(errors='replace')[-1500:])
        wanted = sys.argv[1:]
        rows = [(test.__name__, test, (world,)) for test in (
            dane_end_entity, dane_anchor, dane_wrong, dane_bogus, dane_unusable, dane_next_mx, dane_lifted, sts_enforce,
            sts_wrong_certificate, sts_common_host, sts_testing, sts_unlisted, sts_redirect, sts_bad_web, sts_survives, route_tells,
            downgrade_lasts_one_attempt, stripped_without_policy, requiretls_goes_on, requiretls_bounces, requiretls_of_a_report,
            tls_reports_are_posted)]
        rows += [(f'attack {attack} where {asker} asks for TLS', attack_is_seen, (world, attack, asker))
                 for attack in ATTACKS for asker in ASKERS[:3]]
        for name, test, arguments in rows if world.goniec.pid_file.exists() else []:
            if not wanted or any(each in name for each in wanted):
                tests.check(name, test, *arguments, tell=lambda: world.goniec.log.read_text(errors='replace')[-1500:])
    finally:
        with contextlib.suppress(Exception):
            (stage.PEERS / 'transport.log').write_text(world.goniec.log.read_text(errors='replace'))
        tests.check('goniec ends within 10 s of SIGTERM', lambda: world.goniec.stop(12) or 1 / 0)
    tests.close()


if __name__ == '__main__':
    os.umask(0o022)
    try:
        main()
    except stage.CannotRun as error:
        print(error)
        sys.exit(77)
