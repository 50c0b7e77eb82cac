#!/usr/bin/env python3
"""Streams, suppression, unsubscribe links, tracking and the sandbox, from SMTP to mailbox and back, on real sockets:
one server sends, another holds the mailboxes of reader.test, all on loopback.

Closes with `N passed, N failed`.
"""
import http.client
import json
import os
import poplib
import re
import signal
import smtplib
import ssl
import subprocess
import sys
import tempfile
from email import message_from_bytes, policy
from pathlib import Path

import jsonschema

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tests/harness'))
from goniec_server import GoniecServer, binary  # noqa: E402
from tally import Tests                 # noqa: E402
from wait import until                  # noqa: E402

SHOP, PASSWORD = 'shop@example.test', 'secret'
ANNA = 'anna@reader.test'
BROWSER = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'
DONE, NO = 0, 1


class House:
    def __init__(self, folder):
        self.reader = GoniecServer(folder / 'reader', 'mx.reader.test')
        self.reader.folder.mkdir()
        self.reader.start(['mx', 'pop3s'], {'trust': {'check': False}})
        self.reader.goniec('domain', 'add', 'reader.test')
        for name in ('anna', 'jan', 'ola', 'ewa', 'iza', 'adam'):
            self.reader.add_user(f'{name}@reader.test', PASSWORD)
        self.server = GoniecServer(folder / 'sender', 'mx.example.test')
        self.server.folder.mkdir()
        self.server.start(['mx', 'submissions', 'pop3s', 'http'], {
            'route': [{'domains': ['reader.test'], 'relay': f'smtp://127.0.0.1:{self.reader.port("mx")}'},
                      {'domains': ['*'], 'relay': 'sink'}],
            'retry': {'schedule': ['1s']}, 'limits': {'messages_per_account_hour': 0}, 'trust': {'check': False}})
        self.server.goniec('domain', 'add', 'example.test')
        self.server.add_user(SHOP, PASSWORD)
        self.server.goniec('dkim', 'create', 'example.test', '--now')
        self.server.goniec('stream', 'add', 'news', '--kind', 'bulk', '--track-clicks', 'on')

    def stop(self):
        self.server.stop()
        self.reader.stop()

    def send(self, to, token, fields='', body='hello\r\n', code=250):
        """The id of the message, or the refusal."""
        context = ssl._create_unverified_context()
        with smtplib.SMTP_SSL('127.0.0.1', self.server.port('submissions'), context=context, timeout=30) as client:
            client.login(SHOP, PASSWORD)
            client.mail(SHOP)
            for each in to if isinstance(to, list) else [to]:
                assert client.rcpt(each)[0] == 250, each
            got, text = client.data(f'From: {SHOP}\r\nSubject: {token}\r\n{fields}\r\n{body}'.encode())
        assert got == code, (got, text)
        found = re.search(rb'\b([0-9A-Z]{13})\b', text)
        return found[1].decode() if found else text.decode()

    def events(self, message=None, kind=None):
        found = [json.loads(line) for line in self.server.goniec('event', 'tail', '--once', '--after', '0', '--json').splitlines() if line]
        return [each for each in found if (message is None or each.get('id') == message) and (kind is None or each.get('kind') == kind)]

    def event(self, message, kind, seconds=20):
        return until(f'{kind} of {message}', lambda: self.events(message, kind), seconds, 0.1)[0]

    def mail(self, name, token):
        """The mail with that subject in a mailbox of reader.test."""
        def look():
            for octets in self.reader.mailbox(f'{name}@reader.test', PASSWORD).values():
                mail = message_from_bytes(octets, policy=policy.default)
                if mail['Subject'] == token:
                    return mail
        return until(f'{token} for {name}', look, 20, 0.1)

    def web(self, method, url, body=None, **headers):
        """Whatever host a link names: this server answers it."""
        path = re.sub(r'^https?://[^/]+', '', url)
        connection = http.client.HTTPConnection('127.0.0.1', self.server.port('http'), timeout=20)
        connection.request(method, path, body, {'User-Agent': BROWSER, **{key.replace('_', '-'): value for key, value in headers.items()}})
        reply = connection.getresponse()
        return reply.status, dict(reply.getheaders()), reply.read().decode(errors='replace')

    def json(self, name, *words):
        """What a command prints by --json, as its schema has it."""
        done = self.server.run(*words, '--json')
        found = json.loads(done.stdout)
        jsonschema.validate(found, json.loads((ROOT / f'docs/schemas/{name}.json').read_text()))
        return found

    def is_out(self, address, stream):
        return self.server.run('suppression', 'why', address, '--stream', stream).returncode == NO


