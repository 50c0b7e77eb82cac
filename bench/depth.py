"""depth: a queue of many deferred messages: memory, start to first delivery, accept rate beside an empty queue.

The messages come by SMTP; their next hop refuses connections, so that each is tried, deferred, and due in an
hour. A hundred more are held by a hop that never greets when the server ends: after the restart they are due at
once. Then:
  memory   PSS of the server with the deep queue, after it became quiet and after a new start
  start    seconds from the start of the process to an open port, and to the first message at the sink
  accept   rounds of the same load on the deep queue and on an empty one; the ratio is of each pair, of
           messages a second and (steadier beside other work) of messages a second of processor time
Several depths tell what grows. The queue lies in build/bench: 1,000,000 messages take about 4 GiB there.
"""
import shutil
import time

import results
from servers import DISK, SILENT_PORT, SINK_PORT, Goniec, Sink, until
from side_by_side import load

REFUSED_PORT, DUE, SIZE = 9, 100, 1024


def add_options(parser):
    parser.add_argument('--depths', default='1000,10000,100000', help='1000000 is the figure of the issue')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--messages', type=int, default=5000, help='of an accept run')


def names(asked):
    return ['goniec']


class Deep(Goniec):
    name, changes = 'goniec', {'retry': {'schedule': ['1h']}}

    def aim(self, port, due_port):
        self.routes = [{'domains': ['due.test'], 'relay': f'smtp://127.0.0.1:{due_port}', 'tls': 'none'},
                       {'domains': ['dest.test'], 'relay': f'smtp://127.0.0.1:{port}', 'tls': 'none'}]


class Empty(Goniec):
    name, port = 'empty', 2505


def run(asked):
    sinks = [Sink(SINK_PORT), Sink(SILENT_PORT, 'silent')]
    deep, empty = Deep(), Empty()
    rows = []
    try:
        for depth in map(int, asked.depths.split(',')):
            rows.append(measure(asked, deep, empty, sinks[0], depth))
        return results.document('depth', DISK, {'goniec': deep.version()}, rows)
    finally:
        for sink in sinks:
            sink.stop()
        for server in (deep, empty):
            server.close()
            shutil.rmtree(server.disk, ignore_errors=True)


def measure(asked, deep, empty, sink, depth):
    row = {'depth': depth}
    deep.aim(REFUSED_PORT, SILENT_PORT)
    deep.start(True)
    told = load(deep, 100, depth, SIZE, ['pipelined'])
    row['fill_rate'] = round(told['messages'] / told['seconds'])
    deep.until_idle()
    row['pss_mib'] = round(deep.resident() / 1024, 1)
    load(deep, 1, DUE, SIZE, ['to=due.test'])   # last: after a minute they would be deferred too
    deep.stop(30)
    row['disk_octets_each'] = round(sum(path.stat().st_size for path in (deep.disk / 'store').iterdir()) / depth)

    deep.aim(SINK_PORT, SINK_PORT)
    before, began = sink.count(), time.monotonic()
    deep.start_again(True)
    row['start_to_port_s'] = round(time.monotonic() - began, 3)
    until('the first delivery', lambda: sink.count()[0] > before[0], 120, 0.001)
    row['start_to_delivery_s'] = round(time.monotonic() - began, 3)
    until('what was due', lambda: sink.count()[0] - before[0] >= DUE, 120, 0.001)
    deep.until_idle()
    row['pss_after_start_mib'] = round(deep.resident() / 1024, 1)
    deep.stop()

    deep.aim(SILENT_PORT, SILENT_PORT)
    runs = {'deep': [], 'empty': []}
    for number in range(asked.rounds + 1):
        for name in ('deep', 'empty') if number % 2 else ('empty', 'deep'):
            if name == 'deep':
                deep.start_again(True)
            else:
                empty.start(True)
            server = deep if name == 'deep' else empty
            load(server, 20, 500, SIZE, [])      # caches as in a server that has run
            before = server.group.seconds()
            told = load(server, 20, asked.messages, SIZE, [])
            spent = server.group.seconds() - before
            server.stop()
            if number > 0:
                runs[name].append({'rate': told['messages'] / told['seconds'], 'rate_by_cpu': told['messages'] / spent})
    row['accept_rate'] = {name: results.spread((run['rate'] for run in each), 0) for name, each in runs.items()}
    row['accept_ratio'] = results.ratios(runs, 'deep', 'empty')
    row['accept_ratio_by_cpu'] = results.ratios(runs, 'deep', 'empty', 'rate_by_cpu')
    print(f'depth     {depth:8}  fill {row["fill_rate"]}/s  {row["pss_mib"]} MiB ({row["pss_after_start_mib"]} after a start)  port {row["start_to_port_s"]} s  '
          f'first delivery {row["start_to_delivery_s"]} s  accept {row["accept_ratio"]["median"]:.2f} of empty '
          f'({row["accept_ratio"]["least"]:.2f}-{row["accept_ratio"]["most"]:.2f}), messages a CPU second {row["accept_ratio_by_cpu"]["median"]:.2f} '
          f'({row["accept_ratio_by_cpu"]["least"]:.2f}-{row["accept_ratio_by_cpu"]["most"]:.2f})', flush=True)
    return row
