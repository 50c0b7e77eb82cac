#!/usr/bin/env python3
"""The torture test: what a server answered 250 must survive every crash that can be made here.

    ./x torture [--kills N] [--images N] [--server NAME,…] [--parts NAME,…] [--short]
              [--minutes M] [--points N] [--cycles N] [--changes N] [--place DIR] [--seed N] [--report]
Parts: self (the auditor finds stubs that lose), kills (kill -9 at random moments under load), terms
(SIGTERM under load), power (power cuts, by recording and rebuilding the disk), points (kill -9 at every
system call of a kind), eio (calls that fail), short (writes that write half), full (a disk filled and drained), damage (flipped bits). Servers: goniec, postfix, exim, opensmtpd; the peers need root, for namespaces,
and Debian's packages. --report writes docs/torture.md from what the runs left in build/torture/results.
Promises: a server is known by its hooks alone (hooks/common), the sink is never killed, a fault is real
and not imitated. Closes with `N passed, N failed`.
"""
import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
from trial import ROOT, Server, Trial, fresh, verdict  # noqa: E402
import kills  # noqa: E402
import points  # noqa: E402
import power  # noqa: E402
import report  # noqa: E402
import short  # noqa: E402
import storage  # noqa: E402

PLACE = RESULTS = ROOT / 'build/torture'
PEERS = ('postfix', 'exim', 'opensmtpd')


class Run:
    """What the parts are given: options, a folder of their own, and where results go."""

    def __init__(self, options):
        self.options, self.passed, self.failed = options, 0, 0
        self.short, self.seed = options.short, options.seed
        self.views = {}

    def check(self, name, good, detail=''):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        print(f'{"ok  " if good else "FAIL"}  {name}: {detail}', flush=True)
        return good

    def server(self, name, folder='server', **environment):
        place = fresh(PLACE / name / folder)
        if name in PEERS and name not in self.views:
            import views
            self.views[name] = views.view(name)
        view = self.views.get(name, '')
        if view:
            import views
            views.mount_spool(name, view, place)
        return Server(name, place, view, **environment)

    def keep(self, server, part, figures):
        """One file a server and part: the last run counts. The short form is no result."""
        if self.short:
            return
        folder = RESULTS / 'results'
        folder.mkdir(parents=True, exist_ok=True)
        commit = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], cwd=ROOT, capture_output=True, text=True).stdout.strip()
        figures = {'server': server.name, 'part': part, 'version': server.hook('version', check=False).strip().splitlines()[:1],
                   'date': time.strftime('%Y-%m-%d', time.gmtime()), 'commit': commit, **figures}
        (folder / f'{server.name}.{part}.json').write_text(json.dumps(figures, indent=1) + '\n')


# ------------------------------------------------------------ parts
def self_test(run):
    """The auditor is believed because it finds these."""
    wanted = {'none': None, 'early': 'lost', 'truncate': 'corrupt'}
    for fault, name in wanted.items():
        server = run.server('stub', f'self-{fault}', TORTURE_FAULT=fault)
        found = kills.random_kills(server, PLACE / 'stub/trial', 10, 100, run.seed, tempers='ok', largest=65536, recipients=3)
        good, text = verdict(found)
        run.check(f'stub {fault}: ' + (f'{name} is found' if name else 'nothing is found'), found[name] > 0 if name else good, text)


BOOKS = (  # what the client wrote, what the sink wrote, when kills were, and the verdicts
    ('an honest delivery', 'try 1 5\nack 1 9 4 0 250 ok\n', 'got 1 0 8 good\n', '', {}),
    ('acknowledged and nowhere', 'try 1 5\nack 1 9 4 0,1 250 ok\n', 'got 1 0 8 good\n', '', {'lost': 1}),
    ('bounced with notice', 'try 1 5\nack 1 9 4 0 250 ok\n', 'dsn 1 0 8\n', '', {}),
    ('another digest', 'try 1 5\nack 1 9 4 0 250 ok\n', 'got 1 0 8 bad\n', '', {'corrupt': 1}),
    ('never sent', '', 'got 1 0 8 good\n', '', {'ghosts': 1}),
    ('refused and delivered', 'try 1 5\nno 1 6 554 no\n', 'got 1 0 8 good\n', '', {'ghosts': 1}),
    ('a recipient that was not accepted', 'try 1 5\nack 1 9 4 0 250 ok\n', 'got 1 0 8 good\ngot 1 1 8 good\n', '', {'ghosts': 1}),
    ('twice without a cause', 'try 1 5\nack 1 9 4 0 250 ok\n', 'got 1 0 8 good\ngot 1 0 9 good\n', '', {'unexplained': 1}),
    ('twice by a kill', 'try 1 5\nack 1 9 4 0 250 ok\n', 'got 1 0 8 good\ngot 1 0 9000000 good\n', 'kill 10\ndead 11\nup 12\n', {}),
    ('twice, the kill long after the first', 'try 1 5\nack 1 9 4 0 250 ok\n', 'got 1 0 8 good\ngot 1 0 9000000 good\n', 'kill 8000000\ndead 8000001\n', {'unexplained': 1}),
    ('twice by a cut', 'try 1 5\nack 1 9 4 0 250 ok\n', 'got 1 0 8 good\ncut 1 0 8\ngot 1 0 9 good\n', '', {}),
    ('twice by a second try', 'try 1 5\ngone 1 6\ntry 1 7\nack 1 9 4 0 250 ok\n', 'got 1 0 8 good\ngot 1 0 9 good\n', '', {}))


