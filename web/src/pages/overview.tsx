// Overview: four numbers against the time before, what needs somebody, what became of mail, the queue,
// delivery times, providers, the live tail.
import {onEvent, recent, useLiveState, type LiveEvent} from '../api/live';
import {useApi} from '../api/use';
import {useEffect, useMemo, useRef, useState} from 'preact/hooks';
import {hrefOf, inScope} from '../router';
import {stepOf, sum, useBefore, useScope, useStats, useTimeline, type Row} from '../stats';
import {Figure, Shares, Spark, TimeChart} from '../ui/chart';
import {Missing, Num, PageHead, Section, Shown, Status, Table, Th, Time, type Children} from '../ui/parts';
import {compact, locale, milliseconds, number, percent, t, useLanguage, type Key} from '../words';
import {FirstSend} from './first_send';
import {Attention} from './overview_attention';
import {DeliveryTime, QueueDepth} from './overview_flow';

export function Overview() {
  useLanguage();
  const scope = useScope();
  const stats = useStats(stepOf(scope.since));
  const queue = useApi('/queue/stats', {every: 15_000, follow: true});
  // Who saw the page of the first mail sees it turn green, too.
  const beginning = useRef(false);
  const any = useApi('/emails', {query: {limit: 1}, follow: true, every: beginning.current ? 5000 : 60_000});
  const nothingYet = any.state === 'ready' && any.data!.data.length === 0 && sum(stats.data?.data, 'accepted') === 0;
  if (nothingYet) beginning.current = true;
  if (beginning.current) return <FirstSend first={any.data?.data[0]} />;
  const rows = stats.data?.data;
  return (
    <>
      <PageHead title={t('nav.overview')} />
      <Numbers rows={rows} since={scope.since} deferred={queue.data?.deferred} missing={stats.state === 'missing' || stats.state === 'failed'} />
      <Attention />
      <Outcomes rows={rows} since={scope.since} state={stats.state} />
      <div class="columns even">
        <QueueDepth queue={queue.data} />
        <DeliveryTime rows={rows} />
      </div>
      <div class="columns even">
        <Providers />
        <Ticker />
      </div>
    </>
  );
}

/** More or less than in the time before, and whether that is good. */
function Change({now, before, points, good}: {now: number; before?: number; points?: boolean; good?: 'more' | 'less'}) {
  const {since} = useScope();
  if (before === undefined || (!points && before === 0)) return null;
  const change = points ? now - before : (now - before) / before;
  const size = new Intl.NumberFormat(locale(), points ? {maximumFractionDigits: 1} : {style: 'percent', maximumFractionDigits: Math.abs(change) < 0.1 ? 1 : 0}).format(Math.abs(points ? change * 100 : change));
  const flat = Math.abs(change) < 0.0005, up = change > 0;
  const hue = flat || !good ? '' : up === (good === 'more') ? 'good' : 'bad';
  return <span class={'change num ' + hue}><span aria-hidden="true">{flat ? '=' : up ? '▲' : '▼'}</span>
    {flat ? t('change.flat', {span: t(`before.${since}` as Key)}) : t(up ? 'change.more' : 'change.less', {size: points ? t('change.points', {size}) : size, span: t(`before.${since}` as Key)})}</span>;
}

const share = (part: number, whole: number) => (whole ? part / whole : 0);

function Numbers({rows, since, deferred, missing}: {rows?: Row[]; since: string; deferred?: number; missing: boolean}) {
  const line = useTimeline(rows, since);
  const before = useBefore('total')?.[0];
  const count = (name: 'accepted' | 'delivered' | 'bounced') => sum(rows, name), then = (name: 'accepted' | 'delivered' | 'bounced') => Number(before?.[name] ?? 0);
  const settled = count('delivered') + count('bounced'), settledThen = then('delivered') + then('bounced');
  const known = rows !== undefined && !missing;
  const shareThen = (name: 'delivered' | 'bounced') => (settledThen ? share(then(name), settledThen) : undefined);
  const numbers: [label: string, value: string, note: string, change: Children, spark: number[], hue: string, href: string][] = [
    [t('number.accepted'), known ? compact(count('accepted')) : '–', t('number.recipients', {count: count('accepted')}), <Change now={count('accepted')} before={before && then('accepted')} />, line.column('accepted'), '', hrefOf('activity')],
    [t('number.delivered'), known ? percent(count('delivered'), settled) : '–', t('number.recipients', {count: count('delivered')}), <Change now={share(count('delivered'), settled)} before={shareThen('delivered')} points good="more" />, line.column('delivered'), 'good', hrefOf('activity') + '?q=status:delivered'],
    [t('number.deferred'), deferred === undefined ? '–' : compact(deferred), t('number.deferred.note'), null, line.column('deferred'), 'wait', hrefOf('queue')],
    [t('number.bounced'), known ? percent(count('bounced'), settled) : '–', t('number.recipients', {count: count('bounced')}), <Change now={share(count('bounced'), settled)} before={shareThen('bounced')} points good="less" />, line.column('bounced'), 'bad', hrefOf('deliverability') + '?tab=bounces'],
  ];
  return (
    <ul class="numbers" aria-label={t('number.all')}>
      {numbers.map(([label, value, note, change, spark, hue, href]) => (
        <li key={label}><a href={inScope(href)}>
          <span class="label">{label}</span><span class="value num">{value}</span>
          <span class="foot"><span class="muted">{note}</span>{known && change}<Spark values={known ? spark : []} hue={hue} /></span></a></li>))}
    </ul>
  );
}

