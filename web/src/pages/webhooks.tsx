// Webhooks: endpoints, what each was sent and answered, dead letters, and sending again.
import {useEffect, useState} from 'preact/hooks';
import {address, change, type Schema} from '../api/client';
import {useApi} from '../api/use';
import {setQuery, usePlace} from '../router';
import {Confirm} from '../ui/confirm';
import {complain, doing} from '../ui/notice';
import {Button, Copy, Dialog, Due, Field, Num, Section, Shown, Status, Table, Th, Time} from '../ui/parts';
import {milliseconds, named, number, t} from '../words';

const hookEvents = ['email.received_for_delivery', 'email.sent', 'email.delivered', 'email.delivery_delayed', 'email.bounced', 'email.complained', 'email.opened', 'email.clicked',
  'email.suppressed', 'email.unsubscribed', 'email.failed', 'email.held', 'email.canceled'];
const usual = new Set(['email.delivered', 'email.bounced', 'email.complained']);

const states = ['pending', 'delivered', 'failed'] as const;

export function Webhooks() {
  const {query} = usePlace();
  const hooks = useApi('/webhooks', {every: 30_000});
  const [making, setMaking] = useState(false);
  const [secret, setSecret] = useState('');
  const open = query.get('hook');
  const chosen = hooks.data?.data.find((each) => each.id === open);
  return (
    <Section title={t('hooks.title')} aside={<Button onClick={() => setMaking(true)}>{t('hooks.make')}…</Button>}>
      <p class="muted">{t('hooks.lead')}</p>
      {secret && <div class="note fresh" role="status"><p>{t('hooks.secret')}</p><p><code class="token">{secret}</code> <Copy text={secret} label={t('hooks.secret_name')} /></p></div>}
      <Shown of={hooks}>{(data) => data.data.length === 0 ? <div class="empty"><p class="big">{t('hooks.none')}</p><p class="muted">{t('hooks.none.hint')}</p></div> : (
        <Table label={t('hooks.title')} head={<><Th>{t('word.status')}</Th><Th>{t('hooks.endpoint')}</Th><Th>{t('hooks.events')}</Th><Th>{t('hooks.strip')}</Th><Th right>{t('hooks.backlog')}</Th></>}>
          {data.data.map((each) => (
            <tr key={each.id} data-row aria-selected={open === each.id}><td><Status of={each.status} /></td><th scope="row" class="cut"><button type="button" class="link" aria-expanded={open === each.id} onClick={() => setQuery({hook: open === each.id ? null : each.id}, 'replace')}>{each.endpoint}</button></th>
              <td class="cut">{each.events.map((one) => named('status.', one.replace('email.', ''))).join(', ')}</td><td><Strip of={each.recent ?? []} /></td><Num>{each.backlog ?? 0}</Num></tr>))}
        </Table>)}</Shown>
      {chosen && <Hook hook={chosen} reload={hooks.reload} shown={setSecret} />}
      {making && <NewHook close={() => setMaking(false)} made={(hook) => { setSecret(hook.signing_secret ?? ''); setMaking(false); hooks.reload(); }} />}
    </Section>
  );
}

function Strip({of}: {of: NonNullable<Schema['Webhook']['recent']>}) {
  const good = of.filter((each) => each.status && each.status < 300).length;
  if (!of.length) return <span class="muted">–</span>;
  return <span class="strip" title={t('hooks.strip_title', {good, count: of.length})}><span class="hidden">{t('hooks.strip_title', {good, count: of.length})}</span>
    {of.slice(-24).map((each, at) => <i key={at} class={each.status && each.status < 300 ? 'good' : 'bad'} aria-hidden="true" />)}</span>;
}