def judge_self_test(run):
    for title, client, sink, events, wanted in BOOKS:
        server = run.server('stub', 'self-judge')
        trial = Trial(server, fresh(PLACE / 'stub/books'))
        trial.client_log.write_text(client)
        trial.sink_log.write_text(sink)
        server.events.write_text(events)
        found = trial.judge()
        got = {name: found[name] for name in ('lost', 'corrupt', 'ghosts', 'unexplained') if found[name]}
        run.check(f'judge: {title}', got == wanted, f'{got}')


def power_self_test(run):
    """A sync after the 250: kill -9 loses nothing by it, power loss does."""
    for fault in ('none', 'late_sync'):
        server = run.server('stub', f'power-{fault}', TORTURE_FAULT=fault)
        total = power.power_loss(server, PLACE / 'stub/power', 20, 60, run.seed, ('contract',), 'ok')['contract']
        lost = total.pop('lost')
        run.check(f'stub {fault}: power loss ' + ('loses nothing' if fault == 'none' else 'is seen to lose'), (lost > 0) == (fault == 'late_sync'), f'lost {lost}, {total}')


def power_loss(run, name):
    server = run.server(name)
    models = ('contract',) if run.short else ('contract', 'ext4')
    images = run.options.images or (20 if run.short else 1000)
    for model, total in power.power_loss(server, PLACE / name / 'power', images, 100 if run.short else 300, run.seed, models).items():
        bad = any(total[each] for each in ('lost', 'corrupt', 'ghosts', 'dead'))
        run.check(f'{name}: {total["images"]} images of a power loss, {model}', not bad, str(total))
        run.keep(server, f'power-{model}', total)


def random_kills(run, name):
    count = run.options.kills or (100 if run.short else 1000)
    server = run.server(name)
    load = {'tempers': TEMPERS[name]} if name in TEMPERS else {}
    found = kills.random_kills(server, PLACE / name / 'kills', count, 0, run.seed, **load, largest=65536 if run.short else 262144, longest_s=0.25, minutes=run.options.minutes)
    good, text = verdict(found)
    run.check(f'{name}: kills under load', good and found['kills'] >= (1 if run.options.minutes else count), text)
    run.keep(server, 'kills', found)


def terms(run, name):
    server = run.server(name)
    count = 5 if run.short else 100
    worst, found = kills.terms(server, PLACE / name / 'terms', count, run.seed)
    good, text = verdict(found)
    run.check(f'{name}: {count} times SIGTERM under load', good and worst <= 10, f'longest end {worst:.2f} s; {text}')
    run.keep(server, 'terms', {**found, 'times': count, 'worst_end_s': round(worst, 2)})


