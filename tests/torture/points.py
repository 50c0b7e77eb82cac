"""A kill, or a failing call, at system call number N of a kind: strace injects it into the server.

The load of a point passes accept, deliver, defer, bounce and expire (tempers of the sink), and the
journal's application into the database. strace counts calls for each thread, so that number N strikes
the first thread that gets there. Promises: after the strike the server is started again without strace,
the client ends what it has begun, the queue is let empty, and the judge reads the books.
"""
import itertools
import random
from pathlib import Path

from trial import Trial, fresh, until, verdict
from wait import pause

TEMPERS = 'ok,ok,ok,once,refuse,later,cut'
KINDS = ('pwrite64', 'fdatasync', 'sendto', 'sendmsg', 'fsync', 'write', 'recvfrom', 'ftruncate', 'unlink', 'rename', 'openat')


def strike(server, folder, words, seed, messages, seconds=8):
    """Whether the point was reached, the acknowledgements after it, and the books."""
    trial = Trial(server, fresh(folder))
    server.events.write_text('')
    log = folder / 'strace'
    server.under = f'strace -f -qq -e signal=none -o {log} {words}'
    try:
        trial.begin(start=False)
        struck = started(server)
        trial.load(connections=3, seed=seed, count=messages, largest=32768, recipients=4, tempers=TEMPERS, patience=60)
        error = 'error=' in words

        def reached():
            return server.ended() or error and log.exists() and 'INJECTED' in log.read_text(errors='replace')
        try:
            until('the point', reached, seconds, 0.02)
            struck = True
        except Exception:
            struck = struck and server.ended()
        after = later_acks(trial) if error and struck and not server.ended() else 0
        server.under = ''
        server.note('kill')
        server.hook('kill')
        server.note('dead')
        server.start()
        trial.client.wait(90)
        return struck, after, trial.end(60)
    finally:
        server.under = ''
        trial.close()


def started(server):
    """A point may lie before the greeting."""
    server.hook('start')
    try:
        until('a greeting', lambda: server.greets() or server.ended(), 20, 0.01)
    except Exception:
        pass
    return server.ended()


def later_acks(trial):
    """What is acknowledged from half a second after the failure on: a sealed store takes nothing."""
    pause(0.5)
    before = trial.acks.value()
    pause(0.7)
    return trial.acks.value() - before


def counts(server, folder, seed, messages):
    """How often each kind is called by the thread that calls it most."""
    trial = Trial(server, fresh(folder))
    log = folder / 'strace'
    server.under = f'strace -f -qq -e signal=none -e trace={",".join(KINDS)} -o {log}'
    try:
        trial.begin().load(connections=3, seed=seed, count=messages, largest=32768, recipients=4, tempers=TEMPERS, patience=60)
        trial.client.wait(90)
        trial.settle(30)
        server.stop(240)
    finally:
        server.under = ''
        trial.close()
    table = {}
    for line in log.read_text(errors='replace').splitlines():
        thread, _, call = line.partition(' ')
        name = call.strip().partition('(')[0]
        if name in KINDS:
            table.setdefault(name, {}).setdefault(thread, 0)
            table[name][thread] += 1
    return {name: max(threads.values()) for name, threads in table.items()}


def walk(make_server, folder, sample, fault, seed=1, messages=14, tell=print):
    """fault: 'signal=SIGKILL' or 'error=EIO'. make_server() gives a server with an empty spool. Totals."""
    chance = random.Random(f'{seed} {fault}')
    table = counts(make_server(), Path(folder), seed, messages)
    kinds = [kind for kind in KINDS if kind in table and (fault.startswith('signal') or kind in ('pwrite64', 'fdatasync', 'fsync', 'ftruncate'))]
    points = [(kind, number) for kind in kinds for number in range(1, table[kind] + 1)]
    total = {'calls': table, 'points': 0, 'reached': 0, 'lost': 0, 'corrupt': 0, 'ghosts': 0, 'unexplained': 0, 'acknowledged_after': 0, 'dead': 0,
             'recipients': 0, 'duplicates_of_kills': 0, 'first': ''}
    if sample < len(points):    # of each kind in turn
        shares = [chance.sample(share, len(share)) for share in ([point for point in points if point[0] == kind] for kind in kinds)]
        points = [point for row in itertools.zip_longest(*shares) for point in row if point][:sample]
    for kind, number in points:
        words = f'-e trace={kind} -e inject={kind}:{fault}:when={number}'
        total['points'] += 1
        try:
            struck, after, found = strike(make_server(), Path(folder), words, seed + number, messages)
        except Exception as error:
            total['dead'] += 1
            total['first'] = total['first'] or f'{kind} {number}: {type(error).__name__} {str(error)[:300]}'
            continue
        total['reached'] += struck
        total['acknowledged_after'] += after
        for name in ('lost', 'corrupt', 'ghosts', 'unexplained', 'recipients', 'duplicates_of_kills'):
            total[name] += found[name]
        if after or not verdict(found)[0]:
            total['first'] = total['first'] or f'{kind} {number}: {after} acknowledged after it; {verdict(found)[1]}'
        if total['points'] % 25 == 0:
            tell(f'      {fault}: {total}')
    return total
