#!/usr/bin/env python3
"""./x bench page [--add] FILE…: writes the figures of JSON results into docs/performance.md and draws docs/performance.svg.

With --add the sections that are there stay, but for those of the same benchmarks, and so does the picture. Only what stands between the two markers of the page is written; what a hand wrote around them stays. The
tables say when, on what machine and with what versions each was measured, and by which command.
"""
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE, PICTURE = ROOT / 'docs/performance.md', ROOT / 'docs/performance.svg'
BEGIN, END = '<!-- written by ./x bench page: begin -->', '<!-- written by ./x bench page: end -->'
COLOURS = {'goniec': '#2a6f97', 'durable_sink': '#8d99ae', 'direct': '#c5c9d1'}


def spread(value, unit='', digits=2):
    return f'{value["median"]:.{digits}f}{unit} ({value["least"]:.{digits}f}–{value["most"]:.{digits}f})'


def table(heads, rows):
    return '\n'.join(['| ' + ' | '.join(heads) + ' |', '|' + '---|' * len(heads), *('| ' + ' | '.join(map(str, row)) + ' |' for row in rows)])


def side_by_side(found):
    rows = []
    for row in found['rows']:
        for name, figures in row['median'].items():
            ratio = row['ratio'].get(name)
            rows.append([f'{row["mode"]}{", pipelined" if row["pipelined"] else ""}', f'{row["size"] // 1024} KiB', row['sessions'], name,
                         spread(row['rates'][name], digits=0), spread(ratio) if ratio else '', f'{figures["p50_ms"]:.2f} / {figures["p99_ms"]:.1f}',
                         f'{figures["cpu_s_per_1000"]:.3f}' if figures['cpu_s_per_1000'] else '', f'{figures["pss_kb"] / 1024:.0f}' if figures['pss_kb'] else ''])
    return table(['work', 'size', 'sessions', 'server', 'messages/s', 'goniec / it', '250 p50 / p99 ms', 'CPU s/1000', 'PSS MiB'], rows)


