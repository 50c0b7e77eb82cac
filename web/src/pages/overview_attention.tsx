// What needs somebody: alarms of this server and of those it sends to, each with its fix and the page to
// do it on. The worst first.
import type {Schema} from '../api/client';
import {useApi} from '../api/use';
import {hrefOf, setQuery, usePlace} from '../router';
import {Section, Status} from '../ui/parts';
import {milliseconds, named, octets, percent, t} from '../words';
import {toldBy} from '../words/bounce';

interface Trouble { hue: 'bad' | 'wait' | 'hold'; text: string; fix: string; href: string; action: string }
type Add = (hue: Trouble['hue'], text: string, fix: string, href: string, action: string) => void;

const system = hrefOf('system');
const mostShown = 4, hour = 3_600_000;
/** Refusals that are of this server, not of one recipient; and how many of them are no chance any more. */
const againstUs = ['ip_blocklisted', 'spam_reputation', 'auth_policy', 'rate_limited', 'tls', 'relay_denied'];
const fewest = 3;

function ofServer(status: Schema['Status'] | undefined, add: Add) {
  if (!status) return;
  if (status.store !== 'ok') add('bad', t('trouble.store', {state: status.store}), t(`trouble.store.${status.store}`), system + '?tab=health', t('trouble.look'));
  if (status.store === 'ok' && status.storage_free_bytes < 2e9) add('bad', t('trouble.disk', {size: octets(status.storage_free_bytes)}), t('trouble.disk.fix'), system + '?tab=storage', t('trouble.look'));
  for (const each of status.certificates ?? [])
    if (each.days < 14) add(each.days < 3 ? 'bad' : 'wait', t('trouble.certificate', {name: each.names[0] ?? each.file, days: each.days}), t('trouble.certificate.fix'), system + '?tab=certificates', t('trouble.look'));
  if ((status.projection_lag ?? 0) > 10_000) add('wait', t('trouble.lag', {count: status.projection_lag!}), t('trouble.lag.fix'), system + '?tab=health', t('trouble.look'));
}

function ofMail(row: Schema['StatsRow'] | undefined, add: Add) {
  const bounced = Number(row?.bounced ?? 0), settled = Number(row?.delivered ?? 0) + bounced, complained = Number(row?.complained ?? 0);
  if (settled < 50) return;
  if (bounced / settled > 0.05) add('bad', t('trouble.bounces', {share: percent(bounced, settled)}), t('trouble.bounces.fix'), hrefOf('deliverability') + '?tab=bounces', t('trouble.why'));
  if (complained / settled >= 0.001) add('bad', t('trouble.complaints', {share: percent(complained, settled)}), t('trouble.complaints.fix'), hrefOf('activity') + '?q=status:complained', t('trouble.who'));
}

function ofSites(rows: Schema['StatsRow'][] | undefined, add: Add) {
  const against = (rows ?? []).map((row) => ({provider: String(row.provider || ''), name: String(row.class || ''), count: Number(row.bounced ?? 0) + Number(row.deferred ?? 0)}))
    .filter((each) => againstUs.includes(each.name) && each.count >= fewest).sort((a, b) => b.count - a.count);
  for (const each of against) {
    const search = `class:${each.name}` + (each.provider ? ` provider:${each.provider}` : '');
    add(each.name === 'rate_limited' ? 'wait' : 'bad', t('trouble.site', {provider: each.provider || t('word.other'), what: named('class.', each.name), count: each.count}),
      toldBy(each.name)?.fix ?? '', `${hrefOf('activity')}?q=${encodeURIComponent(search)}`, t('trouble.see'));
  }
  const total = (name: string) => (rows ?? []).filter((row) => row.class === name).reduce((all, row) => all + Number(row.deferred ?? 0), 0);
  const delivered = (rows ?? []).reduce((all, row) => all + Number(row.delivered ?? 0), 0);
  if (total('connection') >= 5 && delivered === 0) add('bad', t('trouble.port'), t('trouble.port.fix'), hrefOf('activity') + '?q=class:connection', t('trouble.see'));
}

