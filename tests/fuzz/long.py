#!/usr/bin/env python3
"""The long form of the fuzz targets: as many executions of each as were promised, over as many runs of this tool as that takes.

    ./x fuzz long [--minutes M] [--goal N] [--targets NAME,…] [--workers N] [--slice SECONDS] [--page]
Turns go to the target that is furthest behind. A turn is a run of libFuzzer in the build `fuzzing` (no sanitizer, the checks of
the code and of the library: several times as quick), from tests/fuzz/corpus and what earlier turns learned; then one in the build `check` (ASan, UBSan) for a
quarter of the time, which begins with all inputs that the quick one found to be new. docs/fuzzing.md is written from the page as it was and what
was added, so that the sums live with the code and a fresh clone goes on from them.
Promises: executions count when their run ended without a finding; a finding ends the target's turns
in this run, is named on the page, and keeps its place there until its input is gone. Ends 1 while one is open. Refuses a build that is missing.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS, PLACE, PAGE = ROOT / 'build/fuzz/programs', ROOT / 'build/fuzz', ROOT / 'docs/fuzzing.md'
GOAL = 50_000_000
BUILDS = ('fuzzing', 'check')       # the quick one, the sanitized one
SPARING = 'malloc_context_size=1:quarantine_size_mb=8:thread_local_quarantine_size_kb=64:detect_stack_use_after_return=0'
ROW = re.compile(r'^\| `(\w+)` \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d-]+) \| ([\w, ]+) \|')
NUMBERS = ('runs', 'sanitized', 'seconds', 'edges')
MOST_OCTETS = {'fuzzing': 600, 'check': 4096}      # of an input: short ones are quick, and nearly all code is reached by them


def told_page():
    """What the page says of each target."""
    rows = {}
    for line in PAGE.read_text().splitlines() if PAGE.exists() else ():
        if found := ROW.match(line):
            numbers = {each: int(found[2 + at].replace(',', '')) for at, each in enumerate(NUMBERS)}
            rows[found[1]] = {**numbers, 'date': found[6], 'commits': found[7].split(', ')}
    return rows


def commit():
    return subprocess.run(['git', 'log', '-1', '--format=%h', '--', 'src', 'tests/fuzz'], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def findings(name):
    return sorted(each.name for kind in ('crash', 'leak', 'oom', 'timeout') for each in PLACE.glob(f'{name}-{kind}-*'))


class Tally:
    def __init__(self, names, goal):
        self.rows, self.goal, self.lock, self.commit = told_page(), goal, threading.Lock(), commit()
        self.busy = set()
        for name in names:
            self.rows.setdefault(name, {**dict.fromkeys(NUMBERS, 0), 'date': '', 'commits': []})
        self.names = names

    def take(self):
        """The target that is furthest behind and that nobody has, or none."""
        with self.lock:
            open_ones = [name for name in self.names if name not in self.busy and not findings(name) and self.rows[name]['runs'] < self.goal]
            if not open_ones:
                return ''
            name = min(open_ones, key=lambda each: self.rows[each]['runs'])
            self.busy.add(name)
            return name

    def add(self, name, turn):
        with self.lock:
            row = self.rows[name]
            row['runs'] += turn.runs
            row['sanitized'] += turn.runs if turn.build == 'check' else 0
            row['seconds'] += round(turn.seconds) if turn.runs else 0
            row['edges'] = max(turn.edges, row['edges'])
            row['date'] = time.strftime('%Y-%m-%d', time.gmtime())
            if turn.runs and self.commit not in row['commits']:
                row['commits'] = [*row['commits'], self.commit][-6:]
            write_page(self.rows)

    def give_back(self, name):
        with self.lock:
            self.busy.discard(name)


Turn = collections.namedtuple('Turn', 'build runs seconds edges')     # no runs: it found something


def one_turn(name, build, runs, seconds):
    learned = PLACE / name
    learned.mkdir(parents=True, exist_ok=True)
    seeds = [each for each in (ROOT / 'tests/fuzz/corpus' / name,) if each.is_dir()]
    words = [PROGRAMS / build / f'fuzz_{name}', f'-runs={runs}', f'-max_total_time={seconds}', '-timeout=20', '-rss_limit_mb=3000', f'-max_len={MOST_OCTETS[build]}',
             '-print_final_stats=1', f'-artifact_prefix={PLACE}/{name}-', learned, *seeds]
    began = time.monotonic()
    done = subprocess.run(words, env={**os.environ, 'ASAN_OPTIONS': SPARING}, capture_output=True, text=True, errors='replace')
    spent = time.monotonic() - began
    (PLACE / f'{name}.{build}.log').write_text(done.stderr[-20000:])
    counted = re.search(r'^stat::number_of_executed_units: *(\d+)', done.stderr, re.M)
    edges = [int(each) for each in re.findall(r'cov: (\d+)', done.stderr)]
    return Turn(build, int(counted[1]) if done.returncode == 0 and counted else 0, spent, max(edges, default=0))


def about(name):
    """The first sentence of a target's header."""
    text = ' '.join(line.lstrip('/ ') for line in (ROOT / f'tests/fuzz/{name}_fuzz.cc').read_text().split('#include')[0].splitlines())
    return re.split(r'(?<=[a-z])[.;] |: (?=it |nothing |what )', text.strip().removeprefix('Fuzz target: '))[0].rstrip('.:')


