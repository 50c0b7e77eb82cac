// Providers: how long each takes, what it takes, puts off and refuses, hour by hour.
import {useMemo} from 'preact/hooks';
import {hrefOf, inScope, setQuery, usePlace} from '../router';
import {stepOf, sum, useScope, useStats, useTimeline, type Row} from '../stats';
import {Figure, Shares, TimeChart} from '../ui/chart';
import {Heat, type Cell} from '../ui/heat';
import {Missing, Num, Section, Shown, Table, Th} from '../ui/parts';
import {locale, milliseconds, number, percent, t, useLanguage} from '../words';

const count = (row: Row | undefined, name: keyof Row) => Number(row?.[name] ?? 0);
const tried = (row: Row | undefined) => count(row, 'delivered') + count(row, 'deferred') + count(row, 'bounced');

export function Providers() {
  const scope = useScope();
  const stats = useStats('provider', {limit: 200});
  const time = useStats(stepOf(scope.since));
  const line = useTimeline(time.data?.data, scope.since);
  const language = useLanguage();
  const series = useMemo(() => [{name: t('latency.p50'), color: '--accent', values: line.maybe('latency_p50_ms')}, {name: t('latency.p95'), color: '--hold', values: line.maybe('latency_p95_ms'), dash: [4, 4]}], [line, language]);
  const rows = (stats.data?.data ?? []).filter((row) => tried(row) > 0).sort((a, b) => tried(b) - tried(a));
  return (
    <>
      <Section title={t('deliver.providers')}>
        <Shown of={stats}>{() => rows.length === 0 ? <p class="note">{t('overview.no_providers')}</p> : (
          <Table label={t('deliver.providers')} head={<><Th>{t('word.provider')}</Th><Th right>{t('status.delivered')}</Th><Th right>%</Th><Th right>{t('status.deferred')}</Th><Th right>{t('status.bounced')}</Th>
            <Th right>p50</Th><Th right>p95</Th><Th right>p99</Th><Th><span class="hidden">{t('word.shares')}</span></Th></>}>
            {rows.map((row) => (
              <tr key={row.provider} data-row><th scope="row">{row.provider ? <a href={inScope(`${hrefOf('activity')}?q=${encodeURIComponent('provider:' + row.provider)}`)}>{row.provider}</a> : t('word.other')}</th>
                <Num>{number(count(row, 'delivered'))}</Num><Num>{percent(count(row, 'delivered'), count(row, 'delivered') + count(row, 'bounced'))}</Num>
                <Num>{number(count(row, 'deferred'))}</Num><Num>{number(count(row, 'bounced'))}</Num>
                {(['latency_p50_ms', 'latency_p95_ms', 'latency_p99_ms'] as const).map((each) => <Num key={each}>{row[each] ? milliseconds(Number(row[each])) : '–'}</Num>)}
                <td class="share-cell"><Shares parts={[['good', count(row, 'delivered')], ['wait', count(row, 'deferred')], ['bad', count(row, 'bounced')]]} /></td></tr>))}
          </Table>)}</Shown>
      </Section>
      <HeatMap />
      <TlsShare rows={rows} />
      <Figure id="latency" title={t('deliver.latency')} head={[t('word.time'), 'p50 ms', 'p95 ms']} rows={time.data ? line.labels.map((each, at) => [each, ...series.map((one) => one.values[at] ?? null)]) : []}>
        {time.data ? <TimeChart times={line.times} series={series} unit={milliseconds} label={t('deliver.latency')} height={160} /> : <Missing what={time.state === 'loading' ? t('state.loading') : undefined} />}
      </Figure>
      <Hours />
    </>
  );
}

// ---------------------------------------------------------------- how connections were secured
const verified = ['tls_pkix', 'tls_mta_sts', 'tls_dane'] as const;
const secured = ['tls_opportunistic', ...verified] as const;