def walk_points(run, name, fault, part, title):
    sample = run.options.points or (5 if run.short else 100000)
    total = points.walk(lambda: run.server(name), PLACE / name / part, sample, fault, run.seed)
    bad = any(total[each] for each in ('lost', 'corrupt', 'ghosts', 'unexplained', 'dead', 'acknowledged_after'))
    run.check(f'{name}: {total["points"]} {title}', not bad and total['reached'] > total['points'] // 3, str(total))
    run.keep(run.server(name), part, total)


def kill_points(run, name):
    walk_points(run, name, 'signal=SIGKILL', 'points', 'kills at a system call')


def failing_calls(run, name):
    if name == 'goniec':
        walk_points(run, name, 'error=EIO', 'eio', 'writes and syncs that fail')


def short_writes(run, name):
    if name != 'goniec':
        return
    count = run.options.points or (3 if run.short else 120)
    total = short.walk(lambda: run.server(name), PLACE / name / 'short', count, run.seed)
    bad = any(total[each] for each in ('lost', 'corrupt', 'ghosts', 'unexplained', 'dead', 'acknowledged_after'))
    run.check(f'{name}: {total["runs"]} runs with short writes', not bad and total['reached'] > total['runs'] // 3, str(total))
    run.keep(run.server(name), 'short', total)


def full_disk(run, name):
    if name != 'goniec':
        return
    if os.geteuid() != 0:
        print('      the full disk is not tried: it needs root, for a mount')
        return
    place = PLACE / name / 'full-disk'
    cycles = run.options.cycles or (3 if run.short else 100)
    total, found = storage.full(lambda: Server(name, place, TORTURE_EVENTS='2s'), place, PLACE / name / 'full', cycles, run.seed)
    good, text = verdict(found)
    run.check(f'{name}: a disk filled and drained {cycles} times', good and storage.reserve_kept(total) and storage.goes_on(total) and total['refused_452'] and not found['queued'], f'{total}; {text}')
    run.keep(run.server(name), 'full', {**found, **total})


DAMAGE_SEEDS = ((1003, 217),)   # the key of a message's row changed: its entry was passed over without a word


def damaged(run, name):
    """Most of it in one process over a disk in memory (tests/tools/store_damage.cc); some on the binary itself."""
    if name != 'goniec':
        return
    tool = ROOT / 'build/release/store_damage'
    seen = subprocess.run([tool, '--self-test'], capture_output=True, text=True)
    run.check('store_damage: a known loss is seen and named', seen.returncode == 0, seen.stdout.strip().replace('\n', '; '))
    for seed, number in DAMAGE_SEEDS:
        found, said = storage.damage_inside(tool, number, seed, 1, [seed])
        run.check(f'store_damage: seed {seed} up to change {number}', not any(found[each] for each in storage.BROKEN_LAWS), said)
    changes = run.options.changes or (600 if run.short else 100000)
    inside, first = storage.damage_inside(tool, changes, run.seed)
    run.check(f'{name}: {inside["changes"]} changes to files in memory', not any(inside[each] for each in storage.BROKEN_LAWS), f'{inside} {first}')
    few = 12 if run.short else max(12, changes // 300)
    total = storage.damage(lambda: run.server(name), PLACE / name / 'damage', few, run.seed)
    run.check(f'{name}: {few} flipped bits and cut files', not any(total[each] for each in ('crashes', 'corrupt', 'silent', 'over_named')), str(total))
    run.keep(run.server(name), 'damage', {**total, 'inside': inside})


PARTS = {'kills': random_kills, 'terms': terms, 'power': power_loss, 'points': kill_points, 'eio': failing_calls, 'short': short_writes, 'full': full_disk, 'damage': damaged}
TEMPERS = {     # the others cannot let a message expire in seconds without losing its DSN; OpenSMTPD leaves a host that hung up alone for minutes
    'postfix': 'ok,ok,ok,ok,ok,ok,ok,once,cut,shut,slow,refuse', 'opensmtpd': 'ok,ok,ok,ok,ok,once,slow,refuse'}


def parse(words):
    parser = argparse.ArgumentParser(prog='./x torture', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=0)
    parser.add_argument('--images', type=int, default=0)
    parser.add_argument('--minutes', type=float, default=0, help='the kills end then')
    for name in ('points', 'cycles', 'changes'):
        parser.add_argument(f'--{name}', type=int, default=0)
    parser.add_argument('--server', default='goniec', help='goniec,postfix,exim,opensmtpd or all')
    parser.add_argument('--parts', default='')
    parser.add_argument('--place', default=str(PLACE), help='a folder on the disk under test')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--short', action='store_true')
    parser.add_argument('--report', action='store_true')
    return parser.parse_args(words)


def main():
    global PLACE
    options = parse(sys.argv[1:])
    PLACE = Path(options.place).resolve()
    if options.report:
        report.write(ROOT, RESULTS / 'results')
        return 0
    servers = ['goniec', *PEERS] if options.server == 'all' else options.server.split(',')
    peers_wanted = [name for name in servers if name in PEERS]
    if peers_wanted or os.geteuid() == 0:    # without root goniec alone can be tried
        sys.path.insert(0, str(ROOT / 'tests/peers'))
        import stage
        stage.unpack(*peers_wanted)
        stage.enter()
    os.chdir(ROOT)
    run = Run(options)
    parts = options.parts.split(',') if options.parts else ['self', *PARTS]
    for part in parts:
        try:
            if part == 'self':
                judge_self_test(run)
                self_test(run)
                power_self_test(run)
                continue
            for name in servers:
                PARTS[part](run, name)
        except Exception as error:  # a server that does not come up again is a finding, not the end of the run
            import traceback
            traceback.print_exc()
            run.check(f'{part}', False, f'{type(error).__name__}: {str(error)[:1000]}')
    print(f'\n{run.passed} passed, {run.failed} failed')
    return 1 if run.failed else 0


if __name__ == '__main__':
    sys.exit(main())
