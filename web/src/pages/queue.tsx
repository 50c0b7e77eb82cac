// Queue: what waits by provider or domain and state, and what to do with it, counted before it is done.
import {useMemo, useState} from 'preact/hooks';
import {address, change, type Schema} from '../api/client';
import {useApi} from '../api/use';
import {useActions} from '../keys';
import {hrefOf, setQuery, usePlace} from '../router';
import {complain, say} from '../ui/notice';
import {Button, Dialog, Field, Due, PageHead, Section, Shown, Status, Table, Th, Time} from '../ui/parts';
import {milliseconds, named, number, octets, t, useLanguage} from '../words';
import {toldBy} from '../words/bounce';

type Queued = Schema['QueuedMessage'];
type Filter = Omit<Schema['QueueChange'], 'dry_run' | 'reason'>;
const actions = ['retry', 'hold', 'release', 'bounce', 'delete'] as const;
type Action = (typeof actions)[number];
const states = ['incoming', 'active', 'deferred', 'held', 'scheduled'] as const;
const groups = ['provider', 'domain', 'site'] as const;
type Group = (typeof groups)[number];
const most = 2000, mostRows = 100;

export function Queue() {
  useLanguage();
  const {query} = usePlace();
  const group = groups.find((each) => each === query.get('by')) ?? 'provider';
  const state = query.get('state') ?? '', domain = query.get('at') ?? '', stream = query.get('stream') ?? '';
  const stats = useApi('/queue/stats', {every: 15_000, follow: true});
  const page = useApi('/queue', {query: {limit: most, stream}, every: 15_000, follow: true});
  const [wanted, setWanted] = useState<{action: Action; filter: Filter} | null>(null);
  const reload = () => { stats.reload(); page.reload(); };
  const filter: Filter = {...(state ? {state: state as Filter['state']} : {}), ...(domain && group === 'domain' ? {domain} : {}), ...(stream ? {stream} : {})};
  const empty = Object.keys(filter).length === 0;
  const ask = (action: Action, more: Filter = empty ? {all: true} : filter) => setWanted({action, filter: more});
  useActions([{key: 'r', label: t('queue.retry_all'), run: () => ask('retry')}]);
  const oldest = stats.data?.oldest_at;
  return (
    <>
      <PageHead title={t('nav.queue')} lead={stats.data && stats.data.messages > 0 ? <>{t('queue.lead', {count: stats.data.messages, size: octets(stats.data.bytes)})}
        {oldest && <> {t('queue.oldest', {age: milliseconds(Date.now() - Date.parse(oldest))})}</>}</> : undefined} />
      <Shown of={page}>{(data) => data.queue.length === 0
        ? <div class="empty"><p class="big">{t('queue.empty')}</p><p class="muted">{t('queue.empty.good')}</p></div>
        : <>
          <Matrix queue={data.queue} group={group} open={ask} chosen={{state, domain}} />
          <Waiting queue={data.queue} filter={{state, domain, group}} ask={ask} />
        </>}</Shown>
      {wanted && <Confirm action={wanted.action} filter={wanted.filter} close={() => setWanted(null)} done={reload} />}
    </>
  );
}

