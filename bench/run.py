#!/usr/bin/env python3
"""./x bench BENCH [options]: runs one benchmark in a namespace of its own and writes its JSON by --out.

Needs root, for namespaces and control groups, and Debian's packages of the peers (77 without).
"""
import argparse
import importlib
import sys

sys.dont_write_bytecode = True
import results  # noqa: E402
import servers  # noqa: E402

BENCHES = {'relay': 'side_by_side', 'accept': 'side_by_side', 'tls': 'side_by_side', 'idle': 'idle', 'latency': 'latency', 'depth': 'depth',
           'fanout': 'fanout', 'growth': 'growth', 'micro': 'micro', 'sight': 'sight',
           'api': 'api', 'sign': 'sign'}


def main():
    module = importlib.import_module(BENCHES[sys.argv[1]]) if len(sys.argv) > 1 and sys.argv[1] in BENCHES else None
    parser = argparse.ArgumentParser()
    parser.add_argument('bench', choices=list(BENCHES))
    parser.add_argument('--out', help='the JSON file')
    if module:
        module.add_options(parser)
    asked = parser.parse_args()
    servers.unpack(module.names(asked))
    servers.stage.enter()
    results.write(module.run(asked), asked.out)


if __name__ == '__main__':
    try:
        main()
    except servers.stage.CannotRun as error:
        print(error)
        sys.exit(77)
