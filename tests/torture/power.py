"""Power loss: a server is recorded under load, its disk is rebuilt as it may be after a cut at some
moment, the server is started on it, and all that was acknowledged before the cut must be there.

Two recordings: `held`, where the next hop takes connections and says nothing, so that every message
acknowledged must be in the image; and `live`, where mail flows and what the sink has counts as kept.
Promises: an acknowledgement counts from the moment the server gave its 250 to the kernel, found by
the reply's own text in the trace; half of the cuts come right after such a moment. Refuses to judge
images of a server whose replies have no text of their own.
"""
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

from disk import Disk, Trace, record
from trial import AUDITOR, Trial, fresh, patient, verdict


def record_run(server, folder, held, messages, seed, tempers):
    """The trace, the spool as it was before, and the books of the auditor."""
    folder = fresh(folder)
    trial = Trial(server, folder)
    try:
        trial.begin()           # a first start makes the spool: its making is not the subject
        server.stop()
        subprocess.run(['cp', '-a', spool(server), folder / 'before'], check=True)     # with owners, of folders too
        server.under = record(folder / 'trace')
        server.start()
        server.under = ''
        if held:
            trial.sink.send_signal(signal.SIGSTOP)
        trial.load(connections=4, seed=seed, count=messages, largest=16384, recipients=3, tempers=tempers, patience=patient(30))
        trial.client.wait(patient(240))
        server.kill()
        trial.sink.send_signal(signal.SIGCONT)
        return folder
    finally:
        trial.close()


def spool(server):
    return server.hook('spool-dir').strip().splitlines()[0]


def replies(folder, events):
    """Number of the event at which the reply to a message was given away, by message."""
    told = {}
    for event in events:
        if event.kind == 'told':
            for line in event.data.split(b'\r\n'):
                told.setdefault(line.decode(errors='replace'), event.offset)
    found, missing = {}, 0
    for line in (folder / 'client').read_text(errors='replace').splitlines():
        if line.startswith('ack '):
            at = told.get(line.split(' ', 5)[5])
            missing += at is None
            if at is not None:
                found[line] = at
    return found, missing


def restore(server, disk, chance):
    """The image in the place of the spool: what is a mount point stays one."""
    root = Path(spool(server))
    for each in os.scandir(root):
        if each.is_dir(follow_symlinks=False):
            shutil.rmtree(each.path)
        else:
            os.unlink(each.path)
    disk.image(root, chance)


def judge_image(server, folder, recorded, disk, event, acks, chance):
    """Starts the server on the image, lets it end its queue, and compares."""
    restore(server, disk, chance)
    trial = Trial(server, fresh(folder))
    lines = recorded.joinpath('client').read_text(errors='replace').splitlines(True)
    trial.client_log.write_text(''.join(line for line in lines if not line.startswith('ack ') or acks.get(line.rstrip('\n'), 1 << 60) < event.number))
    try:
        trial.begin()
        trial.settle(30)
        with open(trial.sink_log, 'a') as out:
            for line in recorded.joinpath('sink').read_text().splitlines(True):
                if int(line.split()[-1 if line.startswith('stray') else 3]) < event.time * 1e6:
                    out.write(line)
        return trial.judge()
    finally:
        trial.close()


def power_loss(server, folder, images, messages, seed=1, models=('ext4',), tempers='ok,ok,ok,ok,once,slow', minutes=0, tell=print):
    """Totals by model: images, lost, corrupt, ghosts, images on which the server did not start."""
    totals, deadline = {}, time.monotonic() + minutes * 60 if minutes else float('inf')
    for held in (True, False):
        chance = random.Random(f'{seed} {held}')
        recorded = record_run(server, folder / ('held' if held else 'live'), held, messages, seed, tempers)
        roots = [spool(server), *server.aliases()]
        events = list(Trace(recorded / 'trace', roots).events())
        acks, missing = replies(recorded, events)
        if missing or not acks:
            raise RuntimeError(f'{missing} of {missing + len(acks)} replies are not in the trace of {len(events)} events')
        ends = [at + 1 for at in acks.values()]
        for model in models:
            total = totals.setdefault(model, {'images': 0, 'lost': 0, 'corrupt': 0, 'ghosts': 0, 'dead': 0, 'images_with_loss': 0, 'acknowledged': 0, 'first': ''})
            share = images // 2 // len(models)
            cuts = sorted(chance.choice(ends) if chance.random() < 0.5 else chance.randrange(min(ends), len(events)) for _ in range(share))
            disk, at = Disk(recorded / 'before', model), 0
            for cut in cuts:
                if time.monotonic() > deadline:
                    return totals
                while at < len(events) and events[at].number <= cut:
                    disk.feed(events[at])
                    at += 1
                try:
                    found = judge_image(server, folder / 'image', recorded, disk, events[at - 1]._replace(number=cut), acks, chance if chance.random() < 0.6 else None)
                    count(total, found, cut)
                except Exception as error:
                    total['images'] += 1
                    total['dead'] += 1
                    total['first'] = total['first'] or f'cut {cut}: {type(error).__name__} {str(error)[:300]} {server.output()[-500:]}'
                if total['images'] % 50 == 0:
                    tell(f'      {server.name} {model}: {total}')
    return totals


def count(total, found, cut):
    total['images'] += 1
    total['acknowledged'] += found['recipients']
    for name in ('lost', 'corrupt', 'ghosts'):
        total[name] += found[name]
    total['images_with_loss'] += found['lost'] > 0
    if found['lost'] or found['corrupt'] or found['ghosts']:
        total['first'] = total['first'] or f'cut {cut}: {verdict(found)[1]}'


__all__ = ['AUDITOR', 'power_loss']
