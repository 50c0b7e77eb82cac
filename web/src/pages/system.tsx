// System: is it well, listeners, certificates, storage, the configuration in force.
import type {Schema} from '../api/client';
import {useApi} from '../api/use';
import {hrefOf, setQuery, usePlace} from '../router';
import {Shares} from '../ui/chart';
import {Num, PageHead, Section, Shown, Status, Table, Tabs, Th, type Children} from '../ui/parts';
import {day, exact, milliseconds, named, number, octets, t, useLanguage} from '../words';

export function System() {
  useLanguage();
  const status = useApi('/status', {every: 15_000});
  const lead = status.data && <>{status.data.hostname && <b>{status.data.hostname}</b>} Goniec {status.data.version} · {t('system.up', {time: milliseconds(status.data.uptime_s * 1000)})}</>;
  return (
    <>
      <PageHead title={t('nav.system')} lead={lead} />
      <Tabs name="tab" label={t('nav.system')} tabs={[
        ['health', t('system.health'), () => <Shown of={status}>{(data) => <Health status={data} />}</Shown>],
        ['listeners', t('system.listeners'), () => <Shown of={status}>{(data) => <Listeners status={data} />}</Shown>],
        ['certificates', t('system.certificates'), () => <Shown of={status}>{(data) => <Certificates status={data} />}</Shown>],
        ['storage', t('system.storage'), () => <Shown of={status}>{(data) => <Storage status={data} />}</Shown>],
        ['config', t('system.config'), () => <Config />],
      ]} />
    </>
  );
}

// ---------------------------------------------------------------- is it well
interface Check { name: string; state: string; says: Children; more?: Children }

function Health({status}: {status: Schema['Status']}) {
  const domains = useApi('/domains');
  const hooks = useApi('/webhooks');
  const file = useApi('/config/file');
  const soonest = [...status.certificates].sort((a, b) => a.days - b.days)[0];
  const kinds = new Set(status.listeners.map((each) => each.kind));
  const waiting = status.queue?.messages ?? 0, age = status.queue?.oldest_at ? Date.now() - Date.parse(status.queue.oldest_at) : 0;
  const all = domains.data?.data ?? [], verified = all.filter((each) => each.status === 'verified').length;
  const off = (hooks.data?.data ?? []).filter((each) => each.status === 'disabled' && each.disabled_reason);
  const checks: Check[] = [
    {name: t('system.store'), state: status.store, says: status.store_reason || t('health.store')},
    {name: t('system.free'), state: status.storage_free_bytes < 2e9 ? 'wrong' : 'ok', says: octets(status.storage_free_bytes), more: tabLink('storage', t('system.storage'))},
    {name: t('system.listeners'), state: kinds.has('mx') || kinds.has('submission') || kinds.has('submissions') ? 'ok' : 'wrong', says: t('health.listeners', {count: status.listeners.length}), more: tabLink('listeners', t('trouble.see'))},
    {name: t('system.certificates'), state: !soonest ? 'missing' : soonest.days < 0 ? 'expired' : soonest.days < 14 ? 'pending' : 'ok',
      says: soonest ? t('health.certificate', {name: soonest.names[0] ?? soonest.file, days: soonest.days}) : t('system.no_certificates'), more: tabLink('certificates', t('trouble.see'))},
    {name: t('nav.queue'), state: age > 4 * 3_600_000 ? 'pending' : 'ok', says: waiting ? t('health.queue', {count: waiting, age: milliseconds(age)}) : t('queue.empty'), more: <a href={hrefOf('queue')}>{t('trouble.see')}</a>},
    {name: 'DNS', state: !all.length ? 'cannot tell' : verified === all.length ? 'ok' : all.some((each) => each.status === 'failed') ? 'wrong' : 'pending',
      says: t('health.domains', {good: verified, count: all.length}), more: <a href={hrefOf('deliverability') + '?tab=dns'}>{t('trouble.records')}</a>},
    {name: t('hooks.title'), state: off.length ? 'wrong' : 'ok', says: off.length ? t('health.hooks_off', {count: off.length}) : t('health.hooks', {count: hooks.data?.data.length ?? 0}), more: <a href={hrefOf('developers') + '?tab=webhooks'}>{t('trouble.see')}</a>},
    ...(file.data ? [{name: t('system.config'), state: file.data.problems.length ? 'wrong' : file.data.changes.length ? 'pending' : 'ok', more: tabLink('config', t('trouble.see')),
      says: file.data.problems.length ? t('config.problems', {count: file.data.problems.length}) : file.data.changes.length ? t('config.changed', {count: file.data.changes.length}) : t('config.same')}] : []),
    ...(status.projection_lag === undefined ? [] : [{name: t('health.search'), state: status.projection_lag > 10_000 ? 'pending' : 'ok', says: t('health.lag', {count: status.projection_lag})}]),
  ];
  return (
    <Section title={t('system.health')} aside={<span class="muted num">{t('health.version', {version: status.version, pid: String(status.pid)})}</span>}>
      <ul class="rows rules">{checks.map((each) => <li key={each.name} data-row><Status of={each.state} /><span class="grow"><b>{each.name}</b> <span class="muted">{each.says}</span></span>{each.more}</li>)}</ul>
    </Section>
  );
}

const tabLink = (tab: string, words: string) => <a href={`${hrefOf('system')}?tab=${tab}`}>{words}</a>;

