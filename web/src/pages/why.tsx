// "Why?": what a refusal means in plain words, who must act, and the fix.
import type {Schema} from '../api/client';
import {useApi} from '../api/use';
import {hasWords, t, type Key} from '../words';
import {toldBy} from '../words/bounce';

type Recipient = Schema['EmailRecipient'];
const unhappy = ['deferred', 'bounced', 'failed', 'expired', 'held'];
/** The contract's names of actors, where they are others than the table's. */
const actors: Record<string, string> = {receiver: 'postmaster', admin: 'server'};

/** What an attempt said of a refusal: its hint tells more than its class. */
export interface Judged { hint?: string; class?: string; permanent?: boolean; rule?: string }

export function Why({recipient, judged}: {recipient: Recipient; judged?: Judged}) {
  const told = recipient.explanation;
  const open = !told && unhappy.includes(recipient.status) && !!recipient.last_reply;
  const asked = useApi('/explain', {query: {reply: recipient.last_reply ?? '', provider: recipient.provider}, when: open && !judged?.hint && !judged?.class});
  const answer = told ?? (asked.data as Schema['Explanation'] | undefined);
  const hint = answer?.hint || answer?.class || (open && (judged?.hint || judged?.class)) || '';
  const words = toldBy(hint);
  if (!words && !answer) return null;
  const who = actors[answer?.who ?? ''] ?? answer?.who ?? words?.who ?? '';
  const again = ['deferred', 'queued'].includes(recipient.status);
  const rule = answer?.rule ?? judged?.rule;
  return (
    <div class="why">
      <p><b>{t('why.title')}</b> {words?.cause ?? answer?.cause}</p>
      <p><b>{t('why.fix')}</b> {words?.fix ?? answer?.fix}</p>
      <p class="muted">{hasWords('who.' + who) && t(('who.' + who) as Key)}{again && ' ' + t('why.again')}
        {answer?.suppresses && ' ' + t('why.suppressed')}{rule && <> <span class="small">{t('why.rule')} <code>{rule}</code></span></>}</p>
    </div>
  );
}
