"""The servers that the benchmarks run, each in a control group of its own, with its queue on the disk.

Goniec, Postfix and Exim as they are set up to be fast with the promise kept; DurableSink, the least that a
durable receiver can do; Direct, no server at all. start(hold) begins with an empty queue: mail for all
domains goes to the sink, or, with hold, waits in the queue. Everything is for the namespace of
tests/peers/stage.py; nothing here starts by itself.
"""
import mmap
import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tests/peers'))
import stage  # noqa: E402
from goniec_server import make_certificate, toml  # noqa: E402
from wait import until  # noqa: E402

RELEASE, DISK = ROOT / 'build/release', ROOT / 'build/bench'
SINK_PORT, SILENT_PORT, TLS_SINK_PORT = 2600, 2601, 2602
CONTROL = Path('/sys/fs/cgroup')


class Group:
    """A control group (version 1): what the processes in it cost together."""
    def __init__(self, name):
        place = f'goniec-bench-{"".join(filter(str.isdigit, os.readlink("/proc/self/ns/net")))}-{name}'
        self.cpu, self.memory = CONTROL / 'cpuacct' / place, CONTROL / 'memory' / place
        for path in (self.cpu, self.memory):
            path.mkdir(exist_ok=True)

    def start(self, words, **options):
        files = [path / 'cgroup.procs' for path in (self.cpu, self.memory)]
        return subprocess.Popen(words, preexec_fn=lambda: [file.write_text(str(os.getpid())) for file in files],
                                start_new_session=True, **options)

    def seconds(self):
        return int((self.cpu / 'cpuacct.usage').read_text()) / 1e9

    def kernel_octets(self):
        return int((self.memory / 'memory.kmem.usage_in_bytes').read_text())

    def pids(self):
        return [int(pid) for pid in (self.cpu / 'cgroup.procs').read_text().split()]

    def close(self):
        for path in (self.cpu, self.memory):
            try:
                path.rmdir()
            except OSError:  # a process of it has not ended yet; an empty group costs nothing
                pass


class Sink:
    def __init__(self, port, *words):
        self.file = stage.STAGE / f'sink-{port}'
        self.process = subprocess.Popen([RELEASE / 'smtp_sink', str(port), self.file, *words])
        until('the sink', lambda: self.file.exists() and self.file.stat().st_size == 32 and stage.listening('127.0.0.1', port), 10)
        with open(self.file, 'r+b') as file:
            self.map = mmap.mmap(file.fileno(), 32)

    def count(self):
        """messages, octets, connections, nanoseconds of the last message"""
        return struct.unpack('4Q', self.map[:32])

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


class Server:
    hop = SINK_PORT      # where mail goes
    tls = False          # STARTTLS in both directions
    by_dns = False       # mail goes by MX instead

    def __init__(self):
        self.group = Group(self.name)
        self.disk = DISK / self.name

    def fresh(self):
        shutil.rmtree(self.disk, ignore_errors=True)
        self.disk.mkdir(parents=True)

    def up(self, seconds=20):
        until(f'{self.name} on port {self.port}', lambda: stage.listening('127.0.0.1', self.port), seconds, 0.005)
        return self

    def ended(self):
        until(f'the end of {self.name}', lambda: not self.group.pids(), 30)

    def resident(self):
        """Kibibytes, proportional: what is shared is counted once."""
        total = 0
        for pid in self.group.pids():
            try:
                text = Path(f'/proc/{pid}/smaps_rollup').read_text()
            except OSError:  # it has ended meanwhile
                continue
            total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith('Pss:'))
        return total

    def close(self):
        self.group.close()

    def until_idle(self):
        """What follows a delivery (removal, logs) belongs to its cost: wait until the CPU time stands still."""
        last = [-1.0]

        def still():
            now = self.group.seconds()
            same, last[0] = now - last[0] <= 0.002, now
            return same
        until(f'quiet in {self.name}', still, 60, 0.1)


