"""How the runner reaches the server: an adapter program with the verbs start, messages and stop.

    ADAPTER start DIR     DIR/fixture.json names the DNS server, the sinks and the client addresses; prints
                          {"mx": {"host": H, "port": P}, "sub": …, "subs": …, "lmtp": …, and optionally
                           "pid": N, "idle_timeout_s": N, "delay_warning_s": N}
    ADAPTER messages DIR  prints [{"id", "box": mailbox or null while queued, "from", "rcpts": […],
                          "data": latin-1 text, "crlf": false where the store has its own line ends,
                          "queue_fields": [texts of envelope parameters as spooled]}]
    ADAPTER stop DIR
"""
import asyncio
import json
import os
import tempfile
from pathlib import Path

from world import Message


class Adapter:
    def __init__(self, path, folder):
        self.path, self.folder, self.info = path, folder, {}

    async def call(self, verb, limit):
        """Status and output; no pipe, for a daemon that keeps it open would hold us up."""
        with tempfile.TemporaryFile() as out:
            process = await asyncio.create_subprocess_exec(self.path, verb, str(self.folder), stdout=out, stdin=asyncio.subprocess.DEVNULL)
            try:
                status = await asyncio.wait_for(process.wait(), limit)
            except TimeoutError:
                process.kill()
                raise SystemExit(f'adapter {verb}: no end after {limit} s')
            out.seek(0)
            return status, out.read().decode('utf8')

    async def parsed(self, verb, limit):
        status, text = await self.call(verb, limit)
        try:
            return status, json.loads(text or 'null')
        except ValueError:
            raise SystemExit(f'adapter {verb}: status {status}, no JSON but {text[:200]!r}')

    async def start(self, fixture):
        (self.folder / 'fixture.json').write_text(json.dumps(fixture, indent=1))
        status, self.info = await self.parsed('start', 90)
        if status or not self.info:
            raise SystemExit(f'adapter start: status {status}')

    async def messages(self):
        """All messages stored or queued, or None when the adapter cannot say."""
        status, found = await self.parsed('messages', 30)
        if status or found is None:
            return None
        return [Message(each['id'], each.get('box'), each.get('from', ''), each.get('rcpts', []), each.get('data', '').encode('latin-1', 'replace'),
                        each.get('crlf', True), fields=each.get('queue_fields')) for each in found]

    async def stop(self):
        await self.call('stop', 60)


def process_tree(pid):
    """(CPU seconds, resident octets) of a process and its descendants."""
    parents, usage = {}, {}
    for stat in Path('/proc').glob('[0-9]*/stat'):
        try:
            fields = stat.read_text().rpartition(')')[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
        usage[int(stat.parent.name)] = (sum(map(int, fields[11:15])), int(fields[21]))
    family = {pid}
    while grown := {child for child, parent in parents.items() if parent in family} - family:
        family |= grown
    found = [usage[each] for each in family if each in usage]
    return sum(f[0] for f in found) / os.sysconf('SC_CLK_TCK'), sum(f[1] for f in found) * os.sysconf('SC_PAGE_SIZE')
