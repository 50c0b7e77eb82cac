#!/usr/bin/env python3
"""The adapter of the conformance runner for goniec (server_adapter.py says what its verbs print).

Promises: the fixture of the case file's header, made by the public contract alone. What is stored is
read by POP3 and `goniec queue list`. A mailbox message that was read once is kept beside the server,
because messages are asked for hundreds of times.
"""
import json
import pickle
import re
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'harness'))
from goniec_server import GoniecServer

IDLE_SECONDS, DELAY_NOTICE_SECONDS = 5, 2
USERS = {'user': 'reader', 'alice': 'wonderland', 'bob': 'builder', 'postmaster': 'reader', 'full': 'reader'}


def start(server, fixture):
    dns, port = fixture['dns'], next(iter(fixture['sinks'].values()))['port']
    server.start(['mx', 'submission', 'submissions', 'lmtp', 'pop3s'], {
        'admin': 'postmaster@example.test',
        'resolver': {'servers': [f'{dns["host"]}:{dns["port"]}'], 'dnssec': 'off'},
        'delivery': {'mx_port': port, 'private_targets': True},
        'limits': {'message_size': 1048576, 'recipients': 1000, 'idle': f'{IDLE_SECONDS}s', 'messages_per_account_hour': 0},
        'retry': {'schedule': ['1s', '2s'], 'delay_notice': f'{DELAY_NOTICE_SECONDS}s'}})
    server.goniec('domain', 'add', 'example.test')
    for name, password in USERS.items():
        options = {'alice': ['--scram'], 'bob': ['--scram'], 'full': ['--quota', '1']}.get(name, [])
        server.add_user(f'{name}@example.test', password, *options)
    server.add_user('δοκιμή@example.test', 'reader')
    server.goniec('alias', 'add', 'fwd-bounce@example.test', 'x@bounce.remote.test')
    places = {'mx': 'mx', 'sub': 'submission', 'subs': 'submissions', 'lmtp': 'lmtp'}
    ports = {ours: {'host': '127.0.0.1', 'port': server.port(kind)} for ours, kind in places.items()}
    return {**ports, 'pid': server.pid(), 'idle_timeout_s': IDLE_SECONDS, 'delay_warning_s': DELAY_NOTICE_SECONDS + 3}


def texts(value):
    if isinstance(value, dict):
        value = list(value.values())
    return [text for each in value for text in texts(each)] if isinstance(value, list) else [value] if isinstance(value, str) else []


def queued(server):
    return [{'id': each['id'], 'box': None, 'from': each['from'], 'rcpts': [one['to'] for one in each['recipients']], 'data': '',
             'queue_fields': texts(each)} for each in server.queue()]


def stored(server, folder):
    cache_file = folder / 'read.pickle'
    cache = pickle.loads(cache_file.read_bytes()) if cache_file.exists() else {}
    for name, password in USERS.items():
        box = cache.setdefault(name, {})
        for uidl, data in server.mailbox(f'{name}@example.test', password, box).items():
            if data is not None:
                box[uidl] = data
    cache_file.write_bytes(pickle.dumps(cache))
    for name, box in cache.items():
        for uidl, data in box.items():
            sender = re.search(rb'(?mi)^Return-Path:[ \t]*<([^>\r\n]*)>', data.partition(b'\r\n\r\n')[0])
            yield {'id': uidl, 'box': name, 'from': sender[1].decode('latin-1') if sender else '', 'rcpts': [f'{name}@example.test'],
                   'data': data.decode('latin-1'), 'queue_fields': []}


def main(verb, folder):
    server = GoniecServer(folder)
    if verb == 'start':
        print(json.dumps(start(server, json.loads((folder / 'fixture.json').read_text()))))
    elif verb == 'messages':
        print(json.dumps(queued(server) + list(stored(server, folder))))
    elif verb == 'stop':
        server.stop()


if __name__ == '__main__':
    main(sys.argv[1], Path(sys.argv[2]))
