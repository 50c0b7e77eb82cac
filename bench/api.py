"""api: messages a second that POST /api/v1/emails takes durably, beside SMTP into the same server in the same run.

Rounds of both, who goes first rotates; nothing is delivered on (the next hop is silent), so that taking is what is
measured: the "accept" of side_by_side.py, and bench/http_load.cc over connections that are kept.
"""
import json
import subprocess

import results
import servers
from servers import DISK, RELEASE, SILENT_PORT, Goniec, Sink, until
from side_by_side import load

HTTP_PORT = 2580


def add_options(parser):
    parser.add_argument('--messages', type=int, default=4000, help='a round')
    parser.add_argument('--sizes', default='2048,10240')
    parser.add_argument('--sessions', type=int, default=20)
    parser.add_argument('--rounds', type=int, default=5)


def names(asked):
    return ['goniec']


class WithApi(Goniec):
    def settings(self, hold):
        settings = super().settings(hold)
        settings['listener'].append({'kind': 'http', 'address': f'127.0.0.1:{HTTP_PORT}'})
        return settings

    def command(self, *words):
        done = subprocess.run([RELEASE / 'goniec', *words, '--config', self.disk / 'goniec.toml'], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f'goniec {" ".join(words)}: {done.stderr}')
        return done.stdout

    def by_http(self, asked, size):
        until('the socket', lambda: (self.disk / 'store/listeners.json').exists(), 20, 0.01)
        self.command('domain', 'add', 'bench.test')
        key = json.loads(self.command('key', 'create', 'bench', '--json'))['token']
        done = subprocess.run([RELEASE / 'http_load', str(HTTP_PORT), key, str(asked.sessions), str(asked.messages), str(size)],
                              capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise SystemExit(done.stderr)
        return json.loads(done.stdout)

    def by_smtp(self, asked, size):
        return load(self, asked.sessions, asked.messages, size, [])


def run(asked):
    sink, server, rows = Sink(SILENT_PORT, 'silent'), WithApi(), []
    try:
        for size in map(int, asked.sizes.split(',')):
            runs = {'http': [], 'smtp': []}
            for number in range(asked.rounds + 1):
                for way in ('http', 'smtp') if number % 2 else ('smtp', 'http'):
                    server.start(True)
                    before = server.group.seconds()
                    told = (server.by_http if way == 'http' else server.by_smtp)(asked, size)
                    cpu = server.group.seconds() - before
                    server.stop()
                    if number > 0:  # the first warms up
                        runs[way].append({'rate': told['messages'] / told['seconds'], 'p50_ms': told['p50_ms'], 'p99_ms': told['p99_ms'],
                                          'cpu_s_per_1000': cpu / told['messages'] * 1000})
            rows.append({'size': size, 'sessions': asked.sessions, 'runs': runs, 'rates': {way: results.spread((each['rate'] for each in found), 0) for way, found in runs.items()},
                         'median': {way: {key: results.spread(each[key] for each in found)['median'] for key in found[0]} for way, found in runs.items()}})
            for way, figures in rows[-1]['median'].items():
                print(f'api       {size:7} B {asked.sessions:4} sessions {way:12} {figures["rate"]:9.0f}/s  p50 {figures["p50_ms"]:7.2f} ms  '
                      f'p99 {figures["p99_ms"]:8.2f} ms  cpu {figures["cpu_s_per_1000"]:6.3f} s/1000', flush=True)
        return results.document('api', DISK, {'goniec': server.version()}, rows)
    finally:
        server.close()
        sink.stop()
