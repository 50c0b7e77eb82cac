"""What a part has done so far, kept between runs: which steps of its plan, and the sums of its figures.

A plan (points, blocks of damage) is drawn once; its steps are walked by several workers at a time until the minutes are over,
and the next run with --more walks those that are left. A part that draws anew each time (kills, power cuts) adds
its figures to those of the runs before. Promises: the state is written after each step, so that a run
that is ended from outside has not worked for nothing. Refuses to add up what cannot be added: of times
the worst run's stands.
"""
import json
import os
import threading
import time

WORST = ('load', 'worst_recovery_ms', 'worst_end_s', 'p50_ms', 'p99_ms')
LEAST = ('least_free_mib',)
WORDS = ('date', 'commit')      # each different one is named


def merge(before, now):
    """The sums of two runs' figures."""
    sums = dict(before)
    for name, value in now.items():
        old = sums.get(name)
        if old is None or name == 'version':
            sums[name] = value
        elif name in WORDS:
            sums[name] = ', '.join(sorted({*old.split(', '), *value.split(', ')}))
        elif name in WORST:
            sums[name] = max(old, value)
        elif name in LEAST:
            sums[name] = min(old, value)
        elif isinstance(value, dict):
            sums[name] = merge(old, value)
        elif isinstance(value, str):
            sums[name] = old or value
        elif not isinstance(value, bool):
            sums[name] = old + value
    return sums


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix('.new')
    draft.write_text(json.dumps(value, indent=1) + '\n')
    os.replace(draft, path)


class Plan:
    """Steps that are walked over several runs. path None: kept nowhere."""

    def __init__(self, path, more, draw):
        self.path, self.lock = path, threading.Lock()
        if more and path and path.exists():
            state = json.loads(path.read_text())
            self.steps, self.done, self.total = state['steps'], set(state['done']), state['total']
        else:
            self.steps, self.done, self.total = [list(step) for step in draw()], set(), {}
        self.open = [number for number in range(len(self.steps)) if number not in self.done]

    def walk(self, do, minutes=0, workers=1, tell=print):
        """do(worker, number, step) gives figures that are added to the total."""
        deadline = time.monotonic() + minutes * 60 if minutes else float('inf')

        def work(worker):
            while time.monotonic() < deadline:
                with self.lock:
                    if not self.open:
                        return
                    number = self.open.pop(0)
                figures = do(worker, number, self.steps[number])
                with self.lock:
                    self.add(number, figures, tell)
        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(workers)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        return self.total

    def add(self, number, figures, tell):
        self.done.add(number)
        self.total = merge(self.total, figures)
        if self.path:
            write(self.path, {'steps': self.steps, 'done': sorted(self.done), 'total': self.total})
        if len(self.done) % 25 == 0:
            tell(f'      {len(self.done)} of {len(self.steps)} steps: {self.total}', flush=True)


__all__ = ['Plan', 'merge', 'write']
