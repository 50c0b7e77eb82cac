// Developers: keys, SMTP settings, webhooks, how to send, the sandbox, templates.
import {useState} from 'preact/hooks';
import {address, change, type Schema} from '../api/client';
import {useApi} from '../api/use';
import {hrefOf} from '../router';
import {useSession} from '../session';
import {doing} from '../ui/notice';
import {Button, Copy, Dialog, Field, PageHead, Section, Shown, Status, Table, Tabs, Th, Time} from '../ui/parts';
import {named, t, useLanguage, type Key} from '../words';
import {Snippets} from './first_send';
import {Templates} from './templates';
import {Webhooks} from './webhooks';

export function Developers() {
  useLanguage();
  return (
    <>
      <PageHead title={t('nav.developers')}><a class="button" href="/api/v1/openapi.json" download="goniec-openapi.json">OpenAPI</a></PageHead>
      <Tabs name="tab" label={t('nav.developers')} tabs={[
        ['keys', t('keys.title'), () => <Keys />],
        ['smtp', 'SMTP', () => <Smtp />],
        ['webhooks', t('hooks.title'), () => <Webhooks />],
        ['snippets', t('developers.snippets'), () => <Snippets />],
        ['sandbox', t('sandbox.title'), () => <Sandbox />],
        ['templates', t('templates.title'), () => <Templates />],
      ]} />
    </>
  );
}

// ---------------------------------------------------------------- keys
const scopes = ['send', 'read', 'manage'] as const;

function Keys() {
  const keys = useApi('/api-keys');
  const [making, setMaking] = useState(false);
  const [token, setToken] = useState('');
  const [revoking, setRevoking] = useState<Schema['Key'] | null>(null);
  const revoke = async (each: Schema['Key']) => {
    await doing(() => change('DELETE', address('/api-keys/{id}', {id: each.id})), t('keys.revoked', {name: each.name}));
    setRevoking(null);
    keys.reload();
  };
  const made = (key: Schema['CreatedKey']) => { setToken(key.token); setMaking(false); keys.reload(); };
  return (
    <Section title={t('keys.title')} aside={<Button onClick={() => setMaking(true)}>{t('keys.make')}…</Button>}>
      <p class="muted">{t('keys.lead')}</p>
      {token && <div class="note fresh" role="status"><p>{t('keys.once')}</p><p><code class="token">{token}</code> <Copy text={token} label={t('keys.token')} /></p></div>}
      <Shown of={keys}>{(data) => data.data.length === 0 ? <p class="note">{t('keys.none')}</p> : (
        <Table label={t('keys.title')} head={<><Th>{t('word.name')}</Th><Th>{t('keys.token')}</Th><Th>{t('keys.scopes')}</Th><Th>{t('keys.bound')}</Th><Th>{t('keys.used')}</Th><Th>{t('word.created')}</Th><Th><span class="hidden">{t('word.actions')}</span></Th></>}>
          {data.data.map((each) => (
            <tr key={each.id} data-row><th scope="row">{each.name}{each.sandbox && <span class="tag">{t('sandbox.title')}</span>}</th><td class="mono">{each.hint ? each.hint + '…' : '–'}</td>
              <td>{each.scopes.map((one) => named('scope.', one)).join(', ')}</td><td>{[each.domain, each.stream, ...(each.networks ?? [])].filter(Boolean).join(', ') || '–'}</td>
              <td><Time at={each.last_used_at} />{each.last_used_from && <span class="muted mono small"> {each.last_used_from}</span>}</td><td><Time at={each.created_at} /></td>
              <td class="right"><Button kind="link" onClick={() => setRevoking(each)} aria-label={`${t('keys.revoke')}: ${each.name}`}>{t('keys.revoke')}</Button></td></tr>))}
        </Table>)}</Shown>
      {making && <NewKey close={() => setMaking(false)} made={made} />}
      {revoking && <Dialog title={t('keys.revoke_ask', {name: revoking.name})} close={() => setRevoking(null)}><p class="muted">{t('keys.revoke_means')}</p>
        <div class="buttons"><Button kind="danger" onClick={() => revoke(revoking)}>{t('keys.revoke')}</Button><Button onClick={() => setRevoking(null)}>{t('action.back')}</Button></div></Dialog>}
    </Section>
  );
}

