// Charts: a time series by uPlot, and what is simpler as our own SVG. Each has its numbers as a table
// behind a button, and as CSV; both are the same rows.
import {useEffect, useId, useMemo, useRef, useState} from 'preact/hooks';
import uPlot from 'uplot';
import {csv} from '../csv';
import {setQuery, usePlace} from '../router';
import {useTheme} from '../theme';
import {compact, locale, number, t, useLanguage} from '../words';
import {Section, Table, Th, type Children} from './parts';

export interface Series { name: string; color: string; values: (number | null)[]; dash?: number[] }

const cssColor = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim() || '#888';

/** The hue laid thinly on paper, opaque: what lies behind in a stack does not shine through. */
function tint(color: string, paper: string, share: number): string {
  const parts = (hex: string) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  if (!/^#[0-9a-f]{6}$/i.test(color) || !/^#[0-9a-f]{6}$/i.test(paper)) return color;
  const [over, under] = [parts(color), parts(paper)];
  return `rgb(${over.map((each, at) => Math.round(each * share + under[at]! * (1 - share))).join(' ')})`;
}

export function download(name: string, text: string, type = 'text/csv') {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], {type: type + ';charset=utf-8'}));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** A chart with its table and its CSV. `id` names it in the address. */
export function Figure({id, title, head, rows, more, children}:
    {id: string; title: string; head: string[]; rows: (string | number | null)[][]; more?: Children; children: Children}) {
  const {query} = usePlace();
  const shownTables = (query.get('table') ?? '').split('.').filter(Boolean);
  const asTable = shownTables.includes(id);
  const turn = () => setQuery({table: (asTable ? shownTables.filter((each) => each !== id) : [...shownTables, id]).join('.')}, 'replace');
  return (
    <Section title={title} aside={rows.length || more ? <>{more}{rows.length > 0 && <>
      <button type="button" class="link" aria-pressed={asTable} onClick={turn} aria-label={`${t('chart.table')}: ${title}`}>{t('chart.table')}</button>
      <button type="button" class="link" onClick={() => download(`goniec-${id}.csv`, csv([head, ...rows]))} aria-label={`CSV: ${title}`}>CSV</button></>}</> : undefined}>
      {asTable
        ? <Table label={title} head={head.map((each, at) => <Th key={each} right={at > 0}>{each}</Th>)}>
            {rows.map((row, at) => <tr key={at}>{row.map((cell, n) => <td key={n} class={n ? 'right num' : undefined}>
              {typeof cell === 'number' ? number(cell) : cell ?? '–'}</td>)}</tr>)}
          </Table>
        : children}
    </Section>
  );
}

function stackUp(values: (number | null)[][]): number[][] {
  const sums: number[] = new Array(values[0]?.length ?? 0).fill(0);
  return values.map((each) => each.map((value, at) => (sums[at] = sums[at]! + (value ?? 0))));
}

export function TimeChart({times, series, stacked, label, height = 200, unit = compact}:
    {times: number[]; series: Series[]; stacked?: boolean; label: string; height?: number; unit?: (value: number) => string}) {
  const frame = useRef<HTMLDivElement>(null);
  const theme = useTheme();
  const language = useLanguage();
  const data = useMemo(() => {
    const values = stacked ? stackUp(series.map((each) => each.values)) : series.map((each) => each.values);
    // Drawn from the top of the stack down, so that each area covers what is below it.
    return [times, ...(stacked ? values.reverse() : values)] as uPlot.AlignedData;
  }, [times, series, stacked]);

  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const ink = cssColor('--muted'), rule = cssColor('--rule'), paper = cssColor('--paper');
    const order = stacked ? [...series].reverse() : series;
    const axis = {stroke: ink, grid: {stroke: rule, width: 1}, ticks: {show: false}, font: '12px system-ui, sans-serif'};
    const spaced = times.length > 1 ? times[1]! - times[0]! : 86400;
    const tick = new Intl.DateTimeFormat(locale(), times.length > 1 && times.at(-1)! - times[0]! <= 172_800 && spaced < 86400 ? {hour: '2-digit', minute: '2-digit'} : {day: 'numeric', month: 'short'});
    const chart = new uPlot({
      width: element.clientWidth, height, legend: {show: false}, cursor: {y: false, points: {size: 6}, drag: {x: false, y: false}},
      padding: [8, 28, 0, 0],
      scales: {x: {time: true}, y: {range: (_, __, most) => [0, Math.max(1, most * 1.05)]}},
      axes: [{...axis, grid: {show: false}, size: 28, space: 72, incrs: spaced < 86400 ? [3600, 7200, 10800, 21600, 43200] : [1, 2, 7, 14, 30, 60].map((each) => each * 86400), values: (_, splits) => splits.map((each) => tick.format(each * 1000))},
        {...axis, size: 56, space: 40, values: (_, splits) => splits.map((each) => unit(each))}],
      series: [{}, ...order.map((each) => {
        const color = cssColor(each.color);
        return {label: each.name, stroke: color, width: 1.5, dash: each.dash, ...(stacked ? {points: {show: times.length < 2}} : {points: {size: 5}}),
          ...(stacked ? {fill: tint(color, paper, theme === 'dark' ? 0.4 : 0.28)} : {})};
      })],
      hooks: {setCursor: [(plot) => setAt(plot.cursor.idx ?? null)]},
    }, data, element);
    const watch = new ResizeObserver(() => chart.setSize({width: element.clientWidth, height}));
    watch.observe(element);
    return () => { watch.disconnect(); chart.destroy(); };
  }, [data, theme, language, height]);

  const [at, setAt] = useState<number | null>(null);
  const index = at ?? times.length - 1;
  return (
    <figure class="chart">
      <figcaption class="legend">
        <span class="muted when">{times[index] !== undefined && new Intl.DateTimeFormat(locale(), {day: 'numeric', month: 'short',
          ...(times.length > 1 && times[1]! - times[0]! < 86400 ? {hour: '2-digit', minute: '2-digit'} : {})}).format(times[index]! * 1000)}</span>
        {series.map((each) => <span key={each.name} class="legend-item"><i class={'swatch ' + each.color.slice(2)} aria-hidden="true" />{each.name}
          <b class="num">{each.values[index] === null || each.values[index] === undefined ? '–' : unit(each.values[index]!)}</b></span>)}
      </figcaption>
      <div ref={frame} role="img" aria-label={label} class="canvas" />
    </figure>
  );
}

