"""sign: what DKIM costs. Signing and verifying alone, beside the library of Debian's opendkim and python3-dkim, in
messages a second of CPU time; and relaying with signing on beside off, in CPU time a message.

Alone: the same message, relaxed and relaxed, one thread, key records at hand; goniec by bench/sign.cc, the others
by bench/sign_peer.py. Rounds are interleaved and who goes first rotates; a ratio is of two runs of the same round.
`both` is an RSA and an Ed25519 signature on one message, as Goniec signs by default. Relay: one server without a
key, one with an RSA key and one with both, else the same; clients that need no login on a submission listener.
"""
import argparse
import base64
import json
import os
import subprocess
import sys

import results
import side_by_side
from servers import DISK, RELEASE, ROOT, SINK_PORT, Goniec, Sink, stage

PEERS = ('opendkim', 'python3-dkim')
HEADER = ('From: Anna Kowalska <anna@example.com>\r\nTo: Bob <bob@example.net>\r\nSubject: A message as there are many, with a subject of some length\r\n'
          'Date: Thu, 26 Nov 2026 01:00:00 +0000\r\nMessage-ID: <20261126.1@example.com>\r\nMIME-Version: 1.0\r\n'
          'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n')
LINE = 'A line of text with some words in it, not  all of them apart by one blank.\r\n'


def add_options(parser):
    parser.add_argument('--seconds', type=float, default=1, help='of CPU time, each measurement')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--peers', default=','.join(PEERS))
    parser.add_argument('--sizes', default='10240,1048576', help="'': relay alone")
    parser.add_argument('--relay-rounds', type=int, default=5, help='0: no relay')
    parser.add_argument('--relay-seconds', type=float, default=4)
    parser.add_argument('--messages', type=int, default=0, help='in every run of relay')


def names(asked):
    return ['opendkim'] if 'opendkim' in asked.peers else []


def openssl(*words):
    return subprocess.run(['openssl', *words], check=True, capture_output=True).stdout


class Keys:
    """A key of each algorithm in the form that each library wants, and its record."""
    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        openssl('genrsa', '-traditional', '-out', str(folder / 'rsa.pem'), '2048')
        openssl('genpkey', '-algorithm', 'ed25519', '-out', str(folder / 'ed25519.pem'))
        seed = openssl('pkey', '-in', str(folder / 'ed25519.pem'), '-outform', 'der')[-32:]
        (folder / 'ed25519.seed').write_bytes(base64.b64encode(seed))
        public = {'rsa': openssl('rsa', '-in', str(folder / 'rsa.pem'), '-pubout', '-outform', 'der'),
                  'ed25519': openssl('pkey', '-in', str(folder / 'ed25519.pem'), '-pubout', '-outform', 'der')[-32:]}
        for kind, octets in public.items():
            (folder / f'{kind}.record').write_bytes(f'v=DKIM1; k={kind}; p='.encode() + base64.b64encode(octets))

    def words(self, peer, kind):
        key = 'ed25519.seed' if (peer, kind) == ('python3-dkim', 'ed25519') else f'{kind}.pem'
        return [str(self.folder / key), str(self.folder / f'{kind}.record')]


def told(words, **options):
    done = subprocess.run(words, capture_output=True, text=True, **options)
    if done.returncode:
        raise SystemExit(f'{" ".join(map(str, words))}: {done.stderr.strip()[-500:]}')
    return json.loads(done.stdout)


def once(name, kind, path, keys, seconds):
    if name == 'goniec':
        return told([RELEASE / 'sign', kind, path, str(seconds)])
    libraries = ROOT / 'build/peers/opendkim/usr/lib/x86_64-linux-gnu'
    return told(['/usr/bin/python3', '-B', ROOT / 'bench/sign_peer.py', name, kind, path, *keys.words(name, kind), str(seconds)],
                env={**os.environ, 'LD_LIBRARY_PATH': str(libraries)})


