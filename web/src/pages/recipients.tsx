// Recipients: who is not written to and why; "can I mail X?"; in and out as CSV.
import {useRef, useState} from 'preact/hooks';
import {address, change, getJson, type Schema} from '../api/client';
import {useApi} from '../api/use';
import {hrefOf, setQuery, usePlace} from '../router';
import {Confirm} from '../ui/confirm';
import {complain, doing, say} from '../ui/notice';
import {Button, Dialog, Field, PageHead, Section, Shown, Status, Table, Th, Time} from '../ui/parts';
import {named, t, useLanguage} from '../words';
import {toldBy} from '../words/bounce';

type Suppression = Schema['Suppression'];
const reasons = ['bad_mailbox', 'complained', 'unsubscribed', 'manual'] as const;
const importedAtOnce = 1000, mostTold = 15;

export function Recipients() {
  useLanguage();
  const {query} = usePlace();
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<Suppression | null>(null);
  const asked = {email: query.get('email') ?? '', reason: query.get('reason') ?? '', stream: query.get('stream') ?? '', limit: 100};
  const list = useApi('/suppressions', {query: asked});
  const [more, setMore] = useState<{key: string; rows: Suppression[]; next: string | null}>({key: '', rows: [], next: null});
  const key = JSON.stringify(asked), extra = more.key === key ? more : {rows: [], next: list.data?.has_more ? list.data.next ?? null : null};
  const load = async () => {
    const page = await doing(() => getJson<Schema['SuppressionList']>(address('/suppressions', {}, {...asked, after: extra.next})));
    if (page) setMore({key, rows: [...extra.rows, ...page.data], next: page.has_more ? page.next ?? null : null});
  };
  const remove = async (each: Suppression) => {
    await doing(() => change('DELETE', address('/suppressions/{id}', {id: each.id})), t('recipients.removed', {email: each.email}));
    list.reload();
  };
  const rows = [...(list.data?.data ?? []), ...extra.rows];
  return (
    <>
      <PageHead title={t('nav.recipients')} lead={t('recipients.lead')}>
        <Button onClick={() => setAdding(true)}>{t('recipients.add')}…</Button>
        <Import done={list.reload} />
        <a class="button" href={address('/suppressions/export.csv')} download="suppressions.csv">{t('action.export')}</a>
      </PageHead>
      <Check />
      <Section title={t('recipients.list')} aside={<span class="chips inline">{reasons.map((each) => (
        <button key={each} type="button" aria-pressed={asked.reason === each} onClick={() => setQuery({reason: asked.reason === each ? null : each}, 'replace')}>{t(`reason.${each}`)}</button>))}</span>}>
        <Shown of={list}>{() => rows.length === 0 ? <div class="empty"><p class="big">{t('recipients.none')}</p><p class="muted">{t('recipients.none.hint')}</p></div> : (
          <Table label={t('recipients.list')} head={<><Th>{t('word.address')}</Th><Th>{t('word.stream')}</Th><Th>{t('word.reason')}</Th><Th>{t('recipients.since')}</Th><Th>{t('recipients.evidence')}</Th><Th><span class="hidden">{t('word.actions')}</span></Th></>}>
            {rows.map((each) => (
              <tr key={each.id} data-row><th scope="row" class="cut"><button type="button" class="link" onClick={() => setQuery({check: each.email})}>{each.email}</button></th><td>{each.stream === '*' ? t('word.all_streams') : each.stream}</td>
                <td>{named('reason.', each.reason)} <span class="muted small">{named('origin.', each.origin)}</span></td><td><Time at={each.created_at} /></td>
                <td class="cut wide small"><Evidence of={each} /></td>
                <td class="right"><Button kind="link" onClick={() => setRemoving(each)} aria-label={`${t('action.remove')}: ${each.email}`}>{t('action.remove')}</Button></td></tr>))}
          </Table>)}</Shown>
        {extra.next && <p class="more"><Button onClick={load}>{t('action.load_more')}</Button></p>}
      </Section>
      {removing && <Confirm title={t('recipients.ask_remove', {email: removing.email})} means={t(`recipients.means.${removing.reason}`)} action={t('action.remove')} danger
        run={() => remove(removing)} close={() => setRemoving(null)}><Evidence of={removing} /></Confirm>}
      {adding && <Add close={() => setAdding(false)} done={list.reload} />}
    </>
  );
}

/** What put the address here: the message, and what was said. */
function Evidence({of}: {of: Suppression}) {
  return <p class="evidence">{of.email_id && <a href={hrefOf('message', of.email_id)}>{t('recipients.see')}</a>} {of.note ? <span class="muted" title={of.note}>{of.note}</span> : !of.email_id && <span class="muted">{of.event_id ?? '–'}</span>}
    {of.expires_at && <span class="muted"> {t('recipients.until')} <Time at={of.expires_at} /></span>}</p>;
}

function Check() {
  const {query} = usePlace();
  const asked = query.get('check') ?? '';
  const found = useApi('/recipients/{email}', {fill: {email: asked}, when: !!asked});
  const submit = (event: Event) => {
    event.preventDefault();
    setQuery({check: String(new FormData(event.currentTarget as HTMLFormElement).get('check') ?? '').trim()}, 'replace');
  };
  return (
    <Section title={t('recipients.check')}>
      <form class="search" role="search" onSubmit={submit}>
        <input type="search" name="check" aria-label={t('recipients.check')} placeholder="jan@example.pl" defaultValue={asked} autocomplete="off" spellcheck={false} />
        <button type="submit" class="plain">{t('action.check')}</button>
      </form>
      {asked && <div aria-live="polite"><Shown of={found} missing={t('state.missing')}>{(data) => <><Answer check={data} />{data.valid !== false && <Story email={data.email} />}</>}</Shown></div>}
    </Section>
  );
}

