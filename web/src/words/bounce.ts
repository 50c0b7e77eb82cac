// What a refusal means, who must act, and the fix: the server's own words (src/mail/bounce_words.cc), by
// the hint of an event or, where only its class is known, by that.
import {bounceWords} from 'bounce-words';
import {currentLanguage} from '.';

export interface Told { cause: string; fix: string; who: string }

/** "bounce.tls.wanted", "tls.wanted", "tls"; what a newer server tells apart has the words of its class. */
export function toldBy(hint: string | null | undefined): Told | null {
  if (!hint) return null;
  const bare = hint.replace(/^bounce\./, '');
  const found = bounceWords['bounce.' + bare] ?? bounceWords['bounce.' + bare.split('.')[0]];
  if (!found) return null;
  const at = currentLanguage() === 'pl' ? 1 : 0;
  return {cause: found.cause[at], fix: found.fix[at], who: found.who};
}