HEAD = """# Fuzzing

Each target of `tests/fuzz/` is given any octets and holds what its header promises. `./x test fuzz` is the short form, under AddressSanitizer and UBSan,
`./x fuzz NAME SECONDS` looks at one, and `./x fuzz long` goes on with all of them until each had 50,000,000 executions: it wrote this
page, adds to it, and takes the target first that is furthest behind. Most executions are in a build without sanitizers, several times as
quick, of at most 600 octets; every input that reached something new is run again in the sanitized one, which then goes on by itself with up to 4,096. Seeds are in `tests/fuzz/corpus`; an input that found something
becomes one of them, or a unit test, with the mend.

| target | executions | of them sanitized | seconds | edges | last | server and targets at | what |
|---|---|---|---|---|---|---|---|
"""


def write_page(rows):
    lines = [f'| `{name}` | {row["runs"]:,} | {row["sanitized"]:,} | {row["seconds"]:,} | {row["edges"]:,} | {row["date"]} | {", ".join(row["commits"])} | {about(name)} |'
             for name, row in sorted(rows.items()) if row['runs']]
    unfinished = [name for name, row in sorted(rows.items()) if row['runs'] < GOAL]
    open_ones = [each for name in sorted(rows) for each in findings(name)]
    tail = f'\nIn all {sum(row["runs"] for row in rows.values()):,} executions. '
    tail += f'Fewer than {GOAL:,}: {", ".join(unfinished)}. ' if unfinished else f'Each had at least {GOAL:,}. '
    tail += f'Open findings: {", ".join(open_ones)}.\n' if open_ones else 'No finding is open.\n'
    PAGE.write_text(HEAD + '\n'.join(lines) + '\n' + tail)


def work(tally, deadline, slice_s):
    while (left := deadline - time.monotonic()) > 5 and (name := tally.take()):
        for build, share in zip(BUILDS, (0.8, 0.2)):
            turn = one_turn(name, build, max(100_000, tally.goal - tally.rows[name]['runs']), max(1, int(min(slice_s, left) * share)))
            tally.add(name, turn)
            print(f'{"ok  " if turn.runs else "FAIL"}  {name}, {build}: {turn.runs:,} in {turn.seconds:.0f} s, {tally.rows[name]["runs"]:,} in all, {turn.edges} edges {", ".join(findings(name))}', flush=True)
            if not turn.runs:
                tally.names = [each for each in tally.names if each != name]
                break
        tally.give_back(name)


def main():
    parser = argparse.ArgumentParser(prog='./x fuzz long', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--minutes', type=float, default=60)
    parser.add_argument('--goal', type=int, default=GOAL)
    parser.add_argument('--targets', default='')
    parser.add_argument('--workers', type=int, default=os.cpu_count())
    parser.add_argument('--slice', type=int, default=300, help='seconds of a turn')
    parser.add_argument('--page', action='store_true', help='only writes the page anew')
    options = parser.parse_args()
    there = sorted(each.name.removesuffix('_fuzz.cc') for each in (ROOT / 'tests/fuzz').glob('*_fuzz.cc'))
    names = options.targets.split(',') if options.targets else there
    for name in names:
        if name not in there:
            sys.exit(f'no target {name}; there are: {", ".join(there)}')
        for build in BUILDS if not options.page else ():        # copies: a build beside a long run must not disturb it
            (PROGRAMS / build).mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / 'build' / build / f'fuzz_{name}', PROGRAMS / build)
    if options.page:
        write_page(told_page())
        return 0
    PLACE.mkdir(parents=True, exist_ok=True)
    tally = Tally(names, options.goal)
    deadline = time.monotonic() + options.minutes * 60
    with concurrent.futures.ThreadPoolExecutor(options.workers) as pool:
        for each in [pool.submit(work, tally, deadline, options.slice) for _ in range(options.workers)]:
            each.result()
    print(json.dumps({name: tally.rows[name]['runs'] for name in names}))
    return 1 if any(findings(name) for name in names) or len(tally.names) < len(names) else 0


if __name__ == '__main__':
    sys.exit(main())
