#!/usr/bin/env python3
"""Mail that aliases lead out of the house: a stranger over a real DNS server, goniec, and Debian's Postfix as the next
server and the stranger's own. The sender is rewritten (SRS) and SPF passes by python3-spf, the author's DKIM signature
is whole and the seal (ARC) verifies by python3-dkim; what Postfix bounces comes back through goniec to the sender.

In namespaces (root). Closes with `N passed, N failed`.
"""
import re
import smtplib
import sys
import time
import urllib.request
from email import message_from_bytes
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'tests/peers'), str(ROOT / 'tests/harness'), str(Path(__file__).parent)]
import stage                                                     # noqa: E402

stage.unpack('postfix')
stage.enter()

import dkim                                                      # noqa: E402 (paths are set by stage)
import mta                                                       # noqa: E402
import spf                                                       # noqa: E402
from goniec_server import GoniecServer                           # noqa: E402
from stranger import BAD, GOOD, Key, Stranger, letter, txt       # noqa: E402
from tally import Tests                                          # noqa: E402
from wait import pause, until                                    # noqa: E402

USER, PASSWORD, ANNA = 'user@goniec.test', 'secret', 'anna@far.test'
GONIEC, POSTFIX = stage.ADDRESSES['goniec'], stage.ADDRESSES['postfix']
HASH = '[A-Z2-7]{8}'
LONG = 'bounces+1234567-0123456789-somebody=example.com@far.test'


class World:
    def __init__(self):
        folder = stage.STAGE / 'forwarding'
        folder.mkdir()
        self.key = Key(folder)
        self.goniec = GoniecServer(stage.STAGE / 'goniec', 'mx.goniec.test')
        self.start()
        self.goniec.goniec('domain', 'add', 'goniec.test')
        self.goniec.add_user(USER, PASSWORD)
        for name, targets in {'out': ['user@postfix.test'], 'gone': ['lost@postfix.test'], 'refused': ['nobody@postfix.test'],
                              'list': [USER, 'user@postfix.test'], 'loop': ['loop@postfix.test']}.items():
            self.goniec.goniec('alias', 'add', f'{name}@goniec.test', *targets)
        keys = self.goniec.json('dkim', 'create', 'goniec.test', '--now')
        stage.start_dns('\n'.join(self.records(keys)) + '\n')
        self.postfix = self.start_postfix()

    def start(self, config=None):
        proxied = {'kind': 'mx', 'address': '127.0.0.1:0', 'proxy_from': ['127.0.0.0/8']}
        self.goniec.start([{'kind': 'mx', 'address': f'{GONIEC}:25'}, proxied, 'submissions', 'pop3s', {'kind': 'admin', 'address': '127.0.0.1:0'}],
                          {'resolver': {'servers': [f'{stage.ADDRESSES["dns"]}:53'], 'dnssec': 'off'}, 'delivery': {'private_targets': True},
                           'retry': {'schedule': ['1s']}, **(config or {})})

    def records(self, keys):
        lines = [txt('goniec', 'v=spf1 ip4:10.9.0.0/24 -all')]
        lines += [txt(key['record']['name'].removesuffix('.test'), key['record']['value']) for key in keys]
        for name, policy in {'far': 'reject', 'soft': 'none'}.items():
            lines += [txt(name, f'v=spf1 ip4:{GOOD} -all'), txt(f'_dmarc.{name}', f'v=DMARC1; p={policy}'), txt(f's1._domainkey.{name}', self.key.record),
                      f'{name} MX 10 mx.postfix']
        return lines + [txt('s1._domainkey.lists', self.key.record)]

    @staticmethod
    def start_postfix():
        """For the next server's domain and the stranger's; `lost` is found out only behind its 250, `loop` comes back."""
        postfix = mta.Postfix()
        postfix.start()
        postfix.view.run('postconf', '-e', 'virtual_mailbox_domains=postfix.test, far.test, soft.test',
                         'virtual_mailbox_maps=inline:{user@postfix.test=Maildir/, @far.test=Maildir/, @soft.test=Maildir/}',
                         'virtual_alias_maps=inline:{lost@postfix.test=nobody@postfix.test, loop@postfix.test=loop@goniec.test}')
        postfix.view.run('postfix', 'reload')
        return postfix

    def send(self, to, token, sender=ANNA, source=GOOD, data=None, author='<anna@far.test>'):
        """(code, text) of the first command that was refused, else of the end of the message."""
        if data is None:
            data = self.key.sign(letter(author, token), 'far.test')
        with Stranger(self.goniec.port('mx'), source) as client:
            client.ehlo()
            for code, text in (client.mail(sender), client.rcpt(to)):
                if code != 250:
                    return code, text.decode()
            code, text = client.data(data)
            return code, text.decode()

    def arrived(self, token, to='user@postfix.test'):
        def look():
            return next((data for data in self.postfix.inbox() if token.encode() in data and f'Delivered-To: {to}'.encode() in data), None)
        return until(f'{token} for {to}', look, 40, 0.1)

    def trace(self, token):
        return self.goniec.json('trace', f'<{token}@trust.test>')

    def return_path(self, token):
        return message_from_bytes(self.arrived(token))['Return-Path'].strip('<>')

    def stop(self):
        self.goniec.stop()
        self.postfix.view.run('postfix', 'stop', check=False)


