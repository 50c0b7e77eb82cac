"""The sources as tidy sees them: files by kind, the room of a file, and where functions begin and end.

Promises: only files that git knows or would add are read; nothing is changed. The C++ reader is no
parser: it relies on clang-format having been there (a body opens with ' {') and on braces.
"""
import re
import subprocess
from collections import namedtuple
from pathlib import Path

Finding = namedtuple('Finding', 'path line text')
Function = namedtuple('Function', 'name first last')

CODE = ('.cc', '.h')
SCOPE = re.compile(r'^(template\s*<.*>\s*)?(inline\s+)?(namespace|class|struct|union|enum|extern)\b')


class Tree:
    """Texts by path, relative to the root. A self-test makes one from a dict."""

    def __init__(self, texts):
        self.texts = texts

    @classmethod
    def read(cls, root):
        names = subprocess.run(['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
                               cwd=root, check=True, capture_output=True).stdout.decode().split('\0')
        texts = {}
        for name in filter(None, names):
            path = Path(root, name)
            if path.is_symlink() or not path.is_file() or name.startswith(('tests/data/', 'tests/fuzz/corpus/')):
                continue
            try:
                texts[name] = path.read_text('utf8')
            except UnicodeDecodeError:
                continue  # a picture
        return cls(texts)

    def code(self, *folders):
        return {path: text for path, text in self.texts.items()
                if path.endswith(CODE) and (not folders or path.split('/')[0] in folders)}


def room_of(path):
    parts = path.split('/')
    return parts[1] if parts[0] == 'src' and len(parts) > 2 else None


def cmake_table(text, name):
    """{'mail': ['base'], …} from set(NAME "mail : base" …)."""
    body = re.search(rf'set\({name}\s+(.*?)\n\)', text, re.S).group(1)
    rows = (line.split(':') for line in re.findall(r'"(.*?)"', body))
    return {left.strip(): right.split() for left, right in rows}


def without_comments(text):
    """The same text with comments and the inside of literals blanked; every line keeps its number."""
    pattern = r'R"(\w*)\(.*?\)\1"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\''

    def blank(match):
        return re.sub(r'[^\n]', '_' if match.group()[0] in 'R"\'' else ' ', match.group())
    return re.sub(pattern, blank, text, flags=re.S)


def functions(text):
    """The outermost functions with a body: lambdas and local classes count as part of theirs."""
    clean = re.sub(r'^[ \t]*#[^\n]*(?:\\\n[^\n]*)*', '', without_comments(text), flags=re.M)
    found, stack, start, statement, line, parens = [], [], None, '', 1, 0
    previous = ''
    for at, char in enumerate(clean):
        if char == '\n':
            line += 1
        if char in '()':
            parens += 1 if char == '(' else -1
        if char == '{':
            text_before = statement.strip()
            if parens or previous not in ' \n' or re.search(r'(=|,|return|\()$', text_before):
                stack.append(('value', None))
            elif SCOPE.match(text_before) and not text_before.endswith(')'):
                stack.append(('scope', None))
                statement, start = '', None
            elif '(' in text_before and all(kind == 'scope' for kind, _ in stack):
                stack.append(('function', (text_before, start)))
                statement, start = '', None
            else:
                stack.append(('block', None))
                statement, start = '', None
        elif char == '}':
            kind, what = stack.pop() if stack else ('block', None)
            if kind == 'function':
                name = re.search(r'([\w:~]+(?:\s*operator\S+)?)\s*\(', what[0])
                found.append(Function(name.group(1) if name else what[0][:40], what[1], line))
            if kind != 'value':
                statement, start = '', None
        elif char == ';' and not parens:
            statement, start = '', None
        elif char == ':' and re.search(r'\b(public|private|protected)\s*$', statement):
            statement, start = '', None
        else:
            if start is None and not char.isspace():
                start = line
            statement += char
        previous = char
    return found