function NewKey({close, made}: {close: () => void; made: (key: Schema['CreatedKey']) => void}) {
  const submit = async (event: Event) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string) => String(data.get(name) ?? '').trim();
    const body = {name: text('name'), scopes: data.getAll('scope'), ...(text('domain') ? {domain: text('domain')} : {}), ...(text('stream') ? {stream: text('stream')} : {}), ...(data.get('sandbox') ? {sandbox: true} : {})};
    const key = await doing(() => change<Schema['CreatedKey']>('POST', address('/api-keys'), body));
    if (key) made(key);
  };
  return (
    <Dialog title={t('keys.make')} close={close}>
      <form onSubmit={submit}>
        <Field label={t('word.name')}><input name="name" required maxLength={100} autocomplete="off" /></Field>
        <fieldset><legend>{t('keys.scopes')}</legend>{scopes.map((each) => <label class="choice" key={each}><input type="checkbox" name="scope" value={each} defaultChecked={each === 'send'} /> {t(`scope.${each}`)} <span class="muted">{t(`scope.${each}.means`)}</span></label>)}</fieldset>
        <Field label={t('word.domain')} hint={t('keys.domain_hint')}><input name="domain" autocomplete="off" /></Field>
        <Field label={t('word.stream')}><input name="stream" autocomplete="off" /></Field>
        <label class="choice"><input type="checkbox" name="sandbox" /> {t('keys.sandbox')}</label>
        <div class="buttons"><button class="main" type="submit">{t('keys.make')}</button><Button onClick={close}>{t('action.back')}</Button></div>
      </form>
    </Dialog>
  );
}

// ---------------------------------------------------------------- SMTP
/** What a program asks for, with this server's own name and ports. */
function Smtp() {
  const session = useSession();
  const keys = useApi('/api-keys');
  const host = session?.hostname ?? location.hostname, smtp = session?.smtp;
  const rows: [string, string, string][] = [[t('smtp.host'), host, ''],
    ...(smtp?.submission ? [[t('smtp.port'), String(smtp.submission), 'STARTTLS']] as [string, string, string][] : []),
    ...(smtp?.submissions ? [[t('smtp.port'), String(smtp.submissions), t('smtp.implicit')]] as [string, string, string][] : []),
    [t('smtp.user'), 'api', t('smtp.any_user')], [t('login.password'), t('first.your_key'), t('smtp.password')], [t('smtp.methods'), 'PLAIN, LOGIN', t('smtp.after_tls')]];
  const senders = (keys.data?.data ?? []).filter((each) => each.scopes.includes('send'));
  return (
    <Section title={t('smtp.title')}>
      <p class="muted">{t('smtp.lead')}</p>
      <dl class="settings">{rows.map(([name, value, note], at) => <div key={at}><dt>{name}</dt><dd><code class="value">{value}</code>{note !== t('smtp.password') && note !== t('smtp.after_tls') && <> <Copy text={value} label={`${name} ${value}`} /></>} <span class="muted">{note}</span></dd></div>)}</dl>
      {keys.data && <p class="note">{senders.length ? t('smtp.keys', {count: senders.length, names: senders.slice(0, 3).map((each) => each.name).join(', ')}) : t('keys.none')} <a href={hrefOf('developers')}>{t('keys.title')}</a></p>}
      <p class="note">{t('smtp.accounts')}</p>
    </Section>
  );
}

// ---------------------------------------------------------------- sandbox
const magic = ['delivered', 'hard', 'soft', 'greylist', 'slow', 'rate', 'complaint', 'autoreply'] as const;

function Sandbox() {
  const mails = useApi('/emails', {query: {sandbox: true, limit: 20}, follow: true});
  const host = useSession()?.hostname ?? location.hostname;
  return (
    <Section title={t('sandbox.title')}>
      <p class="muted">{t('sandbox.lead', {host})}</p>
      <details><summary>{t('sandbox.magic')}</summary><dl class="facts column">{magic.map((each) => <div key={each}><dt class="mono">{each}@</dt><dd>{t(`sandbox.${each}` as Key)}</dd></div>)}</dl></details>
      <Shown of={mails}>{(data) => data.data.length === 0 ? <p class="note">{t('sandbox.none')}</p> : <ul class="rows">{data.data.map((each) => (
        <li key={each.id} data-row><Status of={each.status} quiet /><span class="grow cut"><a href={hrefOf('message', each.id)}>{each.subject || t('message.no_subject')}</a> <span class="muted">{each.to.join(', ')}</span></span><Time at={each.created_at} /></li>))}</ul>}</Shown>
    </Section>
  );
}
