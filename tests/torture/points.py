"""A kill, or a failing call, at system call number N of a kind and place: strace injects it into the server.

A place is one of the server's files (hooks/NAME places) or `any`, all calls of a kind: in a file's place strace counts only the calls
that touch it, for each thread, so that what a thread writes behind the others (the journal's groups into the
database's log, the log into the database) has numbers of its own. The load of a point passes accept, deliver,
defer, bounce and expire (tempers of the sink); the journal is so small that its files are written over and the log
is moved into the database while mail flows, and the stop at the end belongs to it. Promises: after the strike the server is started again without
strace, the client ends what it has begun, the queue is let empty, and the judge reads the books. The kill counts from the
moment of the struck call, which strace wrote down: on a busy machine it is seen seconds later; what a failing call may be
followed by is told in late.py. The files of the first trials that break a law are kept beside the others (bad-N).
"""
import collections
import itertools
import random
import re
import shutil
from pathlib import Path

from late import GRACE_S, SYNCS, Failure, false_acks
from tally import Plan
from trial import Trial, fresh, now_us, patient, until, verdict
from wait import TooLate, pause

TEMPERS = 'ok,ok,ok,once,refuse,later,cut'
WRITES = ('pwrite64', 'fdatasync', 'fsync', 'ftruncate')
KINDS = (*WRITES, 'sendto', 'sendmsg', 'write', 'recvfrom', 'unlink', 'rename', 'openat')
MESSAGES = 30
PROMISE = {'goniec': '/journal/'}    # in the path of the file whose sync a 250 waits for
BAD = ('lost', 'corrupt', 'ghosts', 'unexplained', 'acknowledged_after', 'dead')


def strike(server, folder, words, seed, messages, tempers=TEMPERS):
    """Whether the point was reached, what was acknowledged by a store that had failed, and the books. words: of strace."""
    trial = Trial(server, fresh(folder))
    server.events.write_text('')
    log = folder / 'strace'
    server.under = f'strace --seccomp-bpf -f -qq -ttt -T -e signal=none -o {log} {words}'
    error, number = 'error=' in words, int(re.search(r'when=(\d+)', words)[1])

    def reached():
        return struck_at(log.read_text(errors='replace') if log.exists() else '', number, error)
    try:
        trial.begin(start=False)
        started(server)
        trial.load(connections=3, seed=seed, count=messages, largest=32768, recipients=4, tempers=tempers, patience=patient(60))
        until('the point or an empty queue', lambda: reached() or server.ended() or trial.client.poll() is not None and drained(server), 60, 0.05)
        if error and reached() and not server.ended():
            pause(GRACE_S + 0.7)        # what it acknowledges now is false
        if not reached() and not server.ended():
            server.stop()
        struck = reached()
        server.under = ''
        killed = now_us()
        server.note('kill', struck)
        server.hook('kill')
        server.note('dead')
        server.start()
        trial.client.wait(patient(90))
        failure = Failure(log.read_text(errors='replace') if error else '', promised(server))
        trial.doubtful = failure.written
        found = trial.end(60)
        after = false_acks(trial.client_log.read_text(errors='replace'), failure.at_us, failure.written if PROMISE.get(server.name, '') in failure.file else (), killed) if failure.at_us else []
        return bool(struck), after, found
    finally:
        server.under = ''
        trial.close()


def drained(server):
    try:
        return server.is_drained()
    except RuntimeError:    # it cannot be asked: it is struck, or has ended
        return False


def promised(server):
    """Tells whether a 250 hangs on a file: one of the places', or a folder that holds them. An index for searching is made anew."""
    kept = [each for files in places_of(server).values() for each in files]
    kept = {str(Path(spool(server), each)) for name in kept for each in (name, Path(name).parent)}
    return lambda file: not kept or file in kept


def struck_at(text, number, error):
    """The microsecond of the struck call in strace's words, or 0. strace dies by the signal it sent, before it says so: the calls tell, by thread."""
    calls = collections.Counter()
    for line in text.splitlines():
        thread, at, call = (line.split(None, 2) + ['', ''])[:3]
        calls[thread] += '(' in call and 'resumed>' not in call
        if '(INJECTED)' in call if error else calls[thread] >= number:
            return int(float(at) * 1e6)
    return 0


def started(server):
    """A point may lie before the greeting."""
    server.hook('start')
    try:
        until('a greeting', lambda: server.greets() or server.ended(), 20, 0.01)
    except TooLate:
        pass
    return server.ended()


def places_of(server):
    """Files by place, below the spool: {'journal': ['journal/0000', …], …}."""
    return {name: files for name, *files in (line.split() for line in server.hook('places', check=False).splitlines()) if files}


def spool(server):
    return server.hook('spool-dir').splitlines()[0]


