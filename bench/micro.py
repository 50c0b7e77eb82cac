"""micro: the small steps of a message alone (bench/micro.cc), and spool and settle over the true store.

The store's cases (bench/store.cc) are microseconds of the commit thread a message, on the disk of build/bench.
"""
import json
import subprocess

import results
from servers import DISK, RELEASE, ROOT


def add_options(parser):
    parser.add_argument('--seconds', type=float, default=0.5, help='a benchmark')


def names(asked):
    return []


def run(asked):
    DISK.mkdir(parents=True, exist_ok=True)
    told = subprocess.run([RELEASE / 'micro', '--benchmark_format=json', f'--benchmark_min_time={asked.seconds}'], cwd=ROOT, check=True, capture_output=True)
    rows = [{'name': each['name'].replace('/', ', ') + ('' if 'items_per_second' not in each else ', one'),
             'ns': 1e9 / each['items_per_second'] if 'items_per_second' in each else each['cpu_time'],
             'mib_s': each.get('bytes_per_second', 0) / (1 << 20)} for each in json.loads(told.stdout)['benchmarks']]
    stored = subprocess.run([RELEASE / 'store', DISK, str(asked.seconds)], cwd=ROOT, check=True, capture_output=True)
    rows += [{'name': f'spool and settle, {each["octets"]} octets, {each["producers"]} producers, commit thread', 'ns': each['commit_thread_microseconds'] * 1000,
              'mib_s': 0} for each in json.loads(stored.stdout)]
    for row in rows:
        print(f'micro     {row["name"]:70} {row["ns"]:10.0f} ns' + (f'  {row["mib_s"]:8.0f} MiB/s' if row['mib_s'] else ''))
    return results.document('micro', DISK, {'goniec': subprocess.run([RELEASE / 'goniec', '--version'], capture_output=True, text=True).stdout.split()[-1]}, rows)
