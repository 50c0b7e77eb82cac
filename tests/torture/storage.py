"""Storage faults on goniec: a disk that fills up, and bits and lengths that changed on the disk.

full(): fill-and-drain cycles on a small memory file system; new mail is refused by 452 before the
reserve is touched, delivery goes on, nothing is lost, and a disk that was emptied takes mail again. damage(): bit flips and truncations of a store
with mail in it; neither `doctor --salvage` nor `serve` may crash, nothing damaged may be delivered,
and what is missing afterwards must have been named. Refuses to run full() without root (a mount).
"""
import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

from trial import ROOT, Log, Trial, fresh, patient, until, verdict

RESERVE = 64 << 20
SLACK = 4 << 20     # what the four connections had under way when the reserve was reached: 1 MiB each


def full(make_server, place, folder, cycles, seed=1, size_mib=224, tell=print):
    """Totals of the cycles. The server's folder `place` becomes a memory file system."""
    fresh(place)
    subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size_mib}m', 'tmpfs', place], check=True)
    total = {'cycles': 0, 'refused_452': 0, 'least_free_mib': size_mib, 'other_refusals': 0, 'acknowledged': []}
    server = make_server()
    trial = Trial(server, fresh(folder))
    answers = Answers(trial)
    try:
        trial.begin()
        for cycle in range(cycles):
            cycle_once(trial, answers, cycle, seed, total, place)
            if total['cycles'] % 10 == 0:
                tell(f'      {total}')
        found = trial.judge()
        return total, found
    finally:
        trial.close()
        subprocess.run(['umount', '-l', place], check=False)


def cycle_once(trial, answers, cycle, seed, total, place):
    trial.sink.send_signal(signal.SIGSTOP)
    before, acked = answers.now(), trial.acks.value()
    trial.load(connections=4, seed=seed, first=cycle * 100000, count=(cycle + 1) * 100000, largest=1 << 20, recipients=2, tempers='ok', patience=0, pace=0)
    least = [1 << 60]

    def refused():
        facts = os.statvfs(place)
        others = sum((place / name).stat().st_size for name in ('output', 'events'))   # on that disk too, and not the store's
        least[0] = min(least[0], facts.f_bavail * facts.f_frsize + others)
        return answers.now()['452'] >= before['452'] + 20 or trial.client.poll() is not None
    until('452 from a full disk', refused, 300, 0.01)
    trial.client.send_signal(signal.SIGTERM)
    trial.client.wait(patient(60))
    trial.sink.send_signal(signal.SIGCONT)
    trial.settle(300)
    after = answers.now()
    total['cycles'] += 1
    total['acknowledged'].append(trial.acks.value() - acked)
    total['refused_452'] += after['452'] - before['452']
    total['other_refusals'] += after['other'] - before['other']
    total['least_free_mib'] = min(total['least_free_mib'], least[0] >> 20)


class Answers:
    """Refusals in the client's log, counted as it grows."""

    def __init__(self, trial):
        self.kinds = {'452': Log(trial.client_log, b'no ', b' 452 '), 'all': Log(trial.client_log, b'no ')}

    def now(self):
        found = {name: log.value() for name, log in self.kinds.items()}
        return {'452': found['452'], 'other': found['all'] - found['452']}


def reserve_kept(total):
    """452 came while the reserve was whole: what waits in the journal for the database counts before it."""
    return total['least_free_mib'] >= (RESERVE - SLACK) >> 20


def goes_on(total):
    """A disk that was emptied takes mail again: each cycle half as much as the first, at the least."""
    return len(total['acknowledged']) > 1 and min(total['acknowledged']) * 2 >= total['acknowledged'][0] > 0


BROKEN_LAWS = ('crashes', 'corrupt', 'silent', 'unnamed', 'unsaved', 'not_salvaged')


