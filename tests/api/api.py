#!/usr/bin/env python3
"""The HTTP API of a real server, over real sockets: keys and their scopes, sending and following a message, the
Idempotency-Key through kill -9, keys as SMTP passwords, options in header fields, slow and oversized requests; and
each call and answer against the contract, src/api/openapi.yaml.

Closes with `N passed, N failed`.
"""
import base64
import datetime
import http.client
import json
import poplib
import re
import smtplib
import socket
import ssl
import sys
import tempfile
import threading
from pathlib import Path

import jsonschema

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'tests/harness'), str(ROOT / 'tests/api')]
from contract import Contract, routes   # noqa: E402
from goniec_server import GoniecServer  # noqa: E402
from tally import Tests                 # noqa: E402
from wait import until                  # noqa: E402

USER, PASSWORD = 'anna@example.test', 'secret'
LISTENERS = ['mx', 'submission', 'pop3s', 'http', 'https', 'admin']
CONFIG = {'route': [{'domains': ['later.test', '*.later.test'], 'relay': 'smtp://127.0.0.1:1'}, {'domains': ['*'], 'relay': 'sink'}],
          'limits': {'message_size': '2MiB', 'connections_per_address': 40}, 'retention': {'bodies': '1h'}}


def letter(**more):
    return {'from': 'Sklep <sklep@example.test>', 'to': USER, 'subject': 'Zamówienie', 'text': 'dzień dobry', **more}


class Api:
    def __init__(self, folder):
        self.server = GoniecServer(folder)
        self.contract = Contract()
        self.server.start(LISTENERS, CONFIG)
        self.server.goniec('domain', 'add', 'example.test')
        self.server.add_user(USER, PASSWORD)
        self.key = self.new_key('all', '--scope', 'send', '--scope', 'read', '--scope', 'manage')

    def new_key(self, name, *options):
        return self.server.json('key', 'create', name, *options)['token']

    def call(self, method, path, body=None, key=None, headers=None, listener='http', raw=None):
        """(status, headers, parsed or raw body); each is held against the contract."""
        port = self.server.port(listener)
        if listener == 'https':
            client = http.client.HTTPSConnection('127.0.0.1', port, context=ssl._create_unverified_context(), timeout=30)
        else:
            client = http.client.HTTPConnection('127.0.0.1', port, timeout=30)
        sent = dict(headers or {})
        if key != '':
            sent['Authorization'] = f'Bearer {key or self.key}'
        octets = raw if raw is not None else None if body is None else json.dumps(body)
        client.request(method, path, octets, sent)
        answer = client.getresponse()
        text = answer.read()
        client.close()
        kind = answer.headers.get('Content-Type', '')
        if answer.status not in (404, 405) or self.contract.path_of(path):
            self.contract.check(method, path, body, answer.status, kind, text)
        return answer.status, dict(answer.headers), json.loads(text) if kind.startswith('application/json') else text

    def send(self, **more):
        status, _, answer = self.call('POST', '/api/v1/emails', letter(**more))
        assert status == 200, answer
        return answer['id']

    def email(self, email_id):
        status, _, answer = self.call('GET', f'/api/v1/emails/{email_id}')
        assert status == 200, answer
        return answer

    def becomes(self, email_id, status):
        return until(f'{email_id} is {status}', lambda: (found := self.email(email_id))['status'] == status and found, 20, 0.1)

    def mails(self, token):
        """Those in Anna's mailbox with the token in their subject."""
        try:
            box = self.server.mailbox(USER, PASSWORD)
        except poplib.error_proto as error:
            assert 'IN-USE' in str(error), error  # the session before is still ending
            return []
        return [text for text in box.values() if token is None or f'Subject: {token}\r\n'.encode() in text]


