"""Short writes: a server with a preloaded pwrite() that writes less than it was asked (short_writes.c).

Two forms. `always`: every third write of the spool is short, nothing fails: mail must go on as ever. `fails`: at
write number N half of it is written and the rest fails, with EIO (then the store is sealed and acknowledges
nothing more until it is started again) or ENOSPC (then it may go on). Promises: after it the server is started
without the shim and the judge reads the books. Refuses a run in which nothing was struck.
"""
import errno
import random
import subprocess
from pathlib import Path

from late import GRACE_S, false_acks
from points import TEMPERS, started
from trial import HERE, Trial, fresh, now_us, patient, until, verdict
from wait import pause


def build(folder):
    """The shim, compiled."""
    made = Path(folder) / 'short_writes.so'
    made.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(['clang-19', '-O1', '-shared', '-fPIC', '-Wall', '-Werror', '-o', made, HERE / 'short_writes.c', '-ldl'], check=True)
    return made


def strike(server, folder, shim, seed, messages, **settings):
    """Whether a write was struck, what was acknowledged by a store that had failed, and the books."""
    trial = Trial(server, fresh(folder))
    server.events.write_text('')
    log = folder / 'short'
    words = {'LD_PRELOAD': shim, 'SHORT_SPOOL': '/store/', 'SHORT_LOG': log, **settings}
    server.under = 'env ' + ' '.join(f'{name}={value}' for name, value in words.items())
    fails = 'SHORT_FAIL' in settings

    def struck():
        return log.exists() and ('failed' if fails else 'short') in log.read_text()
    try:
        trial.begin(start=False)
        started(server)
        trial.load(connections=3, seed=seed, count=messages, largest=400000, recipients=4, tempers=TEMPERS, patience=patient(60))
        try:
            until('a short write', lambda: struck() or server.ended(), 15, 0.02)
        except Exception:
            pass
        hit = struck()
        sealed = fails and hit and settings['SHORT_ERRNO'] == errno.EIO
        if sealed and not server.ended():
            pause(GRACE_S + 0.7)
        if not fails:
            trial.client.wait(patient(120))
        server.under = ''
        killed = now_us()
        server.note('kill')
        server.hook('kill')
        server.note('dead')
        server.start()
        trial.client.wait(patient(120))
        found = trial.end(60)
        after = false_acks(trial.client_log.read_text(errors='replace'), failed_at(log), (), killed) if sealed else []
        return hit, after, found
    finally:
        server.under = ''
        trial.close()


def failed_at(log):
    return next(int(line.split()[2]) for line in log.read_text().splitlines() if line.startswith('failed'))


def walk(make_server, folder, count, seed=1, messages=14, tell=print):
    """One run of `always`, then `count` of `fails`, at numbers drawn from a seed. Totals."""
    chance, folder = random.Random(seed), Path(folder)
    shim = build(folder.parent / 'shim')
    total = {'runs': 0, 'reached': 0, 'lost': 0, 'corrupt': 0, 'ghosts': 0, 'unexplained': 0, 'acknowledged_after': 0, 'dead': 0, 'recipients': 0, 'first': ''}
    for run in range(count + 1):
        number = errno.EIO if run % 2 else errno.ENOSPC
        settings = {'SHORT_FAIL': chance.randrange(1, 120), 'SHORT_ERRNO': number} if run else {'SHORT_EVERY': 3}
        total['runs'] += 1
        try:
            hit, after, found = strike(make_server(), folder, shim, seed + run, messages * (1 if run else 5), **settings)
        except Exception as error:
            total['dead'] += 1
            total['first'] = total['first'] or f'{settings}: {type(error).__name__} {str(error)[:300]}'
            continue
        total['reached'] += hit
        total['acknowledged_after'] += len(after)
        for name in ('lost', 'corrupt', 'ghosts', 'unexplained', 'recipients'):
            total[name] += found[name]
        if after or not verdict(found)[0]:
            total['first'] = total['first'] or f'{settings}: {len(after)} acknowledged after it {after[:3] or ""}; {verdict(found)[1]}'
        if total['runs'] % 25 == 0:
            tell(f'      short writes: {total}')
    return total