function TlsShare({rows}: {rows: Row[]}) {
  const all = (row: Row, names: readonly string[]) => names.reduce((whole, name) => whole + Number(row[name] ?? 0), 0);
  const known = rows.filter((row) => all(row, ['tls_none', ...secured]) > 0);
  // A server that does not count it says nothing of it.
  if (!known.length) return null;
  const total = known.reduce<Record<string, number>>((sums, row) => {
    for (const name of ['tls_none', ...secured, 'tls_1_3']) sums[name] = (sums[name] ?? 0) + Number(row[name] ?? 0);
    return sums;
  }, {});
  const lines: [string, Row][] = [[t('tls.all'), total as Row], ...known.map((row): [string, Row] => [String(row.provider || t('word.other')), row])];
  return (
    <Figure id="tls" title={t('tls.title')} head={[t('word.provider'), t('tls.none'), t('tls.opportunistic'), 'PKIX', 'MTA-STS', 'DANE', 'TLS 1.3']}
      rows={lines.map(([name, row]) => [name, ...['tls_none', ...secured, 'tls_1_3'].map((each) => Number(row[each] ?? 0))])}>
      <Table label={t('tls.title')} head={<><Th>{t('word.provider')}</Th><Th right>{t('tls.encrypted')}</Th><Th right>{t('tls.verified')}</Th><Th right>DANE</Th><Th right>MTA-STS</Th><Th right>TLS 1.3</Th><Th><span class="hidden">{t('word.shares')}</span></Th></>}>
        {lines.map(([name, row], at) => {
          const none = all(row, ['tls_none']), encrypted = all(row, secured), whole = none + encrypted;
          return (
            <tr key={name} data-row><th scope="row">{at ? name : <b>{name}</b>}</th><Num>{percent(encrypted, whole)}</Num><Num>{percent(all(row, verified), whole)}</Num>
              <Num>{number(all(row, ['tls_dane']))}</Num><Num>{number(all(row, ['tls_mta_sts']))}</Num><Num>{percent(all(row, ['tls_1_3']), whole)}</Num>
              <td class="share-cell"><Shares parts={[['good', all(row, verified)], ['accent', all(row, ['tls_opportunistic'])], ['wait', none]]} /></td></tr>);
        })}
      </Table>
      <p class="legend"><span><i class="swatch good" aria-hidden="true" />{t('tls.verified')}</span><span><i class="swatch accent" aria-hidden="true" />{t('tls.opportunistic')}</span><span><i class="swatch wait" aria-hidden="true" />{t('tls.none')}</span></p>
    </Figure>
  );
}

// ---------------------------------------------------------------- provider by hour or day
type Metric = 'deferred' | 'bounced' | 'slow';
const metrics: Metric[] = ['deferred', 'bounced', 'slow'];
const mostProviders = 12;
/** Of attempts; of what was settled; half a minute is as dark as it gets. */
const valueOf: Record<Metric, (row: Row) => number | null> = {
  deferred: (row) => (tried(row) ? count(row, 'deferred') / tried(row) : null),
  bounced: (row) => (count(row, 'delivered') + count(row, 'bounced') ? count(row, 'bounced') / (count(row, 'delivered') + count(row, 'bounced')) : null),
  slow: (row) => (row.latency_p95_ms === null || row.latency_p95_ms === undefined ? null : Number(row.latency_p95_ms)),
};
const darkest: Record<Metric, number> = {deferred: 0.5, bounced: 0.2, slow: 60_000};
const hues: Record<Metric, string> = {deferred: 'wait', bounced: 'bad', slow: 'hold'};