function Answer({check}: {check: Schema['RecipientCheck']}) {
  if (check.valid === false) return <p class="answer"><Status of="wrong" /> {t('recipients.invalid')}</p>;
  return (
    <div class="answer">
      <ul class="rows">{check.streams.map((each) => (
        <li key={each.stream}><Status of={each.allowed ? 'allowed' : 'suppressed'} /><span class="grow"><b>{each.stream === '*' ? t('word.all_streams') : each.stream}</b>{' '}
          {each.suppression && <span class="muted">{named('reason.', each.suppression.reason)}, <Time at={each.suppression.created_at} /> {each.suppression.email_id && <a href={hrefOf('message', each.suppression.email_id)}>{t('recipients.see')}</a>}</span>}</span></li>))}</ul>
      {check.streams.length === 0 && <p><Status of="allowed" /> {t('recipients.free')}</p>}
      {check.provider && <p class="muted">{t('word.provider')}: {check.provider}</p>}
      {check.last_event && <p class="muted">{t('recipients.last')}: <Status of={check.last_event.type.replace('email.', '')} quiet /> <Time at={check.last_event.created_at} /></p>}
    </div>
  );
}

/** All that happened to mail for one address, newest first. */
function Story({email}: {email: string}) {
  const events = useApi('/events', {query: {recipient: email, limit: 200}, follow: true});
  return (
    <Shown of={events}>{(data) => {
      const count = (type: string) => data.data.filter((each) => each.type === type).length;
      return (
        <div class="story">
          <h3>{t('recipients.story')}</h3>
          {data.data.length === 0 ? <p class="note">{t('recipients.no_story')}</p> : <>
            <p class="muted">{t('recipients.counts', {delivered: count('email.delivered'), bounced: count('email.bounced'), deferred: count('email.delivery_delayed'), more: data.has_more ? 'yes' : 'no'})}
              {' '}<a href={`${hrefOf('activity')}?q=${encodeURIComponent('to:' + email)}`}>{t('recipients.all_mail')}</a></p>
            <ol class="rows ticker">{data.data.slice(0, mostTold).map((each) => {
              const id = each.data.email_id ?? each.data.queue_id, told = toldBy(each.data.bounce?.hint);
              return (
                <li key={each.id} data-row><Status of={each.type.replace('email.', '')} quiet /><span class="grow"><span class="cut">{id ? <a href={hrefOf('message', id)}>{each.data.subject || t('message.no_subject')}</a> : each.type}</span>
                  {told && <span class="muted"> {told.cause}</span>}</span><Time at={each.created_at} /></li>);
            })}</ol></>}
        </div>);
    }}</Shown>
  );
}

function Add({close, done}: {close: () => void; done: () => void}) {
  const submit = async (event: Event) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const email = String(data.get('email')).trim();
    const added = await doing(() => change('POST', address('/suppressions'), {email, stream: String(data.get('stream')).trim() || '*', reason: 'manual', origin: 'dashboard', ...(data.get('note') ? {note: String(data.get('note'))} : {})}), t('recipients.added', {email}));
    if (added !== undefined) { done(); close(); }
  };
  return (
    <Dialog title={t('recipients.add')} close={close}>
      <form onSubmit={submit}>
        <Field label={t('word.address')}><input name="email" type="email" required autocomplete="off" /></Field>
        <Field label={t('word.stream')} hint={t('recipients.stream_hint')}><input name="stream" autocomplete="off" /></Field>
        <Field label={t('word.note')}><input name="note" maxLength={200} autocomplete="off" /></Field>
        <div class="buttons"><button class="main" type="submit">{t('recipients.add')}</button><Button onClick={close}>{t('action.back')}</Button></div>
      </form>
    </Dialog>
  );
}

/** A file with an address in the first column, and stream, reason in the next ones. */
function Import({done}: {done: () => void}) {
  const input = useRef<HTMLInputElement>(null);
  const take = async () => {
    const file = input.current?.files?.[0];
    if (!file) return;
    const rows = (await file.text()).split(/\r?\n/).map((line) => line.split(/[,;\t]/).map((cell) => cell.trim().replace(/^"|"$/g, ''))).filter(([email]) => email?.includes('@'));
    const data = rows.map(([email, stream, reason]) => ({email: email!, stream: stream || '*', reason: reasons.find((each) => each === reason) ?? 'manual', origin: 'import' as const}));
    let changed = 0;
    try {
      for (let at = 0; at < data.length; at += importedAtOnce)
        changed += (await change<{changed: number}>('POST', address('/suppressions/batch/{action}', {action: 'add'}), {data: data.slice(at, at + importedAtOnce)})).changed;
      say(t('recipients.imported', {count: changed}));
    } catch (error) { complain(error); }
    input.current!.value = '';
    done();
  };
  return <><input ref={input} type="file" accept=".csv,.txt,text/csv,text/plain" class="hidden" tabIndex={-1} aria-label={t('recipients.import')} onChange={take} />
    <Button onClick={() => input.current?.click()}>{t('recipients.import')}…</Button></>;
}
