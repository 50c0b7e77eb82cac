#!/usr/bin/env python3
"""Lists citations that docs/rfc.txt lacks, as lines to add (with 'yes', to be judged by who adds them).

Promises: nothing is written; the same reading of citations as the check in checks.py.
"""
import os
import re
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
from checks import citations
from source import Tree

os.chdir(Path(__file__).resolve().parents[2])
missing = {re.match(r'RFC (\S+)(?: (§\S+))?', finding.text).groups() for finding in citations(Tree.read('.'))}
for number, section in sorted(missing, key=lambda each: (int(each[0]), [int(n) if n.isdigit() else 99 for n in re.split(r'\.', (each[1] or '§0')[1:])])):
    print(f'{number}{" " + section if section else ""} yes')
