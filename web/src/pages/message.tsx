// One message: what became of it, why, and what can be done.
import {useEffect, useMemo, useState} from 'preact/hooks';
import {address, change, getBytes, type Schema} from '../api/client';
import {useApi, type Loaded} from '../api/use';
import {useActions} from '../keys';
import {readMail, type Mail} from '../mail/mime';
import {go, hrefOf, setQuery, usePlace} from '../router';
import {doing} from '../ui/notice';
import {Button, Copy, Due, Missing, PageHead, Section, Shown, Status, Tabs, Tags, Time} from '../ui/parts';
import {Confirm} from '../ui/confirm';
import {octets, t, useLanguage} from '../words';
import {Authentication} from './message_auth';
import {Ladder, rungsOf, Secrecy} from './message_ladder';
import {Preview, Source} from './message_preview';
import {Timeline} from './message_timeline';
import {Transcript} from './message_transcript';
import {Why} from './why';

type Email = Schema['Email'];
const mostPreview = 5_000_000;

export function Message({id}: {id: string}) {
  useLanguage();
  const email = useApi('/emails/{id}', {fill: {id}, follow: true});
  const trace = useApi('/emails/{id}/trace', {fill: {id}, follow: true});
  if (!email.data && email.error) return <><PageHead title={id} /><Missing what={email.error.status === 404 ? t('message.unknown') : email.error.message} /></>;
  return (
    <Shown of={email} missing={t('message.unknown')} wait={<><PageHead title={id} /><p class="note loading" aria-busy="true">{t('state.loading')}</p></>}>{(data) => <Known email={data} trace={trace} reload={() => { email.reload(); trace.reload(); }} />}</Shown>
  );
}

function useMail(email: Email): {mail: Mail | null; raw: Uint8Array | null; error: string; load: () => void} {
  const [raw, setRaw] = useState<Uint8Array | null>(null);
  const [error, setError] = useState('');
  const small = (email.size ?? 0) <= mostPreview;
  const load = () => void getBytes(address('/emails/{id}/raw', {id: email.id})).then(setRaw, (failure) => setError(failure.status === 404 ? t('message.body_gone') : failure.message));
  useEffect(() => {
    setRaw(null);
    setError('');
    if (email.body_kept !== false && small) load();
    else setError(email.body_kept === false ? t('message.body_gone') : t('message.large', {size: octets(email.size ?? 0)}));
  }, [email.id]);
  const mail = useMemo(() => (raw ? readMail(raw) : null), [raw]);
  return {mail, raw, error, load};
}

type Act = 'retry' | 'cancel' | 'resend';
type Recipient = Schema['EmailRecipient'];
const waits = (each: Recipient) => ['queued', 'deferred', 'held', 'scheduled'].includes(each.status);
const missed = (each: Recipient) => ['bounced', 'failed', 'expired', 'suppressed', 'canceled'].includes(each.status);