def alone(asked, size, kind, keys):
    path = keys.folder / f'message-{size}'
    path.write_text(HEADER + LINE * (size // len(LINE) + 1), newline='')
    group = ['goniec', *(asked.peers.split(',') if asked.peers and kind != 'both' else [])]
    runs = {name: [] for name in group}
    for number in range(asked.rounds):
        turn = number % len(group)
        for name in group[turn:] + group[:turn]:
            runs[name].append(once(name, kind, path, keys, asked.seconds))
    rows = []
    for work in ('sign', 'verify'):
        row = {'work': work, 'key': kind, 'size': size, 'rates': {name: results.spread((run[work] for run in each), 1) for name, each in runs.items()},
               'ratio': {name: results.ratios(runs, 'goniec', name, work) for name in group[1:]}}
        rows.append(row)
        print(f'{work:7} {kind:8} {size:8} B  ' + '  '.join(f'{name} {rate["median"]:.0f}/s' for name, rate in row['rates'].items())
              + ''.join(f'  goniec / {name} {ratio["median"]:.2f}' for name, ratio in row['ratio'].items()), flush=True)
    return rows


# ---------------------------------------------------------------- relay
class Unsigned(Goniec):
    """Mail is submitted, by who needs no login; the domain of its author has no key."""
    name, port, keys = 'unsigned', 2510, None

    def settings(self, hold):
        settings = super().settings(hold)
        certificate, key = side_by_side.make_certificate(stage.STAGE, 'localhost')
        settings['tls'] = {'certificate': certificate, 'key': key}
        settings['listener'] = [{'kind': 'submission', 'address': f'127.0.0.1:{self.port}', 'trust': ['127.0.0.0/8']}]
        return settings

    def start(self, hold):
        super().start(hold)
        config = ['--config', self.disk / 'goniec.toml']
        for words in [['domain', 'add', 'load.test']] + ([['dkim', 'create', 'load.test', '--now', '--algorithm', self.keys]] if self.keys else []):
            subprocess.run([RELEASE / 'goniec', *words, *config], check=True, capture_output=True)
        return self


class SignedByRsa(Unsigned):
    name, port, keys = 'rsa', 2511, 'rsa'


class SignedByBoth(Unsigned):
    name, port, keys = 'both', 2512, 'both'


def relay(asked, size):
    sink, group = Sink(SINK_PORT), [each() for each in (Unsigned, SignedByRsa, SignedByBoth)]
    plan = argparse.Namespace(bench='relay', rounds=asked.relay_rounds, seconds=asked.relay_seconds, messages=asked.messages, pipelined=False)
    try:
        row = side_by_side.compare(plan, group, sink, size, 20, False)
    finally:
        sink.stop()
        for server in group:
            server.close()
    runs = row['runs']
    return {'work': 'relay', 'size': size, 'rates': row['rates'],
            'cpu_ms': {name: results.spread(run['cpu_s_per_1000'] for run in each) for name, each in runs.items()},
            'cost': {name: results.spread(mine['cpu_s_per_1000'] / off['cpu_s_per_1000'] for mine, off in zip(runs[name], runs['unsigned'])) for name in ('rsa', 'both')},
            'ratio': {name: results.ratios(runs, name, 'unsigned') for name in ('rsa', 'both')}}


def versions(asked):
    found = {'goniec': told_version([RELEASE / 'goniec', '--version'])}
    for peer in filter(None, asked.peers.split(',')):
        package = 'libopendkim11' if peer == 'opendkim' else peer
        found[peer] = told_version(['apt-cache', 'show', '--no-all-versions', package])
    return found


def told_version(words):
    text = subprocess.run(words, capture_output=True, text=True).stdout
    return next((line.split()[-1] for line in text.splitlines() if line.startswith(('Version:', 'goniec'))), '?')


def run(asked):
    DISK.mkdir(parents=True, exist_ok=True)
    keys = Keys(stage.STAGE / 'keys')
    sizes = [int(each) for each in asked.sizes.split(',') if each]
    rows = [row for kind in ('rsa', 'ed25519', 'both') for size in sizes for row in alone(asked, size, kind, keys)]
    if asked.relay_rounds:
        rows.append(relay(asked, 10240))
    return results.document('sign', DISK, versions(asked), rows)
