// The retry ladder of one recipient: when each try came, what it was told, and when the next one comes.
import type {Schema} from '../api/client';
import {Due, Status} from '../ui/parts';
import {clock, exact, locale, milliseconds, named, t} from '../words';
import type {Judged} from './why';

type Stage = Schema['TraceStage'] & Record<string, unknown>;
export interface Rung { at: string; rule: string; reply: string; host: string; took: number; tls: Schema['TlsFacts'] | null; secrecy: string; next: string; judged: Judged }

const text = (value: unknown) => (typeof value === 'string' ? value : '');

/** The tries at a recipient, oldest first, as the trace tells them. */
export function rungsOf(trace: Schema['Trace'] | undefined, email: string): Rung[] {
  const tries = (trace?.stages ?? []).filter((each) => each.stage === 'deliver' && each.rule && (each.recipient ?? '').toLowerCase() === email.toLowerCase()) as Stage[];
  return tries.filter((each) => ['delivered', 'relayed', 'deferred', 'failed', 'expired', 'bounced'].includes(each.rule!)).map((each) => ({
    at: each.at, rule: each.rule!, reply: each.reply ?? '', host: text(each.site), took: each.ms, tls: each.tls ?? null, secrecy: text(each.tls_required),
    next: text(each.next_at), judged: {hint: text(each.hint), class: text(each.class), permanent: each.permanent === true, rule: text(each.class_rule)}}));
}

export function Ladder({begin, rungs, next}: {begin: string; rungs: Rung[]; next?: string | null}) {
  if (!rungs.length || (rungs.length === 1 && !next)) return null;
  const from = Date.parse(begin), last = Date.parse(next ?? rungs.at(-1)!.at);
  // Tries come at growing distances: a root keeps the first ones apart and the order true.
  const place = (at: string) => (last > from ? Math.sqrt(Math.max(0, Date.parse(at) - from) / (last - from)) * 96 + 2 : 50);
  return (
    <div class="ladder">
      <svg class="ladder-line" aria-hidden="true" focusable="false">
        <line x1="2%" x2="98%" y1="10" y2="10" class="rail-line" />
        <line x1="2%" x2="2%" y1="5" y2="15" class="rail-line" />
        {rungs.map((each) => <circle key={each.at} cx={`${place(each.at)}%`} cy="10" r="5" class={`rung ${hue(each.rule)}`} />)}
        {next && <circle cx={`${place(next)}%`} cy="10" r="4.5" class="rung next" />}
      </svg>
      <ol aria-label={t('ladder.title')}>
        {rungs.map((each, at) => <li key={each.at}>
          <span class="num muted">{at + 1}</span>
          <time class="num" dateTime={each.at} title={exact(each.at)}>{moment(each.at, begin)}</time>
          <span class="num muted">+{milliseconds(Math.max(0, Date.parse(each.at) - from))}</span>
          <Status of={each.rule} quiet />
          <span class="cut" title={each.reply}>{each.judged.class ? named('class.', each.judged.class) : ''} <span class="reply mono">{each.reply || each.host}</span></span></li>)}
        {next && <li class="coming"><span class="num muted">{rungs.length + 1}</span><time class="num" dateTime={next} title={exact(next)}>{moment(next, begin)}</time>
          <span /><span class="status"><span class="glyph" aria-hidden="true">○</span>{t('ladder.next')}</span><span class="muted"><Due at={next} /></span></li>}
      </ol>
    </div>
  );
}

const hue = (rule: string) => (rule === 'delivered' || rule === 'relayed' ? 'good' : rule === 'deferred' ? 'wait' : 'bad');
/** The clock; with the day, where it is another one than at the beginning. */
const moment = (at: string, begin: string) => (new Date(at).toDateString() === new Date(begin).toDateString() ? clock(at)
  : new Intl.DateTimeFormat(locale(), {day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit'}).format(new Date(at)));

/** How the connection was secured, in a word and with what proves it. */
export function Secrecy({tls, required}: {tls: Schema['TlsFacts'] | null | undefined; required?: string}) {
  const kind = !tls?.version ? 'none' : tls.verified === 'dane' || tls.verified === 'mta_sts' || tls.verified === 'pkix' ? tls.verified : 'opportunistic';
  return <span class={kind === 'none' ? 'status wait quiet' : kind === 'opportunistic' ? 'status quiet' : 'status good quiet'} title={[tls?.cipher, required].filter(Boolean).join(' · ')}>
    <span class="glyph" aria-hidden="true">{kind === 'none' ? '○' : kind === 'opportunistic' ? '◐' : '●'}</span>{t(`tls.${kind}`)}{tls?.version && <span class="muted"> {tls.version.replace('TLSv', 'TLS ')}</span>}</span>;
}
