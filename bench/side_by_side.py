#!/usr/bin/env python3
"""goniec beside other servers on the same work, in one run: pairs interleaved, medians, ratios, JSON.

    bench/side_by_side.py relay|accept [--sizes 1024,10240] [--sessions 20] [--seconds 4] [--rounds 3]
                          [--servers goniec,postfix] [--pipelined] [--out FILE]

relay: load -> server -> sink; the clock stops when the sink has the last message. accept: the next hop
takes connections and never greets, so that delivery waits; the clock stops at the last 250.
Every server keeps its queue on the disk (not in memory), its log on, TLS off, one recipient a message,
in a network namespace with loopback alone. A row `direct` is the load against the sink, no server
between. CPU is that of the server's control group. Needs root, for namespaces, and Debian's packages.
"""
import argparse
import json
import mmap
import os
import shutil
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tests/peers'))
import stage  # noqa: E402

RELEASE, DISK = ROOT / 'build/release', ROOT / 'build/bench'
SINK_PORT, SILENT_PORT = 2600, 2601
CPU = Path('/sys/fs/cgroup/cpuacct')


class Group:
    """A control group: what the processes in it cost together."""
    def __init__(self, name):
        self.path = CPU / f'goniec-bench-{name}'
        self.path.mkdir(exist_ok=True)

    def start(self, words, **options):
        tasks = self.path / 'cgroup.procs'
        return subprocess.Popen(words, preexec_fn=lambda: tasks.write_text(str(os.getpid())), start_new_session=True, **options)

    def seconds(self):
        return int((self.path / 'cpuacct.usage').read_text()) / 1e9

    def pids(self):
        return [int(pid) for pid in (self.path / 'cgroup.procs').read_text().split()]


class Sink:
    def __init__(self, port, silent=False):
        self.file = stage.STAGE / f'sink-{port}'
        self.process = subprocess.Popen([RELEASE / 'smtp_sink', str(port), self.file, *(['silent'] if silent else [])])
        while not (self.file.exists() and self.file.stat().st_size == 32 and stage.listening('127.0.0.1', port)):
            pass
        with open(self.file, 'r+b') as file:
            self.map = mmap.mmap(file.fileno(), 32)

    def count(self):
        return struct.unpack('4Q', self.map[:32])


class Server:
    """start(hold): an empty queue, mail for all domains goes to the sink, or to the silent one."""
    def __init__(self):
        self.group = Group(self.name)
        self.disk = DISK / self.name

    def fresh(self):
        shutil.rmtree(self.disk, ignore_errors=True)
        self.disk.mkdir(parents=True)

    def up(self):
        end = time.monotonic() + 20
        while not stage.listening('127.0.0.1', self.port):
            if time.monotonic() > end:
                raise SystemExit(f'{self.name} does not answer')
        return self

    def resident(self):
        total = 0
        for pid in self.group.pids():
            try:
                text = Path(f'/proc/{pid}/smaps_rollup').read_text()
            except OSError:  # it has ended meanwhile
                continue
            total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith('Pss:'))
        return total


class Goniec(Server):
    name, port = 'goniec', 2500

    def start(self, hold):
        self.fresh()
        hop = SILENT_PORT if hold else SINK_PORT
        (self.disk / 'goniec.toml').write_text(f'''hostname = "goniec.bench.test"
user = "root"
[storage]
path = "{self.disk}/store"
[[listener]]
kind = "mx"
address = "127.0.0.1:{self.port}"
trust = ["127.0.0.0/8"]
[[listener]]
kind = "admin"
address = "127.0.0.1:8025"
[limits]
connections_per_address = 2000
messages_per_account_hour = 0
[local]
aliases = []
socket = "{self.disk}/submit.sock"
[log]
to = "{self.disk}/mail.log"
[[route]]
domains = ["*"]
relay = "smtp://127.0.0.1:{hop}"
tls = "none"
''')
        log = open(self.disk / 'stderr', 'wb')
        self.process = self.group.start([RELEASE / 'goniec', 'serve', '--config', self.disk / 'goniec.toml'], stdout=log, stderr=log)
        return self.up()

    def stop(self):
        self.process.terminate()
        self.process.wait(15)