/** "mx.wp.pl[212.77.101.4]:25" is of wp.pl; an address without a name is of nobody. */
const siteName = (site: string) => /^[^[:]*[a-z][^[:]*/i.exec(site)?.[0].split('.').slice(-2).join('.');
const groupOf = (each: Queued['recipients'][number], group: string) =>
  group === 'domain' ? each.domain : group === 'site' ? each.site || t('queue.untried') : each.provider || siteName(each.site) || each.domain;

interface Line { counts: Record<string, number>; oldest: string; next: string; reply: string; class: string; total: number; ids: Set<string> }

function Matrix({queue, group, open, chosen}: {queue: Queued[]; group: Group; open: (action: Action, filter: Filter) => void; chosen: {state: string; domain: string}}) {
  const lines = useMemo(() => {
    const found = new Map<string, Line>();
    for (const mail of queue) for (const each of mail.recipients) {
      const name = groupOf(each, group);
      const line = found.get(name) ?? {counts: {}, oldest: mail.received_at, next: '', reply: '', class: '', total: 0, ids: new Set<string>()};
      line.counts[each.state] = (line.counts[each.state] ?? 0) + 1;
      line.total++;
      if (mail.received_at < line.oldest) line.oldest = mail.received_at;
      if (each.next_at && (!line.next || each.next_at < line.next)) line.next = each.next_at;
      if (each.reply) { line.reply = each.reply; line.class = each.class ?? ''; }
      line.ids.add(mail.id);
      found.set(name, line);
    }
    return [...found].sort(([, a], [, b]) => b.total - a.total);
  }, [queue, group]);
  const cell = (name: string, state: string, count?: number) => !count ? <span class="muted">·</span> :
    <button type="button" class="link num" aria-pressed={chosen.state === state && chosen.domain === name}
      onClick={() => setQuery(chosen.state === state && chosen.domain === name ? {state: null, at: null} : {state, at: name})}>{number(count)}</button>;
  return (
    <Section title={t('queue.where')} aside={<>
      {groups.map((each) => <button key={each} type="button" class="link" aria-pressed={group === each}
        onClick={() => setQuery({by: each === 'provider' ? null : each, at: null}, 'replace')}>{t(`queue.by_${each}`)}</button>)}</>}>
      <Table label={t('queue.where')} head={<><Th>{t(`word.${group}`)}</Th>{states.map((each) => <Th key={each} right>{t(`status.${each}`)}</Th>)}
        <Th>{t('queue.oldest_one')}</Th><Th>{t('message.next')}</Th><Th>{t('queue.why')}</Th><Th><span class="hidden">{t('word.actions')}</span></Th></>}>
        {lines.slice(0, mostRows).map(([name, line]) => {
          // A provider or a host is worked out here; the server is told the ids then.
          const filter: Filter = group === 'domain' ? {domain: name} : {ids: [...line.ids]}, freed = line.counts.held ? 'release' : 'hold';
          return (
            <tr key={name} data-row><th scope="row" class="cut" title={name}>{name}</th>
              {states.map((each) => <td key={each} class="right">{cell(name, each, line.counts[each])}</td>)}
              <td><Time at={line.oldest} /></td><td><Due at={line.next} /></td><td class="why-cell"><Because line={line} /></td>
              <td class="right nowrap">
                <Button kind="link" onClick={() => open('retry', filter)} aria-label={`${t('action.retry')}: ${name}`}>{t('action.retry')}</Button>{' '}
                <Button kind="link" onClick={() => open(freed, filter)} aria-label={`${t(`action.${freed}`)}: ${name}`}>{t(`action.${freed}`)}</Button></td>
            </tr>);
        })}
      </Table>
    </Section>
  );
}

/** Why it waits: in words, where the class is known, and as the server said it. */
function Because({line, brief}: {line: {reply: string; class?: string}; brief?: boolean}) {
  const told = toldBy(line.class);
  return <>{told && <span class="block" title={told.cause}>{brief ? named('class.', line.class!) : told.cause}</span>}<span class="reply mono block cut" title={line.reply}>{line.reply}</span></>;
}

function Waiting({queue, filter, ask}: {queue: Queued[]; filter: {state: string; domain: string; group: string}; ask: (action: Action, filter?: Filter) => void}) {
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const fits = (each: Queued['recipients'][number]) => (!filter.state || each.state === filter.state) && (!filter.domain || groupOf(each, filter.group) === filter.domain);
  const found = queue.filter((mail) => mail.recipients.some(fits));
  const ids = found.filter((each) => chosen.has(each.id)).map((each) => each.id);
  const turn = (id: string) => setChosen((old) => { const set = new Set(old); if (!set.delete(id)) set.add(id); return set; });
  // A provider is worked out here; the server is told the ids then.
  const target: Filter | undefined = ids.length ? {ids} : filter.domain && filter.group !== 'domain' ? {ids: found.map((each) => each.id)} : undefined;
  const held = found.some((each) => each.state === 'held');
  return (
    <Section title={filter.state || filter.domain ? t('queue.some', {count: found.length}) : t('queue.all', {count: found.length})}
      aside={(filter.state || filter.domain) && <button type="button" class="link" onClick={() => setQuery({state: null, at: null})}>{t('action.clear')}</button>}>
      <div class="bulk quiet" role="group" aria-label={t('word.actions')}>
        <span class="muted">{ids.length ? t('activity.chosen', {count: ids.length}) : t('queue.on_all')}</span>
        {actions.filter((each) => each !== 'release' || held).map((each) => <Button key={each} kind={each === 'bounce' || each === 'delete' ? 'danger' : 'plain'} onClick={() => ask(each, target)}>{t(`action.${each}`)}…</Button>)}
      </div>
      <Table label={t('nav.queue')} class="mail-list waiting" head={<><Th><span class="hidden">{t('activity.select')}</span></Th><Th>{t('word.status')}</Th><Th>{t('word.recipient')}</Th>
        <Th>{t('word.sender')}</Th><Th right>{t('fact.tries')}</Th><Th>{t('message.next')}</Th><Th>{t('queue.why')}</Th><Th right>{t('queue.age')}</Th></>}>
        {found.slice(0, mostRows).map((mail) => {
          const each = mail.recipients.find(fits) ?? mail.recipients[0]!;
          return (
            <tr key={mail.id} data-row aria-selected={chosen.has(mail.id)}>
              <td class="check"><input type="checkbox" checked={chosen.has(mail.id)} onChange={() => turn(mail.id)} aria-label={t('activity.select_one', {subject: mail.id})} /></td>
              <td><Status of={each.state} /></td>
              <td class="cut"><a href={hrefOf('message', mail.email_id ?? mail.id)}>{each.to}</a>{mail.recipients.length > 1 && <span class="muted"> +{mail.recipients.length - 1}</span>}</td>
              <td class="cut muted">{mail.from || '<>'}</td><td class="right num" data-label={t('fact.tries')}>{each.tries}</td><td data-label={t('message.next')}><Due at={each.next_at} /></td>
              <td class="why-cell"><Because brief line={{reply: each.reply, class: each.class}} /></td><td class="right" data-label={t('queue.age')}><Time at={mail.received_at} /></td></tr>);
        })}
      </Table>
      {found.length > mostRows && <p class="note">{t('queue.first', {count: mostRows})}</p>}
    </Section>
  );
}

function Confirm({action, filter, close, done}: {action: Action; filter: Filter; close: () => void; done: () => void}) {
  const [count, setCount] = useState<{mails: number; recipients: number; domains: [string, number][]} | null>(null);
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const url = address('/queue/{action}', {action});
  useMemo(() => {
    change<Schema['QueueChanges']>('POST', url, {...filter, dry_run: true}).then(
      ({changes}) => setCount({mails: new Set(changes.map((each) => each.id)).size, recipients: changes.reduce((sum, each) => sum + each.recipients.length, 0),
        domains: [...changes.reduce((all, each) => all.set(each.domain, (all.get(each.domain) ?? 0) + each.recipients.length), new Map<string, number>())].sort(([, a], [, b]) => b - a)}),
      (error) => { complain(error); close(); });
  }, []);
  const run = async () => {
    setBusy(true);
    try {
      const {changes} = await change<Schema['QueueChanges']>('POST', url, {...filter, ...(reason ? {reason} : {})});
      const failed = changes.filter((each) => !each.done);
      say(t('queue.done', {count: new Set(changes.filter((each) => each.done).map((each) => each.id)).size}) + (failed.length ? ' ' + failed[0]!.reason : ''));
      done();
    } catch (error) { complain(error); }
    close();
  };
  return (
    <Dialog title={t(`queue.ask.${action}`)} close={close}>
      <p class="big num" aria-live="polite">{count === null ? t('state.loading') : t('queue.count', {mails: count.mails, recipients: count.recipients})}</p>
      <p class="muted">{t(`queue.means.${action}`)}</p>
      {count && count.domains.length > 0 && <ul class="rows concerned">{count.domains.slice(0, 6).map(([domain, each]) => <li key={domain}><span class="grow cut">{domain}</span><span class="num">{number(each)}</span></li>)}
        {count.domains.length > 6 && <li class="muted">{t('message.and_more', {count: count.domains.length - 6})}</li>}</ul>}
      {(action === 'bounce' || action === 'hold') && <Field label={t('queue.reason')}><input value={reason} onInput={(event) => setReason(event.currentTarget.value)} maxLength={200} /></Field>}
      <div class="buttons"><Button kind={action === 'bounce' || action === 'delete' ? 'danger' : 'main'} disabled={!count?.mails || busy} onClick={run}>{t(`action.${action}`)}</Button>
        <Button onClick={close}>{t('action.back')}</Button></div>
    </Dialog>
  );
}
