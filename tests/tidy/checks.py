"""The rules of docs/STYLE.md that a program can check, each a function Tree -> list of Finding.

Promises: a finding names file, line, what is wrong and what to do. What is over a limit for a good
reason stands in docs/tidy-ratchet.txt with its number, which may fall and never rise.
Refuses: nothing is changed here; clang-format is run only to compare.
"""
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import picture
from source import Finding, cmake_table, functions, room_of, without_comments

FUNCTION_LINES, FILE_LINES, COLUMNS = 70, 800, 100
TABLE_LINES = 150    # a function of a test is mostly a table of cases
RATCHET, COVERAGE, ROOMS = 'docs/tidy-ratchet.txt', 'docs/rfc.txt', 'cmake/rooms.cmake'

# Which third party a header belongs to; cmake/rooms.cmake says which room may have it.
THIRD_HEADERS = [
    (r'fmt/', 'fmt'), (r'boost/json', 'json'), (r'boost/(asio|beast|system)', 'asio'),
    (r'openssl/(ssl|tls)', 'ssl'), (r'openssl/', 'crypto'), (r'sodium', 'sodium'), (r'unbound', 'unbound'),
    (r'sqlite3', 'sqlite'), (r'zlib\.h', 'zlib'), (r'zip\.h', 'zip'), (r'pugixml', 'xml'), (r'idn2', 'idn'), (r'toml\+\+|tomlplusplus', 'toml'), (r'CLI/', 'cli'), (r'kainjow/', 'mustache'),
    (r'(boost|libpq|yaml-cpp|benchmark|libxml)', 'a decision first'), (r'g(test|mock)/', 'test')]
EXTRA_ROOMS = {'fmt': None}     # fmt is linked to every room; formats are text, not types


def arrows(tree):
    """A folder may include only what cmake/rooms.cmake allows, and src nothing of sim, tests or bench."""
    table, found = cmake_table(tree.texts[ROOMS], 'GONIEC_ARROWS'), []
    third = cmake_table(tree.texts[ROOMS], 'GONIEC_THIRD_PARTIES')
    for path, text in tree.code('src').items():
        room, is_test = room_of(path), path.endswith('_test.cc')
        for number, line in enumerate(text.splitlines(), 1):
            if match := re.match(r'\s*#\s*include\s*"([^"]+)"', line):
                target = match[1].split('/')[0]
                if target == 'sim' and is_test or target == room:
                    continue
                if target not in table.get(room, []):
                    found.append(Finding(path, number, f'{room} may not include {match[1]} ({ROOMS})'))
            elif match := re.match(r'\s*#\s*include\s*<([^>]+)>', line):
                owner = next((name for pattern, name in THIRD_HEADERS if re.match(pattern, match[1])), None)
                if not owner or owner in EXTRA_ROOMS or owner == 'test' and is_test or is_test and owner in third:
                    continue
                if room not in third.get(owner, []):
                    found.append(Finding(path, number, f'{room} may not include <{match[1]}> ({owner}, {ROOMS})'))
    return found


def circles(tree):
    """The table itself: every room known, and no way round."""
    table, found = cmake_table(tree.texts[ROOMS], 'GONIEC_ARROWS'), []
    placed = set()
    for room, uses in table.items():
        for use in uses:
            if use not in placed:
                found.append(Finding(ROOMS, 1, f'{room} -> {use} points upwards or at nothing'))
        placed.add(room)
    return found


def formatting(tree):
    """clang-format agrees with every source file."""
    def one(path):
        with open(path, 'rb') as text:
            out = subprocess.run(['clang-format-19', f'--assume-filename={path}'], stdin=text,
                                 capture_output=True, check=True).stdout
        have = Path(path).read_bytes()
        if out == have:
            return None
        line = next((i for i, (a, b) in enumerate(zip(have.splitlines(), out.splitlines()), 1) if a != b), 1)
        return Finding(path, line, f'not formatted: clang-format-19 -i {path}')
    with ThreadPoolExecutor(4) as pool:
        return [each for each in pool.map(one, sorted(tree.code())) if each]