function Hook({hook, reload, shown}: {hook: Schema['Webhook']; reload: () => void; shown: (secret: string) => void}) {
  const {query} = usePlace();
  const state = states.find((each) => each === query.get('deliveries')) ?? '';
  const deliveries = useApi('/webhooks/{id}/events', {fill: {id: hook.id}, query: {limit: 50, state}, every: 15_000});
  const [asked, setAsked] = useState<'remove' | 'rotate' | 'replay' | null>(null);
  const [tested, setTested] = useState<Schema['WebhookAttempt'] | null>(null);
  const fill = {id: hook.id}, open = query.get('delivery');
  const test = async () => setTested((await doing(() => change<Schema['WebhookAttempt']>('POST', address('/webhooks/{id}/test', fill)))) ?? null);
  const turn = async () => { await doing(() => change('PATCH', address('/webhooks/{id}', fill), {status: hook.status === 'enabled' ? 'disabled' : 'enabled'})); reload(); };
  const rotate = async () => { const next = await doing(() => change<Schema['Webhook']>('POST', address('/webhooks/{id}/signing-secret/rotate', fill))); if (next?.signing_secret) shown(next.signing_secret); };
  const remove = async () => { await doing(() => change('DELETE', address('/webhooks/{id}', fill)), t('hooks.removed')); setQuery({hook: null, delivery: null, deliveries: null}, 'replace'); reload(); };
  const replay = async (event: string) => { await doing(() => change('POST', address('/webhooks/{id}/events/{event}/replay', {id: hook.id, event})), t('hooks.replayed')); deliveries.reload(); };
  const day = hook.last_24h;
  return (
    <div class="detail">
      <h3 class="cut">{hook.endpoint}</h3>
      {hook.disabled_reason && <p class="note failed">{hook.disabled_reason}</p>}
      <dl class="percentiles">
        <div><dt>{t('hooks.day_delivered')}</dt><dd class="num">{day?.delivered === undefined ? '–' : number(day.delivered)}</dd></div>
        <div><dt>{t('hooks.day_failed')}</dt><dd class="num">{day?.failed === undefined ? '–' : number(day.failed)}</dd></div>
        <div><dt>{t('hooks.backlog')}</dt><dd class="num">{number(hook.backlog ?? 0)}</dd></div>
        <div><dt>{t('hooks.format')}</dt><dd>{hook.format ?? 'native'}</dd></div></dl>
      <div class="buttons"><Button onClick={test}>{t('hooks.test')}</Button><Button onClick={turn}>{t(hook.status === 'enabled' ? 'hooks.off' : 'hooks.on')}</Button>
        <Button onClick={() => setAsked('replay')}>{t('hooks.replay_failed')}…</Button><Button onClick={() => setAsked('rotate')}>{t('hooks.rotate')}…</Button><Button kind="danger" onClick={() => setAsked('remove')}>{t('action.delete')}…</Button></div>
      {tested && <div class="note fresh" role="status"><Attempt of={tested} /></div>}
      <div class="chips" role="group" aria-label={t('hooks.deliveries')}>{(['', ...states] as const).map((each) => (
        <button key={each} type="button" aria-pressed={each === state} onClick={() => setQuery({deliveries: each || null}, 'replace')}>{t(each ? `hooks.state.${each}` : 'view.all')}</button>))}</div>
      <Shown of={deliveries} missing={t('state.missing')}>{(data) => data.data.length === 0 ? <p class="note">{t(state ? 'deliver.none' : 'hooks.no_events')}</p> : (
        <Table label={t('hooks.deliveries')} head={<><Th>{t('word.status')}</Th><Th>{t('word.event')}</Th><Th right>{t('fact.tries')}</Th><Th>{t('hooks.answer')}</Th><Th>{t('message.next')}</Th><Th>{t('word.time')}</Th><Th><span class="hidden">{t('word.actions')}</span></Th></>}>
          {data.data.flatMap((each) => [
            <tr key={each.id} data-row aria-selected={open === each.id}><td><Status of={each.state === 'failed' ? 'dead' : each.state} /></td>
              <th scope="row"><button type="button" class="link" aria-expanded={open === each.id} onClick={() => setQuery({delivery: open === each.id ? null : each.id}, 'replace')}>{named('status.', each.type.replace('email.', ''))}</button> <span class="mono small muted">{each.id}</span></th>
              <Num>{each.attempts}</Num><td class="cut">{each.last_status ?? each.last_error ?? '–'}</td><td><Due at={each.next_attempt_at} /></td><td><Time at={each.created_at} /></td>
              <td class="right"><Button kind="link" onClick={() => replay(each.id)} aria-label={`${t('hooks.replay')}: ${each.id}`}>{t('hooks.replay')}</Button></td></tr>,
            ...(open === each.id ? [<tr key={each.id + '-attempts'}><td colSpan={7}><Attempts hook={hook.id} event={each.id} /></td></tr>] : [])])}
        </Table>)}</Shown>
      {asked === 'remove' && <Confirm title={t('hooks.ask_remove')} means={t('hooks.means_remove', {count: hook.backlog ?? 0})} action={t('action.delete')} danger run={remove} close={() => setAsked(null)} />}
      {asked === 'rotate' && <Confirm title={t('hooks.ask_rotate')} means={t('hooks.means_rotate')} action={t('hooks.rotate')} run={rotate} close={() => setAsked(null)} />}
      {asked === 'replay' && <ReplayFailed hook={hook.id} close={() => setAsked(null)} done={() => { deliveries.reload(); reload(); }} />}
    </div>
  );
}

