// How deep the queue was, and how long mail took.
import {useMemo} from 'preact/hooks';
import type {Schema} from '../api/client';
import {useApi} from '../api/use';
import {hrefOf, inScope} from '../router';
import {sum, useScope, useStats, useTimeline, type Row} from '../stats';
import {Figure, TimeChart} from '../ui/chart';
import {milliseconds, number, t, useLanguage} from '../words';

const figures = ['latency_p50_ms', 'latency_p90_ms', 'latency_p95_ms', 'latency_p99_ms'] as const;
const nameOf = (figure: string) => /p\d+/.exec(figure)![0];

/** A figure of milliseconds by what it says: half of mail, nine in ten… */
export function Percentiles({row}: {row?: Row}) {
  return (
    <dl class="percentiles">{figures.map((each) => (
      <div key={each}><dt>{t(`latency.${nameOf(each)}` as 'latency.p50')}</dt><dd class="num">{row?.[each] === null || row?.[each] === undefined ? '–' : milliseconds(Number(row[each]))}</dd></div>))}</dl>
  );
}

export function DeliveryTime({rows}: {rows?: Row[]}) {
  const scope = useScope();
  const language = useLanguage();
  const total = useStats('total');
  const line = useTimeline(rows, scope.since);
  const series = useMemo(() => [{name: t('latency.p50'), color: '--accent', values: line.maybe('latency_p50_ms')},
    {name: t('latency.p95'), color: '--hold', values: line.maybe('latency_p95_ms'), dash: [4, 4]}], [line, language]);
  return (
    <Figure id="delivery" title={t('overview.delivery')} head={[t('word.time'), 'p50 ms', 'p90 ms', 'p95 ms', 'p99 ms']}
      rows={rows && sum(rows, 'delivered') ? line.labels.map((each, at) => [each, ...figures.map((one) => line.maybe(one)[at] ?? null)]) : []}>
      <Percentiles row={total.data?.data[0]} />
      <TimeChart times={line.times} series={series} unit={milliseconds} label={t('overview.delivery')} height={140} />
    </Figure>
  );
}

type Sample = NonNullable<Schema['QueueStats']['history']>[number];

export function QueueDepth({queue}: {queue?: Schema['QueueStats']}) {
  const history = useApi('/queue/stats', {query: {history: true}, every: 60_000});
  const language = useLanguage();
  const samples: Sample[] = history.data?.history ?? [];
  const column = (name: 'waiting' | 'deferred') => samples.map((each) => each[name]);
  const series = useMemo(() => [{name: t('overview.waiting'), color: '--accent', values: column('waiting')}, {name: t('status.deferred'), color: '--wait', values: column('deferred')}], [history.data, language]);
  const times = useMemo(() => samples.map((each) => Date.parse(each.at) / 1000), [history.data]);
  const age = queue?.oldest_at ? milliseconds(Math.max(0, Date.now() - Date.parse(queue.oldest_at))) : '–';
  return (
    <Figure id="depth" title={t('overview.depth')} more={<a href={inScope(hrefOf('queue'))}>{t('nav.queue')}</a>} head={[t('word.time'), t('overview.waiting'), t('status.deferred')]}
      rows={samples.map((each) => [each.at, each.waiting, each.deferred])}>
      <dl class="percentiles">
        {([['overview.waiting', queue?.messages], ['status.active', queue?.active], ['status.held', queue?.held]] as const).map(([key, value]) => (
          <div key={key}><dt>{t(key)}</dt><dd class="num">{value === undefined ? '–' : number(value)}</dd></div>))}
        <div><dt>{t('queue.oldest_one')}</dt><dd class="num">{age}</dd></div></dl>
      {samples.length > 1 ? <TimeChart times={times} series={series} label={t('overview.depth')} height={140} />
        : history.data?.history && <p class="note">{t('overview.no_depth')}</p>}
    </Figure>
  );
}
