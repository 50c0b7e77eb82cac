#!/usr/bin/env python3
"""./x tidy: runs every check of checks.py on the tree, after showing each check a snippet it must catch.

Closes with `N passed, N failed`: one a check, one a snippet. A check that no longer catches its
snippet fails, because a rule that no check runs is only advice.
"""
import os
import sys

import checks
from source import Tree

ROOMS = 'set(GONIEC_ARROWS\n  "base :"\n  "mail : base"\n)\nset(GONIEC_THIRD_PARTIES\n  "ssl : net"\n)\n'
OPEN = '// One.\n// Two.\n// Three.\n'
LONG = 'int f(int a) {\n' + '  a += 1;\n' * 70 + '  return a;\n}\n'

# (check, files, how many findings)
SNIPPETS = [
    (checks.arrows, {'src/base/a.cc': '#include "mail/reply.h"\n'}, 1),
    (checks.arrows, {'src/mail/a.cc': '#include "base/text.h"\n#include "mail/reply.h"\n'}, 0),
    (checks.arrows, {'src/mail/a.cc': '#include <openssl/ssl.h>\n'}, 1),
    (checks.arrows, {'src/mail/a.cc': '#include "sim/clock.h"\n'}, 1),
    (checks.arrows, {'src/mail/a_test.cc': '#include "sim/clock.h"\n'}, 0),
    (checks.circles, {'cmake/rooms.cmake': ROOMS.replace('"base :"', '"base : mail"')}, 1),
    (checks.columns, {'src/base/a.cc': '// ' + 'x' * 98 + '\n'}, 1),
    (checks.lengths, {'src/base/a.cc': LONG}, 1),
    (checks.lengths, {'src/base/a.cc': 'namespace a {\nclass B {\n public:\n' + LONG + '};\n}\n'}, 1),
    (checks.lengths, {'src/base/a.cc': 'A::A(int b)\n    : b_{b}, c_(b) {\n' + '  b();\n' * 70 + '}\n'}, 1),
    (checks.lengths, {'src/base/a.cc': LONG, 'docs/tidy-ratchet.txt': '73 src/base/a.cc f\n'}, 0),
    (checks.lengths, {'src/base/a.cc': '', 'docs/tidy-ratchet.txt': '73 src/base/a.cc f\n'}, 1),
    (checks.lengths, {'src/base/a.cc': 'int a;\n' * 801}, 1),
    (checks.lengths, {'src/base/a.cc': 'int a = 0;\nvoid f() {\n  g();\n}\n' * 60}, 0),
    (checks.citations, {'src/base/a.cc': '// RFC 5321 §4.5.3\n', 'docs/rfc.txt': '5321 §4.5 yes\n'}, 0),
    (checks.citations, {'src/base/a.cc': '// RFC 5321 §4.5.3\n', 'docs/rfc.txt': '5321 yes\n'}, 0),
    (checks.citations, {'src/base/a.cc': '// RFC 5321 §4.5.3, §4.6\n', 'docs/rfc.txt': '5321 §4.5 yes\n'}, 1),
    (checks.citations, {'src/base/a.cc': '// RFC 9999\n', 'docs/rfc.txt': '5321 §4.5 yes\n'}, 1),
    (checks.words, {'src/base/a.cc': '// TODO later\n// TODO(#3): then\n'}, 1),
    (checks.words, {'src/base/a.cc': '// FIX' + 'ME\n'}, 1),
    (checks.words, {'src/base/a_test.cc': 'std::this_thread::sleep_for(1s);\n'}, 1),
    (checks.words, {'tests/a/run': '  sleep 2\n'}, 1),
    (checks.words, {'README.md': 'see ../shar' + 'ed/suites\n', '.ci/run': 'suites=../shar' + 'ed/suites\n'}, 1),
    (checks.openings, {'src/base/a.cc': 'int a;\n'}, 1),
    (checks.openings, {'src/base/a.cc': OPEN}, 0),
    (checks.twins, {'src/mail/a.h': 'namespace goniec {\nclass A {\n};\n}\n', 'src/store/b.h': 'namespace goniec {\nstruct A : B {\n};\n}\n'}, 1),
    (checks.twins, {'src/mail/a.cc': 'namespace goniec {\nnamespace {\nclass A {\n};\n}\n}\n', 'src/store/b.h': 'namespace goniec {\nclass A {\n};\nclass C;\n}\n'}, 0),
    (checks.purity, {'src/mail/a.cc': '#include <thread>\n'}, 1),
    (checks.purity, {'src/queue/queue.cc': '#include <thread>\n'}, 0),
    (checks.drawing, {'docs/arrows.svg': '<svg/>'}, 1),
]


def self_test():
    wrong = 0
    for number, (check, files, wanted) in enumerate(SNIPPETS, 1):
        got = check(Tree({'cmake/rooms.cmake': ROOMS, **files}))
        if len(got) != wanted:
            wrong += 1
            print(f'self-test {number} of {check.__name__}: {wanted} findings expected, got {got}')
    return len(SNIPPETS) - wrong, wrong


def main():
    root = os.environ.get('GONIEC_ROOT') or os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..')
    os.chdir(root)
    passed, failed = self_test()
    tree = Tree.read('.')
    for check in checks.CHECKS:
        findings = check(tree)
        for path, line, text in findings:
            print(f'{path}:{line}: {text}')
        print(f'{check.__name__}: ' + (f'{len(findings)} findings' if findings else 'ok'))
        passed, failed = passed + (not findings), failed + bool(findings)
    print(f'\n{passed} passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