function Known({email, trace, reload}: {email: Email; trace: Loaded<Schema['Trace']>; reload: () => void}) {
  const recipients: Recipient[] = email.recipients ?? email.to.map((each) => ({email: each, status: email.status}));
  const content = useMail(email);
  const [asked, setAsked] = useState<Act | null>(null);
  const waiting = recipients.some(waits), kept = email.body_kept !== false;
  const copyId = () => void navigator.clipboard?.writeText(email.queue_id).catch(() => undefined);
  useActions([...(waiting ? [{key: 'r', label: t('action.retry'), run: () => setAsked('retry')}, {label: t('action.cancel'), run: () => setAsked('cancel')}] : []),
    ...(kept ? [{label: t('action.resend'), run: () => setAsked('resend')}] : []), {key: 'c', label: t('message.copy_id'), run: copyId},
    {key: 't', label: t('message.transcript'), run: () => setQuery({tab: 'transcript'}, 'replace')}]);
  const subject = email.subject || t('message.no_subject');
  return (
    <>
      <PageHead title={subject} lead={<><Status of={email.status} /> <span class="wrap">{email.from || '<>'}</span> → <span class="wrap">{recipients.slice(0, 2).map((each) => each.email).join(', ')}</span>
        {recipients.length > 2 && ` +${recipients.length - 2}`}</>}>
        {waiting && <Button kind="main" onClick={() => setAsked('retry')}>{t('action.retry')}…</Button>}
        {waiting && <Button onClick={() => setAsked('cancel')}>{t('action.cancel')}…</Button>}
        <Button onClick={() => setAsked('resend')} disabled={!kept} title={kept ? undefined : t('message.body_gone')}>{t('action.resend')}…</Button>
      </PageHead>
      <Recipients of={recipients} email={email} trace={trace.data} reload={reload} />
      <dl class="card">
        <div><dt>{t('word.accepted')}</dt><dd><Time at={email.created_at} />{email.source && <span class="muted"> {t('message.by', {source: email.source})}</span>}</dd></div>
        {email.scheduled_at && <div><dt>{t('status.scheduled')}</dt><dd><Time at={email.scheduled_at} /></dd></div>}
        <div><dt>{t('word.queue_id')}</dt><dd class="mono">{email.queue_id} <Copy text={email.queue_id} label={t('word.queue_id')} /></dd></div>
        {email.message_id && <div><dt>Message-ID</dt><dd class="mono cut" title={email.message_id}>{email.message_id}</dd></div>}
        {email.stream && <div><dt>{t('word.stream')}</dt><dd>{email.stream}</dd></div>}
        {email.size !== undefined && <div><dt>{t('word.size')}</dt><dd class="num">{octets(email.size)}</dd></div>}
        {!!email.tags?.length && <div><dt>{t('word.tags')}</dt><dd class="tags"><Tags of={email.tags} /></dd></div>}
        {Object.entries(email.metadata ?? {}).map(([name, value]) => <div key={name}><dt class="mono">{name}</dt><dd class="wrap">{value}</dd></div>)}
      </dl>
      <Tabs name="tab" label={t('message.views')} tabs={[
        ['timeline', t('message.timeline'), () => <Shown of={trace} missing={t('message.no_timeline')}>{(data) => <Timeline trace={data} id={email.id} />}</Shown>],
        ['transcript', t('message.transcript'), () => <Transcript id={email.id} />],
        ['authentication', t('message.authentication'), () => <Authentication email={email} mail={content.mail} />],
        ['preview', t('message.preview'), () => <Preview content={content} />],
        ['source', t('message.source'), () => <Source content={content} id={email.id} />],
        ['events', t('message.events'), () => <Events id={email.id} />],
      ]} />
      {asked && <Ask act={asked} email={email} recipients={recipients} close={() => setAsked(null)} reload={reload} />}
    </>
  );
}

/** What an action will do, and to whom, before it is done. */
function Ask({act, email, recipients, close, reload}: {act: Act; email: Email; recipients: Recipient[]; close: () => void; reload: () => void}) {
  const failed = recipients.filter(missed);
  const [onlyFailed, setOnlyFailed] = useState(failed.length > 0 && failed.length < recipients.length);
  const concerned = act !== 'resend' ? recipients.filter(waits) : onlyFailed ? failed : recipients;
  const run = async () => {
    if (act !== 'resend') {
      await doing(() => change('POST', address(act === 'retry' ? '/emails/{id}/retry' : '/emails/{id}/cancel', {id: email.id})), t(act === 'retry' ? 'message.retried' : 'message.canceled'));
      return reload();
    }
    const sent = await doing(() => change<Schema['Sent']>('POST', address('/emails/{id}/resend', {id: email.id}), onlyFailed ? {to: failed.map((each) => each.email)} : {}), t('message.resent'));
    if (sent?.id) go(hrefOf('message', sent.id));
  };
  return (
    <Confirm title={t(`message.ask.${act}`)} means={t(`message.means.${act}`)} action={t(`action.${act}`)} danger={act === 'cancel'} run={run} close={close}>
      {act === 'resend' && failed.length > 0 && failed.length < recipients.length &&
        <label class="choice"><input type="checkbox" checked={onlyFailed} onChange={() => setOnlyFailed(!onlyFailed)} /> {t('message.only_failed')}</label>}
      <ul class="rows concerned">{concerned.slice(0, 8).map((each) => <li key={each.email}><Status of={each.status} quiet /><span class="grow cut">{each.email}</span></li>)}</ul>
      {concerned.length > 8 && <p class="muted">{t('message.and_more', {count: concerned.length - 8})}</p>}
    </Confirm>
  );
}

