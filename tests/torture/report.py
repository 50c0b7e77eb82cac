"""docs/torture.md from what the runs left: one table, servers side by side, and how to add a server.

Every figure comes from a file in build/torture/results, which a run (or several, with --more) wrote with version and date, or is
marked there as carried over from the page as it was; a cell without a run says so. Refuses to round a loss away: counts stand as they are.
"""
import json
import os
import platform
import re

SERVERS = ('goniec', 'postfix', 'exim', 'opensmtpd')
HEAD = '''# The torture test: results, and how to put any server through it

Written by `./x torture --report` from runs of `./x torture`; what is carried over is said. It asks one thing of a mail
server: *what it answered 250 must arrive, or be bounced with notice, or still be queued, whatever breaks*.

'''
TAIL = '''
**Power loss.** The server runs under strace, which records every call on its spool and every reply. A cut is chosen (half
of them right after a 250), and the disk is rebuilt as it may be then: what was synced is there; of the rest nothing, or a
part by chance, with writes torn at sectors of 512 octets. The server starts on that disk and must deliver all it had
acknowledged. *By contract*: a name lasts only after a sync of its directory, as POSIX says. *As ext4 orders*: any sync
makes all names last that came before it, so that a server that never syncs a directory is not blamed for what ext4 gives it.
A recorder that is preloaded (LD_PRELOAD) would not see what the C library writes by itself from stdio; strace does.

**Numbered calls.** A place is a file of the store (journal, the database's log, the database, the mark of what was acknowledged), where the
calls that touch it are counted for each thread, or any call of a kind. The journal (`storage.journal`) is 384 KiB, so that
its files are written over, and the log is moved into the database, while mail is accepted, delivered, deferred, bounced
and expires; the server's start and its stop belong to it. A point is reached when the call came to that number in that run.

**After a failed call** the server is left running for a second. A 250 is false if the message's final dot was sent half a second
or more after the failure, or if the message lay in the very write or sync that failed (strace shows what was written to the
journal). What lay in it is refused by 451, and may yet be whole on the disk: then it is delivered, and what the client sends
again too; a duplicate of this kind nobody can prevent who will not lose mail, and it is counted. All moments are the sender's (the kernel's time stamp of what arrived), so that a busy machine makes no finding.

**Duplicates** are copies of a recipient at the sink beyond the first, and are blamed on a kill only if it came within two
seconds after the sink's 250; copies from a client that sent again after a lost answer, or from a sink that hung up before its
250, are not counted here. **Ghosts** came though nothing accepted can have brought them.

**Settings.** All spools lie on the same ext4, all mail goes to the same sink, and the configurations (tests/torture/hooks)
are Debian's defaults but for ports, the next hop, short retries, and Postfix's `in_flow_delay = 0`. The sink hangs up on
OpenSMTPD never. Goniec and Exim give a message up after four seconds, so that expiry is in the trial; Postfix and
OpenSMTPD after days.

**Damage.** A store with mail in database, log and journal (closed, killed, or after a power cut) has one bit flipped, a
file cut, or a sector or page overwritten. Then it is served, and it is salvaged and what was saved is served. Nothing
damaged may be handed out; what is missing must have raised an alarm or have kept the store from opening, and must stand in
the report of `doctor --salvage`. The very last group before a power cut is left out: whether it was synced cannot be told.

## Run it
`./x torture` does every part on goniec, long; `--short` is what CI does; `--parts kills,power`, `--server postfix,exim` (root,
for namespaces; the peers are unpacked from Debian's packages, never installed), `--kills N`, `--images N`, `--points N`,
`--rounds N` (runs of each point), `--cycles N`, `--changes N`, `--seed N`, `--place DIR` (a folder on the disk under test). `--minutes M` ends a
part early, and `--more` goes on from there: with the points and blocks that are left, or with another seed, and
the sum is kept. The first part, `self`, puts stubs
through it that acknowledge before they write, truncate, sync after the 250, or go on after a sync that failed, and fails unless each is caught.

## Another server
Write `tests/torture/hooks/NAME`, a program with five actions; `hooks/common` has the environment it gets and functions for
most of it, `hooks/exim` is a short example.

| action | does |
|---|---|
| start | starts the server on 127.0.0.1:$TORTURE_PORT, all mail relayed to 127.0.0.1:$TORTURE_SINK, the command after the words of $TORTURE_UNDER |
| stop | SIGTERM, and returns when it has ended |
| kill | SIGKILL to every process of it, and returns when they are gone |
| queue-list | prints the recipients of what is queued |
| spool-dir | prints the folder of the spool; further lines: its other names, as the server sees it |

The auditor speaks only SMTP to it. `version` (one line) and `flush` are welcome, not needed.
'''