def unsubscribe_link(mail):
    return re.search(r'<(https?://[^>]+)>', mail['List-Unsubscribe'])[1]


def bulk_mail_can_be_left_with_one_click(house):
    house.send(ANNA, 'news-1', 'X-Stream: bulk\r\n')
    mail = house.mail('anna', 'news-1')
    assert mail['List-Unsubscribe-Post'] == 'List-Unsubscribe=One-Click'
    assert mail['X-Stream'] is None
    signed = re.sub(r'\s', '', re.search(r'h=([^;]+);', mail['DKIM-Signature'])[1]).lower().split(':')
    assert signed.count('list-unsubscribe') == 2 and signed.count('list-unsubscribe-post') == 2, signed
    link = unsubscribe_link(mail)
    for method in ('GET', 'HEAD', 'GET'):  # a scanner follows every link
        assert house.web(method, link)[0] == 200
    assert not house.is_out(ANNA, 'bulk')
    status, headers, _ = house.web('POST', link, 'List-Unsubscribe=One-Click', Content_Type='application/x-www-form-urlencoded')
    assert status == 200 and 'Location' not in headers and 'Set-Cookie' not in headers
    assert house.is_out(ANNA, 'bulk') and not house.is_out(ANNA, 'transactional')
    second = house.send(ANNA, 'news-2', 'X-Stream: bulk\r\n')
    told = house.event(second, 'suppressed')
    assert told['recipient'] == ANNA
    assert not [each for each in house.server.queue() if each['id'] == second]
    house.send(ANNA, 'invoice-1')
    house.mail('anna', 'invoice-1')


def the_page_speaks_both_languages_and_takes_it_back(house):
    house.send('jan@reader.test', 'news-jan', 'X-Stream: bulk\r\n')
    link = unsubscribe_link(house.mail('jan', 'news-jan'))
    status, headers, page = house.web('GET', link, Accept_Language='pl-PL,pl;q=0.9,en;q=0.5')
    assert status == 200 and 'Wypisz mnie' in page and 'jan@reader.test' in page
    assert "default-src 'none'" in headers['Content-Security-Policy'] and '<script' not in page
    assert 'Unsubscribe' in house.web('GET', link)[2]
    assert 'value="resubscribe"' in house.web('POST', link, 'action=unsubscribe')[2]
    assert house.is_out('jan@reader.test', 'bulk')
    assert 'value="unsubscribe"' in house.web('POST', link, 'action=resubscribe')[2]
    assert not house.is_out('jan@reader.test', 'bulk')


def links_that_were_not_made_here_are_nothing(house):
    link = unsubscribe_link(house.mail('jan', 'news-jan'))
    head, _, word = link.rpartition('/')
    changed = word[:20] + ('A' if word[20] != 'A' else 'B') + word[21:]
    assert house.web('POST', f'{head}/{changed}', 'List-Unsubscribe=One-Click')[0] == 404
    assert house.web('GET', '/c/' + word)[0] == 404
    assert house.web('GET', '/c/aHR0cHM6Ly9ldmlsLnRlc3Q')[0] == 404
    assert not house.is_out('jan@reader.test', 'bulk')


def a_wish_by_mail_is_taken(house):
    house.send('ola@reader.test', 'news-ola', 'X-Stream: bulk\r\n')
    mail = house.mail('ola', 'news-ola')
    address = re.search(r'<mailto:([^>]+)>', mail['List-Unsubscribe'])[1]
    with smtplib.SMTP('127.0.0.1', house.server.port('mx'), timeout=30) as client:
        client.sendmail('ola@reader.test', [address], 'Subject: unsubscribe\r\n\r\n\r\n')
        client.mail('x@reader.test')
        assert client.rcpt(address.replace('+', '+0', 1))[0] == 550
    until('ola is out', lambda: house.is_out('ola@reader.test', 'bulk'), 20, 0.1)


def bulk_to_several_is_refused_with_the_fix(house):
    refused = house.send([ANNA, 'jan@reader.test'], 'news-3', 'X-Stream: bulk\r\n', code=550)
    assert 'one recipient' in refused, refused
    assert 'stream' in house.send(ANNA, 'x', 'X-Stream: nothing\r\n', code=550)


