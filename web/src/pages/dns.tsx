// What each domain needs in DNS, what is there, and the words to put into the provider's panel.
import {useState} from 'preact/hooks';
import {address, change, type Schema} from '../api/client';
import {useApi} from '../api/use';
import {setQuery, usePlace} from '../router';
import {doing} from '../ui/notice';
import {Button, Copy, Section, Shown, Status, Table, Th, Time} from '../ui/parts';
import {t} from '../words';

type Advised = Schema['DnsRecord'];
const topics = ['mx', 'spf', 'dkim', 'dmarc', 'ptr', 'mta-sts', 'tls-rpt'];
const states = ['wrong', 'missing', 'cannot tell', 'ok'];

const worst = (records: Advised[]) => states.find((each) => records.some((one) => (one.state ?? 'cannot tell') === each)) ?? 'cannot tell';
/** "SPF of the host" is of spf, "MTA-STS host" of mta-sts, "TLS-RPT" and "tlsrpt" of tls-rpt. */
const topicOf = (topic: string) => topics.find((each) => topic.toLowerCase().replace(/[\s_]/g, '-').replace('tlsrpt', 'tls-rpt').startsWith(each)) ?? topic.toLowerCase();

export function Dns() {
  const domains = useApi('/domains');
  const {query} = usePlace();
  const all = domains.data?.data ?? [];
  const chosen = query.get('at') ?? (all.length === 1 ? all[0]!.name : '');
  return (
    <>
      <Section title={t('system.dns')}>
        <p class="muted">{t('system.dns.lead')}</p>
        <Shown of={domains}>{(data) => data.data.length === 0 ? <p class="note">{t('system.no_domains')}</p> : (
          <Table label={t('system.dns')} head={<><Th>{t('word.domain')}</Th><Th>{t('word.status')}</Th>{topics.map((each) => <Th key={each}>{each.toUpperCase()}</Th>)}<Th>{t('dns.checked')}</Th></>}>
            {data.data.map((each) => {
              const checks = each.checks ?? [];
              return (
                <tr key={each.id} data-row aria-selected={chosen === each.name}><th scope="row"><button type="button" class="link" aria-expanded={chosen === each.name} onClick={() => setQuery({at: chosen === each.name ? null : each.name}, 'replace')}>{each.name}</button></th>
                  <td><Status of={each.status} /></td>
                  {topics.map((topic) => { const own = checks.filter((one) => topicOf(one.topic) === topic); return <td key={topic}>{own.length ? <Status of={worst(own)} quiet /> : <span class="muted">–</span>}</td>; })}
                  <td><Time at={each.checked_at} /></td></tr>);
            })}
          </Table>)}</Shown>
      </Section>
      {chosen && <Records key={chosen} domain={chosen} asked={domains.reload} />}
    </>
  );
}

function Records({domain, asked}: {domain: string; asked: () => void}) {
  const [busy, setBusy] = useState(false);
  const dns = useApi('/domains/{id}/dns', {fill: {id: domain}, query: {check: true}});
  const verify = async () => {
    setBusy(true);
    await doing(() => change('POST', address('/domains/{id}/verify', {id: domain})));
    dns.reload();
    asked();
    setBusy(false);
  };
  return (
    <Section title={t('system.records', {domain})} aside={<><a href={address('/domains/{id}/dns', {id: domain}, {format: 'zone'})} download={`${domain}.zone`}>{t('system.zone')}</a> <Button onClick={verify} disabled={busy} aria-busy={busy}>{t('action.check_now')}</Button></>}>
      <Shown of={dns} missing={t('state.missing')}>{(data) => <>
        <p class="lead"><Count records={data.records} /></p>
        {data.records.map((each, at) => <Record key={each.topic + at} record={each} />)}
        {data.notes.map((each) => <p class="note" key={each}>{each}</p>)}
        {data.mta_sts_policy && <details class="record"><summary><b>{t('dns.policy')}</b></summary>
          <div class="snippet"><pre tabIndex={0} aria-label={t('dns.policy')}>{data.mta_sts_policy}</pre><Copy text={data.mta_sts_policy} label={t('dns.policy')} /></div></details>}</>}</Shown>
    </Section>
  );
}

function Count({records}: {records: Advised[]}) {
  const wanted = records.filter((each) => each.required), good = wanted.filter((each) => each.state === 'ok').length;
  return <>{t('dns.count', {good, count: wanted.length})}</>;
}

function Record({record}: {record: Advised}) {
  const open = record.required && (record.state === 'wrong' || record.state === 'missing');
  return (
    <details class="record" open={open}>
      <summary><Status of={record.state ?? 'cannot tell'} /> <b>{record.topic}</b> <span class="mono cut grow">{record.type} {record.name}</span>{!record.required && <span class="muted">{t('system.optional')}</span>}</summary>
      <p class="muted">{record.why}</p>
      <dl class="facts column">
        <div><dt>{t('word.name')}</dt><dd><code class="value">{record.name}</code> <Copy text={record.name} label={`${record.topic}: ${t('word.name')}`} /></dd></div>
        <div><dt>{t('system.wanted')}</dt><dd>{record.value ? <><code class="value">{record.type} {record.value}</code> <Copy text={record.value} label={`${record.topic}: ${t('system.wanted')}`} /></> : '–'}</dd></div>
        {record.found !== undefined && <div><dt>{t('system.found')}</dt><dd>{record.found ? <code class="value">{record.found}</code> : '–'}</dd></div>}
        {record.fix && record.state !== 'ok' && <div><dt>{t('system.fix')}</dt><dd>{record.fix}</dd></div>}</dl>
    </details>
  );
}