/** What the endpoint answered, and when; the first octets of what it said. */
function Attempt({of}: {of: Schema['WebhookAttempt']}) {
  const good = !!of.status && of.status < 300;
  return <><p><Status of={good ? 'delivered' : 'failed'} quiet /> <b class="num">{of.status ?? of.error ?? '–'}</b> <span class="muted num">{milliseconds(of.ms)}</span> <Time at={of.at} /></p>
    {of.response && <pre class="answer-text" tabIndex={0} aria-label={t('hooks.answer')}>{of.response}</pre>}</>;
}

function Attempts({hook, event}: {hook: string; event: string}) {
  const attempts = useApi('/webhooks/{id}/events/{event}/attempts', {fill: {id: hook, event}});
  return <Shown of={attempts} missing={t('state.missing')}>{(data) => data.data.length === 0 ? <p class="note">{t('hooks.no_attempts')}</p>
    : <ol class="attempts" aria-label={t('hooks.attempts')}>{data.data.map((each, at) => <li key={at}><Attempt of={each} /></li>)}</ol>}</Shown>;
}

/** The dead letters, counted first. */
function ReplayFailed({hook, close, done}: {hook: string; close: () => void; done: () => void}) {
  const [count, setCount] = useState<number | null>(null);
  const url = address('/webhooks/{id}/replay', {id: hook});
  useEffect(() => void change<{count: number}>('POST', url, {state: 'failed', dry_run: true}).then((each) => setCount(each.count), (error) => { complain(error); close(); }), []);
  const run = async () => { await doing(() => change('POST', url, {state: 'failed'}), t('hooks.replayed')); done(); close(); };
  return (
    <Dialog title={t('hooks.replay_failed')} close={close}>
      <p class="big num" aria-live="polite">{count === null ? t('state.loading') : t('hooks.failed_count', {count})}</p>
      <p class="muted">{t('hooks.means_replay')}</p>
      <div class="buttons"><Button kind="main" disabled={!count} onClick={run}>{t('hooks.replay')}</Button><Button onClick={close}>{t('action.back')}</Button></div>
    </Dialog>
  );
}

function NewHook({close, made}: {close: () => void; made: (hook: Schema['Webhook']) => void}) {
  const submit = async (event: Event) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const hook = await doing(() => change<Schema['Webhook']>('POST', address('/webhooks'), {endpoint: String(data.get('endpoint')).trim(), events: data.getAll('event'), format: data.get('format')}));
    if (hook) made(hook);
  };
  return (
    <Dialog title={t('hooks.make')} close={close} wide>
      <form onSubmit={submit}>
        <Field label={t('hooks.endpoint')}><input name="endpoint" type="url" required placeholder="https://example.pl/goniec" autocomplete="off" /></Field>
        <fieldset class="grid-choices"><legend>{t('hooks.events')}</legend>{hookEvents.map((each) => <label class="choice" key={each}><input type="checkbox" name="event" value={each} defaultChecked={usual.has(each)} /> {named('status.', each.replace('email.', ''))}</label>)}</fieldset>
        <Field label={t('hooks.format')}><select name="format">{['native', 'postmark', 'sendgrid', 'mailgun', 'emaillabs'].map((each) => <option key={each}>{each}</option>)}</select></Field>
        <div class="buttons"><button class="main" type="submit">{t('hooks.make')}</button><Button onClick={close}>{t('action.back')}</Button></div>
      </form>
    </Dialog>
  );
}
