// Deliverability: providers, bounces by class, DNS, what others report, opens and clicks, the rules for senders.
import {useApi} from '../api/use';
import {hrefOf} from '../router';
import {Shares} from '../ui/chart';
import {Num, PageHead, Section, Shown, Status, Table, Tabs, Th} from '../ui/parts';
import {day, number, percent, t, useLanguage} from '../words';
import {Bounces} from './deliver_bounces';
import {Loads} from './deliver_loads';
import {Providers} from './deliver_providers';
import {Dns} from './dns';

export function Deliverability() {
  useLanguage();
  return (
    <>
      <PageHead title={t('nav.deliverability')} />
      <Tabs name="tab" label={t('nav.deliverability')} tabs={[
        ['providers', t('deliver.providers'), () => <Providers />],
        ['bounces', t('deliver.bounces'), () => <Bounces />],
        ['dns', t('deliver.dns'), () => <Dns />],
        ['reports', t('deliver.reports'), () => <Reports />],
        ['loads', t('deliver.loads'), () => <Loads />],
        ['rules', t('deliver.rules'), () => <Rules />],
      ]} />
    </>
  );
}

function Reports() {
  const dmarc = useApi('/reports/dmarc');
  const sources = useApi('/reports/dmarc/sources');
  const tls = useApi('/reports/tls');
  return (
    <>
      <Section title={t('deliver.dmarc_sources')}>
        <Shown of={sources}>{(data) => data.length === 0 ? <NoReports /> : (
          <Table label={t('deliver.dmarc_sources')} head={<><Th>{t('deliver.source')}</Th><Th right>{t('word.messages')}</Th><Th right>{t('deliver.passed')}</Th><Th right>DKIM</Th><Th right>SPF</Th><Th><span class="hidden">{t('word.shares')}</span></Th></>}>
            {data.map((each) => <tr key={each.source} data-row><th scope="row">{each.name || each.source}{each.name && <span class="muted mono small"> {each.source}</span>}</th>
              <Num>{number(each.messages)}</Num><Num>{percent(each.passed, each.messages)}</Num><Num>{number(each.dkim_aligned)}</Num><Num>{number(each.spf_aligned)}</Num>
              <td class="share-cell"><Shares parts={[['good', each.passed], ['bad', each.messages - each.passed]]} /></td></tr>)}
          </Table>)}</Shown>
      </Section>
      <Section title={t('deliver.dmarc')}>
        <Shown of={dmarc}>{(data) => data.length === 0 ? <p class="note">{t('deliver.none')}</p> : (
          <Table label={t('deliver.dmarc')} head={<><Th>{t('word.domain')}</Th><Th>{t('deliver.reporter')}</Th><Th>{t('word.time')}</Th><Th>p=</Th><Th right>{t('word.messages')}</Th><Th right>{t('deliver.passed')}</Th></>}>
            {[...data].reverse().slice(0, 100).map((each) => <tr key={each.reporter + each.report_id} data-row><th scope="row">{each.domain}</th><td>{each.reporter}</td><td>{day(each.begin_at)}</td><td>{each.policy}</td><Num>{number(each.messages)}</Num><Num>{percent(each.passed, each.messages)}</Num></tr>)}
          </Table>)}</Shown>
      </Section>
      <Section title={t('deliver.tls')}>
        <Shown of={tls}>{(data) => data.length === 0 ? <p class="note">{t('deliver.none')}</p> : (
          <Table label={t('deliver.tls')} head={<><Th>{t('word.domain')}</Th><Th>{t('deliver.reporter')}</Th><Th>{t('word.time')}</Th><Th>{t('deliver.policy')}</Th><Th right>{t('deliver.successful')}</Th><Th right>{t('deliver.failed')}</Th><Th>{t('deliver.failures')}</Th></>}>
            {[...data].reverse().slice(0, 100).map((each) => <tr key={each.reporter + each.report_id + each.policy} data-row><th scope="row">{each.domain}</th><td>{each.reporter}</td><td>{day(each.begin_at)}</td><td>{each.policy}</td>
              <Num>{number(each.successful)}</Num><Num>{number(each.failed)}</Num><td>{Object.entries(each.failures).map(([kind, count]) => `${kind} ${count}`).join(', ')}</td></tr>)}
          </Table>)}</Shown>
      </Section>
    </>
  );
}

const NoReports = () => <div class="empty"><p class="big">{t('deliver.no_reports')}</p><p class="muted">{t('deliver.no_reports.hint')}</p></div>;

const rules = ['auth', 'ptr', 'tls', 'unsubscribe', 'spam', 'volume'] as const;

function Rules() {
  const domains = useApi('/domains');
  const day_ = useApi('/stats', {query: {group_by: 'provider', since: '24h'}});
  const month = useApi('/stats', {query: {group_by: 'total', since: '30d'}});
  const row = month.data?.data[0];
  const settled = Number(row?.delivered ?? 0), complained = Number(row?.complained ?? 0);
  const gmail = Number(day_.data?.data.find((each) => each.provider === 'gmail')?.accepted ?? 0);
  const verified = domains.data?.data.length ? domains.data.data.every((each) => each.status === 'verified') : undefined;
  const state: Record<(typeof rules)[number], string> = {
    auth: verified === undefined ? 'cannot tell' : verified ? 'ok' : 'wrong', ptr: 'cannot tell', tls: 'ok', unsubscribe: 'cannot tell',
    spam: !month.data ? 'cannot tell' : settled < 100 ? 'cannot tell' : complained / settled < 0.001 ? 'ok' : 'wrong',
    volume: !day_.data ? 'cannot tell' : gmail < 3000 ? 'ok' : 'wrong',
  };
  return (
    <Section title={t('deliver.rules.title')}>
      <p class="lead">{t('deliver.rules.lead')}</p>
      <ul class="rows rules">{rules.map((each) => (
        <li key={each}><Status of={state[each]} /><span class="grow"><b>{each === 'auth' || each === 'ptr' ? <a href={hrefOf('deliverability') + '?tab=dns'}>{t(`rule.${each}`)}</a> : t(`rule.${each}`)}</b> <span class="muted">{t(`rule.${each}.what`, {share: percent(complained, settled), count: gmail})}</span></span></li>))}</ul>
    </Section>
  );
}
