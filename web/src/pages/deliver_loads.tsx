// Opens and clicks, honestly: what machines load by themselves stands apart, hatched, and is in no share.
import {useMemo} from 'preact/hooks';
import {useApi} from '../api/use';
import {stepOf, sum, useScope, useStats, useTimeline} from '../stats';
import {Figure, HatchedBars} from '../ui/chart';
import {Section, Status} from '../ui/parts';
import {compact, number, percent, t, useLanguage} from '../words';

export function Loads() {
  const scope = useScope();
  const language = useLanguage();
  const stats = useStats(stepOf(scope.since));
  const streams = useApi('/streams');
  const line = useTimeline(stats.data?.data, scope.since);
  const rows = stats.data?.data, delivered = sum(rows, 'delivered');
  const kinds = [['opened', 'opened_machine'], ['clicked', 'clicked_machine']] as const;
  const bars = useMemo(() => kinds.map(([people, machine]) => ({people: line.column(people), machine: line.column(machine)})), [line, language]);
  const tracking = (streams.data?.data ?? []).filter((each) => each.track?.opens || each.track?.clicks);
  return (
    <>
      <ul class="numbers two" aria-label={t('number.all')}>{kinds.map(([people, machine]) => (
        <li key={people}><div class="number"><span class="label">{t(`loads.${people}`)}</span><span class="value num">{compact(sum(rows, people))}</span>
          <span class="foot"><span class="muted">{t('loads.share', {share: percent(sum(rows, people), delivered)})}</span>
            <span class="muted"><i class="swatch hatched" aria-hidden="true" />{t('loads.machine', {count: sum(rows, machine)})}</span></span></div></li>))}</ul>
      {kinds.map(([people], at) => (
        <Figure key={people} id={people} title={t(`loads.${people}`)} head={[t('word.time'), t('loads.people'), t('loads.machines')]}
          rows={line.labels.map((each, n) => [each, bars[at]!.people[n] ?? 0, bars[at]!.machine[n] ?? 0])}>
          {Math.max(...bars[at]!.people, ...bars[at]!.machine) === 0 ? <p class="note">{t('loads.none')}</p>
            : <HatchedBars times={line.times} solid={bars[at]!.people} hatched={bars[at]!.machine} solidName={t('loads.people')} hatchedName={t('loads.machines')} label={t('loads.label', {people: number(sum(rows, people)), machines: number(sum(rows, `${people}_machine` as 'opened_machine'))})} />}
        </Figure>))}
      <Section title={t('loads.where')}>
        <p class="note">{t('loads.lead')}</p>
        {streams.data && <ul class="rows wraps">{streams.data.data.map((each) => <li key={each.id}><b class="grow">{each.name || each.id}</b>
          <Status of={each.track?.opens ? 'enabled' : 'disabled'} quiet /><span class="muted">{t('loads.opened')}</span><Status of={each.track?.clicks ? 'enabled' : 'disabled'} quiet /><span class="muted">{t('loads.clicked')}</span></li>)}</ul>}
        {streams.data && tracking.length === 0 && <p class="note">{t('loads.off')} <code>goniec stream change bulk --track-opens on --track-clicks on</code></p>}
      </Section>
    </>
  );
}
