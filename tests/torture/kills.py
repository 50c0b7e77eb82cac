"""kill -9 of every process of a server at random moments under load, and SIGTERM under load.

Promises: a kill comes 20 to 600 ms (longest_s) after the server greeted again, drawn from a seed; nothing is asked
of the server meanwhile; at the end the queue is let empty and the judge reads the books. The client waits while more than
`most_open` recipients are neither at the sink nor bounced: a queue that only grows would have to be emptied
at the end, for hours, by a server that nobody kills any more.
"""
import random
import signal
import time

from trial import Log, TooLate, Trial, fresh, patient, until
from wait import pause

# A slow site is seldom: each of its recipients holds a connection for 300 ms.
TEMPERS = ','.join(['ok'] * 36 + ['once', 'cut', 'shut', 'refuse', 'later'] * 2 + ['slow'])


def random_kills(server, folder, kills, acks, seed=1, connections=8, longest_s=0.6, minutes=0, most_open=20000, **load):
    """At least so many kills and acknowledgements, or as many as the minutes give."""
    chance = random.Random(seed)
    trial = Trial(server, fresh(folder))
    try:
        trial.begin().load(connections=connections, seed=seed, patience=patient(120), **load)
        trial.wait_acks(1)
        gate = Gate(trial, most_open)
        done, before = 0, 0
        deadline = time.monotonic() + minutes * 60 if minutes else float('inf')
        while (done < kills or trial.acks.value() < acks) and time.monotonic() < deadline:
            pause(chance.uniform(0.02, longest_s))
            gate.look()
            if trial.client.poll() is not None:
                raise TooLate('the client ended')
            server.kill()
            server.start()
            done += 1
            if done % 20 == 0 and not gate.held:      # a server that never gets to answer between two kills proves nothing
                trial.wait_acks(max(0, before + 20 - trial.acks.value()))
                before = trial.acks.value()
            if done % 100 == 0:
                print(f'      {done} kills, {trial.acks.value()} acknowledged', flush=True)
        gate.let()
        return trial.end(240, live_after=3600)
    finally:
        trial.close()


class Gate:
    """Holds the client's next messages while too much is open; what it has under way goes on."""

    def __init__(self, trial, most_open):
        self.trial, self.most_open, self.held = trial, most_open, False
        self.acked = Log(trial.client_log, b'ack ', weigh=lambda line: line.split(b' ', 5)[4].count(b',') + 1)
        self.done = Log(trial.sink_log, (b'got ', b'dsn '))

    def look(self):
        still_open = self.acked.value() - self.done.value()
        if not self.held and still_open > self.most_open:
            self.held = True
            self.trial.client.send_signal(signal.SIGUSR1)
        elif self.held and still_open < self.most_open // 2:
            self.let()

    def let(self):
        self.held = False
        if self.trial.client.poll() is None:
            self.trial.client.send_signal(signal.SIGUSR2)


def terms(server, folder, times, seed=1):
    """SIGTERM under load: the longest end in seconds, and the books, which must have no duplicate of a stop."""
    chance = random.Random(seed)
    trial = Trial(server, fresh(folder))
    worst = 0
    try:
        trial.begin().load(connections=8, seed=seed, largest=65536, patience=patient(120), tempers='ok,ok,ok,ok,once,slow')
        for _ in range(times):
            trial.wait_acks(10)
            pause(chance.uniform(0.02, 0.4))
            began = time.monotonic()
            server.stop(60)
            worst = max(worst, time.monotonic() - began)
            server.start()
        return worst, trial.end()
    finally:
        trial.close()


__all__ = ['random_kills', 'terms', 'until']