class Goniec(Server):
    name, port = 'goniec', 2500
    changes = {}         # of the configuration, by table
    routes = []          # before the one to the sink

    def settings(self, hold):
        route = {'domains': ['*'], 'relay': f'smtp://127.0.0.1:{SILENT_PORT if hold else self.hop}', 'tls': 'required' if self.tls else 'none'}
        settings = {
            'hostname': 'goniec.bench.test', 'user': 'root', 'storage': {'path': f'{self.disk}/store'},
            'limits': {'connections_per_address': 20000, 'messages_per_account_hour': 0},
            'local': {'aliases': [], 'socket': f'{self.disk}/submit.sock'}, 'log': {'to': f'{self.disk}/mail.log'},
            'listener': [{'kind': 'mx', 'address': f'127.0.0.1:{self.port}', 'trust': ['127.0.0.0/8']},
                         {'kind': 'admin', 'address': '127.0.0.1:8025'}]}
        if self.by_dns:
            settings['delivery'] = {'private_targets': True}
            settings['resolver'] = {'servers': [f'{stage.ADDRESSES["dns"]}:53'], 'dnssec': 'off'}
        else:
            settings['route'] = [*self.routes, route]
        if self.tls:
            certificate, key = make_certificate(stage.STAGE, 'localhost')
            settings['tls'] = {'certificate': certificate, 'key': key}
            route['tls'] = 'opportunistic'
        for table, values in self.changes.items():
            settings[table] = {**settings.get(table, {}), **values} if isinstance(values, dict) else values
        return settings

    def start(self, hold):
        self.fresh()
        return self.start_again(hold)

    def start_again(self, hold):
        """With the queue that is there."""
        (self.disk / 'goniec.toml').write_text(toml(self.settings(hold)))
        return self.launch()

    def launch(self):
        log = open(self.disk / 'stderr', 'ab')
        listeners = self.disk / 'store/listeners.json'
        listeners.unlink(missing_ok=True)
        self.process = self.group.start([RELEASE / 'goniec', 'serve', '--config', self.disk / 'goniec.toml'], stdout=log, stderr=log)
        until(f'{self.name} to serve', listeners.exists, 120, 0.005)
        return self.up(120)

    def stop(self, seconds=1):
        """A delivery that waits for a silent hop may take ten seconds to give up: it is not what is measured."""
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)

    def version(self):
        return subprocess.run([RELEASE / 'goniec', '--version'], capture_output=True, text=True).stdout.split()[-1]


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
        self.view.write('/etc/postfix/main.cf', self.settings(hold))
        self.view.run('postfix', 'set-permissions', check=False)
        return self.launch()

    def launch(self):
        self.process = self.group.start(['chroot', str(self.view.root), '/usr/sbin/postfix', 'start'], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, cwd='/')
        self.process.wait(60)
        return self.up()

    def settings(self, hold):
        level = 'may' if self.tls else 'none'
        where = 'smtp_host_lookup = dns' if self.by_dns else f'''relayhost = [127.0.0.1]:{self.hop}
disable_dns_lookups = yes
smtp_host_lookup = native
smtp_connection_cache_destinations = [127.0.0.1]:{self.hop}'''
        return f'''compatibility_level = 3.6
myhostname = postfix.bench.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
defer_transports = {'smtp relay' if hold else ''}
{where}
smtpd_peername_lookup = no
smtp_tls_security_level = {level}
smtpd_tls_security_level = {level}
smtpd_tls_cert_file = /etc/peer.crt
smtpd_tls_key_file = /etc/peer.key
smtp_tls_connection_reuse = no
smtp_tls_session_cache_database = btree:/var/lib/postfix/smtp_scache
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
smtp_connection_reuse_time_limit = 300s
minimal_backoff_time = 3600s
maximal_backoff_time = 7200s
queue_run_delay = 3600s
maillog_file = /var/log/mail.log
'''

    def stop(self):
        self.view.run('postfix', 'stop', check=False)
        self.ended()

    def version(self):
        return self.view.run('postconf', '-h', 'mail_version').stdout.decode().strip()


class Exim(Server):
    """A process a delivery, as it is; the queue in split folders, no callouts, no names looked up."""
    name, port = 'exim', 2502

    def __init__(self):
        super().__init__()
        self.view = stage.View('exim')
        self.view.folder('/var/log', mode=0o777)

    def start(self, hold):
        self.fresh()
        number = stage.USERS['Debian-exim']
        os.chown(self.disk, number, number)
        mounted = self.view.at('/var/spool/exim4')
        mounted.mkdir(parents=True, exist_ok=True)
        if os.path.ismount(mounted):
            stage.run('umount', mounted)
        stage.run('mount', '--bind', self.disk, mounted)
        self.view.write('/etc/exim4/exim4.conf', f'''primary_hostname = exim.bench.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = {self.port}
spool_directory = /var/spool/exim4
log_file_path = /var/log/exim-%slog
exim_user = Debian-exim
exim_group = Debian-exim
never_users = root
keep_environment =
host_lookup =
rfc1413_query_timeout = 0s
split_spool_directory
smtp_accept_max = 0
smtp_accept_queue_per_connection = 0
smtp_connect_backlog = 1024
smtp_accept_max_per_connection = 0
queue_only = {'true' if hold else 'false'}
tls_advertise_hosts =
acl_smtp_rcpt = all
acl_smtp_data = all
begin acl
all:
  accept
begin routers
away:
  driver = manualroute
  transport = out
  route_list = * 127.0.0.1::{self.hop}
  self = send
begin transports
out:
  driver = smtp
  hosts_try_fastopen =
begin retry
* * F,1h,1h
''')
        log = open(self.disk / 'stderr', 'wb')
        self.process = self.group.start(['chroot', str(self.view.root), '/usr/sbin/exim4', '-bdf'], stdout=log, stderr=log, cwd='/')
        return self.up()

    def stop(self):
        self.process.terminate()
        self.process.wait(15)
        self.ended()

    def version(self):
        return self.view.run('/usr/sbin/exim4', '-bV').stdout.decode().split()[2]


class DurableSink(Server):
    name, port = 'durable_sink', 2503

    def start(self, hold):
        self.fresh()
        self.process = self.group.start([RELEASE / 'durable_sink', str(self.port), self.disk / 'log'])
        return self.up()

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    def version(self):
        return 'bench/durable_sink.cc'


class Direct(Server):
    name, port = 'direct', SINK_PORT

    def start(self, hold):
        return self

    def stop(self):
        pass

    def version(self):
        return 'no server'


SERVERS = {each.name: each for each in (Goniec, Postfix, Exim, DurableSink, Direct)}


def unpack(names):
    """Before the namespace, which has no network."""
    stage.unpack(*[name for name in names if name in ('postfix', 'exim', 'opendkim')])
