#!/usr/bin/env python3
"""goniec among real servers: Postfix, Exim and OpenSMTPD send to it and receive from it by MX records.

Each row of SENT and TAKEN is one test a peer: plain, 8-bit, SMTPUTF8, long and several recipients,
STARTTLS seen on both sides, SIZE, an unknown user, DSNs. Closes with `N passed, N failed`.
"""
import contextlib
import smtplib
import ssl
import sys

import stage

stage.unpack('postfix', 'exim', 'opensmtpd')
stage.enter()

import mta                                      # noqa: E402 (paths are set by stage)
from goniec_server import GoniecServer          # noqa: E402
from tally import Tests                         # noqa: E402
from wait import until                          # noqa: E402

WORDS = 'Zażółć gęślą jaźń'


def message(sender, to, token, body='text\r\n', header=''):
    return f'From: <{sender}>\r\nTo: <{to}>\r\nSubject: {token}\r\nMessage-ID: <{token}@stage.test>\r\nDate: Mon, 23 Nov 2026 20:00:00 +0000\r\n{header}\r\n{body}'.encode()


def body_of(text):
    return text.partition(b'\r\n\r\n')[2].rstrip(b'\r\n')


class Goniec:
    def __init__(self, folder):
        self.server = GoniecServer(folder, 'mx.goniec.test')
        ip = stage.ADDRESSES['goniec']
        self.server.start([{'kind': 'mx', 'address': f'{ip}:25'}, {'kind': 'submission', 'address': f'{ip}:587'}, 'pop3s', 'admin'], {
            'resolver': {'servers': [f'{stage.ADDRESSES["dns"]}:53'], 'dnssec': 'off'}, 'delivery': {'private_targets': True},
            'limits': {'message_size': 10000000, 'messages_per_account_hour': 0}, 'retry': {'schedule': ['2s'], 'delay_notice': '0s'}})
        self.ip, self.address = ip, 'user@goniec.test'
        self.server.goniec('domain', 'add', 'goniec.test')
        self.server.add_user(self.address, 'secret')
        self.server.goniec('alias', 'add', 'second@goniec.test', self.address)

    def find(self, token, seconds=30, where=lambda text: True):
        seen = {}

        def look():
            seen.update({name: data for name, data in self.server.mailbox(self.address, 'secret', seen).items() if data is not None})
            return next((data for data in seen.values() if token.encode() in data and where(data)), None)
        return until(f'{token} at goniec', look, seconds, 0.2)

    def submit(self, sender, to, data, mail_options=(), rcpt_options=()):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with smtplib.SMTP(self.ip, 587, timeout=30) as client:
            client.starttls(context=context)
            client.login(self.address, 'secret')
            client.sendmail(sender, to, data, mail_options, rcpt_options)

    def trace(self, token):
        return self.server.json('trace', f'<{token}@stage.test>')


def hand_to(peer, sender, to, data, mail_options=(), rcpt_options=()):
    with smtplib.SMTP(peer.address, 25, timeout=30) as client:
        client.sendmail(sender, to, data, mail_options, rcpt_options)


def is_report(text):
    return b'multipart/report' in text.lower()


# ---------------------------------------------------------------- a peer sends, goniec receives
def sent(peer, goniec, kind, body, mail_options=()):
    token = f'in-{peer.name}-{kind}'
    data = message(f'user@{peer.domain}', goniec.address, token, body, 'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n')
    hand_to(peer, f'user@{peer.domain}', [goniec.address], data, mail_options)
    got = goniec.find(token)
    assert body_of(got) == body_of(data), f'body changed: {body_of(got)[:200]!r}'
    assert f'<user@{peer.domain}>' in mta.fields(got, 'Return-Path')[0]
    received = next(line for line in mta.fields(got, 'Received') if 'by mx.goniec.test' in line)
    assert 'ESMTPS' in received or 'UTF8SMTPS' in received, received


def sent_plain(peer, goniec):
    sent(peer, goniec, 'plain', 'one\r\n..two\r\n.three\r\n\r\nend\r\n')


def sent_8bit(peer, goniec):
    sent(peer, goniec, '8bit', WORDS + '\r\n', ['BODY=8BITMIME'])