function Recipients({of, email, trace, reload}: {of: Recipient[]; email: Email; trace?: Schema['Trace']; reload: () => void}) {
  const {query} = usePlace();
  const [suppressing, setSuppressing] = useState<Recipient | null>(null);
  const chosen = query.get('recipient');
  // Who waits or failed comes first: they are what one looks for.
  const sorted = useMemo(() => [...of].sort((a, b) => rank(b) - rank(a)), [of]);
  const shownOnes = of.length > 12 && !query.get('all') ? sorted.slice(0, 12) : sorted;
  const suppress = async (each: Recipient) => {
    await doing(() => change('POST', address('/suppressions'), {email: each.email, stream: email.stream || '*', reason: 'manual', origin: 'dashboard'}), t('recipients.added', {email: each.email}));
    reload();
  };
  return (
    <Section title={t('message.recipients', {count: of.length})}>
      <ul class="recipients">
        {shownOnes.map((each) => {
          const rungs = rungsOf(trace, each.email), last = rungs.at(-1);
          return (
            <li key={each.email} data-row class={chosen === each.email ? 'chosen' : ''}>
              <div class="line"><Status of={each.status} /><b class="grow cut"><a class="quiet" href={`${hrefOf('recipients')}?check=${encodeURIComponent(each.email)}`} title={t('message.story_of', {email: each.email})}>{each.email}</a></b>
                {!!each.attempts && <span class="muted">{t('message.attempts', {count: each.attempts})}</span>}
                {each.next_attempt_at && <span>{t('message.next')} <Due at={each.next_attempt_at} /></span>}
                <Button kind="link" onClick={() => setSuppressing(each)} aria-label={`${t('action.suppress')}: ${each.email}`}>{t('action.suppress')}</Button></div>
              {each.host && <p class="small wrap"><span class="mono muted">{each.host}</span> <Secrecy tls={each.tls ?? last?.tls} required={last?.secrecy} /></p>}
              {each.last_reply && <p class="reply mono">{each.last_reply}</p>}
              <Why recipient={each} judged={last?.judged ?? (email.class ? {class: email.class} : undefined)} />
              <Ladder begin={email.created_at} rungs={rungs} next={each.next_attempt_at} />
            </li>);
        })}
      </ul>
      {shownOnes.length < of.length && <p class="more"><Button onClick={() => setQuery({all: '1'}, 'replace')}>{t('message.all_recipients', {count: of.length})}</Button></p>}
      {suppressing && <Confirm title={t('message.ask.suppress')} means={t('message.means.suppress', {email: suppressing.email, stream: email.stream || t('word.all_streams')})} action={t('action.suppress')} danger
        run={() => suppress(suppressing)} close={() => setSuppressing(null)} />}
    </Section>
  );
}

const order = ['delivered', 'relayed', 'sandboxed', 'canceled', 'queued', 'scheduled', 'suppressed', 'deferred', 'held', 'expired', 'bounced', 'complained'];
const rank = (each: Recipient) => order.indexOf(each.status);

function Events({id}: {id: string}) {
  const events = useApi('/emails/{id}/events', {fill: {id}, follow: true});
  return (
    <Shown of={events} missing={t('state.missing')}>{(data) => data.data.length === 0 ? <Missing what={t('message.no_events')} /> : (
      <ol class="rows events">{data.data.map((each) => (
        <li key={each.id}><details>
          <summary><Status of={each.type.replace('email.', '')} quiet /> <span class="muted">{each.data.to?.join(', ')}</span> <Time at={each.created_at} /></summary>
          <pre tabIndex={0} aria-label={each.type}>{JSON.stringify(each, null, 1)}</pre></details></li>))}</ol>)}</Shown>
  );
}
