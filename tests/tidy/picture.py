#!/usr/bin/env python3
"""Draws docs/arrows.svg from the arrows table in cmake/rooms.cmake: floors, rooms, and who may use whom.

Promises: the same table gives the same bytes. A room stands one floor above the highest room it may
include. Of the arrows only those are drawn that do not follow from others, so that it can be read.
"""
import sys
from pathlib import Path

SVG = 'docs/arrows.svg'
WORDS = {
    'base': 'ground: knows no mail', 'mail': 'messages as data', 'proto': 'languages without I/O', 'trust': 'who vouches for this',
    'run': 'the machine room', 'store': 'what the house remembers', 'net': 'the wire', 'queue': 'the heart',
    'accounts': 'who lives here', 'intake': 'where a message is made', 'reading': 'POP3', 'inbound': 'mail comes in',
    'outbound': 'mail goes out', 'duties': "the house's own clock", 'api': 'told what to do', 'config': 'strict TOML',
    'app': 'the composition root'}
WIDE, HIGH, GAP_X, GAP_Y, EDGE = 150, 46, 22, 44, 20


def floors(table):
    level = {}
    for room, uses in table.items():
        level[room] = 1 + max((level[use] for use in uses), default=-1)
    return level


def needed(table):
    """The arrows that do not follow from other arrows."""
    def reach(room):
        return set(table[room]).union(*(reach(use) for use in table[room]))
    return [(room, use) for room, uses in table.items() for use in uses
            if not any(use in reach(other) for other in uses if other != use)]


def draw(table):
    level = floors(table)
    rows = [[room for room in table if level[room] == n] for n in range(max(level.values()) + 1)]
    width = max(len(row) for row in rows) * (WIDE + GAP_X) - GAP_X + 2 * EDGE
    height = len(rows) * (HIGH + GAP_Y) - GAP_Y + 2 * EDGE
    place = {}
    for n, row in enumerate(rows):
        left = (width - len(row) * (WIDE + GAP_X) + GAP_X) / 2
        for i, room in enumerate(row):
            place[room] = left + i * (WIDE + GAP_X), height - EDGE - HIGH - n * (HIGH + GAP_Y)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
           '<title>The rooms of goniec and what each may include</title>',
           '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
           '<path d="M0 0L8 4L0 8z" fill="#667"/></marker></defs>', f'<rect width="{width}" height="{height}" fill="#fff"/>']
    for room, use in needed(table):
        (x1, y1), (x2, y2) = place[room], place[use]
        x1, y1, x2 = x1 + WIDE / 2, y1 + HIGH, x2 + WIDE / 2
        out.append(f'<path d="M{x1:g} {y1:g}C{x1:g} {y1 + 30:g} {x2:g} {y2 - 30:g} {x2:g} {y2:g}" fill="none" stroke="#99a" marker-end="url(#tip)"/>')
    for room, (x, y) in place.items():
        out.append(f'<rect x="{x:g}" y="{y:g}" width="{WIDE}" height="{HIGH}" rx="6" fill="#eef3fa" stroke="#456"/>'
                   f'<text x="{x + WIDE / 2:g}" y="{y + 20:g}" text-anchor="middle" font-size="15" fill="#123">{room}/</text>'
                   f'<text x="{x + WIDE / 2:g}" y="{y + 37:g}" text-anchor="middle" font-size="11" fill="#456">{WORDS.get(room, "")}</text>')
    return '\n'.join(out + ['</svg>', ''])


if __name__ == '__main__':
    sys.path.insert(0, str(Path(__file__).parent))
    from source import cmake_table
    root = Path(__file__).resolve().parents[2]
    Path(root, SVG).write_text(draw(cmake_table(Path(root, 'cmake/rooms.cmake').read_text(), 'GONIEC_ARROWS')))