def load(folder):
    found = {}
    for path in sorted(folder.glob('*.json')):
        row = json.loads(path.read_text())
        found[row['server'], row['part']] = row
    return found


def busy(found):
    """Times are of a machine, and not of a server, when it had much else to do."""
    load = max((row.get('load', 0) for row in found.values()), default=0)
    return f' (a load of up to {load})' if load else ''


def times(row):
    return f' in {row["added"]} runs' if row.get('added', 1) > 1 else ''


def bad(row, *names):
    return ', '.join(f'{row[name]} {title}' for name, title in names)


LOSSES = (('lost', 'lost'), ('corrupt', 'corrupt'), ('ghosts', 'ghosts'))


def kills(row):
    return f'{row["kills"]:,} kills{times(row)}, {row["messages"]:,} messages to {row["recipients"]:,} recipients: **{bad(row, *LOSSES)}**'


def duplicates(row):
    return f'{row["duplicates_of_kills"] / max(1, row["kills"]):.1f} a kill, {row["unexplained"]} unexplained'


def recovery(row):
    return f'{row["worst_recovery_ms"]:,.0f} ms'


def waits(row):
    return f'{row["p50_ms"]:.1f} / {row["p99_ms"]:.1f} ms'


def power(row):
    return f'{row["images"]:,} images{times(row)}, {row["acknowledged"]:,} recipients to be found: **{bad(row, *LOSSES)}** (loss on {row["images_with_loss"]} images), {row["dead"]} did not start'


def reached(row):
    places = '; '.join(f'{place} {struck:,} of {known:,}' for place, (struck, _, known) in row['places'].items())
    return f'{row["reached"]:,} of {row["points"]:,} points reached ({places}), {row["reached_runs"]:,} of {row["runs"]:,} runs struck, of {row["planned_runs"]:,} planned: **{bad(row, *LOSSES)}**, {row["dead"]} did not start'


def points(row):
    return f'{reached(row)}, {row["duplicates_of_kills"]} duplicates of them, {row["unexplained"]} unexplained'


def eio(row):
    return f'{reached(row)}, {row["acknowledged_after"]} acknowledged by a store that had failed; {row["duplicates_of_failures"]} duplicates by a sync that failed, {row["unexplained"]} unexplained'


def short(row):
    return f'{row["runs"]} runs, {row["reached"]} struck: **{bad(row, *LOSSES)}**, {row["dead"]} did not start, {row["acknowledged_after"]} acknowledged by a store that had failed'


def full(row):
    return f'{row["cycles"]} cycles, {row["messages"]:,} messages: **{bad(row, *LOSSES)}**; {row["refused_452"]} times 452, least space left {row["least_free_mib"]} MiB of a reserve of 64; messages taken in the first cycle {row["acknowledged"][0]}, in the worst {min(row["acknowledged"])}'


def damage(row):
    inside = row['inside']
    return (f'{inside["changes"]:,} changes in memory, each served and salvaged: {inside["crashes"]} crashes, {inside["corrupt"]} corrupt, {inside["silent"]} silent losses; '
            f'served, {inside["refused"]:,} stores refused and {inside["missing_served"]:,} messages missing, all with an alarm; salvaged, {inside["missing_saved"]:,} missing, '
            f'{inside["named"]:,} of them named by id, {inside["told"]:,} by what was cut off, {inside["unnamed"]} not at all; '
            f'and {row["changes"]} changes on the binary: {row["crashes"]} crashes, {row["corrupt"]} corrupt deliveries, {row["silent"]} silent losses')