# ---------------------------------------------------------------- keys
def keys_are_made_listed_and_revoked_by_the_command_line(api):
    run = api.server.json
    made = run('key', 'create', 'sklep', '--domain', 'example.test', '--from', '127.0.0.0/8')
    jsonschema.validate(made, json.loads((ROOT / 'docs/schemas/key.json').read_text()))
    assert made['scopes'] == ['send'] and made['token'].startswith('pk_live_')
    assert run('key', 'create', 'x', '--sandbox')['token'].startswith('pk_test_')
    assert re.fullmatch(r'SG\.\w{22}\.\w{43}', run('key', 'create', 'x', '--sendgrid')['token'])
    listed = run('key', 'list')
    jsonschema.validate(listed, json.loads((ROOT / 'docs/schemas/keys.json').read_text()))
    assert made['id'] in [each['id'] for each in listed] and made['token'] not in json.dumps(listed)
    assert api.call('POST', '/emails', letter(), made['token'])[0] == 200
    used = [each for each in run('key', 'list') if each['id'] == made['id']][0]
    assert used['last_used_from'] == '127.0.0.1' and used['last_used_at']
    api.server.goniec('key', 'revoke', made['id'])
    assert api.call('POST', '/emails', letter(), made['token'])[0] == 403
    assert api.server.run('key', 'revoke', made['id']).returncode == 67
    assert 'sklep' not in api.server.goniec('key', 'list')
    # No secret lies in the store.
    for path in api.server.store.rglob('*'):
        assert not path.is_file() or api.key.encode() not in path.read_bytes(), path


def who_has_no_key_or_not_the_scope_is_refused(api):
    reader, sender = api.new_key('r', '--scope', 'read'), api.new_key('s')
    elsewhere = api.new_key('e', '--from', '10.0.0.0/8')
    for key, method, path, status, name in [
            ('', 'POST', '/api/v1/emails', 401, 'missing_api_key'), ('', 'GET', '/api/v1/queue', 401, 'missing_api_key'),
            ('pk_live_wrong', 'POST', '/emails', 403, 'invalid_api_key'), (reader, 'POST', '/api/v1/emails', 403, 'restricted_api_key'),
            (sender, 'GET', '/api/v1/api-keys', 403, 'restricted_api_key'), (elsewhere, 'POST', '/emails', 403, 'restricted_api_key'),
            (None, 'PUT', '/api/v1/emails', 405, 'method_not_allowed'), (None, 'GET', '/api/v1/nowhere', 404, 'not_found')]:
        got, headers, answer = api.call(method, path, letter() if method == 'POST' else None, key)
        assert (got, answer['name']) == (status, name), (path, got, answer)
        assert status != 401 or headers['WWW-Authenticate'] == 'Bearer'
    for listener in ('https', 'admin'):
        assert api.call('POST', '/api/v1/emails', letter(), listener=listener)[0] == 200
        assert api.call('POST', '/api/v1/emails', letter(), '', listener=listener)[0] == 401


def keys_survive_a_restart(api):
    assert api.server.stop()
    api.server.launch()
    assert api.call('GET', '/api/v1/queue/stats')[0] == 200
    until('a first look at the depth of the queue', lambda: api.call('GET', '/api/v1/queue/stats?history=true')[2]['history'], 10, 0.1)
    assert 'history' not in api.call('GET', '/api/v1/queue/stats')[2]
    used = [each for each in api.server.json('key', 'list') if each['name'] == 'all'][0]
    assert used['last_used_at'], 'the last use is written at the end'


