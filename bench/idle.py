"""idle: the memory of connections that have said EHLO and nothing more.

PSS of all processes of the server and what its control group charges in the kernel (sockets, stacks), before
and with the connections; a row a server and number of connections. A server that cannot hold a number gets
no row for it and the reason is said.
"""
import results
import servers
from crowd import Crowd, raise_descriptor_limit
from servers import DISK, SILENT_PORT, SINK_PORT, Sink

FIT = {'postfix': 1000, 'exim': 1000}    # a process a connection: more is more of the same


def add_options(parser):
    parser.add_argument('--connections', default='1000,5000,10000')
    parser.add_argument('--servers', default='goniec,postfix,exim')


def names(asked):
    return asked.servers.split(',')


def run(asked):
    raise_descriptor_limit()
    sinks = [Sink(SINK_PORT), Sink(SILENT_PORT, 'silent')]
    group = [servers.SERVERS[name]() for name in names(asked)]
    rows = []
    try:
        for server in group:
            for count in map(int, asked.connections.split(',')):
                if count > FIT.get(server.name, count):
                    print(f'idle      {server.name:12} {count:6}: not tried, a process for each connection')
                    continue
                rows.append(measure(server, count))
        return results.document('idle', DISK, {server.name: server.version() for server in group}, rows)
    finally:
        for sink in sinks:
            sink.stop()
        for server in group:
            server.close()


def measure(server, count):
    server.start(False)
    Crowd(server.port).open(1).close()      # what is made once, is made
    server.until_idle()
    pss, kernel = server.resident(), server.group.kernel_octets()
    crowd = Crowd(server.port).open(count)
    server.until_idle()
    pss_with, kernel_with, held = server.resident(), server.group.kernel_octets(), len(crowd.sockets) - crowd.closed()
    crowd.close()
    server.stop()
    if held != count:
        raise SystemExit(f'{server.name}: {held} of {count} connections are held: {crowd.refused}')
    row = {'server': server.name, 'connections': count, 'pss_kb': pss_with, 'pss_kb_each': round((pss_with - pss) / count, 2),
           'kernel_kb_each': round((kernel_with - kernel) / 1024 / count, 2)}
    print(f'idle      {server.name:12} {count:6} connections  {row["pss_kb_each"]:9.2f} KiB PSS each, kernel {row["kernel_kb_each"]:7.2f} KiB each, '
          f'{pss_with // 1024} MiB in all', flush=True)
    return row
