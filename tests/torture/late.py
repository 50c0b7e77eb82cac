"""Whether a store that had failed acknowledged anything, judged by what was sent when and not by when it was seen.

After a failed write or sync a server may still send the 250 of an earlier group, which is synced; on a busy machine that comes
late, and the client's log later still. So two things are false, each by its own proof: a 250 for a message whose
final dot the client had not even sent when the server had long known (GRACE_S), and a 250 for a message that
lay in the very file whose sync failed, written after its last good sync. Times are strace's of the call's end and the client's
before its final dot; what is acknowledged after the server was killed is another life's. Promises: a starved
machine makes no finding. Refuses to guess: a 250 between the two proofs counts as good.
"""
import re

from wait import PATIENCE

GRACE_S = 0.5 * PATIENCE    # from the failed call's end until the last thread of the server knows
MARK = re.compile(r'X-Audit: [^-"]*-(\d+)-')
WORDS = re.compile(r'(\d+) +(\d+\.\d+) (.*)')
SYNCS = ('fsync', 'fdatasync')


class Failure:
    """The first failed call on a file that counts in strace's words (-f -ttt -T -y -s large): when it ended, its file, and messages that were not synced in it."""

    def __init__(self, text, counts=lambda file: True):
        self.at_us, self.file, self.written = 0, '', set()
        calls, unsynced, safe = {}, {}, set()   # by thread: name and file of an open call; by file: messages; those that were synced once
        for line in text.splitlines():
            if not (found := WORDS.match(line)):
                continue
            thread, at, rest = found[1], float(found[2]), found[3]
            if not rest.startswith('<... '):
                name, _, words = rest.partition('(')
                calls[thread] = name, words.partition('<')[2].partition('>')[0]
                if name not in SYNCS:
                    unsynced.setdefault(calls[thread][1], set()).update({int(each) for each in MARK.findall(rest)} - safe)     # a notice repeats the header
            name, file = calls.get(thread, ('', ''))
            if '(INJECTED)' in rest and counts(file):
                spent = re.search(r'<(\d+\.\d+)>$', rest)
                is_whole = not rest.startswith('<... ')     # its time is that of its beginning
                self.at_us = int((at + (float(spent[1]) if spent and is_whole else 0)) * 1e6)
                self.file, self.written = file, unsynced.get(file, set())
                return
            if name in SYNCS and rest.rstrip().partition(') ')[2].lstrip().startswith('= 0'):
                safe |= unsynced.pop(file, set())


def false_acks(client, failed_us, written, killed_us):
    """A sentence for each acknowledgement in the client's log that a failed store cannot have given rightly."""
    found = []
    for line in client.splitlines():
        verb, *words = line.split(' ')
        if verb != 'ack' or len(words) < 3:
            continue
        seq, at, wait = (int(each) for each in words[:3])
        dot = at - wait
        since = f'message {seq}, final dot {(dot - failed_us) / 1e3:.1f} ms and 250 {(at - failed_us) / 1e3:.1f} ms after the failure'
        if dot < killed_us and dot > failed_us + GRACE_S * 1e6:
            found.append(f'{since}: the store had failed long before')
        elif dot < killed_us and seq in written:
            found.append(f'{since}: it was in the write or sync that failed')
    return found


__all__ = ['GRACE_S', 'SYNCS', 'Failure', 'false_acks']
