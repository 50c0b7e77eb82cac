#!/usr/bin/env python3
"""SPF beside python3-spf: random worlds of records, each judged by both. python3-spf's results are written as a
suite in the form of openspf's, and tests/vectors/run judges the same; a seed makes the same worlds again.

Where the two may differ, both results are permitted: void lookups (RFC 7208 §4.6.4) are counted a term here
and a question there. Left out is what python3-spf does otherwise than the standard: it refuses an unknown
modifier that stands twice (§6) and an include of the own domain before it is reached, and a name of ptr whose address
cannot be learned is an error to it and not skipped (§5.5). Closes with `N passed, N failed`. Usage: spf_beside.py [SEED [WORLDS]]
"""
import ipaddress
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import spf

ROOT = Path(__file__).resolve().parents[2]
NAMES = [f'{a}.example' for a in 'abcdefgh'] + ['mail.a.example', 'x.b.example']
CLIENTS = ['192.0.2.1', '192.0.2.77', '198.51.100.3', '203.0.113.200', '2001:db8::1', '2001:db8:1::9']
zone = {}


def lookup(name, kind, strict=True, timeout=None):
    for each in zone.get(name.lower().rstrip('.'), []):
        if each == 'TIMEOUT':
            raise spf.TempError('DNS timeout')
        found, value = next(iter(each.items()))
        if found == kind and value == 'TIMEOUT':
            raise spf.TempError('DNS timeout')
        if found != kind:
            continue
        if kind == 'AAAA':
            value = ipaddress.ip_address(value).packed
        elif kind == 'MX':
            value = tuple(value)
        elif kind == 'TXT':
            value = (value.encode(),)
        yield ((name, kind), value)


def domain(chance, macros=('%{d}', '%{o}')):
    return chance.choice(NAMES + ['x.%{d}', '%{ir}.%{v}.a.example', '%{l}.a.example', '%{l1r-}.%{d2}', '%{h}', 'nowhere.example', *macros])


def term(chance, names, own):
    sign = chance.choice(['', '', '', '+', '-', '~', '?'])
    prefix = chance.choice(['', '', '', '/24', '/0', '/32', '//64', '/16//48', '//0', '/33', '/024']) if chance.random() < 0.5 else ''
    macros = ('%{d}', '%{o}', '%{p}.a.example') if names else ('%{d}', '%{o}')
    at = lambda: f':{domain(chance, macros)}' if chance.random() < 0.6 else ''
    client = chance.choice(CLIENTS)
    ip = f'ip6:{client}' if ':' in client else f'ip4:{client}'
    net = chance.choice(['', '', '/0', '/32', '/64', '/24', '/128', '/129'])
    return chance.choice([lambda: f'{sign}a{at()}{prefix}', lambda: f'{sign}mx{at()}{prefix}', lambda: f'{sign}ptr{at()}' if names else f'{sign}a', lambda: f'{sign}{ip}{net}',
                          lambda: f'{sign}include:{chance.choice([each for each in NAMES if each != own])}', lambda: f'{sign}exists:{domain(chance, macros)}'])()


def record(chance, names, own):
    terms = [term(chance, names, own) for _ in range(chance.randrange(0, 5))]
    if chance.random() < 0.1:
        terms.append(f'x-note={domain(chance)}')
    end = chance.choice(['-all', '~all', '?all', '+all', '', 'redirect=' + chance.choice(NAMES)])
    if chance.random() < 0.05:
        terms.append(chance.choice(['moo', 'a:', 'ip4:1.2.3', 'exists:%{x}.a.example', 'redirect=a.example', 'all:x', 'a:example']))
    return ' '.join([chance.choice(['v=spf1', 'v=spf1', 'V=SPF1']), *terms, end]).strip()


def world(chance):
    """Either names are looked at, by ptr and %{p}, or some DNS fails."""
    rows, names = {}, chance.random() < 0.5
    for name in NAMES:
        rows[name] = []
        for _ in range(chance.choice([1, 1, 1, 1, 1, 0, 2])):
            rows[name].append({'TXT': record(chance, names, name)})
        for _ in range(chance.randrange(0, 3)):
            rows[name].append({'A': chance.choice([each for each in CLIENTS if '.' in each])})
        if chance.random() < 0.4:
            rows[name].append({'AAAA': chance.choice([each for each in CLIENTS if ':' in each])})
        for number in range(chance.choice([0, 0, 1, 2, 11])):
            rows[name].append({'MX': [number, chance.choice(NAMES)]})
        if not names and chance.random() < 0.06:
            rows[name] = ['TIMEOUT']
        elif not rows[name]:
            del rows[name]
    for client in CLIENTS:
        if chance.random() < 0.7:
            rows[ipaddress.ip_address(client).reverse_pointer] = [{'PTR': chance.choice(NAMES)} for _ in range(chance.choice([1, 2, 12]))]
    return rows


def judged(test):
    results = []
    for voids in (2, 10000):
        spf.MAX_VOID_LOOKUPS = voids
        query = spf.query(i=test['host'], s=test['mailfrom'], h=test['helo'], strict=True, querytime=0)
        results.append(query.check()[0])
    return sorted(set(results))


def main():
    seed, worlds = int(sys.argv[1]) if len(sys.argv) > 1 else 7208, int(sys.argv[2]) if len(sys.argv) > 2 else 150
    chance = random.Random(seed)
    spf.DNSLookup = lookup
    documents = []
    for number in range(worlds):
        zone.clear()
        zone.update(world(chance))
        tests = {}
        for each in range(12):
            test = {'helo': chance.choice(NAMES), 'host': chance.choice(CLIENTS), 'mailfrom': chance.choice(['anna@', 'anna-maria.k@', 'b@']) + chance.choice(NAMES)}
            if chance.random() < 0.1:
                test['mailfrom'] = ''
            test['result'] = judged(test)
            tests[f'seed {seed} world {number} case {each}'] = test
        documents.append(json.dumps({'description': f'world {number}', 'tests': tests, 'zonedata': dict(zone)}))
    with tempfile.TemporaryDirectory(prefix='goniec-spf-') as folder:
        suite = Path(folder) / 'beside.yml'
        suite.write_text('---\n' + '\n---\n'.join(documents) + '\n')
        sys.exit(subprocess.run([ROOT / 'tests/vectors/run', 'spf', suite]).returncode)


if __name__ == '__main__':
    main()
