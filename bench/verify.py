"""Whether a server syncs before it says 250: seen by strace, message by message.

One session sends messages one after another; in the trace of the whole server each final 250 must come
after an fsync or fdatasync that began after the message's data. What the count says is syncs a message,
not that the right file was synced: that is what the power-loss tests are for.
"""
import re
import subprocess

from servers import DISK, until

MESSAGES = 30
SYNC = re.compile(r'\b(fsync|fdatasync|sync_file_range)\b.*= 0$|<\.\.\. (fsync|fdatasync) resumed.*= 0$')
GO_ON, ACCEPTED = re.compile(r'(sendto|sendmsg|write|writev)\(.*"354 '), re.compile(r'(sendto|sendmsg|write|writev)\(.*"250 (2\.0\.0|2\.6\.0|OK id=)')


def judge(lines):
    """(messages answered, those answered without a sync since their data began, syncs)"""
    answered = bare = syncs = since = 0
    for line in lines:
        if SYNC.search(line):
            syncs, since = syncs + 1, since + 1
        elif GO_ON.search(line):
            since = 0
        elif ACCEPTED.search(line):
            answered, bare = answered + 1, bare + (since == 0)
    return answered, bare, syncs


def syncs_before_answers(group, load):
    found = {}
    for server in group:
        if server.name == 'direct':
            continue
        server.start(True)
        trace = DISK / f'{server.name}.strace'
        load(server, 1, 1, 1024, [])  # its processes are there
        pids = server.group.pids()
        words = [word for pid in pids for word in ('-p', str(pid))]
        tracer = subprocess.Popen(['strace', '-f', '-qq', '-s', '64', '-e', 'trace=fsync,fdatasync,sync_file_range,sendto,sendmsg,write,writev',
                                   '-o', trace, *words], stderr=subprocess.PIPE, text=True)
        until('strace', lambda: tracer.poll() is not None or all(map(traced, pids)), 10)
        if tracer.poll() is not None:
            print(f'strace cannot look at {server.name}: {tracer.stderr.read()[-300:]}')
            server.stop()
            continue
        load(server, 1, MESSAGES, 1024, [])
        tracer.terminate()
        tracer.wait(10)
        server.stop()
        answered, bare, syncs = judge(trace.read_text(errors='replace').splitlines())
        found[server.name] = {'answered': answered, 'without_sync': bare, 'syncs_a_message': round(syncs / max(1, answered), 2)}
        print(f'{server.name}: {answered} of {MESSAGES} answers seen, {bare} without a sync before, {syncs} syncs', flush=True)
        if answered != MESSAGES or bare:
            raise SystemExit(f'{server.name}: its 250 is not after a sync; its figures would be of another promise')
    return found


def traced(pid):
    try:
        with open(f'/proc/{pid}/status') as status:
            return any(line.startswith('TracerPid:') and line.split()[1] != '0' for line in status)
    except OSError:  # it has ended
        return True
