#!/usr/bin/env python3
"""The torture test: what a server answered 250 must survive every crash that can be made here.

    ./x torture [--kills N] [--images N] [--server NAME,…] [--parts NAME,…] [--short]
              [--minutes M] [--more] [--workers N] [--points N] [--rounds N] [--pause S] [--cycles N] [--changes N]
              [--place DIR] [--seed N] [--report]
Parts: self (the auditor finds stubs that lose), kills (kill -9 at random moments under load), terms
(SIGTERM under load), power (power cuts, by recording and rebuilding the disk), points (kill -9 at every
system call of a kind), eio (calls that fail), short (writes that write half), full (a disk filled and drained), damage (flipped bits). Servers: goniec, postfix, exim, opensmtpd; the peers need root, for namespaces,
and Debian's packages. --minutes ends kills, power, points, eio and damage early; with --more the next run walks the
points and blocks that are left, and adds its figures to those before. --report writes docs/torture.md from
what the runs left in build/torture/results. GONIEC_PATIENCE=F: deadlines F times as long.
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
from tally import Plan, merge, write  # noqa: E402
from trial import ROOT, Server, Trial, fresh, verdict  # noqa: E402
import kills  # noqa: E402
import late  # noqa: E402
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
        self.options, self.passed, self.failed, self.at = options, 0, 0, time.monotonic()
        self.short, self.more, self.minutes = options.short, options.more and not options.short, options.minutes
        self.views = {}

    def check(self, name, good, detail=''):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        now = time.monotonic()
        spent, self.at = now - self.at, now
        print(f'{"ok  " if good else "FAIL"}  {name}: {detail}{f" ({spent:.0f} s)" if spent >= 5 else ""}', flush=True)
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

    def result(self, name, part):
        return RESULTS / 'results' / f'{name}.{part}.json'

    def plan(self, name, part):
        """Where the plan of a part is kept; the short form has none."""
        return None if self.short else RESULTS / 'results/plans' / f'{name}.{part}.json'

    def before(self, name, part):
        path = self.result(name, part)
        return json.loads(path.read_text()) if self.more and path.exists() else {}

    def seed(self, name='', part=''):
        """Another one for each run whose figures are added up."""
        return self.options.seed + 7919 * self.before(name, part).get('added', 0)

    def keep(self, server, part, figures, add=True):
        """One file a server and part: the last run counts, or with --more the sum. The short form is no result."""
        if self.short:
            return
        before = self.before(server.name, part)
        commit = subprocess.run(['git', 'log', '-1', '--format=%h', '--', 'src', 'CMakeLists.txt'], cwd=ROOT,     # the server's, not the test's
                                capture_output=True, text=True).stdout.strip()
        figures = {'server': server.name, 'part': part, 'version': server.hook('version', check=False).strip().splitlines()[:1],
                   'date': time.strftime('%Y-%m-%d', time.gmtime()), 'commit': commit, 'load': round(os.getloadavg()[2]), **figures}
        if before and not add:      # they hold what was before
            figures.update({name: merge({name: before[name]}, {name: figures[name]})[name] for name in ('date', 'commit')})
        elif before and not before.get('carried'):
            figures = merge(before, figures)
        write(self.result(server.name, part), {**figures, 'added': before.get('added', 0) + 1})


# ------------------------------------------------------------ parts
def self_test(run):
    """The auditor is believed because it finds these."""
    wanted = {'none': None, 'early': 'lost', 'truncate': 'corrupt'}
    for fault, name in wanted.items():
        server = run.server('stub', f'self-{fault}', TORTURE_FAULT=fault)
        found = kills.random_kills(server, PLACE / 'stub/trial', 10, 100, run.seed(), tempers='ok', largest=65536, recipients=3)
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
    ('twice, the kill soon after a slow answer', 'try 1 5\nack 1 9 4 0 250 ok\n', 'got 1 0 8 good\ntold 1 0 7000000\ngot 1 0 9000000 good\n', 'kill 8000000\ndead 8000001\n', {}),
    ('twice, the kill long after the answer', 'try 1 5\nack 1 9 4 0 250 ok\n', 'got 1 0 8 good\ntold 1 0 9\ngot 1 0 9000000 good\n', 'kill 8000000\ndead 8000001\n', {'unexplained': 1}),
    ('twice, the kill long after the first', 'try 1 5\nack 1 9 4 0 250 ok\n', 'got 1 0 8 good\ngot 1 0 9000000 good\n', 'kill 8000000\ndead 8000001\n', {'unexplained': 1}),
    ('twice by a cut', 'try 1 5\nack 1 9 4 0 250 ok\n', 'got 1 0 8 good\ncut 1 0 8\ngot 1 0 9 good\n', '', {}),
    ('two copies by a second try, both again by a kill', 'try 1 5\ngone 1 6\ntry 1 7\nack 1 9 4 0 250 ok\n', 'got 1 0 8 good\ngot 1 0 9 good\ngot 1 0 9000000 good\ngot 1 0 9000003 good\n', 'kill 10\ndead 11\n', {}),
    ('two copies, both again by a kill, one once more', 'try 1 5\ngone 1 6\ntry 1 7\nack 1 9 4 0 250 ok\n', 'got 1 0 8 good\ngot 1 0 9 good\ngot 1 0 9000000 good\ngot 1 0 9000003 good\ngot 1 0 9000004 good\n', 'kill 10\ndead 11\n', {'unexplained': 1}),
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
    trial.client_log.write_text('try 1 5\nno 1 6 451 no\ntry 1 7\nack 1 9 4 0 250 ok\n')
    trial.sink_log.write_text('got 1 0 8 good\ngot 1 0 9 good\n')
    server.events.write_text('')
    strict, trial.doubtful = trial.judge(), (1,)
    found = trial.judge()
    run.check('judge: refused when its sync failed, found whole and delivered', (strict['unexplained'], found['unexplained'], found['duplicates_of_failures']) == (1, 0, 1))


def report_self_test(run):
    """A page that is written anew keeps what was not run anew, and says so; sums are sums."""
    row = {'server': 'stub', 'part': 'terms', 'version': ['goniec 1'], 'date': '2026-01-01', 'commit': 'aaa', 'times': 3, 'worst_end_s': 1.5,
           **{name: 0 for name in ('lost', 'corrupt', 'ghosts', 'duplicates', 'duplicates_of_client', 'duplicates_of_cuts')}}
    first = report.page_of({('goniec', 'terms'): {**row, 'server': 'goniec'}}, '')
    second = report.page_of({}, first)
    cell = '| SIGTERM under load | 3 times, longest end 1.5 s: **0 lost, 0 corrupt, 0 ghosts**, 0 duplicates |'
    run.check('report: a cell without a run is carried over', cell in first and cell in second and 'Carried over from the page of 2026-01-01, goniec at aaa: goniec terms.' in second)
    added = merge(row, {**row, 'worst_end_s': 1.0, 'lost': 2, 'commit': 'bbb'})
    run.check('report: runs are added up', (added['times'], added['lost'], added['worst_end_s'], added['commit'], added['part']) == (6, 2, 1.5, 'aaa, bbb', 'terms'), str(added))


TRACE = '7 1.000001 pwrite64(4, "x", 1, 0) = 1\n8 1.000002 pwrite64(4, "x", 1, 1 <unfinished ...>\n7 1.5 pwrite64(4, "x", 1, 2) = ?\n8 1.6 <... pwrite64 resumed>) = -1 EIO (INJECTED)\n'


def points_self_test(run):
    """When and whether a numbered call was struck, by thread."""
    for number, error, wanted in ((2, False, 1500000), (3, False, 0), (1, True, 1600000)):
        found = points.struck_at(TRACE, number, error)
        run.check(f'points: call {number} of a thread {"fails" if error else "kills"}', found == wanted, f'{found}')


WRITTEN = '7   1.0 pwrite64(4</j>, "X-Audit: 1-1-ab X-Audit: 1-2-cd", 9, 0) = 9 <0.1>\n'
FAILED = (      # strace's words, the client's log, how many acknowledgements are false
    ('the sync of its file failed', WRITTEN + '7 2.0 fdatasync(4</j>) = -1 EIO (Input/output error) (INJECTED) <0.5>\n', 'ack 1 2600000 700000 0 250 ok\nack 3 2600000 700000 0 250 ok\n', 1),
    ('its own write failed', WRITTEN.replace('= 9 <0.1>', '= -1 EIO (Input/output error) (INJECTED) <0.1>'), 'ack 2 1500000 700000 0 250 ok\n', 1),
    ('its file was synced before', WRITTEN + '7 1.5 fdatasync(4</j> <unfinished ...>\n8 1.6 write(5</k>, "x", 1) = 1 <0.1>\n7 1.7 <... fdatasync resumed>) = 0 <0.2>\n7 2.0 fdatasync(4</j>) = -1 EIO (Input/output error) (INJECTED) <0.5>\n',
     'ack 1 9600000 7700000 0 250 ok\n', 0),
    ('only a notice with its header was in it', WRITTEN + '7 1.5 fdatasync(4</j>) = 0 <0.2>\n' + WRITTEN.replace(' 1.0 ', ' 1.9 ') + '7 2.0 fdatasync(4</j>) = -1 EIO (Input/output error) (INJECTED) <0.5>\n',
     'ack 1 1800000 900000 0 250 ok\n', 0),
    ('sent when the store had long failed', '7 2.0 pwrite64(4</j>,  <unfinished ...>\n7 2.5 <... pwrite64 resumed>) = -1 EIO (Input/output error) (INJECTED) <0.5>\n',
     f'ack 5 {2600000 + int(late.GRACE_S * 1e6)} 9000 0 250 ok\n', 1),
    ('an index failed before', '7 1.0 ftruncate(9</index>, 3) = -1 EIO (Input/output error) (INJECTED) <0.1>\n' + WRITTEN + '7 2.0 fdatasync(4</j>) = -1 EIO (Input/output error) (INJECTED) <0.5>\n', f'ack 7 {2000000 + int(late.GRACE_S * 1e6)} 0 0 250 ok\nack 1 2600000 700000 0 250 ok\n', 1),
    ('the same message in the next life', WRITTEN + '7 2.0 fdatasync(4</j>) = -1 EIO (Input/output error) (INJECTED) <0.5>\n', 'ack 1 60000001 0 0 250 ok\n', 0),
    ('nothing failed', WRITTEN, 'ack 1 1500000 700000 0 250 ok\n', 0))


def late_self_test(run):
    """What a store acknowledged after a failure is seen: in what strace and the client wrote, and of a stub that does not listen to its syncs."""
    for title, text, client, wanted in FAILED:
        failure = late.Failure(text, lambda file: file != '/index')
        found = late.false_acks(client, failure.at_us, failure.written, 60000000) if failure.at_us else []
        run.check(f'acknowledged after a failure: {title}', len(found) == wanted, f'{found}')
    for fault, kind, wanted in (('none', 'fdatasync', False), ('deaf', 'fdatasync', True), ('deaf', 'write', True)):
        words = f'{points.tracing(kind, True)} -e inject={kind}:error=EIO:when=3'
        struck, after, found = points.strike(run.server('stub', f'late-{fault}', TORTURE_FAULT=fault), PLACE / 'stub/late', words, run.seed(), points.MESSAGES, 'ok')
        run.check(f'stub {fault}: EIO at {kind}: ' + ('a false 250 is found' if wanted else 'nothing is found'), struck and bool(after) == wanted, f'{len(after)} {after[:2]}; {found["lost"]} lost')


def power_self_test(run):
    """A sync after the 250: kill -9 loses nothing by it, power loss does."""
    for fault in ('none', 'late_sync'):
        server = run.server('stub', f'power-{fault}', TORTURE_FAULT=fault)
        total = power.power_loss(server, PLACE / 'stub/power', 20, 60, run.seed(), ('contract',), 'ok')['contract']
        lost = total.pop('lost')
        run.check(f'stub {fault}: power loss ' + ('loses nothing' if fault == 'none' else 'is seen to lose'), (lost > 0) == (fault == 'late_sync'), f'lost {lost}, {total}')


def power_loss(run, name):
    server = run.server(name)
    models = ('contract',) if run.short else ('contract', 'ext4')
    images = run.options.images or (20 if run.short else 1000)
    totals = power.power_loss(server, PLACE / name / 'power', images, 100 if run.short else 300, run.seed(name, f'power-{models[0]}'), models, minutes=run.minutes)
    for model, total in totals.items():
        bad = any(total[each] for each in ('lost', 'corrupt', 'ghosts', 'dead'))
        run.check(f'{name}: {total["images"]} images of a power loss, {model}', not bad, str(total))
        run.keep(server, f'power-{model}', total)


def random_kills(run, name):
    count = run.options.kills or (100 if run.short else 1000)
    server = run.server(name)
    load = {'tempers': TEMPERS.get(name, kills.TEMPERS)}
    found = kills.random_kills(server, PLACE / name / 'kills', count, 0, run.seed(name, 'kills'), **load, largest=65536 if run.short else 262144,
                               longest_s=run.options.pause, minutes=run.minutes)
    good, text = verdict(found)
    run.check(f'{name}: kills under load', good and found['kills'] >= (1 if run.minutes else count), text)
    run.keep(server, 'kills', found)


def terms(run, name):
    server = run.server(name)
    count = 5 if run.short else 100
    worst, found = kills.terms(server, PLACE / name / 'terms', count, run.seed(name, 'terms'))
    good, text = verdict(found)
    run.check(f'{name}: {count} times SIGTERM under load', good and worst <= 10, f'longest end {worst:.2f} s; {text}')
    run.keep(server, 'terms', {**found, 'times': count, 'worst_end_s': round(worst, 2)})


def walk_points(run, name, fault, part, title):
    options = run.options
    if run.short:
        options.points, options.rounds, options.workers, options.minutes, options.more = options.points or 5, 1, 1, 0, False
    total = points.walk(lambda worker: run.server(name, f'server-{worker}', TORTURE_JOURNAL='384KiB'), PLACE / name / part, fault, options, run.plan(name, part), run.options.seed)
    runs = total['runs']
    run.check(f'{name}: {runs} {title}', not any(total[each] for each in points.BAD) and total['reached_runs'] > runs // 3, str(total))
    run.keep(run.server(name), part, total, add=False)


def kill_points(run, name):
    walk_points(run, name, 'signal=SIGKILL', 'points', 'kills at a system call')


def failing_calls(run, name):
    if name == 'goniec':
        walk_points(run, name, 'error=EIO', 'eio', 'writes and syncs that fail')


def short_writes(run, name):
    if name != 'goniec':
        return
    count = run.options.points or (3 if run.short else 120)
    total = short.walk(lambda: run.server(name), PLACE / name / 'short', count, run.seed())
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
    total, found = storage.full(lambda: Server(name, place, TORTURE_EVENTS='2s'), place, PLACE / name / 'full', cycles, run.seed())
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
        found = storage.damage_inside(tool, number, seed)
        run.check(f'store_damage: seed {seed} up to change {number}', not any(found[each] for each in storage.BROKEN_LAWS), str(found))
    changes = run.options.changes or (600 if run.short else 100000)
    few = 12 if run.short else max(12, changes // 300 - run.before(name, 'damage').get('changes', 0))
    total = storage.damage(lambda: run.server(name), PLACE / name / 'damage', few, run.seed(name, 'damage'), run.minutes)
    run.check(f'{name}: {total["changes"]} flipped bits and cut files', not any(total[each] for each in ('crashes', 'corrupt', 'silent', 'over_named')), str(total))
    plan = Plan(run.plan(name, 'damage'), run.more, lambda: storage.damage_blocks(changes, run.options.seed))
    inside = plan.walk(lambda worker, number, step: storage.damage_inside(tool, *step), run.minutes, 2)
    said = inside.pop('said', [])
    run.check(f'{name}: {inside["changes"]} changes to files in memory', not any(inside[each] for each in storage.BROKEN_LAWS), f'{inside} {" | ".join(said)[:2000]}')
    if not run.short:
        before = run.before(name, 'damage')
        if before:      # the plan's total holds the blocks of the runs before
            write(run.result(name, 'damage'), {**before, 'inside': {}})
        run.keep(run.server(name), 'damage', {**total, 'inside': inside})


PARTS = {'kills': random_kills, 'terms': terms, 'power': power_loss, 'points': kill_points, 'eio': failing_calls, 'short': short_writes, 'full': full_disk, 'damage': damaged}
TEMPERS = {     # the others cannot let a message expire in seconds without losing its DSN; OpenSMTPD leaves a host that hung up alone for minutes
    'postfix': 'ok,ok,ok,ok,ok,ok,ok,once,cut,shut,slow,refuse', 'opensmtpd': 'ok,ok,ok,ok,ok,once,slow,refuse'}


def parse(words):
    parser = argparse.ArgumentParser(prog='./x torture', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=0)
    parser.add_argument('--images', type=int, default=0)
    parser.add_argument('--minutes', type=float, default=0, help='a part ends then')
    parser.add_argument('--more', action='store_true', help='goes on where the last run of a part ended')
    parser.add_argument('--pause', type=float, default=0.25, help='the longest time from a greeting to a kill, in seconds')
    for name, value in (('points', 0), ('cycles', 0), ('changes', 0), ('rounds', 3), ('workers', 3)):
        parser.add_argument(f'--{name}', type=int, default=value)
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
    steps = [(part, name) for part in parts for name in (('',) if part == 'self' else servers)]
    for part, name in steps:
        try:
            if part == 'self':
                for test in (judge_self_test, report_self_test, points_self_test, late_self_test, self_test, power_self_test):
                    test(run)
            else:
                PARTS[part](run, name)
        except Exception as error:  # a server that does not come up again is a finding, not the end of the run
            import traceback
            traceback.print_exc()
            run.check(f'{part} {name}', False, f'{type(error).__name__}: {str(error)[:1000]}')
    print(f'\n{run.passed} passed, {run.failed} failed')
    return 1 if run.failed else 0


if __name__ == '__main__':
    sys.exit(main())
