"""Lists, statistics, export and forgetting, as an operator types them; and that what a kill leaves of the search
projection becomes the same as one that is filled anew.

check(tests, folder): the cases of a server of their own.
"""
import csv
import io
import json
import random
import smtplib
from pathlib import Path

import jsonschema

from goniec_server import ROOT, GoniecServer
from wait import until

LISTENERS = [{'kind': 'mx', 'trust': ['127.0.0.0/8']}, 'admin']
CONFIG = {'route': [{'domains': ['later.test'], 'relay': 'smtp://127.0.0.1:1'}, {'domains': ['*'], 'relay': 'sink'}],
          'limits': {'messages_per_account_hour': 0}}


def schema(name):
    return json.loads((ROOT / f'docs/schemas/{name}.json').read_text())


class Sight:
    def __init__(self, folder):
        self.server = GoniecServer(Path(folder) / 'sight')
        self.server.folder.mkdir()
        self.server.start(LISTENERS, CONFIG)

    def send(self, recipients, subject, sender='shop@example.test'):
        with smtplib.SMTP('127.0.0.1', self.server.port('mx'), timeout=30) as client:
            client.sendmail(sender, recipients, f'Subject: {subject}\r\nFrom: {sender}\r\n\r\nhello\r\n')

    def find(self, *words):
        found = self.server.json('search', 'find', '--limit', '1000', *words)
        jsonschema.validate(found, schema('emails'))
        return found

    def shows(self, count, *words):
        return until(f'{count} messages by {words}', lambda: len(found := self.find(*words)) == count and found, 30, 0.1)

    def settled(self):
        def none_behind():
            status = self.server.json('search', 'status')
            return status['lag_events'] == 0 and status['position']
        before = until('the projection', none_behind, 60, 0.1)
        return until('the projection', lambda: none_behind() == before or None, 60, 0.5)

    def rebuilt(self):
        """Asked for, begun (which its thread does when it gets time, and the log tells), and ended."""
        def begun():
            return self.server.log.read_text(errors='replace').count('is filled anew from')
        before = begun()
        self.server.goniec('search', 'rebuild')
        until('the rebuild', lambda: begun() > before, 60, 0.1)
        self.settled()

    # ------------------------------------------------------------ cases
    def found(self):
        self.send(['jan@o2.test'], 'Faktura 17')
        self.send(['anna@later.test', 'ola@o2.test'], 'Oferta')
        self.shows(1, 'faktura', 'status:delivered')
        offer = self.shows(1, 'oferta', 'status:deferred')[0]
        assert offer['to'] == ['anna@later.test', 'ola@o2.test'] and offer['recipients'] == 2, offer
        assert [row['subject'] for row in self.find('from:shop', 'to:o2.test')] == ['Oferta', 'Faktura 17']
        assert self.find('fakt') == [] and len(self.find('fakt*')) == 1
        assert self.server.run('search', 'find', 'statsu:bounced').returncode == 64
        assert offer['queue_id'] in self.server.goniec('search', 'find', 'oferta')

    def counted(self):
        rows = until('the counts', lambda: [row for row in self.server.json('stats', '--by', 'recipient_domain') if row['recipient_domain'] == 'o2.test'
                                            and row['delivered'] == 2], 30, 0.1)
        jsonschema.validate(rows, schema('stats'))
        assert rows[0]['accepted'] == 2 and rows[0]['latency_p95_ms'] > 0, rows
        table = list(csv.DictReader(io.StringIO(self.server.goniec('stats', '--by', 'total', '--format', 'csv'))))
        assert int(table[0]['accepted']) == 3 and int(table[0]['messages']) == 2, table
        assert 'o2.test' in self.server.goniec('stats', '--by', 'recipient_domain')

    def exported(self):
        lines = [json.loads(line) for line in self.server.goniec('export', 'emails').splitlines()]
        assert [line['subject'] for line in lines] == ['Oferta', 'Faktura 17'], lines
        events = [json.loads(line) for line in self.server.goniec('export', 'events').splitlines()]
        assert [event['type'] for event in events][0] == 'email.received' and len(events) >= 5, events
        rows = list(csv.DictReader(io.StringIO(self.server.goniec('export', 'events', '--format', 'csv'))))
        assert [row['id'] for row in rows] == [event['id'] for event in events]

    def erased(self):
        say = self.server.json('erase', 'JAN@o2.test', '--dry-run')
        assert say['events'] >= 2 and say['messages'] == 1 and say['dry_run'], say
        assert len(self.find('to:jan@o2.test')) == 1
        done = self.server.json('erase', 'jan@o2.test')
        assert done['events'] == say['events'] and done['pseudonym'] == say['pseudonym'], done
        assert self.find('jan') == [] and self.find('faktura') == []
        assert 'jan@o2.test' not in self.server.goniec('export', 'events')
        assert self.find('to:' + done['pseudonym'])[0]['status'] == 'delivered'
        assert self.server.json('erase', 'anna@later.test', '--dry-run')['queued'] == 1
        self.rebuilt()
        assert self.find('jan') == [] and len(self.shows(1, 'oferta')) == 1

    def killed(self):
        """Killed in the middle of mail, some times; then what it has, and what it has when it is filled anew."""
        chance = random.Random(7)
        for turn in range(4):
            for number in range(120 + chance.randrange(60)):
                self.send([f'u{number % 13}@{"later" if number % 9 == 0 else "o2"}.test'], f'turn {turn} number {number}')
            self.server.kill()
            self.server.launch()
        until('what can be delivered', lambda: not self.server.json('queue', 'list', '--to', '@o2.test'), 60, 0.1)     # the last was taken just before a kill
        self.settled()
        first = self.state()
        assert len(first[0]) >= 480, len(first[0])
        self.rebuilt()
        again = self.state()
        assert len(again[0]) == len(first[0]), (len(again[0]), len(first[0]), again[0][:2], first[0][:2])
        apart = [each for each in zip(first[0], again[0]) if each[0] != each[1]]
        assert not apart, (len(apart), apart[:3])
        assert again[1] == first[1]

    def state(self):
        keep = ('id', 'from', 'to', 'subject', 'recipients')
        rows = [tuple(str(row[key]) for key in keep) + (row['status'] if 'later.test' not in str(row['to']) else '',) for row in self.find()]
        stats = [(row['recipient_domain'], row['messages'], row['accepted'], row['delivered']) for row in self.server.json('stats', '--by', 'recipient_domain')]
        return rows, stats


def check(tests, folder):
    sight = Sight(folder)
    try:
        for name in ('found', 'counted', 'exported', 'erased', 'killed'):
            tests.check(f'sight: {name}', getattr(sight, name))
    finally:
        sight.server.stop()
