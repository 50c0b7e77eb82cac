"""latency: how long a message takes at a rate that leaves the server idle between messages.

From the end of data to the 250 and to the receipt at the sink, p50, p95, p99 and the most; an open loop
(bench/smtp_latency.cc, which is sender and sink). Rounds of all servers, who goes first rotates.
"""
import json
import subprocess

import results
import servers
from servers import DISK, RELEASE, SINK_PORT


def add_options(parser):
    parser.add_argument('--messages', type=int, default=600)
    parser.add_argument('--rate', type=int, default=20, help='messages a second')
    parser.add_argument('--size', type=int, default=10240)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--servers', default='goniec,postfix')


def names(asked):
    return asked.servers.split(',')


def run(asked):
    group = [servers.SERVERS[name]() for name in names(asked)]
    runs = {server.name: [] for server in group}
    try:
        for number in range(asked.rounds):
            turn = number % len(group)
            for server in group[turn:] + group[:turn]:
                server.start(False)
                done = subprocess.run([RELEASE / 'smtp_latency', *map(str, (server.port, SINK_PORT, asked.messages, asked.rate, asked.size))],
                                      capture_output=True, text=True, timeout=120 + asked.messages // asked.rate)
                server.stop()
                if done.returncode:
                    raise SystemExit(f'{server.name}: {done.stderr}')
                runs[server.name].append(json.loads(done.stdout))
        rows = [row(asked, name, each) for name, each in runs.items()]
        return results.document('latency', DISK, {server.name: server.version() for server in group}, rows)
    finally:
        for server in group:
            server.close()


def row(asked, name, runs):
    found = {'server': name, 'rate': asked.rate, 'size': asked.size, 'messages': sum(run['messages'] for run in runs),
             'times': {key: results.spread(run[key] for run in runs) for key in runs[0] if key != 'messages'}}
    print(f'latency   {name:12} {asked.rate}/s  ' + '  '.join(f'{key[:-3].replace("_", " ")} {value["median"]:.2f} ms' for key, value in found['times'].items()),
          flush=True)
    return found
