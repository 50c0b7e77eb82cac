"""What a benchmark says beside its figures, and how it writes them: date, machine, versions, one JSON file.

Every result is {"bench", "date", "machine", "versions", "command", "rows": [...]}; bench/page.py draws
docs/performance.md from such files. Ratios are of adjacent pairs: of runs in the same round.
"""
import datetime
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path


def fdatasync_microseconds(folder, count=1000):
    """p50 and p99 of 4 KiB written over blocks that exist, and synced: what a commit can cost at least."""
    folder.mkdir(parents=True, exist_ok=True)
    path, block, times = folder / 'sync-probe', b'x' * 4096, []
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.pwrite(file, block * 256, 0)
        os.fsync(file)
        for number in range(count):
            os.pwrite(file, block, number % 256 * 4096)
            began = time.perf_counter_ns()
            os.fdatasync(file)
            times.append((time.perf_counter_ns() - began) / 1000)
    finally:
        os.close(file)
        path.unlink()
    times.sort()
    return round(times[len(times) // 2], 1), round(times[len(times) * 99 // 100], 1)


def machine(disk):
    model = next((line.partition(':')[2].strip() for line in Path('/proc/cpuinfo').read_text().splitlines() if line.startswith('model name')), '')
    memory = int(Path('/proc/meminfo').read_text().split()[1]) // 1024
    p50, p99 = fdatasync_microseconds(disk)
    return {'cores': os.cpu_count(), 'cpu': model, 'kernel': platform.release().split('-')[0], 'memory_mib': memory,
            'fdatasync_p50_us': p50, 'fdatasync_p99_us': p99, 'load_before': os.getloadavg()[0]}


def spread(values, digits=3):
    values = list(values)
    return {'median': round(statistics.median(values), digits), 'least': round(min(values), digits), 'most': round(max(values), digits)}


def ratios(runs, name, other, key='rate'):
    """Of each round's pair: what `name` does for one of `other`."""
    return spread(mine[key] / theirs[key] for mine, theirs in zip(runs[name], runs[other]) if theirs[key])


def document(bench, disk, versions, rows):
    return {'bench': bench, 'date': datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%d %H:%M UTC'), 'machine': machine(disk),
            'versions': versions, 'command': './x bench ' + ' '.join(sys.argv[1:]), 'rows': rows}


def write(found, path):
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(json.dumps(found, indent=1) + '\n')