def idle(found):
    return table(['server', 'connections', 'PSS each, KiB', 'kernel each, KiB', 'in all, MiB'],
                 [[row['server'], row['connections'], row['pss_kb_each'], row['kernel_kb_each'], row['pss_kb'] // 1024] for row in found['rows']])


def latency(found):
    return table(['server', 'a second', 'DATA end → 250: p50', 'p99', 'DATA end → sink: p50', 'p99', 'most'],
                 [[row['server'], row['rate'], *(spread(row['times'][key], ' ms') for key in ('ack_p50_ms', 'ack_p99_ms', 'relay_p50_ms', 'relay_p99_ms', 'relay_most_ms'))]
                  for row in found['rows']])


def depth(found):
    return table(['deferred', 'memory MiB', 'after a start', 'start to port', 'start to first delivery', 'accept, of an empty queue', 'by CPU', 'disk a message'],
                 [[row['depth'], row['pss_mib'], row['pss_after_start_mib'], f'{row["start_to_port_s"]} s', f'{row["start_to_delivery_s"]} s', spread(row['accept_ratio']),
                   spread(row['accept_ratio_by_cpu']) if 'accept_ratio_by_cpu' in row else '', f'{row["disk_octets_each"] / 1024:.1f} KiB'] for row in found['rows']])


def fanout(found):
    return table(['server', 'list copies/s', 'domains', 'good alone', 'good beside the dead', 'ratio'],
                 [[row['server'], row['copies_a_second']['list'], row['domains'], spread(row['seconds']['good'], ' s'), spread(row['seconds']['mixed'], ' s'),
                   spread(row['slowed_by_dead'], digits=3)] for row in found['rows']])


def growth(found):
    return table(['what grows', 'to', 'memory MiB', 'CPU µs a message', 'start to first delivery'],
                 [[row['what'], f'{row["amount"]:,}', row['pss_mib'], spread(row['cpu_us'], digits=0), f'{row["start_s"]} s' if row['start_s'] else '']
                  for row in found['rows']])


def micro(found):
    return table(['benchmark', 'time', 'throughput'], [[row['name'], f'{row["ns"]:.0f} ns', f'{row["mib_s"]:.0f} MiB/s' if row['mib_s'] else ''] for row in found['rows']])


def sight(found):
    parts = []
    for row in found['rows']:
        if row['what'] == 'search':
            project, every = row['project'], row['all']
            parts.append(f'{row["events"]:,} events of {row["messages"]:,} messages over {row["days"]} days, projected at {project["events_per_second"]:,.0f} a second '
                         f'({project["cpu_us_per_event"]} µs of processor time each; memory {project["resident_mib"][0]:.0f} MiB at the beginning, at most {project["resident_mib"][1]:.0f}; '
                         f'{project["disk_octets_per_message"]:.0f} octets of disk a message). All questions: p95 {every["p95_ms"]} ms, p99 {every["p99_ms"]} ms; of processor time p95 {every["cpu_p95_ms"]} ms.')
            parts.append(table(['question', 'asked', 'p50 ms', 'p95 ms', 'p99 ms', 'most ms', 'CPU p95 ms'],
                               [[name, each['asked'], each['p50_ms'], each['p95_ms'], each['p99_ms'], each['most_ms'], each['cpu_p95_ms']] for name, each in row['questions'].items()]))
        elif row['what'] == 'relay':
            parts.append(table(['relay', 'with the projection, messages/s', 'without', 'with / without', 'CPU, with / without'],
                               [[f'{row["size"] // 1024} KiB, {row["sessions"]} sessions', spread(row['rates']['goniec'], digits=0), spread(row['rates']['without'], digits=0),
                                 spread(row['ratio']), spread(row['cpu_ratio'])]]))
        else:
            pss = row['pss_mib']
            parts.append(table(['sustained relay', 'messages/s', 'lag at most', 'at its end', 'none after', 'PSS MiB: first tenth', 'last tenth', 'most'],
                               [[f'{row["seconds"]} s', row['rate'], f'{row["lag_most"]:,.0f} events', f'{row["lag_at_end"]:,.0f}', f'{row["caught_up_after_s"]} s',
                                 pss['first_tenth'], pss['last_tenth'], pss['most']]]))
    return '\n\n'.join(parts)


def api(found):
    return table(['size', 'sessions', 'by', 'messages/s', 'p50 ms', 'p99 ms', 'CPU s a thousand'],
                 [[row['size'], row['sessions'], way, spread(row['rates'][way], digits=0), f'{each["p50_ms"]:.2f}', f'{each["p99_ms"]:.2f}', f'{each["cpu_s_per_1000"]:.3f}']
                  for row in found['rows'] for way, each in row['median'].items()])


def sign(found):
    peers = [name for name in found['versions'] if name != 'goniec']
    per_second = [row for row in found['rows'] if row['work'] != 'relay']
    alone = table(['work', 'key', 'size', 'goniec, messages a CPU second', *(words for name in peers for words in (name, f'goniec / {name}'))],
                  [[row['work'], row['key'], f'{row["size"] // 1024} KiB', spread(row['rates']['goniec'], digits=0),
                    *(words for name in peers for words in ((spread(row['rates'][name], digits=0), spread(row['ratio'][name])) if name in row['ratio'] else ('', '')))]
                   for row in per_second])
    relays = [row for row in found['rows'] if row['work'] == 'relay']
    relayed = table(['relay of', 'signing', 'messages/s', 'of unsigned', 'CPU ms a message', 'of unsigned'],
                    [[f'{row["size"] // 1024} KiB', {'unsigned': 'off'}.get(name, name), spread(row['rates'][name], digits=0), spread(row['ratio'][name]) if name in row['ratio'] else '',
                      spread(cost, digits=3), spread(row['cost'][name]) if name in row['cost'] else ''] for row in relays for name, cost in row['cpu_ms'].items()])
    return '\n\n'.join(([alone] if per_second else []) + ([relayed] if relays else []))


TABLES = {'api': api, 'sight': sight, 'relay': side_by_side, 'accept': side_by_side, 'tls': side_by_side, 'idle': idle, 'latency': latency, 'depth': depth, 'fanout': fanout, 'growth': growth, 'micro': micro, 'sign': sign}


def section(found):
    where = found['machine']
    lines = [f'### {found["bench"]}', '', TABLES[found['bench']](found), '',
             f'`{found["command"]}`, {found["date"]}; {where["cores"]} cores, {where["cpu"]}, {where["memory_mib"] // 1024} GiB, Linux {where["kernel"]}, '
             f'fdatasync p50 {where["fdatasync_p50_us"]} µs, p99 {where["fdatasync_p99_us"]} µs, load before the end {where["load_before"]:.1f}; '
             + ', '.join(f'{name} {version}' for name, version in found['versions'].items()) + '.']
    if found['bench'] == 'growth':
        lines += ['', '![what grows how](growth.svg)']
    if found.get('syncs'):
        lines += ['', 'Syncs seen by strace, one session: ' + ', '.join(
            f'{name} {each["syncs_a_message"]} a message ({each["without_sync"]} of {each["answered"]} answers without)' for name, each in found['syncs'].items()) + '.']
    return '\n'.join(lines)


def bars(documents):
    """(title, [(server, rate)]) of each row of relay, accept and tls."""
    for found in documents:
        if found['bench'] in ('relay', 'accept', 'tls'):
            for row in found['rows']:
                title = f'{row["mode"]}, {row["size"] // 1024} KiB, {row["sessions"]} sessions{", pipelined" if row["pipelined"] else ""}'
                yield title, [(name, row['rates'][name]) for name in row['rates'] if name != 'direct']


def picture(documents):
    """Bars of messages a second, each group to its own scale, the whiskers from the least to the most."""
    left, width, high, y, parts = 150, 430, 18, 30, []
    for title, rates in bars(documents):
        most = max(rate['most'] for _, rate in rates) or 1
        parts.append(f'<text x="10" y="{y}" class="title">{title}</text>')
        y += 10
        for name, rate in rates:
            scale = width / most
            parts.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{name}</text>'
                         f'<rect x="{left}" y="{y}" width="{rate["median"] * scale:.1f}" height="{high - 4}" fill="{COLOURS.get(name, "#bc6c25")}"/>'
                         f'<path d="M{left + rate["least"] * scale:.1f} {y + 7}H{left + rate["most"] * scale:.1f}" stroke="#222"/>'
                         f'<text x="{left + rate["most"] * scale + 6:.1f}" y="{y + 12}">{rate["median"]:.0f}/s</text>')
            y += high
        y += 28
    style = 'text{font:12px sans-serif;fill:#222}.title{font-weight:bold}'
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="680" height="{y}" viewBox="0 0 680 {y}"><title>Messages a second</title>'
            f'<style>{style}</style><rect width="680" height="{y}" fill="#fff"/>{"".join(parts)}</svg>\n')


def curves(found):
    """A plot of each figure: 1, 10 and 100 times along, the figure up from zero, a line for each thing that grows."""
    figures = (('memory, MiB', lambda row: row['pss_mib']), ('CPU of a message, µs', lambda row: row['cpu_us']['median']),
               ('start to first delivery, s', lambda row: row['start_s']))
    colours = {'depth': '#2a6f97', 'sites': '#bc6c25', 'connections': '#606c38', 'sessions': '#9a348e'}
    width, high, parts, x = 190, 150, [], 60
    for title, figure in figures:
        rows = [row for row in found['rows'] if figure(row) is not None]
        most = max((figure(row) for row in rows), default=1) or 1
        parts.append(f'<text x="{x}" y="20" class="title">{title}</text><path d="M{x} 40V{40 + high}H{x + width}" stroke="#222" fill="none"/>'
                     f'<text x="{x - 6}" y="45" text-anchor="end">{most:.4g}</text><text x="{x - 6}" y="{44 + high}" text-anchor="end">0</text>')
        places = {times: x + 15 + number * (width - 30) / 2 for number, times in enumerate(sorted({row['times'] for row in found['rows']}))}
        parts += [f'<text x="{place:.0f}" y="{57 + high}" text-anchor="middle">{times} ×</text>' for times, place in places.items()]
        for what, colour in colours.items():
            points = [(places[row['times']], 40 + high - figure(row) / most * high) for row in rows if row['what'] == what]
            parts.append(f'<polyline points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}" stroke="{colour}" stroke-width="2" fill="none"/>')
            parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in points]
        x += width + 70
    first = {what: min((row['amount'] for row in found['rows'] if row['what'] == what), default=0) for what in colours}
    for number, (what, colour) in enumerate(colours.items()):
        parts.append(f'<rect x="{60 + number * 190}" y="{72 + high}" width="12" height="12" fill="{colour}"/>'
                     f'<text x="{77 + number * 190}" y="{83 + high}">{what}, 1 × = {first[what]:,}</text>')
    style = 'text{font:12px sans-serif;fill:#222}.title{font-weight:bold}'
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{x}" height="{high + 100}" viewBox="0 0 {x} {high + 100}"><title>What grows how</title>'
            f'<style>{style}</style><rect width="{x}" height="{high + 100}" fill="#fff"/>{"".join(parts)}</svg>\n')