class Postfix(Server):
    """Tuned as its TUNING_README says: more processes, connection reuse, no flow delay, no limits a client."""
    name, port = 'postfix', 2501

    def __init__(self):
        super().__init__()
        self.view = view = stage.View('postfix')
        services = ['pickup unix n - n 60 1 pickup', 'cleanup unix n - n - 0 cleanup', 'qmgr unix n - n 300 1 qmgr',
                    'rewrite unix - - n - - trivial-rewrite', 'bounce unix - - n - 0 bounce', 'defer unix - - n - 0 bounce',
                    'trace unix - - n - 0 bounce', 'verify unix - - n - 1 verify', 'flush unix n - n 1000? 0 flush',
                    'proxymap unix - - n - - proxymap', 'smtp unix - - n - 100 smtp', 'relay unix - - n - 100 smtp',
                    'error unix - - n - - error', 'retry unix - - n - - error', 'discard unix - - n - - discard',
                    'local unix - n n - - local', 'anvil unix - - n - 1 anvil', 'scache unix - - n - 1 scache',
                    'postlog unix-dgram n - n - 1 postlogd', 'tlsmgr unix - - n 1000? 1 tlsmgr']
        view.write('/etc/postfix/master.cf', '\n'.join([f'127.0.0.1:{self.port} inet n - n - 1100 smtpd', *services]) + '\n')
        view.write('/etc/postfix/dynamicmaps.cf', '')
        view.write('/etc/postfix/makedefs.out', '')
        view.folder('/var/lib/postfix', 'postfix')
        view.folder('/var/spool/postfix')
        self.mounted = False

    def start(self, hold):
        self.fresh()
        if self.mounted:
            stage.run('umount', self.view.at('/var/spool/postfix'))
        stage.run('mount', '--bind', self.disk, self.view.at('/var/spool/postfix'))
        self.mounted = True
        self.view.write('/etc/postfix/main.cf', f'''compatibility_level = 3.6
myhostname = postfix.bench.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
relayhost = [127.0.0.1]:{SINK_PORT}
defer_transports = {'smtp relay' if hold else ''}
disable_dns_lookups = yes
smtp_host_lookup = native
smtpd_peername_lookup = no
smtp_tls_security_level = none
smtpd_tls_security_level = none
alias_maps =
alias_database =
local_recipient_maps =
message_size_limit = 52428800
default_process_limit = 150
in_flow_delay = 0
initial_destination_concurrency = 20
default_destination_concurrency_limit = 100
smtp_destination_concurrency_limit = 100
smtp_destination_concurrency_failed_cohort_limit = 100
qmgr_message_active_limit = 40000
qmgr_message_recipient_limit = 40000
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
smtpd_client_recipient_rate_limit = 0
smtp_connection_cache_on_demand = yes
smtp_connection_cache_destinations = [127.0.0.1]:{SINK_PORT}
smtp_connection_reuse_time_limit = 300s
minimal_backoff_time = 3600s
maximal_backoff_time = 7200s
queue_run_delay = 3600s
maillog_file = /var/log/mail.log
''')
        self.view.run('postfix', 'set-permissions', check=False)
        self.process = self.group.start(['chroot', str(self.view.root), '/usr/sbin/postfix', 'start'], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, cwd='/')
        self.process.wait(30)
        return self.up()

    def stop(self):
        self.view.run('postfix', 'stop', check=False)
        end = time.monotonic() + 15
        while self.group.pids() and time.monotonic() < end:
            time.sleep(0.05)


class Direct(Server):
    name, port = 'direct', SINK_PORT

    def start(self, hold):
        return self

    def stop(self):
        pass


SERVERS = {each.name: each for each in (Goniec, Postfix, Direct)}