def counts(server, folder, seed, messages):
    """How often each kind is called in each place by the thread that calls it most, and the places."""
    trial = Trial(server, fresh(folder))
    log = folder / 'strace'
    server.under = f'strace --seccomp-bpf -f -qq -y -e signal=none -e trace={",".join(KINDS)} -o {log}'
    try:
        trial.begin().load(connections=3, seed=seed, count=messages, largest=32768, recipients=4, tempers=TEMPERS, patience=patient(60))
        trial.client.wait(patient(90))
        trial.settle(30)
        server.stop(240)
        places = places_of(server)
    finally:
        server.under = ''
        trial.close()
    place_of = {f'{spool(server)}/{file}': place for place, files in places.items() for file in files}
    table = {}
    for line in log.read_text(errors='replace').splitlines():
        thread, _, call = line.partition(' ')
        name, _, rest = call.strip().partition('(')
        if name not in KINDS:
            continue
        of_file = name in WRITES and rest.partition('<')[2].partition('>')[0]
        keys = [('any', name)] if not places or name not in ('pwrite64', 'fdatasync') else []
        if of_file in place_of:
            keys.append((place_of[of_file], name))
        for key in keys:
            threads = table.setdefault(key, {})
            threads[thread] = threads.get(thread, 0) + 1
    return {key: max(threads.values()) for key, threads in table.items()}, places


def draw(make_server, folder, sample, rounds, fault, seed, messages):
    """The steps: rounds of all points, of each place and kind in turn. A step is place, kind, number, files."""
    chance = random.Random(f'{seed} {fault}')
    table, places = counts(make_server(0), folder, seed, messages)
    keys = [key for key in sorted(table) if fault.startswith('signal') or key[1] in WRITES]
    steps = []
    for _ in range(rounds):
        shares = [[(place, kind, number + 1, places.get(place, [])) for number in chance.sample(range(table[place, kind]), table[place, kind])] for place, kind in keys]
        steps += [step for row in itertools.zip_longest(*shares) for step in row if step]
    return steps[:sample] if sample else steps


def walk(make_server, folder, fault, options, path=None, seed=1, messages=MESSAGES):
    """fault: 'signal=SIGKILL' or 'error=EIO'. make_server(worker) gives a server with an empty spool. Totals."""
    folder = Path(folder)
    plan = Plan(path, options.more, lambda: draw(make_server, folder / 'counts', options.points, options.rounds, fault, seed, messages))

    def do(worker, number, step):
        place, kind, count, files = step
        figures = {'runs': 1, 'reached_runs': 0, **{name: 0 for name in BAD}, 'recipients': 0, 'duplicates_of_kills': 0, 'duplicates_of_failures': 0, 'first': '', 'seen': []}
        server = make_server(worker)
        contents = fault.startswith('error') and place in ('journal', 'log')
        words = ''.join(f'-P {spool(server)}/{each} ' for each in files) + tracing(kind, contents) + f' -e inject={kind}:{fault}:when={count}'
        try:
            struck, after, found = strike(server, folder / f'{worker}', words, seed + number, messages)
        except Exception as error:
            return {**figures, 'dead': 1, 'first': f'{place} {kind} {count}: {type(error).__name__} {str(error)[:300]}'}
        figures.update({name: found[name] for name in ('lost', 'corrupt', 'ghosts', 'unexplained', 'recipients', 'duplicates_of_kills', 'duplicates_of_failures')},
                       reached_runs=int(struck), acknowledged_after=len(after), seen=[f'{place} {kind} {count}'] if struck else [])
        if after or not verdict(found)[0]:
            keep_bad(folder, worker)
            figures['first'] = f'{place} {kind} {count}: {len(after)} acknowledged after it {after[:3] or ""}; {verdict(found)[1]}'
            print(f'      step {number}: {figures["first"]}', flush=True)
        return figures
    plan.walk(do, options.minutes, options.workers)
    return summary(plan)


def tracing(kind, contents):
    """contents: with the syncs and with all that is written."""
    return f'-y -s 1200000 -e trace={",".join(sorted({kind, "write", "pwrite64", *SYNCS}))}' if contents else f'-y -e trace={kind}'


def keep_bad(folder, worker, most=5):
    place = next((folder / f'bad-{number}' for number in range(most) if not (folder / f'bad-{number}').exists()), None)
    if place:
        shutil.copytree(folder / f'{worker}', place)
        shutil.copy(folder.parent / f'server-{worker}' / 'events', place)


def summary(plan):
    """The total, with points by place: [reached, tried, known]."""
    total = {name: value for name, value in plan.total.items() if name != 'seen'}
    seen = set(plan.total.get('seen', []))
    known = {tuple(step[:3]) for step in plan.steps}
    tried = {tuple(plan.steps[number][:3]) for number in plan.done}
    total['places'] = {}
    for place in sorted({step[0] for step in known}):
        total['places'][place] = [len({each for each in seen if each.startswith(place + ' ')}),
                                  *(len([step for step in steps if step[0] == place]) for steps in (tried, known))]
    return {**total, 'planned_runs': len(plan.steps), 'points': len(known), 'tried': len(tried), 'reached': len(seen)}


__all__ = ['BAD', 'TEMPERS', 'started', 'strike', 'struck_at', 'tracing', 'walk']
