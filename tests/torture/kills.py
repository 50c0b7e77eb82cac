"""kill -9 of every process of a server at random moments under load, and SIGTERM under load.

Promises: a kill comes 20 to 600 ms (longest_s) after the server greeted again, drawn from a seed; nothing is asked
of the server meanwhile; at the end the queue is let empty and the judge reads the books.
"""
import random
import time

from trial import TooLate, Trial, fresh, until
from wait import pause


def random_kills(server, folder, kills, acks, seed=1, connections=8, longest_s=0.6, minutes=0, **load):
    """At least so many kills and acknowledgements, or as many as the minutes give."""
    chance = random.Random(seed)
    trial = Trial(server, fresh(folder))
    try:
        trial.begin().load(connections=connections, seed=seed, patience=120, **load)
        trial.wait_acks(1)
        done, before = 0, 0
        deadline = time.monotonic() + minutes * 60 if minutes else float('inf')
        while (done < kills or trial.acks.value() < acks) and time.monotonic() < deadline:
            pause(chance.uniform(0.02, longest_s))
            if trial.client.poll() is not None:
                raise TooLate('the client ended')
            server.kill()
            server.start()
            done += 1
            if done % 20 == 0:      # a server that never gets to answer between two kills proves nothing
                trial.wait_acks(max(0, before + 20 - trial.acks.value()))
                before = trial.acks.value()
            if done % 100 == 0:
                print(f'      {done} kills, {trial.acks.value()} acknowledged', flush=True)
        return trial.end(240)
    finally:
        trial.close()


def terms(server, folder, times, seed=1):
    """SIGTERM under load: the longest end in seconds, and the books, which must have no duplicate of a stop."""
    chance = random.Random(seed)
    trial = Trial(server, fresh(folder))
    worst = 0
    try:
        trial.begin().load(connections=8, seed=seed, largest=65536, patience=120, tempers='ok,ok,ok,ok,once,slow')
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