def columns(tree):
    return [Finding(path, number, f'{len(line)} columns, at most {COLUMNS}')
            for path, text in tree.code().items() for number, line in enumerate(text.splitlines(), 1)
            if len(line) > COLUMNS and not re.search(r'https?://|R"', line)]


def lengths(tree):
    """Functions and files within their limits, or within their number in the ratchet."""
    allowed, found, used = {}, [], set()
    for line in tree.texts.get(RATCHET, '').splitlines():
        if line and not line.startswith(('#', 'opening ')):
            number, what = line.split(maxsplit=1)
            allowed[what] = int(number)

    def judge(path, line, what, size, limit):
        if size <= limit:
            return
        used.add(what)
        if size > allowed.get(what, 0):
            was = f', {allowed[what]} by the ratchet' if what in allowed else ''
            found.append(Finding(path, line, f'{what} has {size} lines, at most {limit}{was}'))
    for path, text in tree.texts.items():
        if path.endswith(('.cc', '.h', '.py', '.ts')) or path == 'x':
            judge(path, 1, path, len(text.splitlines()), FILE_LINES)
        if path.endswith(('.cc', '.h')):
            for each in functions(text):
                judge(path, each.first, f'{path} {each.name}', each.last - each.first + 1,
                      TABLE_LINES if path.endswith('_test.cc') else FUNCTION_LINES)
    found += [Finding(RATCHET, 1, f'{what} is within its limit now: take it out') for what in set(allowed) - used]
    return found


def citations(tree):
    """Each cited RFC section is listed in docs/rfc.txt, itself or a section above it."""
    listed = set()
    for line in tree.texts.get(COVERAGE, '').splitlines():
        if match := re.match(r'(\d{3,5})(?: §(\S+))?\s+(yes|partial|no)\b', line):
            listed.add((match[1], match[2]))
    by_section = {number for number, section in listed if section}      # else the whole stands for its sections
    found = []
    for path, text in tree.code('src', 'sim').items():
        for number, line in enumerate(text.splitlines(), 1):
            for match in re.finditer(r'RFC (\d{3,5})((?:,? (?:and )?§[\w.]*\w)*)', line):
                sections = re.findall(r'§([\w.]*\w)', match[2]) or [None]
                for section in sections:
                    above = ['.'.join(section.split('.')[:n]) for n in range(1, section.count('.') + 2)] if section else [None]
                    above += [None] if match[1] not in by_section else []
                    if not any((match[1], each) in listed for each in above):
                        name = f'RFC {match[1]}' + (f' §{section}' if section else '')
                        found.append(Finding(path, number, f'{name} is not in {COVERAGE}'))
    return found


PAUSES = 'tests/harness/wait.py'     # the one place where a test may let time pass
PLACES = '|'.join(['shar' + 'ed/', r'(?<![\w.])/wo' + 'rk/', '/tmp/te' + 'am', 'farm' + '-', r'container_info', r'/root/\.'])
WORDS = [
    (r'\bTODO\b(?!\(#\d+\))', 'a TODO names its issue: TODO(#12)', None),
    (r'\bFIX' + r'ME\b|\bXX' + r'X\b', 'mend it, or open an issue', None),
    (PLACES, 'the name of a workplace', ('.ci/run',)),
    (r'sleep_for|sleep_until|\busleep\(|\bnanosleep\(|\b(time|asyncio)\.sleep\(|^\s*sleep [\d.]+', 'wait for an event, not for time', 'tests'),
]


def words(tree):
    found = []
    for path, text in tree.texts.items():
        if path.startswith('tests/tidy/') or path.endswith(('.tsv', '.svg', '.eml')):
            continue
        is_test = path.startswith('tests/') or '_test.' in path     # sim has a clock of its own
        for number, line in enumerate(text.splitlines(), 1):
            for pattern, advice, where in WORDS:
                if where == 'tests' and (not is_test or path == PAUSES) or isinstance(where, tuple) and path in where:
                    continue
                if match := re.search(pattern, line):
                    found.append(Finding(path, number, f'{match.group().strip()!r}: {advice}'))
    return found