def sent_long(peer, goniec):
    sent(peer, goniec, 'long', 'x' * 70 + '\r\n' + ('a line of text that is repeated\r\n' * 9000))


def sent_utf8(peer, goniec):
    token = f'in-{peer.name}-utf8'
    data = message(f'jaźń@{peer.domain}', goniec.address, token, WORDS + '\r\n')
    hand_to(peer, f'jaźń@{peer.domain}', [goniec.address], data, ['SMTPUTF8', 'BODY=8BITMIME'])
    assert f'jaźń@{peer.domain}'.encode() in goniec.find(token)


def sent_unknown(peer, goniec):
    """goniec refuses at RCPT, so the report comes from the peer."""
    token = f'in-{peer.name}-unknown'
    hand_to(peer, f'user@{peer.domain}', ['nobody@goniec.test'], message(f'user@{peer.domain}', 'nobody@goniec.test', token))
    report = peer.find(token)
    assert b'5.1.1' in report and b'nobody@goniec.test' in report, report[-1500:]


def sent_receipt(peer, goniec):
    """NOTIFY=SUCCESS goes through the peer to goniec, whose report comes back by MX."""
    token = f'in-{peer.name}-receipt'
    hand_to(peer, f'user@{peer.domain}', [goniec.address], message(f'user@{peer.domain}', goniec.address, token), ['RET=HDRS', 'ENVID=r1'], ['NOTIFY=SUCCESS'])
    goniec.find(token)
    report = peer.find(token)
    assert is_report(report) and b'action: delivered' in report.lower() and b'mx.goniec.test' in report, report[-1500:]


# ---------------------------------------------------------------- goniec sends, a peer receives
def taken(peer, goniec, kind, body, mail_options=()):
    token = f'out-{peer.name}-{kind}'
    to = f'user@{peer.domain}'
    data = message(goniec.address, to, token, body, 'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n')
    goniec.submit(goniec.address, [to], data, mail_options)
    got = peer.find(token)
    assert body_of(got) == body_of(data), f'body changed: {body_of(got)[:200]!r}'
    received = next(line for line in mta.fields(got, 'Received') if f'by mx.{peer.domain}' in line)
    # Debian 12's OpenSMTPD fails every handshake as a server (OpenSSL 3): what goniec does then is go on in clear.
    encrypted = 'ESMTPS' in received or 'TLS' in received or 'esmtps' in received
    assert encrypted == peer.does_tls(), received
    return token


def taken_plain(peer, goniec):
    token = taken(peer, goniec, 'plain', 'one\r\n..two\r\n.three\r\n\r\nend\r\n')
    until('the trace', lambda: [one['state'] for one in goniec.trace(token)['recipients']] == ['delivered'], 10, 0.2)
    stages = goniec.trace(token)['stages']
    deliver = [each for each in stages if each['stage'] == 'deliver'][-1]
    assert deliver['reply'].startswith('250') and ('TLS' in str(deliver.get('tls'))) == peer.does_tls(), deliver
    assert [each['stage'] for each in stages][:3] == ['connect', 'identify', 'envelope'], stages


def taken_8bit(peer, goniec):
    taken(peer, goniec, '8bit', WORDS + '\r\n', ['BODY=8BITMIME'])


def taken_long(peer, goniec):
    taken(peer, goniec, 'long', 'a line of text that is repeated\r\n' * 9000)


def taken_utf8(peer, goniec):
    """To a peer that offers SMTPUTF8 it goes; to one that does not, it comes back (RFC 6531 §3.5)."""
    token = f'out-{peer.name}-utf8'
    data = message(goniec.address, f'user@{peer.domain}', token, 'text\r\n', f'X-Words: {WORDS}\r\n')
    goniec.submit(goniec.address, [f'user@{peer.domain}'], data, ['SMTPUTF8', 'BODY=8BITMIME'])
    if peer.utf8:
        assert WORDS.encode() in peer.find(token)
    else:
        assert b'5.6.7' in goniec.find(token, where=is_report)


def taken_unknown(peer, goniec):
    token, to = f'out-{peer.name}-unknown', f'nosuch@{peer.domain}'
    goniec.submit(goniec.address, [to], message(goniec.address, to, token))
    report = goniec.find(token, where=is_report)
    assert b'Action: failed' in report and f'rfc822; {to}'.encode() in report and f'mx.{peer.domain}'.encode() in report, report[-1500:]