# ---------------------------------------------------------------- messages
def a_message_is_sent_delivered_and_followed(api):
    png = base64.b64encode(b'\x89PNG\r\n' + bytes(range(256))).decode()
    email_id = api.send(subject='żółw', html='<p>ż <img src="cid:logo"></p>', cc=['Jan <jan@far.test>'], bcc='boss@far.test', reply_to='x@example.test',
                        tags=[{'name': 'kind', 'value': 'invoice'}], metadata={'order': '17'}, headers={'X-Entity': '9'},
                        attachments=[{'filename': 'logo.png', 'content': png, 'content_id': 'logo'}, {'filename': 'żółw.txt', 'content': 'YQ=='}])
    email = api.becomes(email_id, 'delivered')
    assert email['tags'] == [{'name': 'kind', 'value': 'invoice'}] and email['metadata'] == {'order': '17'}
    assert email['to'] == [USER] and email['cc'] == ['jan@far.test'] and email['bcc'] == ['boss@far.test']
    assert email['last_event'] == 'delivered' and email['subject'] == 'żółw' and email['has_attachment']
    assert [each['status'] for each in email['recipients']] == ['delivered'] * 3
    found = [text for text in api.mails(None) if email['message_id'].encode() in text]
    assert len(found) == 1 and b'boss@far.test' not in found[0] and b'X-Entity: 9' in found[0]
    assert b'127.0.0.1' not in found[0].split(b'\r\n\r\n')[0], 'where the program runs is told to nobody'
    for part in ('trace', 'transcript', 'headers', 'content', 'raw'):
        assert api.call('GET', f'/api/v1/emails/{email_id}/{part}')[0] == 200, part
    assert len(api.call('GET', f'/api/v1/emails/{email_id}/content')[2]['parts']) == 4
    attempts = api.call('GET', f'/api/v1/emails/{email_id}/transcript')[2]['attempts']
    assert attempts and attempts[0]['lines'][-1]['text'], attempts
    assert api.server.goniec('trace', email_id) == api.server.goniec('trace', email['queue_id']), 'the command line knows both ids'
    raw = api.call('GET', f"/api/v1/emails/{email['queue_id']}/raw")
    assert raw[1]['Content-Disposition'].startswith('attachment') and b'\r\nContent-ID: <logo>\r\n' in raw[2]
    assert api.call('GET', '/api/v1/emails/019aaaaa-0000-7000-8000-000000000000')[0] == 404


def what_is_wrong_is_named(api):
    for more, field, name in [({'txet': 'x'}, 'txet', 'validation_error'), ({'to': ['a@b.test', 'foo']}, 'to[1]', 'validation_error'),
                              ({'to': 'nobody@example.test'}, 'to[0]', 'validation_error'), ({'from': 'x@far.test'}, 'from', 'validation_error'),
                              ({'from': 'foo'}, 'from', 'invalid_from_address'), ({'headers': {'X': 'a\r\nBcc: b@c'}}, 'headers.X', 'security_error'),
                              ({'attachments': [{'filename': 'a', 'content': '!'}]}, 'attachments[0].content', 'invalid_attachment')]:
        status, _, answer = api.call('POST', '/api/v1/emails', letter(**more))
        assert status in (403, 422) and (answer.get('field'), answer['name']) == (field, name), answer
    status, _, answer = api.call('POST', '/api/v1/emails', raw='{"from":')
    assert status == 422 and answer['name'] == 'validation_error'


def a_scheduled_message_waits_moves_and_is_canceled(api):
    email_id = api.send(to='x@later.test', scheduled_at=in_days(2))
    assert api.email(email_id)['status'] == 'scheduled'
    moved = in_days(9)
    assert api.call('PATCH', f'/emails/{email_id}', {'scheduled_at': moved})[0] == 200
    assert api.email(email_id)['scheduled_at'] == moved
    queued = [each for each in api.server.json('queue', 'list') if each['id'] == api.email(email_id)['queue_id']]
    assert queued[0]['state'] == 'scheduled', queued
    assert api.call('POST', f'/emails/{email_id}/cancel')[0] == 200
    assert api.email(email_id)['status'] == 'canceled'
    assert api.call('POST', f'/emails/{email_id}/cancel')[0] == 409
    assert api.call('PATCH', f'/emails/{email_id}', {'scheduled_at': in_days(1)})[0] == 409


def in_days(days):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return at.strftime('%Y-%m-%dT%H:%M:%S.000Z')


def a_deferred_message_is_tried_again_and_any_is_sent_again(api):
    email_id = api.send(to='y@later.test', subject='again')
    waiting = api.becomes(email_id, 'deferred')
    assert waiting['recipients'][0]['next_attempt_at'] and waiting['recipients'][0]['last_reply']
    assert api.call('POST', f'/api/v1/emails/{email_id}/retry')[2]['changed'] == 1
    status, _, answer = api.call('POST', f'/api/v1/emails/{email_id}/resend', {'to': [USER]})
    assert status == 200, answer
    api.becomes(answer['id'], 'delivered')
    until('it is there', lambda: len(api.mails('again')) == 1, 20, 0.2)
    status, _, answer = api.call('POST', '/api/v1/queue/hold', {'to': 'y@later.test', 'dry_run': True})
    assert status == 200 and answer['dry_run'] and len(answer['changes']) == 1


