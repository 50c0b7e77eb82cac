#!/usr/bin/env python3
"""contract.py OPENAPI.yaml OUT.cc: the contract of the HTTP API as JSON, in the C++ source that defines
contract_json() of src/api/contract.h.

Promises: the same contract gives the same octets; OUT.cc is written only when it changes.
"""
import json
import sys
from pathlib import Path

import yaml


def literal(octets):
    lines = [octets[at:at + 32] for at in range(0, len(octets), 32)]
    return '\n'.join('    "' + ''.join(f'\\{each:03o}' for each in line) + '"' for line in lines)


def main():
    document, out = yaml.safe_load(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    octets = json.dumps(document, ensure_ascii=False, separators=(',', ':'), default=str).encode() + b'\n'
    text = ('// Made by cmake/contract.py.\n#include "api/contract.h"\n\n#pragma clang diagnostic ignored "-Woverlength-strings"\n\n'
            'namespace goniec {\n\nnamespace {\n\nconstexpr char contract[] =\n' + literal(octets) +
            ';\n\n}  // namespace\n\nstd::string_view contract_json() {\n  return {contract, sizeof contract - 1};\n}\n\n}  // namespace goniec\n')
    if not out.exists() or out.read_text() != text:
        out.write_text(text)


main()
