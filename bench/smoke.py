#!/usr/bin/env python3
"""bench/smoke.py [BENCH…]: the smallest form of every benchmark: that it runs, counts right and can be written
down; no time is judged.

Peers are left out (they belong to the peers tests). Closes with `N passed, N failed`.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / 'tests/harness'), str(ROOT / 'bench')]
import page  # noqa: E402
import verify  # noqa: E402
from tally import Tests  # noqa: E402

FOLDER = Path(tempfile.mkdtemp(prefix='goniec-bench-'))
CASES = {
    'relay': ['--servers', 'goniec,direct', '--sizes', '1024,102400', '--messages', '60', '--rounds', '1'],
    'accept': ['--servers', 'goniec,durable_sink', '--messages', '60', '--rounds', '1', '--sessions', '5', '--pipelined'],
    'tls': ['--servers', 'goniec', '--messages', '40', '--rounds', '1', '--sessions', '4'],
    'idle': ['--servers', 'goniec', '--connections', '50'],
    'latency': ['--servers', 'goniec', '--messages', '40', '--rounds', '1', '--rate', '100'],
    'depth': ['--depths', '300', '--rounds', '1', '--messages', '100'],
    'fanout': ['--servers', 'goniec', '--domains', '100', '--list', '20,5', '--messages', '2', '--rounds', '1'],
    'growth': ['--base', '10', '--times', '1,2', '--messages', '40', '--rounds', '1'],
    'api': ['--messages', '60', '--rounds', '1', '--sizes', '2048', '--sessions', '4'],
    'micro': ['--seconds', '0.01'],
    'sight': ['--messages', '2000', '--days', '3', '--questions', '2', '--rounds', '1', '--seconds', '1'],
    'sign': ['--seconds', '0.01', '--rounds', '1', '--peers', 'python3-dkim', '--relay-rounds', '1', '--messages', '40'],
}


def judge_relay(rows):
    assert [row['size'] for row in rows] == [1024, 102400], rows
    assert all(run['messages'] == 60 and run['rate'] > 0 for row in rows for runs in row['runs'].values() for run in runs)
    assert all('direct' in row['ratio'] for row in rows)


def judge_accept(rows):
    assert len(rows) == 1 and rows[0]['ratio']['durable_sink']['median'] > 0, rows


def judge_tls(rows):
    assert [row['mode'] for row in rows] == ['tls in', 'tls out'], rows
    assert rows[0]['runs']['goniec'][0]['resumed'] >= 30, 'sessions of TLS are not resumed'


def judge_idle(rows):
    assert len(rows) == 1 and rows[0]['connections'] == 50 and rows[0]['pss_kb'] > 0, rows


def judge_latency(rows):
    assert rows[0]['messages'] == 40 and rows[0]['times']['relay_p50_ms']['median'] > 0, rows


def judge_depth(rows):
    assert rows[0]['depth'] == 300 and rows[0]['accept_ratio']['median'] > 0, rows


def judge_fanout(rows):
    assert rows[0]['copies_a_second'].keys() == {'list', 'good', 'mixed'}, rows


def judge_growth(rows):
    assert [(row['what'], row['times']) for row in rows] == [(what, times) for what in ('depth', 'sites', 'connections', 'sessions') for times in (1, 2)], rows
    assert all(row['cpu_us']['median'] > 0 and row['pss_mib'] > 0 for row in rows) and rows[0]['start_s'] > 0, rows


def judge_micro(rows):
    assert len(rows) >= 14 and all(row['ns'] > 0 for row in rows), rows


def judge_api(rows):
    assert all(run['rate'] > 0 for row in rows for runs in row['runs'].values() for run in runs) and set(rows[0]['rates']) == {'http', 'smtp'}, rows


def judge_sight(rows):
    relay, sustained, search = rows
    assert relay['ratio']['median'] > 0 and sustained['rate'] > 0 and sustained['caught_up_after_s'] >= 0, rows
    assert search['messages'] == 2000 and search['events'] > 4000 and search['all']['asked'] > 30, rows
    assert search['questions']['newest']['rows'] == 100 and search['questions']['nobody']['rows'] == 0, rows


def judge_sign(rows):
    assert [(row['work'], row.get('key'), row['size']) for row in rows] == [
        *((work, key, size) for key in ('rsa', 'ed25519', 'both') for size in (10240, 1048576) for work in ('sign', 'verify')), ('relay', None, 10240)], rows
    assert all(row['ratio']['python3-dkim']['median'] > 0 for row in rows if row.get('key') in ('rsa', 'ed25519')), rows
    assert rows[-1]['cost'].keys() == {'rsa', 'both'} and rows[-1]['cpu_ms']['unsigned']['median'] > 0, rows


def one(name, words):
    out = FOLDER / f'{name}.json'
    done = subprocess.run([sys.executable, '-B', ROOT / 'bench/run.py', name, *words, '--out', out], capture_output=True, text=True, timeout=240)
    if done.returncode == 77:
        print(done.stdout)
        sys.exit(77)
    assert done.returncode == 0, (done.stdout + done.stderr)[-1500:]
    found = json.loads(out.read_text())
    assert found['bench'] == name and found['machine']['fdatasync_p50_us'] > 0 and 'goniec' in found['versions'], found
    globals()[f'judge_{name}'](found['rows'])


def verifier():
    """The look for syncs sees one that is missing."""
    good = ['1 sendto(5, "354 go on", 9) = 9', '2 fdatasync(3) = 0', '1 sendto(5, "250 2.0.0 ok", 12) = 12']
    assert verify.judge(good) == (1, 0, 1)
    assert verify.judge([good[1], good[0], good[2]]) == (1, 1, 1)
    assert verify.judge([good[0], '2 fdatasync(3 <unfinished ...>', good[2], '2 <... fdatasync resumed>) = 0']) == (1, 1, 1)


def written_down():
    """Every result has its table, and what a hand wrote stays."""
    page.ROOT, page.PAGE, page.PICTURE = FOLDER, FOLDER / 'page.md', FOLDER / 'page.svg'
    page.PAGE.write_text(f'# By hand\n\n{page.BEGIN}\nold\n{page.END}\n\nAlso by hand.\n')
    page.write(sorted(FOLDER.glob('*.json')))
    text = page.PAGE.read_text()
    assert text.startswith('# By hand\n') and text.endswith('Also by hand.\n') and 'old' not in text
    assert all(f'### {name}' in text for name in CASES) and '<svg' in page.PICTURE.read_text()
    assert '<svg' in (FOLDER / 'growth.svg').read_text()


def main():
    tests = Tests()
    for name in sys.argv[1:]:
        tests.check(name, one, name, CASES[name])
    if sys.argv[1:]:
        tests.close()
    tests.check('a sync that is missing is seen', verifier)
    for name, words in CASES.items():
        tests.check(f'{name} runs and counts', one, name, words)
    tests.check('the results are written down', written_down)
    tests.close()


if __name__ == '__main__':
    main()
