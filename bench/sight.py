"""sight: the search projection: what listing and searching take, what it costs a relay, how far it falls behind.

search     bench/sight.cc fills a store with --messages over --days, projects it, and asks --questions of each kind
relay      rounds of the relay benchmark with and without the projection (retention.search and .statistics = 0d),
           interleaved; the ratio is of each pair, of messages a second and of processor time a message
sustained  one relay at full speed for --seconds: the lag in events as it goes (goniec_projection_lag_events), how long
           after the last message it is 0, and the memory of the server (PSS) in the first and last tenth and at most
"""
import json
import re
import shutil
import subprocess
import threading
import time
import urllib.request

import results
from servers import DISK, RELEASE, SINK_PORT, Goniec, Sink, until
from side_by_side import compare, load


def add_options(parser):
    parser.add_argument('--messages', type=int, default=2_400_000, help='of the search part; a little over two events each')
    parser.add_argument('--days', type=int, default=30)
    parser.add_argument('--questions', type=int, default=200, help='of each kind')
    parser.add_argument('--keep', action='store_true', help='keep the store of the search part, or use the one that is kept')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--seconds', type=float, default=60, help='of the sustained relay')
    parser.add_argument('--size', type=int, default=10240)
    parser.add_argument('--sessions', type=int, default=20)
    parser.add_argument('--parts', default='search,relay,sustained')


def names(asked):
    return ['goniec']


class Without(Goniec):
    name, port = 'without', 2504
    changes = {'retention': {'search': '0d', 'statistics': '0d'}}


def lag():
    with urllib.request.urlopen('http://127.0.0.1:8025/metrics', timeout=10) as reply:
        return float(re.search(rb'^goniec_projection_lag_events (\S+)', reply.read(), re.M)[1])


class Watch:
    """Lag and memory, some times a second, until stop()."""
    def __init__(self, server):
        self.server, self.samples, self.ended = server, [], threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ended.wait(0.25):
            try:
                self.samples.append((time.monotonic(), lag(), self.server.resident()))
            except OSError:
                continue

    def stop(self):
        self.ended.set()
        self.thread.join()
        return self.samples


def search_row(asked):
    done = subprocess.run([RELEASE / 'sight', DISK / 'sight', str(asked.messages), str(asked.days), str(asked.questions), *(['keep'] if asked.keep else [])],
                          capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    for name, times in found['questions'].items():
        print(f'  {name:28} p50 {times["p50_ms"]:8.2f}  p95 {times["p95_ms"]:8.2f}  most {times["most_ms"]:8.2f} ms', flush=True)
    print(f'{found["events"]} events: {found["project"]}, all questions p95 {found["all"]["p95_ms"]} ms', flush=True)
    return {'what': 'search', **found}


def relay_row(asked, sink):
    asked.bench, asked.pipelined, asked.messages = 'relay', False, 0
    seconds, asked.seconds = asked.seconds, 4
    group = [Goniec(), Without()]
    try:
        row = compare(asked, group, sink, asked.size, asked.sessions, False)
    finally:
        asked.seconds = seconds
        for server in group:
            server.close()
            shutil.rmtree(server.disk, ignore_errors=True)
    cpu = results.ratios(row['runs'], 'goniec', 'without', 'cpu_s_per_1000')
    return {'what': 'relay', 'size': asked.size, 'sessions': asked.sessions, 'rates': row['rates'],
            'ratio': row['ratio']['without'], 'cpu_ratio': cpu,
            'cpu_s_per_1000': {name: figures['cpu_s_per_1000'] for name, figures in row['median'].items()}}


def sustained_row(asked, sink):
    server = Goniec()
    try:
        server.start(False)
        warm = load(server, asked.sessions, 5000, asked.size, [])
        until('the projection', lambda: lag() == 0, 300)
        count = int(warm['messages'] / warm['seconds'] * asked.seconds)
        before, watch, began = sink.count()[0], Watch(server), time.monotonic()
        told = load(server, asked.sessions, count, asked.size, [])
        until('the relay', lambda: sink.count()[0] - before >= count, 600, 0.01)
        ended = time.monotonic()
        until('the projection', lambda: lag() == 0, 1200, 0.25)
        caught_up = time.monotonic()
        samples = watch.stop()
        during = [each for each in samples if each[0] <= ended]
        tenth = max(1, len(during) // 10)
        row = {'what': 'sustained', 'messages': count, 'seconds': round(ended - began, 1), 'rate': round(count / (ended - began)),
               'accept_rate': round(told['messages'] / told['seconds']), 'lag_most': max(each[1] for each in samples),
               'lag_at_end': during[-1][1], 'caught_up_after_s': round(caught_up - ended, 1),
               'pss_mib': {'first_tenth': round(sum(each[2] for each in during[:tenth]) / tenth / 1024, 1),
                           'last_tenth': round(sum(each[2] for each in during[-tenth:]) / tenth / 1024, 1),
                           'most': round(max(each[2] for each in samples) / 1024, 1)}}
        print(row, flush=True)
        server.stop(10)
        return row
    finally:
        server.close()
        shutil.rmtree(server.disk, ignore_errors=True)


def run(asked):
    sink, rows = Sink(SINK_PORT), []
    try:
        parts = asked.parts.split(',')
        messages = asked.messages
        if 'relay' in parts:
            rows.append(relay_row(asked, sink))
        asked.messages = messages
        if 'sustained' in parts:
            rows.append(sustained_row(asked, sink))
        if 'search' in parts:
            rows.append(search_row(asked))
        return results.document('sight', DISK, {'goniec': Goniec().version()}, rows)
    finally:
        sink.stop()
