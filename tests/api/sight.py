#!/usr/bin/env python3
"""Webhooks and the dashboard's sessions of a real server: what a receiver over real HTTP is told, how it can be sure of
it, what happens when it is away or says 410, and replay; who is let in to the dashboard, and that a foreign page can
change nothing. Each call and answer is held against the contract, src/api/openapi.yaml.

Closes with `N passed, N failed`.
"""
import base64
import hashlib
import hmac
import http.client
import json
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'tests/harness'), str(ROOT / 'tests/api')]
from contract import Contract           # noqa: E402
from goniec_server import GoniecServer  # noqa: E402
from tally import Tests                 # noqa: E402
from wait import until                  # noqa: E402

ADMIN, OTHER, PASSWORD = 'anna@example.test', 'jan@example.test', 'secret'
CONFIG = {'admin': ADMIN, 'webhooks': {'private_targets': True}}


class Receiver:
    """An HTTP server that answers as told and keeps what it got."""

    def __init__(self):
        self.calls, self.answer, self.failures = [], 200, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length']))
                outer.calls.append((dict(self.headers), body))
                status = outer.answer
                if outer.failures:
                    outer.failures -= 1
                    status = 500
                self.send_response(status)
                self.send_header('Content-Length', '4')
                self.end_headers()
                self.wfile.write(b'seen')

            def log_message(self, *_):
                pass
        self.server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.url = f'http://127.0.0.1:{self.server.server_port}/hook'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def events(self):
        return [json.loads(body) for _, body in self.calls]

    def of(self, queue_id):
        return [each for each in self.events() if each['data'].get('queue_id') == queue_id]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class House:
    def __init__(self, folder):
        self.server, self.contract = GoniecServer(folder), Contract()
        self.server.start(['http', 'https', 'submission', 'pop3s'], CONFIG)
        self.server.goniec('domain', 'add', 'example.test')
        for user in (ADMIN, OTHER):
            self.server.add_user(user, PASSWORD)
        self.key = self.server.json('key', 'create', 'all', '--scope', 'send', '--scope', 'read', '--scope', 'manage')['token']

    def call(self, method, path, body=None, headers=None, key=True):
        client = http.client.HTTPConnection('127.0.0.1', self.server.port('http'), timeout=30)
        sent = {'Authorization': f'Bearer {self.key}'} if key else {}
        client.request(method, path, None if body is None else json.dumps(body), {**sent, **(headers or {})})
        answer = client.getresponse()
        text = answer.read()
        client.close()
        kind = answer.headers.get('Content-Type', '')
        if self.contract.path_of(path) and answer.status != 204 and path.startswith('/api/'):
            self.contract.check(method, path, body, answer.status, kind, text)
        return answer.status, answer.headers, json.loads(text) if text and kind.startswith('application/json') else text

    def hook(self, receiver, **more):
        status, _, made = self.call('POST', '/api/v1/webhooks', {'endpoint': receiver.url, 'events': ['email.*'], **more})
        assert status == 201, made
        return made

    def send(self, to=OTHER):
        status, _, sent = self.call('POST', '/api/v1/emails', {'from': ADMIN, 'to': to, 'subject': 'Hi', 'text': 'x', 'tags': [{'name': 'kind', 'value': 'test'}]})
        assert status == 200, sent
        return self.call('GET', f'/api/v1/emails/{sent["id"]}')[2]['queue_id']

    def remove(self, made):
        assert self.call('DELETE', f'/api/v1/webhooks/{made["id"]}')[0] == 200


def signed_by(secret, headers, body):
    text = f'{headers["webhook-id"]}.{headers["webhook-timestamp"]}.'.encode() + body
    mine = base64.b64encode(hmac.new(base64.b64decode(secret.removeprefix('whsec_')), text, hashlib.sha256).digest()).decode()
    return f'v1,{mine}' in headers['webhook-signature'].split(' ')


