// The words of refusals, out of the one table that the server has them in (src/mail/bounce_words.cc), as
// a TypeScript module. Adjacent literals are joined as C++ joins them.
// Refuses: a table that does not read as rows of HINT, actor and four texts.
const row = /\{\s*((?:"(?:[^"\\]|\\.)*"|\w+|[\s,])*?)\s*\}/g;

export function bounceWords(source) {
  const table = /to_array<BounceWords>\(\{([\s\S]*?)\n\}\);/.exec(source)?.[1];
  if (!table) throw new Error('bounce_words.cc has no table of BounceWords');
  const found = {};
  for (const [, inner] of table.matchAll(row)) {
    const members = [''], strings = [false];
    for (const [piece] of inner.matchAll(/"(?:[^"\\]|\\.)*"|\w+|,/g)) {
      if (piece === ',') { members.push(''); strings.push(false); continue; }
      members[members.length - 1] += piece.startsWith('"') ? JSON.parse(piece) : piece;
      strings[strings.length - 1] = piece.startsWith('"');
    }
    const [hint, who, english, polish, fix, poprawka] = members;
    if (members.length !== 6 || !hint.startsWith('bounce.') || strings.join() !== 'true,false,true,true,true,true')
      throw new Error(`bounce_words.cc: a row that is not understood: ${inner.slice(0, 120)}`);
    found[hint] = {who, cause: [english, polish], fix: [fix, poprawka]};
  }
  const rows = (table.match(/"bounce\.[a-z_.]+"/g) ?? []).length;
  if (Object.keys(found).length !== rows) throw new Error(`bounce_words.cc: ${rows} hints, ${Object.keys(found).length} understood`);
  return found;
}

export const asModule = (words) => `// Made of src/mail/bounce_words.cc.
export interface BounceWords { who: string; cause: readonly [en: string, pl: string]; fix: readonly [en: string, pl: string] }
export const bounceWords: Record<string, BounceWords> = ${JSON.stringify(words, null, 1)};
`;