def taken_partly(peer, goniec):
    """One recipient is refused, the other is served, in one message."""
    token, good, bad = f'out-{peer.name}-partly', f'user@{peer.domain}', f'nosuch@{peer.domain}'
    goniec.submit(goniec.address, [good, bad], message(goniec.address, good, token))
    peer.find(token)
    report = goniec.find(token, where=is_report)
    assert bad.encode() in report and f'Final-Recipient: rfc822; {good}'.encode() not in report


def taken_too_long(peer, goniec):
    """Over the SIZE that the peer offers: never sent, reported (RFC 1870 §6)."""
    token, to = f'out-{peer.name}-size', f'user@{peer.domain}'
    goniec.submit(goniec.address, [to], message(goniec.address, to, token, 'a line of text that is repeated\r\n' * 16000))
    report = goniec.find(token, where=is_report)
    assert b'5.3.4' in report or b'5.2.3' in report, report[-1500:]


def taken_receipt(peer, goniec):
    """NOTIFY=SUCCESS: where the peer offers DSN the report is its own, else goniec says relayed."""
    token, to = f'out-{peer.name}-receipt', f'user@{peer.domain}'
    goniec.submit(goniec.address, [to], message(goniec.address, to, token), ['RET=HDRS', 'ENVID=r2'], ['NOTIFY=SUCCESS'])
    # OpenSMTPD tells it by multipart/mixed, in its subject.
    told = (b'action: delivered', b'notification: delivered') if peer.dsn else (b'action: relayed',)
    goniec.find(token, where=lambda text: b'Return-Path: <>' in text and any(words in text.lower() for words in told))


# ---------------------------------------------------------------- goniec alone
def expands(peers, goniec):
    """A list: every target gets a copy, and who asked for success is told of the expansion (RFC 3461 §5.2.7.3)."""
    peer = peers[0]
    goniec.server.goniec('alias', 'add', 'all@goniec.test', goniec.address, f'user@{peer.domain}')
    data = message(goniec.address, 'all@goniec.test', 'to-a-list')
    goniec.submit(goniec.address, ['all@goniec.test'], data, rcpt_options=['NOTIFY=SUCCESS'])
    peer.find('to-a-list')
    goniec.find('to-a-list', where=lambda text: not is_report(text))
    report = goniec.find('to-a-list', where=is_report)
    assert b'Action: expanded' in report and b'rfc822; all@goniec.test' in report, report[-1500:]


SENT = (sent_plain, sent_8bit, sent_long, sent_utf8, sent_unknown, sent_receipt)
TAKEN = (taken_plain, taken_8bit, taken_long, taken_utf8, taken_unknown, taken_partly, taken_too_long, taken_receipt)


def main():
    tests, peers, servers = Tests(), [], []
    servers.append(stage.start_dns())
    goniec = Goniec(stage.STAGE / 'goniec')
    try:
        wanted = sys.argv[1:]  # names of peers; none: all
        for kind in mta.ALL:
            if wanted and kind.name not in wanted:
                continue
            peer = kind()
            tests.check(f'{peer.name} starts', peer.start, tell=peer.log)
            peers.append(peer)
        for peer in peers:
            for test in SENT + TAKEN:
                if test is sent_utf8 and not peer.utf8:
                    continue
                tests.check(f'{peer.name} {test.__name__}', test, peer, goniec, tell=lambda: peer.log()[-1200:])
        tests.check('a list is expanded', expands, peers, goniec)
    finally:
        with contextlib.suppress(Exception):
            mails = goniec.server.mailbox(goniec.address, 'secret', {})
            (stage.PEERS / 'mailbox').write_bytes(b'\n----\n'.join(data for data in mails.values() if data))
        with contextlib.suppress(Exception):
            (stage.PEERS / 'goniec.log').write_text(goniec.server.log.read_text(errors='replace'))
        tests.check('goniec ends within 10 s of SIGTERM', lambda: goniec.server.stop(12) or 1 / 0)
    tests.close()


if __name__ == '__main__':
    try:
        main()
    except stage.CannotRun as error:
        print(error)
        sys.exit(77)