OPENING_LINES = 3


def openings(tree):
    """Every source file opens with what it is, promises and refuses."""
    found = []
    known = re.findall(r'^opening (\S+)$', tree.texts.get(RATCHET, ''), re.M)
    for path, text in tree.code('src', 'sim', 'tests', 'bench').items():
        beside = path.endswith('.cc') and path[:-2] + 'h' in tree.texts     # the header says it
        need = 1 if path.endswith('_test.cc') or beside else OPENING_LINES
        lead = 0
        for line in text.splitlines():
            if not line.startswith('//'):
                break
            lead += 1
        if lead < need and path not in known:
            found.append(Finding(path, 1, f'opens with {lead} lines of comment, at least {need}'))
        if lead >= need and path in known:
            found.append(Finding(RATCHET, 1, f'{path} opens well now: take it out'))
        if path.endswith('.h') and '#pragma once' not in text:
            found.append(Finding(path, 1, 'no #pragma once'))
    for path, text in tree.texts.items():
        if path.endswith('.py') and not text.removeprefix('#!/usr/bin/env python3\n').startswith('"""'):
            found.append(Finding(path, 1, 'opens without a docstring'))
    return found


# Rooms that know no clock, no thread, no socket, no chance: HOUSE rule "pure".
TYPE = re.compile(r'^(?:class|struct)\s+(?:\[\[\w+\]\]\s+)?(\w+)(?:\s+final)?(?:\s*:[^:;{][^;{]*)?\s*\{')


def twins(tree):
    """No type has two definitions in one namespace: the linker would take one of them, silently, for both."""
    seen, found = {}, []
    for path, text in sorted(tree.code('src', 'sim').items()):
        spaces = []     # (name of the namespace, or None for another brace)
        for number, line in enumerate(without_comments(text).splitlines(), 1):
            opened = re.match(r'^(?:inline\s+)?namespace\s*([\w:]*)\s*\{', line)
            names = [each for each in spaces if each is not None]
            if (match := TYPE.match(line)) and '' not in names and len(names) == len(spaces):
                name = '::'.join(names + [match[1]])
                if seen.setdefault(name, path) != path:
                    found.append(Finding(path, number, f'{name} is defined in {seen[name]} too'))
            for char in re.findall(r'[{}]', line):
                if char == '}':
                    spaces = spaces[:-1]
                else:
                    spaces, opened = spaces + [opened[1] if opened else None], None
    return found


PURE = re.compile(r'^src/(base|mail|proto|trust)/|^src/queue/(schedule|shape|route|notice)|^src/inbound/policy')
IMPURE = re.compile(r'#\s*include\s*<(thread|mutex|condition_variable|random|fstream|iostream|filesystem|sys/\w+|netinet/\S+|unistd\.h|fcntl\.h)>'
                    r'|\b(system|steady)_clock::now|\bstd::(thread|mutex|random_device)\b')
MAY = {'src/base/log': 'writes', 'src/base/metrics': 'counters', 'src/base/time': 'time', 'src/base/digest': 'digests', 'src/base/result': 'aborts',
       'src/proto/vector_files': 'reads test data, for tests only'}


def purity(tree):
    """Threads, sockets, files, clocks and chance stay out of the pure rooms."""
    found = []
    for path, text in tree.code('src').items():
        if not PURE.match(path) or path.endswith('_test.cc') or path.rsplit('.', 1)[0] in MAY:
            continue
        for number, line in enumerate(without_comments(text).splitlines(), 1):
            if match := IMPURE.search(line):
                found.append(Finding(path, number, f'{match.group().strip()} in a pure room'))
    return found


def drawing(tree):
    """docs/arrows.svg is what the arrows table draws."""
    if tree.texts.get(picture.SVG) == picture.draw(cmake_table(tree.texts[ROOMS], 'GONIEC_ARROWS')):
        return []
    return [Finding(picture.SVG, 1, 'differs from the table: python3 tests/tidy/picture.py')]


CHECKS = [arrows, circles, formatting, columns, lengths, citations, words, openings, twins, purity, drawing]