def damage_blocks(changes, seed):
    """Blocks of at most 1000 changes: how many, and their seed."""
    size = max(1, min(1000, changes // 2))
    return [(size, seed * 1000 + number) for number in range(-(-changes // size))]


def damage_inside(tool, changes, seed):
    """Figures of store_damage, and what it said; a process that dies is a crash."""
    quiet = {**os.environ, 'MALLOC_MMAP_THRESHOLD_': '1073741824', 'MALLOC_TRIM_THRESHOLD_': '4294967296'}   # large files are made and thrown away all the time
    done = subprocess.run([tool, '--changes', f'{changes}', '--seed', f'{seed}'], stdout=subprocess.PIPE, text=True, env=quiet)
    *lines, last = done.stdout.splitlines() or ['']
    figures = {**{name: 0 for name in ('changes', *BROKEN_LAWS)}, 'said': [f'seed {seed}: {line}' for line in lines]}
    if done.returncode or not last.startswith('{'):
        return {**figures, 'crashes': 1, 'said': [*figures['said'], f'seed {seed}: status {done.returncode} {last}']}
    return {**figures, **json.loads(last)}


def damage(make_server, folder, changes, seed=1, minutes=0, tell=print):
    """So many changes, or as many as the minutes give."""
    chance = random.Random(seed)
    server = make_server()
    folder = fresh(folder)
    base = Trial(server, fresh(folder / 'base'))
    try:
        base.begin()
        base.sink.send_signal(signal.SIGSTOP)
        base.load(connections=4, seed=seed, count=40, largest=16384, recipients=1, tempers='ok')
        base.client.wait(patient(60))
        server.stop() if chance.random() < 0.5 else server.kill()
    finally:
        base.sink.send_signal(signal.SIGCONT)
        base.close()
    store = Path(server.hook('spool-dir').strip())
    whole = folder / 'whole'
    shutil.copytree(store, whole, ignore=lambda place, names: [each for each in names if Path(place, each).is_socket()])
    total = {'changes': 0, 'crashes': 0, 'corrupt': 0, 'missing': 0, 'damaged_named': 0, 'silent': 0, 'over_named': 0, 'not_salvaged': 0, 'first': ''}
    deadline = time.monotonic() + minutes * 60 if minutes else float('inf')
    for number in range(changes):
        if time.monotonic() > deadline:
            break
        shutil.rmtree(store)
        shutil.copytree(whole, store)
        what = change(store, chance)
        one_change(server, store, base, folder, total, what, salvage=number % 2 == 0)
        if total['changes'] % 50 == 0:
            tell(f'      {total}')
    return total


def change(store, chance):
    """One bit, or the length, of a file; where a file is mostly zeroes the bit is in what is written."""
    files = [path for path in sorted(store.rglob('*')) if path.is_file() and path.stat().st_size and path.name not in ('lock', 'listeners.json')]
    path = chance.choice(files)
    size = path.stat().st_size
    name = str(path.relative_to(store))
    if chance.random() < 0.2:
        length = chance.randrange(size)
        os.truncate(path, length)
        return f'{name} cut to {length} of {size}'
    with open(path, 'r+b') as file:
        written = file.read(4 << 20).rstrip(b'\0')
        at, bit = chance.randrange(max(1, len(written))), chance.randrange(8)
        file.seek(at)
        octet = file.read(1)[0]
        file.seek(at)
        file.write(bytes([octet ^ 1 << bit]))
    return f'{name} bit {bit} of octet {at}'


def one_change(server, store, base, folder, total, what, salvage):
    goniec = os.environ.get('GONIEC', str(ROOT / 'build/release/goniec'))
    total['changes'] += 1
    named, text = 0, ''
    if salvage:
        rescued = folder / 'rescued'
        shutil.rmtree(rescued, ignore_errors=True)
        done = subprocess.run([goniec, 'doctor', '--salvage', str(rescued), '--json', '--config', str(server.folder / 'goniec.toml')],
                              capture_output=True, text=True, errors='replace', timeout=patient(120))
        if done.returncode < 0:
            return blame(total, 'crashes', what, done.stderr[-300:])
        if done.returncode:
            return blame(total, 'not_salvaged', what, done.stderr[-300:] + done.stdout[-300:])
        report = json.loads(done.stdout)
        named, text = report['damaged'], '\n'.join(report['lines'])
        shutil.rmtree(store)
        rescued.rename(store)
    found, lost, refused = serve_damaged(server, base, folder)
    total['damaged_named'] += named
    total['missing'] += lost
    if found is None:
        return blame(total, 'crashes', what, refused) if refused.startswith('signal') or salvage else None
    total['corrupt'] += found['corrupt']
    if found['corrupt']:
        blame(total, 'corrupt', what, verdict(found)[1])
    if salvage and lost and not text:
        blame(total, 'silent', what, verdict(found)[1])
    elif salvage and lost > max(named, 1):
        blame(total, 'over_named', what, f'{lost} missing, {named} named: {text[:500]}')
    return None


def blame(total, name, what, text):
    total[name] += name != 'corrupt'
    total['first'] = total['first'] or f'{name}: {what}: {text}'


def serve_damaged(server, base, folder):
    """The books after serving what there is, messages missing, and why it did not serve."""
    trial = Trial(server, fresh(folder / 'after'))
    shutil.copy(base.client_log, trial.client_log)
    (server.folder / 'output').write_text('')
    try:
        trial.begin(start=False)
        server.hook('start')
        until('a greeting or an end', lambda: server.greets() or server.ended(), 30, 0.005)
        if server.ended():
            text = server.output()
            signalled = not text.strip() or 'CHECK' in text or 'Aborted' in text
            return None, 0, ('signal: ' if signalled else 'refuses: ') + text[-400:]
        before = -1

        def rests():
            nonlocal before
            count = trial.sink_log.read_text().count('got ') if trial.sink_log.exists() else 0
            same, before = count == before, count
            return 'audit' not in server.queue() or server.ended() or same and count == 0
        until('a queue at rest', rests, 30, 0.2)
        if server.ended():
            return None, 0, 'signal: ended while it served: ' + server.output()[-400:]
        found = trial.judge()
        return found, found['lost'], ''
    finally:
        trial.close()