function HeatMap() {
  const scope = useScope();
  const {query} = usePlace();
  const metric = metrics.find((each) => each === query.get('heat')) ?? 'deferred';
  const step = stepOf(scope.since);
  const stats = useStats(`${step},provider`, {since: scope.since === '365d' ? '90d' : scope.since});
  const language = useLanguage();
  const {times, labels} = useTimeline(undefined, scope.since === '365d' ? '90d' : scope.since);
  const show = metric === 'slow' ? milliseconds : (value: number) => percent(value, 1);
  const {rows, columns} = useMemo(() => {
    const byProvider = new Map<string, Map<string, Row>>();
    for (const row of stats.data?.data ?? []) {
      if (!row.provider || !tried(row)) continue;
      const own = byProvider.get(row.provider) ?? new Map<string, Row>();
      own.set(String(step === 'hour' ? row.hour : row.day).slice(0, step === 'hour' ? 13 : 10), row);
      byProvider.set(row.provider, own);
    }
    const whole = (own: Map<string, Row>) => [...own.values()].reduce((all, row) => all + tried(row), 0);
    const busy = [...byProvider].sort(([, a], [, b]) => whole(b) - whole(a)).slice(0, mostProviders);
    const name = new Intl.DateTimeFormat(locale(), step === 'hour' ? {hour: '2-digit', minute: '2-digit'} : {day: 'numeric', month: 'short', timeZone: 'UTC'});
    const heads = times.map((each) => name.format(each * 1000));
    return {columns: heads, rows: busy.map(([provider, own]) => ({name: provider, cells: labels.map((label, at): Cell => {
      const row = own.get(label.slice(0, step === 'hour' ? 13 : 10)), value = row ? valueOf[metric](row) : null;
      return {value, title: `${provider}, ${heads[at]}: ${value === null ? '–' : show(value)}${row ? ` (${number(tried(row))})` : ''}`};
    })}))};
  }, [stats.data, metric, language, step, labels]);
  return (
    <Figure id="heat" title={t('heat.title')} head={[t('word.provider'), ...columns]} rows={rows.map((row) => [row.name, ...row.cells.map((each) => (each.value === null ? null : show(each.value)))])}
      more={<span class="chips inline" role="group" aria-label={t('heat.metric')}>{metrics.map((each) => <button key={each} type="button" aria-pressed={each === metric} onClick={() => setQuery({heat: each === 'deferred' ? null : each}, 'replace')}>{t(`heat.${each}`)}</button>)}</span>}>
      {rows.length === 0 ? <p class="note">{stats.state === 'loading' ? t('state.loading') : t('overview.no_providers')}</p>
        : <Heat label={`${t('heat.title')}: ${t(`heat.${metric}`)}`} rows={rows} columns={columns} hue={hues[metric]} most={darkest[metric]} low={show(0)} high={`≥ ${show(darkest[metric])}`} />}
    </Figure>
  );
}

/** When mail goes: hours of a week. */
function Hours() {
  const stats = useStats('hour', {since: '30d'});
  const language = useLanguage();
  const grid = useMemo(() => {
    const cells = Array.from({length: 7}, () => new Array<number>(24).fill(0));
    for (const row of stats.data?.data ?? []) {
      const at = new Date(String(row.hour));
      if (!Number.isNaN(at.getTime())) cells[(at.getDay() + 6) % 7]![at.getHours()]! += count(row, 'accepted');
    }
    return cells;
  }, [stats.data]);
  const mostly = Math.max(1, ...grid.flat());
  const name = new Intl.DateTimeFormat(language, {weekday: 'short', timeZone: 'UTC'});
  const days = Array.from({length: 7}, (_, at) => name.format(Date.UTC(2024, 0, 1 + at)));
  if (!stats.data || sum(stats.data.data, 'accepted') === 0) return null;
  return (
    <Figure id="hours" title={t('deliver.hours')} head={['', ...Array.from({length: 24}, (_, at) => String(at))]} rows={days.map((each, at) => [each, ...grid[at]!])}>
      <Heat label={t('deliver.hours')} hue="accent" most={mostly} low="1" high={number(mostly)} columns={Array.from({length: 24}, (_, at) => String(at))}
        rows={grid.map((row, y) => ({name: days[y]!, cells: row.map((value, x) => ({value: value || null, title: `${days[y]} ${x}:00 – ${number(value)}`}))}))} />
    </Figure>
  );
}
