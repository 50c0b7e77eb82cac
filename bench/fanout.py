"""fanout: many destinations, found by DNS, each domain with a mail server of its own.

  lists   messages to 1,000 recipients at 200 domains each: seconds until the last domain has its copy
  dead    one message each to 10,000 domains, of which 5 % are dead (half never greet, half close at once),
          against the same good domains without the dead: the good ones must not wait. The ratio is of the
          seconds until the last good domain has its copy, in the same round.
All servers are addresses of 127.0.0.0/8 on one sink; the DNS server is knot, on loopback. Connections are
not reused between domains, because each is a site of its own.
"""
import subprocess
import time

import results
import servers
from servers import DISK, RELEASE, Sink, stage, until

PORT, EVERY = 25, 20        # 1 of 20 is dead: 5 %


def add_options(parser):
    parser.add_argument('--domains', type=int, default=10000)
    parser.add_argument('--list', default='1000,200', help='recipients, domains')
    parser.add_argument('--messages', type=int, default=10, help='to the list')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--servers', default='goniec,postfix')


def names(asked):
    return asked.servers.split(',')


def zone(domains, list_domains):
    lines = []

    def add(name, network, number):
        lines.append(f'{name} MX 10 mx.{name}\nmx.{name} A 127.{network}.{number // 250}.{number % 250 + 1}')
    for number in range(list_domains):
        add(f'd{number}.list', 1, number)
    good = 0
    for number in range(domains):
        dead = number % EVERY == EVERY // 2
        add(f'd{number}.mixed', (2 + number // EVERY % 2) if dead else 1, number)
        if not dead:
            add(f'd{good}.good', 1, number)
            good += 1
    return '\n'.join(lines) + '\n', good


def send(server, sink, wanted, messages, recipients, domains, name):
    """Seconds from the first connection until the sink has `wanted` copies."""
    before, began = sink.count()[0], time.monotonic_ns()
    done = subprocess.run([RELEASE / 'smtp_load', *map(str, (server.port, min(20, messages), messages, 1024)), f'recipients={recipients}',
                           f'domains={domains}:{name}.test', 'pipelined'], capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise SystemExit(f'{server.name}: {done.stderr}')
    until(f'{wanted} copies from {server.name}', lambda: sink.count()[0] - before >= wanted, 600, 0.002)
    return (sink.count()[3] - began) / 1e9


def run(asked):
    recipients, list_domains = map(int, asked.list.split(','))
    records, good = zone(asked.domains, list_domains)
    dns = stage.start_dns(records)
    sink = Sink(PORT, 'any')
    group = [servers.SERVERS[name]() for name in names(asked)]
    cases = {'list': (asked.messages * list_domains, asked.messages, recipients, list_domains),
             'good': (good, asked.domains // EVERY, EVERY - 1, good), 'mixed': (good, asked.domains // EVERY, EVERY, asked.domains)}
    runs = {server.name: {case: [] for case in cases} for server in group}
    try:
        for number in range(asked.rounds):
            for server in group[number % len(group):] + group[:number % len(group)]:
                for case in list(cases)[number % 3:] + list(cases)[:number % 3]:
                    server.by_dns = True
                    server.start(False)
                    seconds = send(server, sink, *cases[case], case)
                    runs[server.name][case].append({'seconds': seconds})
                    server.stop()
        return results.document('fanout', DISK, {server.name: server.version() for server in group},
                                [row(asked, name, each, cases) for name, each in runs.items()])
    finally:
        for server in group:
            server.close()
        sink.stop()
        dns.terminate()
        dns.wait(10)


def row(asked, name, runs, cases):
    slowed = results.ratios(runs, 'mixed', 'good', 'seconds')
    found = {'server': name, 'domains': asked.domains, 'list': asked.list, 'slowed_by_dead': slowed,
             'seconds': {case: results.spread(run['seconds'] for run in each) for case, each in runs.items()},
             'copies_a_second': {case: round(cases[case][0] / results.spread(run['seconds'] for run in each)['median']) for case, each in runs.items()}}
    print(f'fanout    {name:12} list {found["copies_a_second"]["list"]}/s  good {found["seconds"]["good"]["median"]:.2f} s  with dead '
          f'{found["seconds"]["mixed"]["median"]:.2f} s  ratio {slowed["median"]:.3f} ({slowed["least"]:.3f}-{slowed["most"]:.3f})', flush=True)
    return found
