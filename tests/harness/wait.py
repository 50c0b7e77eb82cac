"""The one place where a test lets time pass. Everything else waits for an event.

until() looks at a condition again and again up to a deadline and says what it waited for when it
gives up; pause() is for cases whose subject is time itself (a client that stalls, an absence that
must last). Promises: no test waits longer than the deadline it names.
"""
import asyncio
import math
import os
import time

# A machine that does much else is given more time: a factor of every deadline.
PATIENCE = float(os.environ.get('GONIEC_PATIENCE', '1'))


class TooLate(Exception):
    """The condition did not come true in time."""


def until(what, condition, seconds=20, every=0.02):
    """The first true value of condition(); TooLate with the last one after the deadline."""
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise TooLate(f'{what}: not within {seconds} s, last {value!r}')
        time.sleep(every)


def patient(seconds):
    """A deadline, in whole seconds, for what waits by itself."""
    return math.ceil(seconds * PATIENCE)


def pause(seconds):
    time.sleep(seconds)


async def pause_here(seconds):
    await asyncio.sleep(seconds)