def holds(text, *parts):
    for part in parts:
        assert part in text, f'{part!r} is not in {text!r}'


def rule_of(world, token):
    return [each['rule'] for each in world.trace(token)['stages'] if each['stage'] == 'forward']


# ---------------------------------------------------------------- out
def forwarded(world):
    assert world.send('out@goniec.test', 'forwarded')[0] == 250
    data = world.arrived('forwarded')
    message = message_from_bytes(data)
    sender = message['Return-Path'].strip('<>')
    assert re.fullmatch(f'SRS0={HASH}=[A-Z2-7]{{2}}=far.test=anna@goniec.test', sender), sender
    client = re.search(r'from mx\.goniec\.test \([^[]*\[([0-9.]+)\]\)', message.get_all('Received')[0]).group(1)
    assert spf.check2(i=client, s=sender, h='mx.goniec.test')[0] == 'pass'
    assert spf.check2(i=client, s=ANNA, h='mx.goniec.test')[0] == 'fail', 'without SRS it would not pass'
    assert dkim.verify(data), 'the signature of the author'
    assert [each for each in message.get_all('DKIM-Signature') if 'd=goniec.test' in each] == [], 'it is not ours to sign'
    cv, results, reason = dkim.arc_verify(data)
    assert cv == dkim.CV_Pass, (cv, results, reason)
    assert len(message.get_all('ARC-Seal')) == 1 and 'cv=none' in message['ARC-Seal'] and 'd=goniec.test' in message['ARC-Seal']
    holds(re.sub(r'\s+', ' ', message['ARC-Authentication-Results']), 'i=1; mx.goniec.test;', 'spf=pass', 'dkim=pass', 'dmarc=pass')


def sealed_before(world):
    data = world.key.seal(world.key.sign(letter('<anna@far.test>', 'sealed-before'), 'far.test'), 'lists.test', 'far.test')
    assert world.send('out@goniec.test', 'sealed-before', data=data)[0] == 250
    found = world.arrived('sealed-before')
    message = message_from_bytes(found)
    assert [re.search('cv=[a-z]+', each).group() for each in message.get_all('ARC-Seal')] == ['cv=pass', 'cv=none']
    cv, results, reason = dkim.arc_verify(found)
    assert cv == dkim.CV_Pass and len(results) == 2, (cv, results, reason)


def failed_before(world):
    """A broken chain is sealed as failed, once."""
    data = world.key.seal(letter('<anna@far.test>', 'failed-before'), 'lists.test', 'far.test').replace(b'Good day', b'Bad day')
    assert world.send('out@goniec.test', 'failed-before', data=data)[0] == 250
    found = world.arrived('failed-before')
    seals = message_from_bytes(found).get_all('ARC-Seal')
    assert len(seals) == 2 and 'cv=fail' in seals[0] and 'i=2' in seals[0], seals
    again = found[found.index(b'ARC-Seal: '):].replace(b'failed-before', b'failed-again')
    assert world.send('out@goniec.test', 'failed-again', data=again)[0] == 250
    assert len(message_from_bytes(world.arrived('failed-again')).get_all('ARC-Seal')) == 2


def list_of_both(world):
    assert world.send('list@goniec.test', 'list-of-both')[0] == 250
    assert world.return_path('list-of-both').startswith('SRS0=')
    local = world.goniec.wait_for_mail(USER, PASSWORD)
    assert message_from_bytes(next(each for each in local if b'list-of-both' in each))['Return-Path'] == f'<{ANNA}>'