# ---------------------------------------------------------------- once
def the_same_call_is_done_once(api):
    once = {'Idempotency-Key': 'order-17'}
    first = api.call('POST', '/api/v1/emails', letter(subject='once'), headers=once)
    again = api.call('POST', '/api/v1/emails', letter(subject='once'), headers=once)
    assert first[0] == again[0] == 200 and first[2] == again[2]
    assert again[1]['Idempotent-Replayed'] == 'true' and 'Idempotent-Replayed' not in first[1]
    status, _, answer = api.call('POST', '/api/v1/emails', letter(subject='other'), headers=once)
    assert (status, answer['name']) == (409, 'invalid_idempotent_request')
    batch = [letter(subject='batch') for _ in range(100)]
    first = api.call('POST', '/emails/batch', batch, headers={'Idempotency-Key': 'b'})
    assert first[0] == 200 and len({each['id'] for each in first[2]['data']}) == 100
    assert api.call('POST', '/emails/batch', batch, headers={'Idempotency-Key': 'b'})[2] == first[2]
    until('the batch is there', lambda: len(api.mails('batch')) >= 100, 30, 0.2)
    until('one, and the batch', lambda: (len(api.mails('once')), len(api.mails('batch'))) == (1, 100), 20, 0.2)


def an_idempotency_key_survives_kill_9(api):
    """Callers whose server dies under them ask again with the same keys: each mail is there once."""
    for round_number in range(3):
        token = f'killed-{round_number}'
        count, answered, started = 60, {}, threading.Event()

        def caller(first):
            for number in range(first, count, 4):
                try:
                    status, _, answer = api.call('POST', '/api/v1/emails', letter(subject=token, text=str(number)),
                                                 headers={'Idempotency-Key': f'{token}-{number}'})
                except OSError:
                    return
                except http.client.HTTPException:
                    return
                if status == 200:
                    answered[number] = answer['id']
                    if len(answered) > 10 * round_number + 5:
                        started.set()
        threads = [threading.Thread(target=caller, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        started.wait(30)
        api.server.kill()
        for thread in threads:
            thread.join()
        api.server.launch()
        assert 0 < len(answered) < count, 'the server died in the middle'
        for number in range(count):
            status, headers, answer = api.call('POST', '/api/v1/emails', letter(subject=token, text=str(number)),
                                               headers={'Idempotency-Key': f'{token}-{number}'})
            assert status == 200, answer
            if number in answered:
                assert answer['id'] == answered[number] and headers['Idempotent-Replayed'] == 'true'
            answered[number] = answer['id']
        assert len(set(answered.values())) == count
        until('all are there', lambda: len(api.mails(token)) >= count, 30, 0.2)
        mails = until('the mailbox', lambda: api.mails(token), 20, 0.2)
        texts = sorted(text.rsplit(b'\r\n\r\n')[-1].strip() for text in mails)
        assert len(texts) == len(set(texts)) == count, 'none is lost, none is there twice'


# ---------------------------------------------------------------- SMTP
class Smtp:
    def __init__(self, api, user, password):
        self.client = smtplib.SMTP('127.0.0.1', api.server.port('submission'), timeout=30)
        self.client.starttls(context=ssl._create_unverified_context())
        self.client.login(user, password)

    def send(self, sender, to, text):
        self.client.mail(sender)
        self.client.rcpt(to)
        code, reply = self.client.data(text)
        return code, reply.decode()


def a_key_is_an_smtp_password(api):
    key = api.new_key('smtp', '--domain', 'example.test')
    smtp = Smtp(api, 'whoever', key)
    assert smtp.send('a@example.test', USER, 'From: a@example.test\r\nSubject: by-key\r\n\r\nx\r\n')[0] == 250
    until('it is there', lambda: api.mails('by-key'), 20, 0.1)
    code, reply = smtp.client.mail('a@far.test')
    assert code == 553, reply
    assert smtp.send('a@example.test', USER, 'From: a@far.test\r\nSubject: x\r\n\r\nx\r\n')[0] == 550
    for password in ('pk_live_' + 'x' * 32, api.new_key('r', '--scope', 'read'), api.new_key('e', '--from', '10.0.0.0/8')):
        try:
            Smtp(api, 'whoever', password)
            raise AssertionError('it was let in')
        except smtplib.SMTPAuthenticationError as error:
            assert error.smtp_code == 535
    # A mailbox is opened by its own password alone.
    try:
        api.server.pop(USER, api.key)
        raise AssertionError('a key opened a mailbox')
    except Exception as error:
        assert 'AUTH' in str(error) or 'invalid' in str(error), error


def options_in_the_header_are_taken(api):
    smtp = Smtp(api, 'x', api.new_key('smtp'))
    code, reply = smtp.send('a@example.test', USER, 'From: a@example.test\r\nX-Tag: kind=news\r\nSubject: options\r\nX-Metadata-Order: 17\r\n'
                            'X-Stream: bulk\r\nX-PM-Tag: pm\r\nX-SMTPAPI: {"unique_args":{"u":"1"}}\r\nX-Idempotency-Key: o1\r\n\r\nx\r\n')
    assert code == 250, reply
    email = api.becomes(re.search(r'queued as (\w+)', reply)[1], 'delivered')
    assert email['stream'] == 'bulk' and email['metadata'] == {'order': '17', 'u': '1'}, email
    assert email['tags'] == [{'name': 'kind', 'value': 'news'}, {'name': 'tag', 'value': 'pm'}]
    mail = until('it is there', lambda: api.mails('options'), 20, 0.2)[0].split(b'\r\n\r\n')[0]
    for name in (b'X-Tag', b'X-Metadata', b'X-Stream', b'X-PM', b'X-SMTPAPI', b'X-Idempotency'):
        assert name not in mail, name
    code, again = smtp.send('a@example.test', USER, 'From: a@example.test\r\nSubject: options\r\nX-Idempotency-Key: o1\r\n\r\nx\r\n')
    assert code == 250 and re.search(r'queued as (\w+)', again)[1] == re.search(r'queued as (\w+)', reply)[1]
    assert smtp.send('a@example.test', USER, 'From: a@example.test\r\nSubject: y\r\nX-Idempotency-Key: o1\r\n\r\nx\r\n')[0] == 550
    code, reply = smtp.send('a@example.test', 'z@later.test', f'From: a@example.test\r\nSubject: z\r\nX-Send-At: {in_days(3)}\r\n\r\nx\r\n')
    assert code == 250 and api.email(re.search(r'queued as (\w+)', reply)[1])['status'] == 'scheduled'
    assert smtp.send('a@example.test', USER, 'From: a@example.test\r\nSubject: y\r\nX-Send-At: soon\r\n\r\nx\r\n')[0] == 550
    # From strangers they are only text.
    with smtplib.SMTP('127.0.0.1', api.server.port('mx'), timeout=30) as stranger:
        stranger.sendmail('s@far.test', USER, 'From: s@far.test\r\nSubject: stranger\r\nX-Tag: mine\r\n\r\nx\r\n')
    assert b'\r\nX-Tag: mine\r\n' in until('it is there', lambda: api.mails('stranger'), 20, 0.1)[0]


# ---------------------------------------------------------------- domains and keys over HTTP
def domains_are_made_with_their_records(api):
    status, _, made = api.call('POST', '/domains', {'name': 'shop.test'})
    assert status == 201 and made['id'] == 'shop.test' and made['object'] == 'domain', made
    assert {each['record'] for each in made['records']} >= {'SPF', 'DKIM', 'DMARC'}, made
    assert api.call('POST', '/domains', {'name': 'shop.test'})[0] == 409
    assert api.call('POST', '/domains', {'nmae': 'x'})[2]['field'] == 'nmae'
    assert 'shop.test' in [each['name'] for each in api.call('GET', '/domains')[2]['data']]
    assert api.call('GET', '/domains/shop.test')[2]['status'] in ('pending', 'not_started', 'failed')
    assert api.call('POST', '/domains/shop.test/verify')[0] == 200
    assert api.call('GET', '/api/v1/domains/shop.test/dns?check=true')[2]['domain'] == 'shop.test'
    zone = api.call('GET', '/api/v1/domains/shop.test/dns?format=zone')[2]
    assert b'v=DKIM1' in zone and b'IN TXT' in zone
    assert api.call('POST', '/emails', letter(**{'from': 'a@shop.test'}))[0] == 200
    assert api.call('DELETE', '/domains/shop.test')[2]['deleted'] is True
    assert api.call('GET', '/domains/shop.test')[0] == 404
    assert api.call('POST', '/emails', letter(**{'from': 'a@shop.test'}))[0] == 403


def keys_are_made_over_http(api):
    status, _, made = api.call('POST', '/api-keys', {'name': 'x', 'permission': 'sending_access', 'domain': 'example.test'})
    assert status == 201 and api.call('POST', '/emails', letter(), made['token'])[0] == 200
    assert made['id'] in [each['id'] for each in api.call('GET', '/api-keys')[2]['data']]
    assert api.call('DELETE', f"/api-keys/{made['id']}")[2]['deleted'] is True
    assert api.call('DELETE', f"/api-keys/{made['id']}")[0] == 404


# ---------------------------------------------------------------- limits
def talk(api, octets, rest=b''):
    """What the server says to these octets until it closes, and to more when it asks for them."""
    with socket.create_connection(('127.0.0.1', api.server.port('http')), timeout=90) as wire:
        said = b''
        try:
            wire.sendall(octets)
            if rest:
                wire.sendall(rest)
        except OSError:
            pass
        while True:
            try:
                got = wire.recv(65536)
            except ConnectionError:
                return said
            if not got:
                return said
            said += got


def head(path, length, key=None):
    auth = f'Authorization: Bearer {key}\r\n' if key else ''
    return f'POST {path} HTTP/1.1\r\nHost: x\r\n{auth}Content-Length: {length}\r\n\r\n'.encode()


def oversized_requests_are_refused_before_they_are_read(api):
    big = 50 << 20
    assert talk(api, head('/api/v1/emails', big)).startswith(b'HTTP/1.1 401 ')
    assert talk(api, head('/emails', big, 'pk_live_wrong')).startswith(b'HTTP/1.1 403 ')
    assert talk(api, head('/api/v1/emails', big, api.key)).startswith(b'HTTP/1.1 413 ')
    assert talk(api, head('/elsewhere', 70000)).startswith(b'HTTP/1.1 413 ')
    assert talk(api, b'GET / HTTP/1.1\r\nX: ' + b'x' * 20000).startswith(b'HTTP/1.1 431 ')
    assert talk(api, head('/api/v1/emails', 1 << 20), b'x' * (1 << 20)).startswith(b'HTTP/1.1 401 '), 'a client that sends anyway hears it'
    fits = base64.b64encode(b'x' * (1 << 20)).decode()
    assert api.call('POST', '/emails', letter(to='b@far.test', attachments=[{'filename': 'a', 'content': fits}]))[0] == 200
    over = base64.b64encode(b'x' * (2 << 20)).decode()
    assert api.call('POST', '/emails', letter(to='b@far.test', attachments=[{'filename': 'a', 'content': over}]))[0] == 413


def slow_clients_are_told_and_closed(api):
    said = talk(api, b'POST /api/v1/emails HTT')
    assert said.startswith(b'HTTP/1.1 408 '), said


def connections_of_one_address_are_bounded(api):
    open_ones = []
    try:
        until('a refusal', lambda: open_ones.append(socket.create_connection(('127.0.0.1', api.server.port('http')), timeout=5)) or len(open_ones) > 45, 20, 0)
        refused = 0
        for wire in open_ones[-5:]:
            wire.settimeout(5)
            refused += wire.recv(100).startswith(b'HTTP/1.1 429 ')
        assert refused == 5, refused
    finally:
        for wire in open_ones:
            wire.close()
    until('there is room again', lambda: api.call('GET', '/api/v1/queue/stats')[0] == 200, 10, 0.1)


def wrong_keys_are_slowed(api):
    for _ in range(30):
        status, _, answer = api.call('GET', '/api/v1/queue', key='pk_live_guess')
    assert (status, answer['name']) == (429, 'rate_limit_exceeded'), answer
    assert api.call('GET', '/api/v1/queue')[0] == 200, 'who knows the key is let in'


# ---------------------------------------------------------------- contract
def every_route_is_in_the_contract(api):
    missing = [(method, pattern) for method, pattern, _ in routes() if not api.contract.has(method, pattern)]
    # Beside the contract: what the command line asks too.
    missing = [each for each in missing if each not in {('GET', '/routes/{}'), ('GET', '/trace'), ('GET', '/export/{}'), ('GET', '/search')}]
    assert len(routes()) > 15 and not missing, missing


def the_contract_is_served_to_everybody(api):
    status, _, served = api.call('GET', '/api/v1/openapi.json', key='')
    assert status == 200 and served['paths'].keys() == api.contract.document['paths'].keys()
    for path in ('/api/v1/health', '/api/v1/ready'):
        assert api.call('GET', path, key='')[2] == {'store': 'ok'}


def what_the_server_tells_is_as_the_contract_says(api):
    until('the projection', lambda: len(api.call('GET', '/emails?limit=5')[2]['data']) == 5, 20, 0.2)
    for path in ('/status', '/events?limit=20', '/stats', '/queue?limit=5', '/queue/stats', '/queue/stats?history=true', '/config', '/config/file',
                 '/reports/dmarc', '/reports/dmarc/sources',
                 '/reports/tls', f'/emails/{api.send()}/events'):
        status, _, answer = api.call('GET', f'/api/v1{path}')
        assert status == 200, (path, answer)
    status = api.call('GET', '/api/v1/status')[2]
    kinds = status['storage_bytes']
    assert status['hostname'] and kinds['database'] > 0 and kinds['journal'] > 0 and kinds['search'] > 0, status
    assert status['retention']['bodies'] and status['projection_lag'] >= 0, status


def a_reload_is_judged_before_it_is_done(api):
    def judged():
        return api.call('GET', '/api/v1/config/file')[2]
    set_here = [each for each in api.call('GET', '/api/v1/config')[2] if each['key'] == 'hostname'][0]
    assert set_here['line'] and not set_here['default'] and set_here['sentence'], set_here
    assert judged()['problems'] == [] and judged()['changes'] == [], judged()
    file = api.server.config
    before = file.read_text()
    try:
        file.write_text(before.replace('connections_per_address = 40', 'connections_per_address = 41'))
        assert judged()['changes'] == [{'key': 'limits.connections_per_address', 'now': '40', 'then': '41'}], judged()
        file.write_text(before.replace('connections_per_address', 'connections_per_adress'))
        problem = judged()['problems'][0]
        assert problem['line'] and 'connections_per_address' in problem['message'], problem
    finally:
        file.write_text(before)


def calls_that_were_made_are_many(api):
    assert len(api.contract.seen) >= 30, (len(api.contract.seen), sorted(api.contract.seen))


TESTS = [keys_are_made_listed_and_revoked_by_the_command_line, who_has_no_key_or_not_the_scope_is_refused, keys_survive_a_restart,
         a_message_is_sent_delivered_and_followed, what_is_wrong_is_named, a_scheduled_message_waits_moves_and_is_canceled,
         a_deferred_message_is_tried_again_and_any_is_sent_again, the_same_call_is_done_once, an_idempotency_key_survives_kill_9,
         a_key_is_an_smtp_password, domains_are_made_with_their_records, keys_are_made_over_http, options_in_the_header_are_taken, oversized_requests_are_refused_before_they_are_read,
         slow_clients_are_told_and_closed, connections_of_one_address_are_bounded, every_route_is_in_the_contract,
         the_contract_is_served_to_everybody, what_the_server_tells_is_as_the_contract_says, a_reload_is_judged_before_it_is_done,
         calls_that_were_made_are_many, wrong_keys_are_slowed]


def main():
    tests = Tests()
    with tempfile.TemporaryDirectory(prefix='goniec-api.') as folder:
        api = Api(folder)
        try:
            for test in TESTS:
                if len(sys.argv) < 2 or sys.argv[1] in test.__name__:
                    tests.check(test.__name__.replace('_', ' '), test, api, tell=lambda: api.server.log.read_text(errors='replace')[-1500:])
        finally:
            api.server.stop()
    tests.close()


main()