def a_mailbox_that_is_gone_is_suppressed_with_its_evidence(house):
    message = house.send('gone@reader.test', 'first')
    failed = house.event(message, 'failed')
    until('gone is out', lambda: house.is_out('gone@reader.test', 'transactional'), 20, 0.1)
    [entry] = house.json('suppressions', 'suppression', 'list', 'gone@reader.test')
    house.json('suppression-why', 'suppression', 'why', 'gone@reader.test')
    assert entry['reason'] == 'bad_mailbox' and entry['stream'] == 'transactional' and entry['event_id'].startswith('evt_'), entry
    assert failed['recipient'] == 'gone@reader.test'
    second = house.send(['gone@reader.test', 'adam@reader.test'], 'second')
    house.event(second, 'suppressed')
    house.mail('adam', 'second')
    until('the notice', lambda: [each for each in house.server.mailbox(SHOP, PASSWORD).values() if b'suppressed' in each and b'gone@reader.test' in each], 20, 0.1)
    assert house.server.run('suppression', 'remove', 'gone@reader.test').returncode == DONE
    assert not house.is_out('gone@reader.test', 'transactional')


def lists_come_and_go_as_files(house):
    assert {each['id'] for each in house.json('streams', 'stream', 'list')['data']} == {'transactional', 'bulk', 'news'}
    lists = house.server.folder / 'postmark.csv'
    lists.write_text('EmailAddress,SuppressionReason,Origin,CreatedAt\r\np1@reader.test,HardBounce,Recipient,2026-01-31T12:00:00Z\r\n'
                     'p2@reader.test,SpamComplaint,Recipient,2026-01-31T12:00:00Z\r\nnobody,HardBounce,Recipient,\r\n')
    planned = house.json('suppression-import', 'suppression', 'import', str(lists), '--stream', 'bulk', '--dry-run')
    assert planned['format'] == 'postmark' and planned['rows'] == 2 and planned['left_out'] == 1 and planned['added'] == 0, planned
    assert not house.is_out('p1@reader.test', 'bulk')
    assert json.loads(house.server.goniec('suppression', 'import', str(lists), '--stream', 'bulk', '--json'))['added'] == 2
    assert house.is_out('p1@reader.test', 'bulk') and not house.is_out('p1@reader.test', 'transactional')
    sendgrid = house.server.folder / 'bounces.csv'
    sendgrid.write_text('status,reason,email,created\n5.1.1,"550 5.1.1 User unknown",s1@reader.test,1700000000\n'
                        '5.7.1,"550 5.7.1 rejected as spam",s2@reader.test,1700000000\n')
    done = json.loads(house.server.goniec('suppression', 'import', str(sendgrid), '--stream', 'news', '--json'))
    assert done['added'] == 1 and done['left_out'] == 1, done
    exported = house.server.goniec('suppression', 'export')
    assert exported.startswith('email,stream,reason,origin,created_at,event_id') and 'p2@reader.test,bulk,complained,import' in exported
    again = house.server.folder / 'ours.csv'
    again.write_text(exported)
    assert json.loads(house.server.goniec('suppression', 'import', str(again), '--json'))['added'] == 0
    house.server.goniec('suppression', 'add', 'q@reader.test', '--note', 'asked by telephone')
    assert house.is_out('q@reader.test', 'transactional') and house.is_out('q@reader.test', 'news')


def opens_and_clicks_are_told_apart(house):
    html = '<html><body><p>zażółć</p><a href="https://shop.example.test/?a=1&amp;b=2">buy</a> <a data-goniec-no-track href="https://plain.example.test/">plain</a></body></html>\r\n'
    message = house.send('ewa@reader.test', 'news-ewa', 'X-Stream: news\r\nX-Track: opens, clicks\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n', html)
    body = house.mail('ewa', 'news-ewa').get_content()
    assert 'https://plain.example.test/' in body and 'shop.example.test' not in body and 'zażółć' in body, body
    click = re.search(r'"(https?://[^"]+/c/[^"]+)"', body)[1]
    image = re.search(r'src="(https?://[^"]+/o/[^"]+\.gif)"', body)[1]
    status, headers, _ = house.web('GET', click, User_Agent='curl/7.88.1')
    assert status == 303 and headers['Location'] == 'https://shop.example.test/?a=1&b=2'
    until('four seconds since', lambda: house.web('GET', image)[0] == 200 and any(not each['data'].get('machine') for each in house.events(message, 'opened')), 20, 0.5)
    clicked = house.event(message, 'clicked')
    assert clicked['data']['machine'] is True and clicked['data']['rule'] == 'gateway', clicked


