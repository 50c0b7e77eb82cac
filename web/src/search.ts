// The search box: the server reads its grammar (docs/analytics.md); here it is only taken apart into the
// terms that are shown as chips, and put together again without one of them or with another.
export interface Term { text: string; name: string; value: string }

export const fields = ['to', 'from', 'subject', 'tag', 'stream', 'status', 'class', 'provider', 'has', 'is', 'id', 'message-id', 'after', 'before'] as const;

export const termsOf = (text: string): Term[] =>
  [...text.matchAll(/(?:([a-z-]+):)?(?:"([^"]*)"?|(\S+))/gi)].map(([whole, name, quoted, plain]) =>
    ({text: whole.trim(), name: name?.toLowerCase() ?? '', value: quoted ?? plain ?? ''}));

export const without = (text: string, term: Term) => {
  const terms = termsOf(text), at = terms.findIndex((each) => each.text === term.text);
  return terms.filter((_, n) => n !== at).map((each) => each.text).join(' ');
};

/** What looks like the id of one message: a queue id, a UUID, a Message-ID. */
export const idOf = (text: string) => {
  const word = text.trim();
  return /^[0-9A-Z]{10,16}$/.test(word) && /\d/.test(word) || /^[0-9a-f]{8}-[0-9a-f-]{27}$/i.test(word) || /^<[^<>\s]+@[^<>\s]+>$/.test(word) ? word : null;
};