def load(server, sessions, messages, size, pipelined):
    words = [RELEASE / 'smtp_load', str(server.port), str(sessions), str(messages), str(size), *(['pipelined'] if pipelined else [])]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise SystemExit(f'{server.name}: {done.stderr}')
    return json.loads(done.stdout)


def measure(server, sink, mode, sessions, messages, size, pipelined):
    before, cpu, began = sink.count()[0], server.group.seconds(), time.monotonic_ns()
    told = load(server, sessions, messages, size, pipelined)
    seconds = told['seconds']
    if mode == 'relay' and server.name != 'direct':
        end = time.monotonic() + 120
        while sink.count()[0] - before < messages:
            if time.monotonic() > end:
                raise SystemExit(f'{server.name}: {sink.count()[0] - before} of {messages} came to the sink')
            time.sleep(0.001)
        seconds = (sink.count()[3] - began) / 1e9
        until_idle(server)
    return {'messages': messages, 'rate': messages / seconds, 'accept_rate': messages / told['seconds'], 'p50_ms': told['p50_ms'],
            'p99_ms': told['p99_ms'], 'cpu_s_per_1000': (server.group.seconds() - cpu) / messages * 1000, 'pss_kb': server.resident()}


def until_idle(server):
    """What follows a delivery (removal, logs) belongs to its cost: wait until the CPU time stands still."""
    last = -1.0
    while server.group.seconds() - last > 0.002:
        last = server.group.seconds()
        time.sleep(0.1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('mode', choices=['relay', 'accept'])
    parser.add_argument('--sizes', default='1024,10240')
    parser.add_argument('--sessions', default='20')
    parser.add_argument('--seconds', type=float, default=4)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--servers', default='goniec,postfix,direct')
    parser.add_argument('--pipelined', action='store_true')
    parser.add_argument('--out')
    asked = parser.parse_args()
    stage.unpack('postfix')
    stage.enter()
    sinks = [Sink(SINK_PORT), Sink(SILENT_PORT, silent=True)]
    results = []
    servers = [SERVERS[name]() for name in asked.servers.split(',') if not (name == 'direct' and asked.mode == 'accept')]
    try:
        for size in map(int, asked.sizes.split(',')):
            for sessions in map(int, asked.sessions.split(',')):
                results.append(compare(asked, servers, sinks[0], size, sessions))
    finally:
        for sink in sinks:
            sink.process.terminate()
    if asked.out:
        Path(asked.out).write_text(json.dumps(results, indent=1) + '\n')


def compare(asked, servers, sink, size, sessions):
    runs = {server.name: [] for server in servers}
    counts = {}
    for round_number in range(asked.rounds + 1):  # the first finds out how many messages the time takes
        for server in servers:
            server.start(asked.mode == 'accept')
            messages = counts.get(server.name, 400)
            run = measure(server, sink, asked.mode, sessions, messages, size, asked.pipelined)
            server.stop()
            counts[server.name] = max(200, min(60000, int(run['rate'] * asked.seconds)))
            if round_number > 0:
                runs[server.name].append(run)
    result = {'mode': asked.mode, 'size': size, 'sessions': sessions, 'pipelined': asked.pipelined, 'runs': runs, 'median': {}}
    for name, rows in runs.items():
        result['median'][name] = {key: round(statistics.median(row[key] for row in rows), 3) for key in rows[0]}
    for name, row in result['median'].items():
        ratio = row['rate'] / result['median']['postfix']['rate'] if 'postfix' in result['median'] else 0
        print(f"{asked.mode:7} {size:7} B {sessions:4} sessions {name:8} {row['rate']:9.0f}/s  x{ratio:5.2f}  p50 {row['p50_ms']:7.2f} ms  "
              f"p99 {row['p99_ms']:8.2f} ms  cpu {row['cpu_s_per_1000']:6.3f} s/1000  pss {row['pss_kb'] // 1024} MiB", flush=True)
    return result


if __name__ == '__main__':
    try:
        main()
    except stage.CannotRun as error:
        print(error)
        sys.exit(77)