export function Spark({values, hue}: {values: number[]; hue?: string}) {
  if (values.length < 2) return <svg class="spark" aria-hidden="true" />;
  const most = Math.max(...values, 1), width = 120, height = 28;
  const points = values.map((value, at) =>
    `${((at / (values.length - 1)) * (width - 4) + 2).toFixed(1)},${(height - 3 - (value / most) * (height - 6)).toFixed(1)}`);
  const [x, y] = points.at(-1)!.split(',');
  return (
    <svg class={'spark ' + (hue ?? '')} viewBox={`0 0 ${width} ${height}`} aria-hidden="true" focusable="false">
      <polyline points={points.join(' ')} fill="none" stroke="currentColor" stroke-width="1.5" stroke-linejoin="round" />
      <circle cx={x} cy={y} r="2.5" fill="currentColor" />
    </svg>
  );
}

/** Parts of a whole side by side; the numbers stand beside it, so that it is hidden from readers. */
export function Shares({parts}: {parts: [hue: string, value: number][]}) {
  const whole = parts.reduce((sum, [, value]) => sum + value, 0);
  return (
    <svg class="shares" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" focusable="false">
      {whole > 0 && parts.reduce<{x: number; out: Children[]}>(({x, out}, [hue, value]) => {
        const width = (value / whole) * 100;
        return {x: x + width, out: [...out, <rect key={hue} class={hue} x={x} y="0" width={Math.max(0, width)} height="6" />]};
      }, {x: 0, out: []}).out}
    </svg>
  );
}

/** Two kinds in one bar: what counts is solid; what stands apart is hatched and above it. */
export function HatchedBars({times, solid, hatched, solidName, hatchedName, label}:
    {times: number[]; solid: number[]; hatched: number[]; solidName: string; hatchedName: string; label: string}) {
  const pattern = useId();
  const width = 720, height = 120, most = Math.max(1, ...solid.map((each, at) => each + (hatched[at] ?? 0))), step = width / Math.max(1, times.length);
  const tall = (value: number) => (value / most) * (height - 4);
  const spaced = times.length > 1 ? times[1]! - times[0]! : 86400;
  const name = new Intl.DateTimeFormat(locale(), spaced < 86400 ? {hour: '2-digit', minute: '2-digit'} : {day: 'numeric', month: 'short'});
  const every = Math.max(1, Math.ceil(times.length / 8));
  return (
    <figure class="chart">
      <figcaption class="legend"><span class="legend-item"><i class="swatch accent" aria-hidden="true" />{solidName}</span><span class="legend-item"><i class="swatch hatched" aria-hidden="true" />{hatchedName}</span></figcaption>
      <svg class="bars" viewBox={`0 0 ${width} ${height + 18}`} role="img" aria-label={label}>
        <defs><pattern id={pattern} width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><line x1="0" y1="0" x2="0" y2="5" class="hatch" /></pattern></defs>
        <line x1="0" x2={width} y1={height} y2={height} class="rail-line" />
        {times.map((each, at) => {
          const low = tall(solid[at] ?? 0), up = tall(hatched[at] ?? 0), x = at * step + step * 0.15, wide = Math.max(1, step * 0.7);
          return <g key={each}><title>{`${name.format(each * 1000)}: ${solidName} ${number(solid[at] ?? 0)}, ${hatchedName} ${number(hatched[at] ?? 0)}`}</title>
            <rect x={x} y={height - low} width={wide} height={low} class="solid" /><rect x={x} y={height - low - up} width={wide} height={up} fill={`url(#${pattern})`} class="hatched" />
            {at % every === 0 && <text x={x} y={height + 14}>{name.format(each * 1000)}</text>}</g>;
        })}
      </svg>
    </figure>
  );
}
