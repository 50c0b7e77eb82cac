// Refusals by class in plain words, then the replies of a class, then its messages.
import {useApi} from '../api/use';
import {hrefOf, inScope, setQuery, usePlace} from '../router';
import {useScope, useStats} from '../stats';
import {Shares} from '../ui/chart';
import {Num, Section, Shown, Status, Table, Th, Time} from '../ui/parts';
import {bare} from './deliver_reply';
import {hasWords, named, number, t, type Key} from '../words';
import {toldBy} from '../words/bounce';

export function Bounces() {
  const {query} = usePlace();
  const chosen = query.get('class') ?? '';
  const stats = useStats('class', {limit: 50});
  const rows = (stats.data?.data ?? []).filter((row) => row.class && Number(row.bounced ?? 0) + Number(row.deferred ?? 0) > 0)
    .sort((a, b) => Number(b.bounced ?? 0) - Number(a.bounced ?? 0) || Number(b.deferred ?? 0) - Number(a.deferred ?? 0));
  const mostly = Math.max(1, ...rows.map((row) => Number(row.bounced ?? 0) + Number(row.deferred ?? 0)));
  return (
    <>
      <Section title={t('deliver.bounces')}>
        <Shown of={stats}>{() => rows.length === 0 ? <div class="empty"><p class="big">{t('deliver.no_bounces')}</p></div> : (
          <Table label={t('deliver.bounces')} head={<><Th>{t('word.class')}</Th><Th right>{t('status.bounced')}</Th><Th right>{t('status.deferred')}</Th><Th><span class="hidden">{t('word.shares')}</span></Th><Th>{t('deliver.means')}</Th></>}>
            {rows.map((row) => {
              const name = String(row.class), bounced = Number(row.bounced ?? 0), deferred = Number(row.deferred ?? 0), told = toldBy(name);
              return (
                <tr key={name} data-row aria-selected={chosen === name}><th scope="row"><button type="button" class="link" aria-expanded={chosen === name} onClick={() => setQuery({class: chosen === name ? null : name}, 'replace')}>{named('class.', name)}</button></th>
                  <Num>{number(bounced)}</Num><Num>{number(deferred)}</Num>
                  <td class="share-cell"><Shares parts={[['bad', bounced], ['wait', deferred], ['none', mostly - bounced - deferred]]} /></td>
                  <td class="prose">{told && <>{told.cause} <span class="muted">{hasWords('who.' + told.who) && t(('who.' + told.who) as Key)}</span></>}</td></tr>);
            })}
          </Table>)}</Shown>
      </Section>
      {chosen && <><Replies name={chosen} /><Bounced name={chosen} /></>}
    </>
  );
}

interface Line { text: string; count: number; providers: Set<string>; hint: string; last: string; id: string }
const asked = 500, mostLines = 12;

function Replies({name}: {name: string}) {
  const scope = useScope();
  const events = useApi('/events', {query: {class: name, type: 'email.bounced,email.delivery_delayed', since: scope.since, stream: scope.stream, limit: asked}});
  const fix = toldBy(name)?.fix;
  return (
    <Section title={t('deliver.replies', {name: named('class.', name)})}>
      {fix && <p class="lead"><b>{t('why.fix')}</b> {fix}</p>}
      <Shown of={events}>{(data) => {
        const lines = new Map<string, Line>();
        for (const {data: each, created_at} of data.data) {
          const text = [each.smtp?.code, each.smtp?.enhanced, bare(each.smtp?.text ?? '')].filter(Boolean).join(' ') || t('deliver.no_reply');
          const line = lines.get(text) ?? {text, count: 0, providers: new Set<string>(), hint: each.bounce?.hint ?? '', last: created_at, id: each.email_id ?? each.queue_id ?? ''};
          line.count++;
          if (each.remote?.provider) line.providers.add(each.remote.provider);
          lines.set(text, line);
        }
        const order = [...lines.values()].sort((a, b) => b.count - a.count).slice(0, mostLines);
        return order.length === 0 ? <p class="note">{t('deliver.none')}</p> : (
          <Table label={t('deliver.replies', {name})} head={<><Th>{t('deliver.reply')}</Th><Th right>{t('deliver.times')}</Th><Th>{t('word.provider')}</Th><Th>{t('deliver.means')}</Th><Th>{t('deliver.last')}</Th></>}>
            {order.map((line) => <tr key={line.text} data-row><th scope="row" class="reply mono wide-reply">{line.text}</th><Num>{number(line.count)}</Num><td>{[...line.providers].join(', ') || '–'}</td>
              <td class="prose">{toldBy(line.hint)?.cause}</td><td><a href={hrefOf('message', line.id)}><Time at={line.last} /></a></td></tr>)}
          </Table>);
      }}</Shown>
    </Section>
  );
}

function Bounced({name}: {name: string}) {
  const scope = useScope();
  const mails = useApi('/emails', {query: {class: name, since: scope.since, stream: scope.stream, limit: 20}});
  return (
    <Section title={t('word.messages')} aside={<a href={inScope(`${hrefOf('activity')}?q=${encodeURIComponent('class:' + name)}`)}>{t('action.more')}</a>}>
      <Shown of={mails}>{(data) => <ul class="rows">{data.data.map((each) => (
        <li key={each.id} data-row><Status of={each.status} quiet /><span class="grow cut"><a href={hrefOf('message', each.id)}>{each.subject || t('message.no_subject')}</a> <span class="muted">{each.to.join(', ')}</span></span><Time at={each.created_at} /></li>))}</ul>}</Shown>
    </Section>
  );
}
