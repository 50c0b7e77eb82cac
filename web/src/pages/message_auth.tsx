// SPF, DKIM and DMARC as a receiver sees them.
import type {Schema} from '../api/client';
import {decodeWords, type Mail} from '../mail/mime';
import {verdictsOf} from '../mail/verdicts';
import {Missing, Status} from '../ui/parts';
import {t} from '../words';

interface Signature { domain: string; selector: string; algorithm?: string; aligned: boolean }

/** Read off the message itself where the server tells nothing: what was signed, and by whom. */
function signaturesOf(mail: Mail | null): Signature[] {
  if (!mail) return [];
  const from = /@([^\s>]+)/.exec(decodeWords(mail.fields.find((each) => /^from$/i.test(each.name))?.value ?? ''))?.[1]?.toLowerCase() ?? '';
  return mail.fields.filter((each) => /^dkim-signature$/i.test(each.name)).map(({value}) => {
    const tag = (name: string) => new RegExp(`(?:^|;)\\s*${name}=\\s*([^;]*)`).exec(value)?.[1]?.trim() ?? '';
    const domain = tag('d').toLowerCase();
    return {domain, selector: tag('s'), algorithm: tag('a'), aligned: !!domain && (from === domain || from.endsWith('.' + domain))};
  });
}

const shownResult = (result: string) => (result === 'pass' ? 'pass' : ['fail', 'permerror', 'policy'].includes(result) ? 'fail' : 'unknown');

export function Authentication({email, mail}: {email: Schema['Email']; mail: Mail | null}) {
  const told = email.authentication;
  const signatures = told?.dkim ?? signaturesOf(mail);
  const results = told?.results ?? mail?.fields.find((each) => /^authentication-results$/i.test(each.name))?.value;
  if (!told && !mail) return <Missing what={t('message.body_gone')} />;
  return (
    <dl class="auth">
      <div><dt>DKIM</dt><dd>{signatures.length === 0 ? <p>{t('auth.unsigned')}</p> : <ul class="rows">{signatures.map((each) => (
        <li key={each.domain + each.selector}><Status of={each.aligned ? 'pass' : 'unknown'} quiet />
          <span class="grow"><code>{each.selector}._domainkey.{each.domain}</code> <span class="muted">{each.algorithm}</span> {each.aligned ? t('auth.aligned') : t('auth.not_aligned')}</span></li>))}</ul>}</dd></div>
      <div><dt>SPF</dt><dd>{told?.spf ? <p><Status of={told.spf.result ?? 'unknown'} quiet /> {told.spf.domain} {told.spf.aligned ? t('auth.aligned') : t('auth.not_aligned')}</p> : <p class="muted">{t('auth.spf_unknown')}</p>}</dd></div>
      <div><dt>DMARC</dt><dd>{told?.dmarc ? <p><Status of={told.dmarc.result ?? 'unknown'} quiet /> p={told.dmarc.policy}</p>
        : <p>{signatures.some((each) => each.aligned) ? t('auth.dmarc_by_dkim') : t('auth.dmarc_unknown')}</p>}</dd></div>
      {results && <div><dt>{t('auth.received')}</dt><dd>
        <ul class="rows">{verdictsOf(results).map((each, at) => <li key={at}><Status of={shownResult(each.result)} quiet /><b>{each.method.toUpperCase()}</b> <span class="mono small">{each.result}</span>
          <span class="muted mono small wrap grow">{each.about}</span></li>)}</ul>
        <p class="reply mono">{results}</p></dd></div>}
    </dl>
  );
}
