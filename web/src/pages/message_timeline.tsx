// The stages of a message with the milliseconds between them, and what delivery spent them on.
import type {Schema} from '../api/client';
import {Status} from '../ui/parts';
import {clock, exact, milliseconds, named, t} from '../words';

type Stage = Schema['TraceStage'] & Record<string, unknown>;
const outcomes = ['delivered', 'relayed', 'deferred', 'failed', 'expired', 'held', 'released', 'retried', 'deleted', 'canceled', 'suppressed',
  'complained', 'opened', 'clicked', 'unsubscribed', 'bounced'];

export function Timeline({trace}: {trace: Schema['Trace']; id: string}) {
  const stages = trace.stages as Stage[];
  const begin = stages.length ? Date.parse(stages[0]!.at) : Date.parse(trace.received_at);
  return (
    <ol class="timeline">
      {stages.map((stage, at) => {
        const before = at ? Date.parse(stages[at - 1]!.at) : begin;
        const gap = Date.parse(stage.at) - before;
        const outcome = stage.stage === 'deliver' && stage.rule && outcomes.includes(stage.rule) ? stage.rule : '';
        return (
          <li key={at} class={outcome ? 'outcome' : ''}>
            <time class="when num" dateTime={stage.at} title={exact(stage.at)}>{clock(stage.at)}{at > 0 && <span class="muted gap">+{milliseconds(Math.max(0, gap))}</span>}</time>
            <div class="what">
              <p><b>{named('stage.', stage.stage)}</b> {outcome && <Status of={outcome} quiet />} {stage.recipient && <span>{stage.recipient}</span>}</p>
              <Facts stage={stage} outcome={outcome} />
              {stage.reply && <p class="reply mono">{stage.reply}</p>}
              {stage.delays && <Gantt delays={stage.delays} />}
            </div>
          </li>);
      })}
    </ol>
  );
}

function Facts({stage, outcome}: {stage: Stage; outcome: string}) {
  const facts: [string, unknown][] = [
    [t('fact.rule'), outcome ? undefined : stage.rule], [t('fact.client'), stage.client], ['HELO', stage.helo], [t('fact.login'), stage.login],
    [t('fact.listener'), stage.listener], [t('fact.site'), stage.site], ['TLS', stage.tls && [stage.tls.version, stage.tls.cipher, stage.tls.verified && stage.tls.verified !== 'none' && t(`tls.${stage.tls.verified}`)].filter(Boolean).join(' · ')],
    [t('fact.tls_required'), stage.tls_required], [t('fact.phase'), stage.phase], [t('fact.tries'), stage.tries], [t('word.class'), typeof stage.class === 'string' && stage.class ? named('class.', stage.class) : undefined], [t('fact.took'), stage.ms >= 1 ? milliseconds(stage.ms) : undefined]];
  const known = facts.filter(([, value]) => value !== undefined && value !== null && value !== '');
  if (!known.length && !stage.next_at) return null;
  return (
    <dl class="facts">
      {known.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{typeof value === 'object' ? JSON.stringify(value) : String(value)}</dd></div>)}
      {stage.next_at && <div><dt>{t('message.next')}</dt><dd><time dateTime={stage.next_at} title={exact(stage.next_at)}>{clock(stage.next_at)}</time></dd></div>}
    </dl>
  );
}

/** Where the time of one attempt went, in seconds: in the queue, to connect, to transmit. */
function Gantt({delays}: {delays: number[]}) {
  const parts = ['queue', 'connect', 'transmit'].map((name, at): [string, number] => [name, delays[at] ?? 0]);
  const whole = parts.reduce((sum, [, value]) => sum + value, 0);
  if (!parts.length || whole <= 0) return null;
  let x = 0;
  return (
    <div class="gantt">
      <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" focusable="false">
        {parts.map(([name, value], at) => {
          const width = (value / whole) * 100, left = x;
          x += width;
          return <rect key={name} class={`part-${at % 4}`} x={left} y="0" width={width} height="4" />;
        })}
      </svg>
      <p class="muted small">{parts.map(([name, value], at) => <span key={name}><i class={`swatch part-${at % 4}`} aria-hidden="true" />{named('delay.', name)} {milliseconds(value * 1000)} </span>)}</p>
    </div>
  );
}