function ofQueue(queue: Schema['QueueStats'] | undefined, add: Add) {
  const age = queue?.oldest_at ? Date.now() - Date.parse(queue.oldest_at) : 0;
  if (age > 4 * hour) add('wait', t('trouble.queue', {age: milliseconds(age)}), t('trouble.queue.fix'), hrefOf('queue'), t('trouble.look'));
  if (queue?.held) add('hold', t('trouble.held', {count: queue.held}), t('trouble.held.fix'), hrefOf('queue') + '?state=held', t('trouble.decide'));
}

function useTroubles(): Trouble[] | null {
  const status = useApi('/status', {every: 60_000});
  const queue = useApi('/queue/stats', {every: 60_000});
  const domains = useApi('/domains', {every: 300_000});
  const hooks = useApi('/webhooks', {every: 60_000});
  const file = useApi('/config/file', {every: 300_000});
  const day = useApi('/stats', {query: {group_by: 'total', since: '24h'}, every: 60_000});
  const sites = useApi('/stats', {query: {group_by: 'provider,class', since: '24h'}, every: 60_000});
  if (status.state === 'loading' || queue.state === 'loading' || sites.state === 'loading') return null;
  const found: Trouble[] = [];
  const add: Add = (hue, text, fix, href, action) => found.push({hue, text, fix, href, action});
  ofServer(status.data, add);
  if (file.data?.problems.length) add('bad', t('trouble.config', {count: file.data.problems.length}), file.data.problems[0]!.message, system + '?tab=config', t('trouble.look'));
  ofMail(day.data?.data[0], add);
  ofSites(sites.data?.data, add);
  ofQueue(queue.data, add);
  for (const each of domains.data?.data ?? []) {
    const href = `${hrefOf('deliverability')}?tab=dns&at=${encodeURIComponent(each.name)}`;
    if (each.status === 'failed' || each.status === 'pending') add(each.status === 'failed' ? 'bad' : 'wait', t('trouble.dns', {domain: each.name}), t('trouble.dns.fix'), href, t('trouble.records'));
    if (each.status === 'not_started') add('wait', t('trouble.unchecked', {domain: each.name}), t('trouble.unchecked.fix'), href, t('action.check'));
  }
  for (const each of hooks.data?.data ?? []) {
    const href = `${hrefOf('developers')}?tab=webhooks&hook=${encodeURIComponent(each.id)}`;
    if (each.status === 'disabled' && each.disabled_reason) add('bad', t('trouble.webhook', {endpoint: each.endpoint}), t('trouble.webhook.fix', {reason: each.disabled_reason}), href, t('trouble.look'));
    else if (each.status === 'enabled' && (each.last_24h?.failed ?? 0) >= 5 && !each.last_24h?.delivered)
      add('wait', t('trouble.webhook_fails', {endpoint: each.endpoint, count: each.last_24h!.failed!}), t('trouble.webhook_fails.fix'), href, t('trouble.look'));
  }
  const rank = {bad: 0, wait: 1, hold: 2};
  return found.sort((a, b) => rank[a.hue] - rank[b.hue]);
}

export function Attention() {
  const troubles = useTroubles();
  const all = usePlace().query.get('troubles') === 'all';
  return (
    <Section title={t('overview.attention')} aside={troubles && troubles.length > mostShown && !all
      ? <button type="button" class="link" onClick={() => setQuery({troubles: 'all'}, 'replace')}>{t('overview.all_troubles', {count: troubles.length})}</button> : undefined}>
      {troubles === null ? <p class="note loading">{t('state.loading')}</p>
        : troubles.length === 0 ? <p class="note good-news"><Status of="ok" quiet /> {t('overview.calm')}</p>
        : <ul class="rows troubles">{troubles.slice(0, all ? undefined : mostShown).map((each) => (
            <li key={each.text} data-row><span class={'dot ' + each.hue} aria-hidden="true" /><span class="grow"><b>{each.text}</b><span class="muted">{each.fix}</span></span><a href={each.href}>{each.action}</a></li>))}</ul>}
    </Section>
  );
}
