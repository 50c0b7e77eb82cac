#!/usr/bin/env python3
"""embed.py DIST OUT.cc: the files of DIST, compressed, as the C++ source that defines embedded_assets().

Promises: the same files give the same octets (no times inside); sorted by path; at most 200 kB together.
Files under assets/ carry a hash in their names and are marked immutable.
"""
import gzip
import hashlib
import sys
from pathlib import Path

MOST_OCTETS = 200_000
TYPES = {'.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8',
         '.svg': 'image/svg+xml', '.json': 'application/json', '.txt': 'text/plain; charset=utf-8'}


def literal(octets):
    lines = [octets[at:at + 32] for at in range(0, len(octets), 32)]
    return '\n'.join('    "' + ''.join(f'\\{each:03o}' for each in line) + '"' for line in lines)


def main():
    dist, out = Path(sys.argv[1]), Path(sys.argv[2])
    names, rows, total = [], [], 0
    for number, file in enumerate(sorted(each for each in dist.rglob('*') if each.is_file())):
        octets = file.read_bytes()
        packed = gzip.compress(octets, 9, mtime=0)
        path = '/' + file.relative_to(dist).as_posix()
        etag = hashlib.sha256(octets).hexdigest()[:20]
        total += len(packed)
        names.append(f'constexpr char content_{number}[] =\n{literal(packed)};')
        rows.append(f'    {{"{path}", "{TYPES[file.suffix]}", "\\"{etag}\\"", {{content_{number}, {len(packed)}}}, '
                    f'{str(path.startswith("/assets/")).lower()}}},')
    if total > MOST_OCTETS:
        sys.exit(f'embed.py: {total} octets compressed, more than {MOST_OCTETS}')
    body = '\n'.join(names)
    text = ('// Made by web/embed.py.\n#include "api/assets.h"\n\n#pragma clang diagnostic ignored "-Woverlength-strings"\n\nnamespace goniec {\n\nnamespace {\n\n' + body +
            '\n\nconstexpr Asset assets[] = {\n' + '\n'.join(rows) +
            '\n};\n\n}  // namespace\n\nstd::span<const Asset> embedded_assets() {\n  return assets;\n}\n\n}  // namespace goniec\n')
    if not out.exists() or out.read_text() != text:
        out.write_text(text)
    print(f'web: {len(rows)} files, {total} octets compressed')


main()
