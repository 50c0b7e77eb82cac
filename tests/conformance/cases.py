"""Case files: what a line means, how escapes and expectations are read, when a reply fits.

The header lines of the case file are the specification. Refuses a line of another shape, by file and
line number; an effect that nobody knows is refused by effects.check_known.
"""
import re
from collections import namedtuple
from pathlib import Path

from wire import client_hello

FAILED_TLS = ('TLSFAIL', 'TLSALERT', 'EOF')
SPECIAL = ('EOF', '-', '*', 'TLSOK', 'TLSFAIL', 'TLSALERT')

Case = namedtuple('Case', 'id rfc port state script expect effects level note')


def load(path):
    cases = []
    for number, line in enumerate(Path(path).read_text('utf8').splitlines(), 1):
        if not line or line.startswith('#'):
            continue
        columns = line.split('\t')
        if len(columns) != 9:
            raise SystemExit(f'{path}:{number}: {len(columns)} columns, not 9')
        name, rfc, port, state, script, expect, effect, level, note = columns
        case = Case(name, rfc, port, state, script.split(' ;; '), [parse_expect(entry) for entry in expect.split(' ;; ')],
                    [] if effect == '-' else effect.split(';'), level, note)
        if len(case.script) != len(case.expect):
            raise SystemExit(f'{path}:{number}: {name} has {len(case.script)} steps and {len(case.expect)} expectations')
        cases.append(case)
    return cases


def unescape(text):
    def one(match):
        code = match.group(1)
        return chr(int(code[1:], 16)) if code[0] == 'x' else {'r': '\r', 'n': '\n', 't': '\t', '\\': '\\'}[code]
    return re.sub(r'\\(x[0-9A-Fa-f]{2}|[rnt\\])', one, text.encode('utf8').decode('latin-1')).encode('latin-1')


def expand(text):
    """{{text*n}}: n times the text, '#' in it counts from 1."""
    def times(match):
        body, count = match.group(1), int(match.group(2))
        return ''.join(body.replace('#', str(i)) for i in range(1, count + 1)) if '#' in body else body * count
    return re.sub(r'\{\{(.*?)\*(\d+)\}\}', times, text)


def step_bytes(text):
    hello = text.endswith('@TLSHELLO')
    octets = unescape(expand(text.removesuffix('@TLSHELLO')))
    if b'{{LEN}}' in octets:
        octets = octets.replace(b'{{LEN}}', str(len(octets.split(b'\r\n', 1)[1])).encode())
    return octets + (client_hello() if hello else b'')


def alternatives(entry):
    """Splits at each | outside groups and classes (that is: no closing bracket comes before the next opening one)."""
    return re.split(r'\|(?![^(\[]*[)\]])', entry)


def parse_expect(text):
    entries = []
    for entry in text.split(' , '):
        if match := re.fullmatch(r'\{\{(.*)\*(\d+)\}\}', entry):
            entries += [alternatives(match.group(1))] * int(match.group(2))
        else:
            entries.append(alternatives(entry))
    return entries


def matches(wanted, got):
    for each in wanted:
        if each == '*' or each == got:
            return True
        if each == 'TLSFAIL' and got in FAILED_TLS:
            return True
        if each not in SPECIAL and got not in SPECIAL and re.match(each, got):
            return True
    return False