def the_sandbox_answers_as_real_servers_do(house):
    at = '@sandbox.goniec.test'
    hard = house.send('hard' + at, 'to-hard')
    assert '5.1.1' in house.event(hard, 'failed')['data']['reply']
    said = json.loads(house.server.goniec('trace', hard, '--transcript', '--json'))['attempts']
    assert [each['whole'] for each in said] == [True] and ('us', f'RCPT TO:<hard{at}>') in [(line['from'], line['text']) for line in said[0]['lines']], said
    assert '<- 550 5.1.1 ' in house.server.goniec('trace', hard, '--transcript')
    until('the notice', lambda: [each for each in house.server.mailbox(SHOP, PASSWORD).values() if b'hard@sandbox' in each], 20, 0.1)
    assert not house.is_out('hard' + at, 'transactional')  # it can be tried again
    grey = house.send('greylist' + at, 'to-greylist')
    assert '4.7.1' in house.event(grey, 'deferred')['data']['reply']
    house.event(grey, 'delivered')
    assert '5.2.2' in house.event(house.send('mailboxfull' + at, 'x'), 'failed')['data']['reply']
    assert '5.7.1' in house.event(house.send('spam' + at, 'x'), 'failed')['data']['reply']
    assert '4.2.2' in house.event(house.send('soft' + at, 'x'), 'deferred')['data']['reply']
    house.event(house.send('suppressed' + at, 'x'), 'suppressed')
    house.event(house.send('anybody' + at, 'x'), 'delivered')
    rates = [house.send('ratelimit' + at, 'x') for _ in range(3)]
    until('one is too many', lambda: [each for message in rates for each in house.events(message, 'deferred') if '421' in each['data']['reply']], 20, 0.1)


def what_follows_a_delivery_follows_in_the_sandbox(house):
    at = '@sandbox.goniec.test'
    late = house.send('latebounce' + at, 'to-late', 'X-Stream: bulk\r\n')
    house.event(late, 'delivered')
    failed = house.event(late, 'failed')
    assert failed['data']['phase'] == 'dsn', failed
    complaint = house.send('complaint' + at, 'to-complaint', 'X-Stream: bulk\r\n')
    assert house.event(complaint, 'complained')['recipient'] == 'complaint' + at
    house.send('ooo' + at, 'to-ooo')
    until('the automatic answer', lambda: [each for each in house.server.mailbox(SHOP, PASSWORD).values() if b'Auto-Submitted: auto-replied' in each], 20, 0.1)


def a_restart_remembers(house):
    house.server.stop()
    house.server.launch()
    assert house.is_out(ANNA, 'bulk') and house.is_out('p1@reader.test', 'bulk')
    link = unsubscribe_link(house.mail('jan', 'news-jan'))
    assert house.web('POST', link, 'List-Unsubscribe=One-Click')[0] == 200  # the secret is the same
    assert house.is_out('jan@reader.test', 'bulk')


def a_server_to_try_things_with_is_one_command(house):
    process = subprocess.Popen([binary(), 'try', '--json'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env={**os.environ, 'TMPDIR': str(house.server.folder)})
    try:
        made = json.loads(process.stdout.readline())
        jsonschema.validate(made, json.loads((ROOT / 'docs/schemas/try.json').read_text()))
        with smtplib.SMTP('127.0.0.1', made['ports']['smtp'], timeout=30) as client:
            client.sendmail(made['account'], ['somebody@gmail.com', made['account']], 'Subject: first\r\n\r\nhello\r\n')
        def settled():
            lines = subprocess.run([binary(), 'event', 'tail', '--once', '--after', '0', '--json', '--config', made['config']], capture_output=True, text=True).stdout
            return [each for each in map(json.loads, lines.splitlines()) if each['kind'] == 'delivered']
        delivered = until('both are delivered', lambda: settled() if len(settled()) == 2 else None, 20, 0.1)
        assert {each['data']['route'] for each in delivered} == {'sandbox', 'local'}, delivered
        context = ssl._create_unverified_context()
        box = poplib.POP3_SSL('127.0.0.1', made['ports']['pop3s'], context=context, timeout=20)
        box.user(made['account'])
        box.pass_(made['password'])
        assert box.stat()[0] == 1
        box.quit()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
    assert process.returncode == DONE and not Path(made['folder']).exists()


def main():
    tests = Tests()
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder))
        try:
            for test in (bulk_mail_can_be_left_with_one_click, the_page_speaks_both_languages_and_takes_it_back,
                         links_that_were_not_made_here_are_nothing, a_wish_by_mail_is_taken, bulk_to_several_is_refused_with_the_fix,
                         a_mailbox_that_is_gone_is_suppressed_with_its_evidence, lists_come_and_go_as_files,
                         opens_and_clicks_are_told_apart, the_sandbox_answers_as_real_servers_do,
                         what_follows_a_delivery_follows_in_the_sandbox, a_server_to_try_things_with_is_one_command,
                         a_restart_remembers):
                tests.check(test.__name__.replace('_', ' '), test, house,
                            tell=lambda: house.server.log.read_text(errors='replace')[-3000:])
        finally:
            house.stop()
    tests.close()


if __name__ == '__main__':
    main()
