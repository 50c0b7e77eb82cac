// A heat map: rows by columns, the darker the more. A cell without a value is empty, which is not zero.
import {t} from '../words';

export interface Cell { value: number | null; title: string }

export function Heat({label, rows, columns, hue, most, low, high}:
    {label: string; rows: {name: string; cells: Cell[]}[]; columns: string[]; hue: string; most: number; low: string; high: string}) {
  const left = 92, width = 640, wide = (width - left) / Math.max(1, columns.length), tall = 20;
  const every = Math.max(1, Math.ceil(columns.length / 9));
  return (
    <>
      <svg class={'heat ' + hue} viewBox={`0 0 ${width} ${rows.length * tall + 16}`} role="img" aria-label={label}>
        {rows.map((row, y) => <g key={row.name}><text x="0" y={y * tall + 13}>{row.name.slice(0, 16)}</text>
          {row.cells.map((cell, x) => <rect key={x} x={left + x * wide} y={y * tall} width={Math.max(1, wide - 2)} height={tall - 2} rx="1.5"
            class={cell.value === null ? 'none' : 'full'} style={{fillOpacity: cell.value === null ? 1 : 0.08 + 0.92 * Math.min(1, cell.value / (most || 1))}}><title>{cell.title}</title></rect>)}</g>)}
        {columns.map((name, x) => x % every === 0 && <text key={x} x={left + x * wide} y={rows.length * tall + 11}>{name}</text>)}
      </svg>
      <p class={'scale small muted ' + hue} aria-hidden="true"><i class="swatch none" /> {t('heat.none')} <span>{low}</span>
        {[0.08, 0.3, 0.55, 0.8, 1].map((each) => <i key={each} class="swatch full" style={{opacity: each}} />)} <span>{high}</span></p>
    </>
  );
}