def second_forwarder(world):
    sender = 'SRS0=AbCd=XY=a.test=joe@far.test'
    assert world.send('out@goniec.test', 'second', sender=sender)[0] == 250
    assert re.fullmatch(f'SRS1={HASH}=far.test==AbCd=XY=a.test=joe@goniec.test', world.return_path('second'))
    assert rule_of(world, 'second') == ['srs.second']


def senders_that_stay(world):
    assert world.send('out@goniec.test', 'stay-null', sender='')[0] == 250
    assert world.return_path('stay-null') == '' and rule_of(world, 'stay-null') == ['srs.null']
    with smtplib.SMTP_SSL('127.0.0.1', world.goniec.port('submissions'), timeout=20) as client:
        client.login(USER, PASSWORD)
        client.sendmail(USER, 'out@goniec.test', letter(f'<{USER}>', 'stay-ours'))
    assert world.return_path('stay-ours') == USER
    data = world.arrived('stay-ours')
    assert dkim.verify(data) and b'ARC-Seal' not in data, 'ours is signed, and needs no seal'


def long_sender(world):
    """Bulk senders have long ones. The address names the message, SPF passes, and the notice finds back."""
    assert len(LONG.split('@')[0]) > 40
    assert world.send('out@goniec.test', 'long-sender', sender=LONG)[0] == 250
    made = world.return_path('long-sender')
    assert re.fullmatch(f'SRS0={HASH}=[A-Z2-7]{{2}}==[0-9A-Z]{{13}}@goniec.test', made), made
    assert rule_of(world, 'long-sender') == ['srs.message']
    assert spf.check2(i=POSTFIX, s=made, h='mx.goniec.test')[0] == 'pass'
    assert world.send('gone@goniec.test', 'long-lost', sender=LONG)[0] == 250
    holds(world.arrived('long-lost', LONG).decode(), 'Action: failed', 'by mx.goniec.test')
    for change in (lambda made: made.replace('==0', '==1'), lambda made: made.split('==')[0] + '==x@goniec.test'):
        assert world.send(change(made), 'long-forged', sender='')[0] == 550


# ---------------------------------------------------------------- back
def bounced(world):
    """Postfix took it and finds out later: its notice goes by the rewritten sender to the true one."""
    assert world.send('gone@goniec.test', 'bounced')[0] == 250
    notice = world.arrived('bounced', ANNA)
    message = message_from_bytes(notice)
    assert message.get_content_type() == 'multipart/report' and message['Return-Path'] in ('<>', '<MAILER-DAEMON>'), message['Return-Path']
    holds(notice.decode(), 'Action: failed', 'mx.postfix.test', 'by mx.goniec.test')


def refused(world):
    """The next server refuses it at once: the true sender hears of it from us, once."""
    assert world.send('refused@goniec.test', 'refused')[0] == 250
    notice = world.arrived('refused', ANNA)
    holds(notice.decode(), 'Action: failed', 'Reporting-MTA: dns; mx.goniec.test', 'Original-Recipient: rfc822; refused@goniec.test')
    assert dkim.verify(notice), 'our notice is signed'


def refused_and_disproved(world):
    """SPF says that it is not the sender: nobody is told, the timeline knows."""
    data = letter('<anna@soft.test>', 'disproved')
    assert world.send('refused@goniec.test', 'disproved', sender='anna@soft.test', source=BAD, data=data)[0] == 250
    until('the end of it', lambda: world.trace('disproved')['recipients'][-1]['state'] == 'failed')
    assert not any(each['rule'] == 'dsn_sent' for each in world.trace('disproved')['stages']), world.trace('disproved')


def refused_at_rcpt(world):
    made = world.return_path('forwarded')
    forged = made.replace('anna', 'bert')
    for to, code, words in ((forged, 550, '5.1.1'), ('SRS0=HASHHASH=AA=far.test=anna@goniec.test', 550, 'not made here'),
                            ('SRS0=nothing@goniec.test', 550, '5.1.3'), ('SRS1=HASHHASH=far.test==x=y@goniec.test', 550, '5.1.1'),
                            ('nobody@goniec.test', 550, 'no such user')):
        got, text = world.send(to, 'at-rcpt', sender='')
        assert got == code, (to, got, text)
        holds(text, words)