# ---------------------------------------------------------------- webhooks
def events_of_a_message_come_signed_in_order_and_once(house, receiver):
    made = house.hook(receiver)
    queue_id = house.send()
    until('both events', lambda: len(receiver.of(queue_id)) == 2)
    told = receiver.of(queue_id)
    assert [each['type'] for each in told] == ['email.received_for_delivery', 'email.delivered'], told
    assert told[1]['data']['subject'] == 'Hi' and told[1]['data']['tags'] == {'kind': 'test'}, told[1]
    for headers, body in receiver.calls:
        assert signed_by(made['signing_secret'], headers, body), headers
        assert headers['webhook-id'] == json.loads(body)['id']
    listed = house.call('GET', f'/api/v1/webhooks/{made["id"]}/events')[2]['data']
    assert {each['state'] for each in listed} == {'delivered'} and len(listed) == 2, listed
    assert 'signing_secret' not in json.dumps(house.call('GET', '/api/v1/webhooks')[2])
    house.remove(made)


def a_failed_call_is_made_again_under_the_same_id(house, receiver):
    made = house.hook(receiver)
    receiver.failures = 1
    queue_id = house.send()
    until('a second call', lambda: len(receiver.of(queue_id)) == 3, 20)
    ids = [headers['webhook-id'] for headers, _ in receiver.calls]
    assert ids[0] == ids[1] != ids[2], ids
    path = f'/api/v1/webhooks/{made["id"]}/events/{ids[0]}'
    attempts = house.call('GET', f'{path}/attempts')[2]['data']
    assert [each['status'] for each in attempts] == [500, 200] and attempts[0]['response'] == 'seen', attempts
    assert house.call('POST', f'{path}/replay', {})[0] == 200
    until('the replay', lambda: [headers['webhook-id'] for headers, _ in receiver.calls].count(ids[0]) == 3)
    house.remove(made)


def what_happened_while_goniec_was_down_is_told_after_it(house, receiver):
    made = house.hook(receiver)
    receiver.answer = 503
    queue_id = house.send()
    until('a call', lambda: receiver.calls)
    house.server.kill()
    receiver.answer = 200
    house.server.launch()
    until('both events', lambda: {each['type'] for each in receiver.of(queue_id)} == {'email.received_for_delivery', 'email.delivered'}, 30)
    house.remove(made)


def gone_disables_and_the_administrator_gets_a_mail(house, receiver):
    made = house.hook(receiver)
    receiver.answer = 410
    house.send()
    path = f'/api/v1/webhooks/{made["id"]}'
    until('disabled', lambda: house.call('GET', path)[2]['status'] == 'disabled')
    assert '410' in house.call('GET', path)[2]['disabled_reason']
    assert 'webhook_disabled' in house.server.goniec('event', 'tail', '--once')
    until('the mail', lambda: any(b'is disabled: it answered 410 Gone' in text for text in house.server.mailbox(ADMIN, PASSWORD).values()))
    receiver.answer = 200
    assert house.call('PATCH', path, {'status': 'enabled'})[2]['status'] == 'enabled'
    until('what waited', lambda: len(receiver.calls) >= 3)
    house.remove(made)


def a_secret_that_is_rotated_signs_beside_the_new_one(house, receiver):
    made = house.hook(receiver)
    new = house.call('POST', f'/api/v1/webhooks/{made["id"]}/signing-secret/rotate')[2]['signing_secret']
    assert new != made['signing_secret']
    house.send()
    until('a call', lambda: receiver.calls)
    for secret in (new, made['signing_secret']):
        assert signed_by(secret, *receiver.calls[0])
    house.remove(made)


def the_command_line_makes_tests_and_lists(house, receiver):
    run = house.server.goniec
    made = house.server.json('webhook', 'add', receiver.url, '--event', 'email.delivered')
    assert run('webhook', 'test', made['id']).startswith('200 in ')
    receiver.answer = 500
    assert house.server.run('webhook', 'test', made['id']).returncode == 1
    receiver.answer = 200
    assert receiver.url in run('webhook', 'list')
    assert house.server.run('webhook', 'show', 'nobody').returncode == 67
    assert house.server.run('webhook', 'add', 'ftp://x/').returncode == 65
    assert run('webhook', 'replay', made['id'], '--dry-run') == '0 would go out again\n'
    run('webhook', 'remove', made['id'])
    assert run('webhook', 'list') == 'there are no webhooks\n'


def private_targets_are_refused_unless_allowed(house, receiver):
    made = house.hook(receiver)
    house.server.stop()
    text = house.server.config.read_text()
    house.server.config.write_text(text.replace('private_targets = true', 'private_targets = false'))
    house.server.launch()
    calls = len(receiver.calls)
    attempt = house.call('POST', f'/api/v1/webhooks/{made["id"]}/test')[2]
    assert attempt['status'] is None and 'no address' in attempt['error'] and len(receiver.calls) == calls, attempt
    house.server.config.write_text(text)
    house.server.goniec('reload')
    assert house.call('POST', f'/api/v1/webhooks/{made["id"]}/test')[2]['status'] == 200
    house.remove(made)