def sections_but(text, benches):
    """Of the text between the markers: what comes before the first section, and the sections of other benchmarks."""
    first, *rest = text.strip('\n').split('\n### ')
    return [first, *('### ' + each.strip('\n') for each in rest if each.split('\n')[0] not in benches)]


def write(paths, add=False):
    documents = [json.loads(Path(path).read_text()) for path in paths]
    unknown = [found['bench'] for found in documents if found['bench'] not in TABLES]
    if unknown:
        raise SystemExit(f'no table for {unknown}')
    documents.sort(key=lambda found: list(TABLES).index(found['bench']))
    parts = [section(found) for found in documents]
    for found in documents:
        if found['bench'] == 'growth':
            PAGE.with_name('growth.svg').write_text(curves(found))
    if not add and any(True for _ in bars(documents)):
        PICTURE.write_text(picture(documents))
        parts.insert(0, '![messages a second](performance.svg)\n\nBar: the median; line: from the least to the most. A ratio is the median (and range) of\n'
                        'pairs of the same round.')
    text = PAGE.read_text() if PAGE.exists() else f'# Performance\n\n{BEGIN}\n{END}\n'
    before, _, rest = text.partition(BEGIN)
    between, _, after = rest.partition(END)
    if add:
        parts = sections_but(between, {found['bench'] for found in documents}) + parts
    PAGE.write_text(f'{before}{BEGIN}\n' + '\n\n'.join(parts) + f'\n{END}{after}')
    print(f'{PAGE.relative_to(ROOT)}: {len(documents)} results')


if __name__ == '__main__':
    add = sys.argv[1:2] == ['--add']
    if len(sys.argv) < 2 + add:
        raise SystemExit(__doc__)
    write(sys.argv[1 + add:], add)
