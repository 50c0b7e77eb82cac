"""relay, accept, tls: servers on the same work in one run; rounds interleaved, who goes first rotates.

relay: load -> server -> sink; the clock stops when the sink has the last message. accept: what is accepted
waits in the queue; the clock stops at the last 250. tls: `in` is accept with a new connection and a resumed
STARTTLS session a message, `out` is relay to a sink that offers STARTTLS. Every server keeps its queue on
the disk (not in memory) and its log on, one recipient a message, in a namespace with loopback alone.
`direct` is the load against the sink, no server between; `durable_sink` the least a durable receiver does.
CPU is that of the server's control group. A ratio is of two runs of the same round.
"""
import json
import subprocess
import time

import results
import servers
import verify
from servers import DISK, RELEASE, SILENT_PORT, SINK_PORT, TLS_SINK_PORT, Sink, make_certificate, stage, until

FEWEST, MOST = 200, 60000    # messages a run


def add_options(parser):
    parser.add_argument('--sizes', default='')
    parser.add_argument('--sessions', default='20')
    parser.add_argument('--seconds', type=float, default=4, help='about how long a run takes')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--servers', default='')
    parser.add_argument('--messages', type=int, default=0, help='in every run; else as many as --seconds take')
    parser.add_argument('--pipelined', action='store_true')
    parser.add_argument('--no-verify', action='store_true', help='do not look for the syncs by strace')


DEFAULTS = {'relay': ('goniec,postfix,direct', '1024,10240'), 'accept': ('goniec,durable_sink,postfix,exim,direct', '1024'),
            'tls': ('goniec,postfix', '10240')}


def names(asked):
    return (asked.servers or DEFAULTS[asked.bench][0]).split(',')


def load(server, sessions, messages, size, words):
    done = subprocess.run([RELEASE / 'smtp_load', str(server.port), str(sessions), str(messages), str(size), *words],
                          capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise SystemExit(f'{server.name}: {done.stderr}')
    return json.loads(done.stdout)


def measure(server, sink, sessions, messages, size, words=(), relays=True):
    before, cpu, began = sink.count()[0], server.group.seconds(), time.monotonic_ns()
    told = load(server, sessions, messages, size, words)
    seconds = told['seconds']
    if relays and server.name != 'direct':
        until(f'{messages} messages from {server.name}', lambda: sink.count()[0] - before >= messages, 180, 0.001)
        seconds = (sink.count()[3] - began) / 1e9
        server.until_idle()
    if told['messages'] != messages or relays and sink.count()[0] - before != messages:
        raise SystemExit(f'{server.name}: {told["messages"]} accepted, {sink.count()[0] - before} relayed of {messages}')
    return {'messages': messages, 'rate': messages / seconds, 'accept_rate': messages / told['seconds'], 'p50_ms': told['p50_ms'],
            'p99_ms': told['p99_ms'], 'cpu_s_per_1000': (server.group.seconds() - cpu) / messages * 1000,
            'pss_kb': server.resident(), 'resumed': told['resumed']}


def compare(asked, group, sink, size, sessions, hold, words=(), case=''):
    """Rounds of all servers; the first finds out how many messages the time takes, and warms up."""
    runs, counts = {server.name: [] for server in group}, {}
    for number in range(asked.rounds + 1):
        turn = number % len(group)
        for server in group[turn:] + group[:turn]:
            server.start(hold)
            messages = asked.messages or counts.get(server.name, 400)
            run = measure(server, sink, sessions, messages, size, words, not hold)
            server.stop()
            counts[server.name] = max(FEWEST, min(MOST, int(run['rate'] * asked.seconds)))
            if number > 0:
                runs[server.name].append(run)
    row = {'mode': asked.bench + case, 'size': size, 'sessions': sessions, 'pipelined': asked.pipelined, 'runs': runs,
           'median': {name: {key: results.spread(run[key] for run in rows)['median'] for key in rows[0]} for name, rows in runs.items()},
           'rates': {name: results.spread((run['rate'] for run in rows), 0) for name, rows in runs.items()},
           'ratio': {name: results.ratios(runs, 'goniec', name) for name in runs if name != 'goniec'} if 'goniec' in runs else {}}
    for name, figures in row['median'].items():
        ratio = row['ratio'].get(name)
        print(f'{row["mode"]:9} {size:7} B {sessions:4} sessions {name:12} {figures["rate"]:9.0f}/s  p50 {figures["p50_ms"]:7.2f} ms  '
              f'p99 {figures["p99_ms"]:8.2f} ms  cpu {figures["cpu_s_per_1000"]:6.3f} s/1000  pss {figures["pss_kb"] // 1024:4.0f} MiB'
              + (f'  goniec / {name} {ratio["median"]:.2f} ({ratio["least"]:.2f}-{ratio["most"]:.2f})' if ratio else ''), flush=True)
    return row


def run(asked):
    sinks = {SINK_PORT: Sink(SINK_PORT), SILENT_PORT: Sink(SILENT_PORT, 'silent')}
    group = [servers.SERVERS[name]() for name in names(asked) if name != 'durable_sink' or asked.bench == 'accept']
    rows, syncs = [], {}
    words = ['pipelined'] if asked.pipelined else []
    try:
        if not asked.no_verify and asked.bench != 'tls':
            syncs = verify.syncs_before_answers(group, load)
        for size in map(int, (asked.sizes or DEFAULTS[asked.bench][1]).split(',')):
            for sessions in map(int, asked.sessions.split(',')):
                if asked.bench == 'tls':
                    rows += tls_rows(asked, group, sinks, size, sessions, words)
                else:
                    rows.append(compare(asked, group, sinks[SINK_PORT], size, sessions, asked.bench == 'accept', words))
        found = results.document(asked.bench, DISK, {server.name: server.version() for server in group}, rows)
    finally:
        for sink in sinks.values():
            sink.stop()
        for server in group:
            server.close()
    if syncs:
        found['syncs'] = syncs
    return found


def tls_rows(asked, group, sinks, size, sessions, words):
    certificate, key = make_certificate(stage.STAGE, 'localhost')
    if TLS_SINK_PORT not in sinks:
        sinks[TLS_SINK_PORT] = Sink(TLS_SINK_PORT, f'tls={certificate},{key}')
    for server in group:
        server.tls = True
    rows = [compare(asked, group, sinks[SINK_PORT], size, sessions, True, [*words, 'tls', 'a_session=1'], ' in')]
    for server in group:
        server.hop = TLS_SINK_PORT
    rows.append(compare(asked, group, sinks[TLS_SINK_PORT], size, sessions, False, words, ' out'))
    return rows