# ---------------------------------------------------------------- sessions
def log_in(house, user=ADMIN, password=PASSWORD, **headers):
    status, fields, answer = house.call('POST', '/api/v1/session', {'user': user, 'password': password}, headers, key=False)
    return status, (fields.get('Set-Cookie') or '').split(';')[0], answer, fields


def the_administrator_logs_in_and_changes_only_with_the_csrf_word(house, receiver):
    status, cookie, session, fields = log_in(house)
    assert status == 200 and session['user'] == ADMIN, session
    assert 'HttpOnly' in fields['Set-Cookie'] and 'SameSite=Strict' in fields['Set-Cookie']
    assert house.call('GET', '/api/v1/session', headers={'Cookie': cookie}, key=False)[0] == 200
    assert house.call('GET', '/api/v1/queue', headers={'Cookie': cookie}, key=False)[0] == 200
    body = {'endpoint': receiver.url, 'events': ['*']}
    status, _, answer = house.call('POST', '/api/v1/webhooks', body, {'Cookie': cookie}, key=False)
    assert (status, answer['name']) == (403, 'security_error'), answer
    word = {'Cookie': cookie, 'X-CSRF-Token': session['csrf']}
    status, _, made = house.call('POST', '/api/v1/webhooks', body, word, key=False)
    assert status == 201, made
    house.remove(made)
    assert house.call('DELETE', '/api/v1/session', headers=word, key=False)[0] == 204
    assert house.call('GET', '/api/v1/session', headers={'Cookie': cookie}, key=False)[0] == 401
    assert house.call('GET', '/api/v1/queue', headers={'Cookie': cookie}, key=False)[0] == 401


def nobody_else_is_let_in(house, receiver):
    assert log_in(house, password='wrong')[0] == 401
    status, cookie, answer, _ = log_in(house, OTHER)
    assert status == 403 and not cookie and 'administrator' in answer['message'], answer
    assert log_in(house, **{'Sec-Fetch-Site': 'cross-site'})[0] == 403
    assert house.call('GET', '/api/v1/queue', headers={'Cookie': 'goniec_session=00'}, key=False)[0] == 401


def the_dashboard_is_served_with_a_strict_policy(house, receiver):
    for path in ('/', '/activity', '/m/AAAAAAAAAAAAA'):
        status, fields, body = house.call('GET', path, headers={'Accept-Encoding': 'gzip'}, key=False)
        assert status == 200 and fields['Content-Type'].startswith('text/html'), (path, status)
        policy = fields['Content-Security-Policy']
        assert "default-src 'none'" in policy and 'unsafe' not in policy and "frame-ancestors 'none'" in policy
        assert fields['X-Content-Type-Options'] == 'nosniff'
        assert house.call('GET', path, headers={'Accept-Encoding': 'gzip', 'If-None-Match': fields['ETag']}, key=False)[0] == 304
    assert house.call('GET', '/../../etc/passwd', headers={'Accept-Encoding': 'gzip'}, key=False)[0] == 404


TESTS = [events_of_a_message_come_signed_in_order_and_once, a_failed_call_is_made_again_under_the_same_id,
         what_happened_while_goniec_was_down_is_told_after_it, gone_disables_and_the_administrator_gets_a_mail,
         a_secret_that_is_rotated_signs_beside_the_new_one, the_command_line_makes_tests_and_lists,
         private_targets_are_refused_unless_allowed, the_administrator_logs_in_and_changes_only_with_the_csrf_word,
         the_dashboard_is_served_with_a_strict_policy, nobody_else_is_let_in]


def main():
    tests = Tests()
    with tempfile.TemporaryDirectory(prefix='goniec-sight.') as folder:
        house = House(folder)
        try:
            for test in TESTS:
                receiver = Receiver()
                if len(sys.argv) < 2 or sys.argv[1] in test.__name__:
                    tests.check(test.__name__.replace('_', ' '), test, house, receiver, tell=lambda: house.server.log.read_text(errors='replace')[-1500:])
                receiver.stop()
        finally:
            house.server.stop()
    tests.close()


main()