function Outcomes({rows, since, state}: {rows?: Row[]; since: string; state: string}) {
  const line = useTimeline(rows, since);
  const language = useLanguage();
  const parts = [['delivered', '--good'], ['deferred', '--wait'], ['bounced', '--bad'], ['suppressed', '--hold']] as const;
  const series = useMemo(() => parts.map(([name, color]) => ({name: t(`status.${name}`), color, values: line.column(name)})), [line, language]);
  const head = [t('word.time'), ...parts.map(([name]) => t(`status.${name}`))];
  const table = line.labels.map((each, at) => [each, ...series.map((one) => one.values[at] ?? 0)]);
  return (
    <Figure id="outcomes" title={t('overview.outcomes')} head={head} rows={rows ? table : []}>
      {state === 'missing' || state === 'failed' ? <Missing />
        : <TimeChart times={line.times} series={series} stacked label={t('overview.outcomes.label', {
            delivered: sum(rows, 'delivered'), deferred: sum(rows, 'deferred'), bounced: sum(rows, 'bounced')})} />}
    </Figure>
  );
}

function Ticker() {
  const [events, setEvents] = useState<LiveEvent[]>(() => recent.slice(0, 8));
  const live = useLiveState();
  const first = useApi('/events', {query: {limit: 8}});
  useEffect(() => onEvent(() => setEvents(recent.slice(0, 8))), []);
  const known = new Set(events.map((each) => each.id));
  const all = [...events, ...(first.data?.data ?? []).filter((each) => !known.has(each.id))].slice(0, 8);
  return (
    <Section title={t('overview.live')} aside={<span class={'muted live-state ' + live.state}>{t(`live.${live.wanted ? live.state : 'off'}`)}</span>}>
      {all.length === 0 ? (first.state === 'missing' ? <Missing /> : <p class="note">{t('overview.silence')}</p>)
        : <ol class="rows ticker" aria-live="off">{all.map((each) => <TickerRow key={each.id} event={each} />)}</ol>}
    </Section>
  );
}

function TickerRow({event}: {event: LiveEvent}) {
  const id = event.data.email_id ?? event.data.queue_id;
  const subject = event.data.subject || t('message.no_subject');
  return (
    <li><Status of={event.type.replace('email.', '')} quiet />
      <span class="grow cut">{id ? <a href={hrefOf('message', id)}>{subject}</a> : event.type} <span class="muted">{event.data.to?.[0] ?? ''}</span></span>
      <Time at={event.created_at} /></li>
  );
}

function Providers() {
  const stats = useStats('provider', {limit: 200});
  const rows = stats.data?.data ?? [];
  const order = rows.filter((row) => row.provider && Number(row.delivered ?? 0) + Number(row.deferred ?? 0) + Number(row.bounced ?? 0) > 0)
    .sort((a, b) => Number(b.delivered ?? 0) - Number(a.delivered ?? 0)).slice(0, 8);
  return (
    <Section title={t('overview.providers')} aside={<a href={inScope(hrefOf('deliverability'))}>{t('action.more')}</a>}>
      <Shown of={stats}>{() => order.length === 0 ? <p class="note">{t('overview.no_providers')}</p> : (
        <Table label={t('overview.providers')} head={<><Th>{t('word.provider')}</Th><Th right>{t('status.delivered')}</Th>
          <Th right>%</Th><Th right>p95</Th><Th><span class="hidden">{t('word.shares')}</span></Th></>}>
          {order.map((row) => {
            const delivered = Number(row.delivered ?? 0), deferred = Number(row.deferred ?? 0), bounced = Number(row.bounced ?? 0);
            return (
              <tr key={row.provider}><th scope="row"><a href={inScope(`${hrefOf('activity')}?q=${encodeURIComponent('provider:' + row.provider)}`)}>{row.provider}</a></th>
                <Num>{number(delivered)}</Num><Num>{percent(delivered, delivered + bounced)}</Num>
                <Num>{row.latency_p95_ms ? milliseconds(row.latency_p95_ms) : '–'}</Num>
                <td class="share-cell" title={t('provider.shares', {delivered, deferred, bounced})}><Shares parts={[['good', delivered], ['wait', deferred], ['bad', bounced]]} /></td></tr>);
          })}
        </Table>)}</Shown>
    </Section>
  );
}