def only_notices(world):
    made = world.return_path('forwarded')
    code, text = world.send(made, 'person')
    assert code == 550, (code, text)
    holds(text, '5.7.1', 'notices')
    data = world.key.sign(letter('<anna@far.test>', 'vacation-answer', extra='Auto-Submitted: auto-replied\r\n'), 'far.test')
    assert world.send(made.lower(), 'vacation-answer', data=data)[0] == 250, 'a host on the way folded its case'
    answer = message_from_bytes(world.arrived('vacation-answer', ANNA))
    assert answer['Return-Path'].startswith('<SRS0='), 'it is forwarded as well'


def after_a_restart(world):
    made = world.return_path('forwarded')
    assert world.goniec.stop()
    world.start()
    data = world.key.sign(letter('<anna@far.test>', 'restarted'), 'far.test')
    assert world.send(made, 'restarted', sender='', data=data)[0] == 250
    world.arrived('restarted', ANNA)
    assert any(each['rule'] == 'srs.return' for each in world.trace('restarted')['stages'])


def rotated(world):
    """A new secret makes new addresses; what the one before it made still finds back."""
    made = world.return_path('forwarded')
    assert world.goniec.json('srs', 'rotate') == {'secrets': 2}
    assert world.send('out@goniec.test', 'rotated')[0] == 250
    world.arrived('rotated')
    assert world.return_path('rotated') != made
    data = world.key.sign(letter('<anna@far.test>', 'after-rotation'), 'far.test')
    assert world.send(made, 'after-rotation', sender='', data=data)[0] == 250
    world.arrived('after-rotation', ANNA)
    holds(world.goniec.goniec('srs', 'rotate'), 'a new secret; 2 older read what they made')


def loop_ends(world):
    """Two houses that forward to each other: the hops are counted, the sender is told once."""
    assert world.send('loop@goniec.test', 'loop-ends')[0] == 250
    holds(world.arrived('loop-ends', ANNA).decode(), '5.4.6')
    pause(1)
    assert sum(b'loop-ends' in each for each in world.postfix.inbox()) == 1


# ---------------------------------------------------------------- told
def told(world):
    trace = world.trace('forwarded')
    forward = [each for each in trace['stages'] if each['stage'] == 'forward']
    assert [each['recipient'] for each in forward] == ['user@postfix.test'] and forward[0]['rule'] == 'srs.first', forward
    holds(forward[0]['reply'], 'MAIL FROM:<SRS0=')
    assert any(each['rule'] == 'arc' and 'cv=none' in each['reply'] for each in trace['stages'] if each['stage'] == 'sign'), trace
    deliver = next(each for each in trace['stages'] if each['stage'] == 'deliver')
    assert deliver['mail_from'] == world.return_path('forwarded'), deliver
    holds(world.goniec.goniec('trace', '<forwarded@trust.test>'), 'srs.first', 'MAIL FROM:<SRS0=')
    metrics = urllib.request.urlopen('http://{}:{}/metrics'.format(*world.goniec.listeners()['admin']), timeout=20).read().decode()
    holds(metrics, 'goniec_forwarded_total{rule="srs.null"}')


def switched_off(world):
    assert world.goniec.stop()
    world.start({'forward': {'srs': False, 'seal': False}})
    assert world.send('out@goniec.test', 'switched-off')[0] == 250
    assert world.return_path('switched-off') == ANNA
    assert b'ARC-Seal' not in world.arrived('switched-off')
    assert rule_of(world, 'switched-off') == ['srs.off']
    data = world.key.sign(letter('<anna@far.test>', 'still-back'), 'far.test')
    assert world.send(world.return_path('forwarded'), 'still-back', sender='', data=data)[0] == 250, 'what is under way comes back'
    world.arrived('still-back', ANNA)


TESTS = [forwarded, sealed_before, failed_before, list_of_both, second_forwarder, long_sender, senders_that_stay, bounced, refused, refused_and_disproved,
         refused_at_rcpt, only_notices, loop_ends, after_a_restart, rotated, told, switched_off]


def main():
    tests = Tests()
    wanted = sys.argv[1:]
    world = World()
    try:
        for test in TESTS:
            if not wanted or test.__name__ in wanted:
                began = time.monotonic()
                tests.check(test.__name__, test, world, tell=lambda: world.goniec.log.read_text(errors='replace')[-2500:] + world.postfix.log())
                print(f'      {time.monotonic() - began:.1f} s', flush=True)
    finally:
        world.stop()
    tests.close()


if __name__ == '__main__':
    main()