def terms(row):
    return f'{row["times"]} times, longest end {row["worst_end_s"]} s: **{bad(row, *LOSSES)}**, {row["duplicates"] - row["duplicates_of_client"] - row["duplicates_of_cuts"]} duplicates'


ROWS = (('kill -9 at random moments under load', 'kills', kills), ('duplicates of kills', 'kills', duplicates), ('longest time from a kill to the next greeting', 'kills', recovery),
        ('time to the 250 under kills, p50 / p99', 'kills', waits), ('power loss, by contract', 'power-contract', power), ('power loss, as ext4 orders', 'power-ext4', power),
        ('kill -9 at a numbered system call', 'points', points), ('EIO at a numbered write or sync', 'eio', eio), ('writes that write half, then go on or fail (EIO, ENOSPC)', 'short', short), ('disk filled and drained', 'full', full),
        ('bits flipped, files cut', 'damage', damage), ('SIGTERM under load', 'terms', terms))


def shown_before(page):
    """Cells of the page as it is, {(server, title): text}; its versions by server, its dates and commits."""
    rows = [[cell.strip() for cell in line.strip('|\n').split(' | ')] for line in page.splitlines() if line.startswith('| ') and not line.startswith('|---')]
    head = next((row for row in rows if any(cell.lower().startswith('goniec') for cell in row)), [])
    versions = {cell.split()[0].lower(): cell for cell in head if cell}
    titles = {title for title, _, _ in ROWS}
    cells = {(server, row[0]): cell for row in rows if row[0] in titles for server, cell in zip(versions, row[1:]) if cell != 'not run'}
    runs = re.search(r'^Runs of (.*?) on .*; goniec at (.*)\.$', page, re.M)
    older = re.search(r'^Carried over from the page of (.*?), goniec at (.*?): ', page, re.M)
    return cells, versions, *(sorted({each for found in (runs, older) if found for each in found[group].split(', ')}) for group in (1, 2))


def write(root, results):
    path = root / 'docs/torture.md'
    path.write_text(page_of(load(results), path.read_text() if path.exists() else ''))


def page_of(found, page):
    before, known, old_dates, old_commits = shown_before(page)
    shown = [name for name in SERVERS if any(server == name for server, _ in found) or name in known]
    text = HEAD
    versions = {name: next((' '.join(row['version']) or name for (server, _), row in found.items() if server == name), known.get(name, name)) for name in shown}
    dates = sorted({date for row in found.values() for date in row['date'].split(', ')})
    commits = sorted({commit for (server, _), row in found.items() if server == 'goniec' for commit in row['commit'].split(', ')})
    if found:
        text += f'Runs of {", ".join(dates)} on Linux {platform.release().split("-")[0]}, {os.cpu_count()} cores that did other work too{busy(found)}, ext4; goniec at {", ".join(commits)}.\n\n'
    carried = sorted({f'{name} {part}' for title, part, _ in ROWS for name in shown if (name, part) not in found and (name, title) in before})
    if carried:     # their result files are gone: the figures are those that this page had
        text += f'Carried over from the page of {", ".join(old_dates)}, goniec at {", ".join(old_commits)}: {", ".join(carried)}.\n\n'
    text += '| | ' + ' | '.join(versions[name] for name in shown) + ' |\n|---' + '|---' * len(shown) + '|\n'
    for title, part, say in ROWS:
        cells = [say(found[name, part]) if (name, part) in found else before.get((name, title), 'not run') for name in shown]
        if any(cell != 'not run' for cell in cells):
            text += f'| {title} | ' + ' | '.join(cells) + ' |\n'
    return text + TAIL
