"""growth: what grows how, at 1, 10 and 100 times of one thing, all else the same.

  depth        deferred messages in the queue
  sites        destinations, each a host of its own, that the same number of messages is spread over
  connections  sessions that stay open and idle
  sessions     clients that send at the same time
For each: memory (PSS) when the work is done, CPU of the server for a message of 1 KiB that is relayed, and, where
something has to be read again, the seconds from the start of the process to the first delivery. Memory and CPU
time hardly depend on what else the machine does; seconds do.
"""
import shutil
import time

import results
from crowd import Crowd, raise_descriptor_limit
from fanout import PORT
from servers import DISK, SILENT_PORT, SINK_PORT, Goniec, Sink, stage, until
from side_by_side import load, measure

REFUSED_PORT, DUE, SIZE = 9, 50, 1024


def add_options(parser):
    parser.add_argument('--what', default='depth,sites,connections,sessions')
    parser.add_argument('--base', type=int, default=100, help='one time of sites and connections; of depth ten times this')
    parser.add_argument('--times', default='1,10,100')
    parser.add_argument('--messages', type=int, default=10000, help='relayed, to see what one costs')
    parser.add_argument('--rounds', type=int, default=3)


def names(asked):
    return ['goniec']


class Growing(Goniec):
    name, changes = 'goniec', {'retry': {'schedule': ['1h']}}

    def aim(self, deferred_port, due_port):
        self.routes = [{'domains': ['late.test'], 'relay': f'smtp://127.0.0.1:{deferred_port}', 'tls': 'none'},
                       {'domains': ['due.test'], 'relay': f'smtp://127.0.0.1:{due_port}', 'tls': 'none'}]


def run(asked):
    raise_descriptor_limit()
    rows = []
    sinks = [Sink(SINK_PORT), Sink(SILENT_PORT, 'silent'), Sink(PORT, 'any')]
    server = Growing()
    try:
        for what in asked.what.split(','):
            for times in map(int, asked.times.split(',')):
                rows.append(one(asked, what, times, server, sinks))
        return results.document('growth', DISK, {'goniec': server.version()}, rows)
    finally:
        for sink in sinks:
            sink.stop()
        server.close()
        shutil.rmtree(server.disk, ignore_errors=True)


def one(asked, what, times, server, sinks):
    amount, figures = STEPS[what](asked, times, server, sinks)
    row = {'what': what, 'times': times, 'amount': amount, **figures}
    start = f'  first delivery {row["start_s"]} s' if row['start_s'] else ''
    print(f'growth    {what:12} {amount:8}  {row["pss_mib"]:7.1f} MiB  {row["cpu_us"]["median"]:7.0f} µs a message{start}', flush=True)
    return row


def cost(asked, server, sink, sessions=20, words=()):
    """Microseconds of processor time a message, of several runs after one that warms up."""
    each = [measure(server, sink, sessions, asked.messages, SIZE, words)['cpu_s_per_1000'] * 1000 for _ in range(asked.rounds + 1)]
    return results.spread(each[1:], 1)


def depth(asked, times, server, sinks):
    amount = asked.base * 10 * times
    server.by_dns = False
    server.aim(REFUSED_PORT, SILENT_PORT)
    server.start(False)
    load(server, 1, DUE, SIZE, ['to=due.test'])
    load(server, 100, amount, SIZE, ['pipelined', 'to=late.test'])
    server.until_idle()
    server.stop(30)
    server.aim(REFUSED_PORT, SINK_PORT)
    before, began = sinks[0].count()[0], time.monotonic()
    server.start_again(False)
    until('the first delivery', lambda: sinks[0].count()[0] > before, 120, 0.001)
    start = round(time.monotonic() - began, 3)
    until('what was due', lambda: sinks[0].count()[0] - before >= DUE, 120)
    return amount, finish(asked, server, sinks[0], start_s=start)


def sites(asked, times, server, sinks):
    amount = asked.base * times
    records = '\n'.join(f'd{number}.grow MX 10 mx.d{number}.grow\nmx.d{number}.grow A 127.1.{number // 250}.{number % 250 + 1}' for number in range(amount))
    dns = stage.start_dns(records + '\n')
    server.by_dns = True
    try:
        server.start(False)
        return amount, finish(asked, server, sinks[2], words=['recipients=1', f'domains={amount}:grow.test'])
    finally:
        dns.terminate()
        dns.wait(10)


def connections(asked, times, server, sinks):
    amount = asked.base * times * 9 // 10     # of 10,000 some are left for those who send
    server.by_dns = False
    server.start(False)
    crowd = Crowd(server.port).open(amount)
    try:
        figures = finish(asked, server, sinks[0], stop=False)
        if crowd.closed():
            raise SystemExit(f'{crowd.closed()} of {amount} connections were closed')
        return amount, figures
    finally:
        crowd.close()
        server.stop()


def sessions(asked, times, server, sinks):
    server.by_dns = False
    server.start(False)
    return times, finish(asked, server, sinks[0], sessions=times)


def finish(asked, server, sink, start_s=None, stop=True, **how):
    cpu = cost(asked, server, sink, **how)
    server.until_idle()
    figures = {'cpu_us': cpu, 'pss_mib': round(server.resident() / 1024, 1), 'start_s': start_s}
    if stop:
        server.stop()
    return figures


STEPS = {'depth': depth, 'sites': sites, 'connections': connections, 'sessions': sessions}