// ---------------------------------------------------------------- state of the server
function Listeners({status}: {status: Schema['Status']}) {
  return (
    <Section title={t('system.listeners')}>
      <Table label={t('system.listeners')} head={<><Th>{t('system.kind')}</Th><Th>{t('word.address')}</Th><Th>{t('system.for')}</Th></>}>
        {status.listeners.map((each) => <tr key={each.kind + each.address}><th scope="row" class="mono">{each.kind}</th><td class="mono">{each.address}</td><td class="prose muted">{named('listener.', each.kind)}</td></tr>)}
      </Table>
    </Section>
  );
}

function Certificates({status}: {status: Schema['Status']}) {
  return (
    <Section title={t('system.certificates')}>
      {status.certificates.length === 0 ? <p class="note">{t('system.no_certificates')}</p> : (
        <Table label={t('system.certificates')} head={<><Th>{t('word.status')}</Th><Th>{t('system.names')}</Th><Th>{t('system.until')}</Th><Th right>{t('system.days')}</Th><Th>{t('system.file')}</Th></>}>
          {status.certificates.map((each) => <tr key={each.file}><td><Status of={each.days < 0 ? 'expired' : each.days < 14 ? 'pending' : 'ok'} /></td><th scope="row">{each.names.join(', ')}</th><td title={exact(each.not_after)}>{day(each.not_after)}</td><Num>{number(each.days)}</Num><td class="mono small">{each.file}</td></tr>)}
        </Table>)}
    </Section>
  );
}

function Storage({status}: {status: Schema['Status']}) {
  const kinds = Object.entries(status.storage_bytes ?? {}).sort(([, a], [, b]) => b - a), whole = kinds.reduce((all, [, value]) => all + value, 0);
  return (
    <Section title={t('system.storage')}>
      <dl class="card">
        <div><dt>{t('system.store')}</dt><dd><Status of={status.store} />{status.store_reason && <p class="note failed">{status.store_reason}</p>}</dd></div>
        <div><dt>{t('system.free')}</dt><dd class="num">{octets(status.storage_free_bytes)}</dd></div>
        {status.queue && <div><dt>{t('nav.queue')}</dt><dd class="num">{number(status.queue.messages)} · {octets(status.queue.bytes)}</dd></div>}
        {status.projection_lag !== undefined && <div><dt>{t('system.lag')}</dt><dd class="num">{number(status.projection_lag)}</dd></div>}
        {Object.entries(status.retention ?? {}).map(([kind, value]) => <div key={kind}><dt>{t('system.kept', {kind})}</dt><dd>{value}</dd></div>)}
      </dl>
      {kinds.length > 0 && <Table label={t('system.used')} head={<><Th>{t('system.kind')}</Th><Th right>{t('word.size')}</Th><Th><span class="hidden">{t('word.shares')}</span></Th></>}>
        {kinds.map(([kind, value]) => <tr key={kind}><th scope="row">{named('stored.', kind)}</th><Num>{octets(value)}</Num><td class="share-cell"><Shares parts={[['accent', value], ['none', whole - value]]} /></td></tr>)}
      </Table>}
    </Section>
  );
}

/** What a reload would say of the file. */
function ConfigFile() {
  const file = useApi('/config/file', {every: 60_000});
  if (!file.data) return null;
  const {problems, changes} = file.data;
  if (problems.length) return (
    <div class="note fresh wrong" role="alert"><p><Status of="wrong" /> {t('config.problems', {count: problems.length})}</p>
      <ul>{problems.map((each) => <li key={each.line + each.message}><span class="mono small">{each.file}{each.line ? `:${each.line}` : ''}</span> {each.message}</li>)}</ul></div>);
  if (changes.length) return (
    <div class="note fresh waits"><p><Status of="pending" /> {t('config.changed', {count: changes.length})} <code>goniec reload</code></p>
      <ul>{changes.map((each) => <li key={each.key}><code>{each.key}</code> {each.now || '–'} → {each.then || '–'}</li>)}</ul></div>);
  return <p class="note"><Status of="ok" quiet /> {t('config.same')} <code>{file.data.file}</code></p>;
}

function Config() {
  const {query} = usePlace();
  const config = useApi('/config');
  const words = (query.get('q') ?? '').toLowerCase(), all = query.get('all') === '1';
  return (
    <Section title={t('system.config')} aside={<button type="button" class="link" aria-pressed={all} onClick={() => setQuery({all: all ? null : '1'}, 'replace')}>{t('system.config.all')}</button>}>
      <p class="muted">{t('system.config.lead')}</p>
      <ConfigFile />
      <input type="search" aria-label={t('action.search')} value={query.get('q') ?? ''} onInput={(event) => setQuery({q: event.currentTarget.value || null}, 'replace')} />
      <Shown of={config}>{(data) => (
        <Table label={t('system.config')} head={<><Th>{t('system.option')}</Th><Th>{t('system.value')}</Th><Th>{t('system.where')}</Th></>}>
          {data.filter((each) => (all || words || !each.default) && (!words || each.key.includes(words) || each.value.toLowerCase().includes(words))).map((each, at) => (
            <tr key={each.key + at} class={each.default ? 'muted' : ''}><th scope="row" class="mono">{each.key}{each.sentence && <span class="hint prose">{each.sentence}</span>}</th><td class="mono wrap">{each.value}</td>
              <td class="mono small">{each.default ? t('system.default') : each.line ? `${each.file ?? 'goniec.toml'}:${each.line}` : '–'}</td></tr>))}
        </Table>)}</Shown>
    </Section>
  );
}
