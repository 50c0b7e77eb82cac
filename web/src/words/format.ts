// ICU messages, as far as they are needed: {name}, {count, plural, one {…} few {…} other {…}} with #,
// {name, select, a {…} other {…}}. Plural classes by Intl.PluralRules.
export type Values = Record<string, string | number>;

/** The text from `at` to the brace that closes it, and where that stands. */
function block(text: string, at: number): [string, number] {
  let depth = 1, end = at;
  for (; end < text.length && depth; end++) depth += text[end] === '{' ? 1 : text[end] === '}' ? -1 : 0;
  return [text.slice(at, end - 1), end];
}

function choose(body: string, kind: string, value: string | number, locale: string): string {
  const cases = new Map<string, string>();
  for (let at = 0; at < body.length;) {
    const open = body.indexOf('{', at);
    if (open < 0) break;
    const [inner, end] = block(body, open + 1);
    cases.set(body.slice(at, open).trim(), inner);
    at = end;
  }
  if (kind === 'select') return cases.get(String(value)) ?? cases.get('other') ?? '';
  const number = Number(value);
  const found = cases.get('=' + number) ?? cases.get(new Intl.PluralRules(locale).select(number)) ?? cases.get('other') ?? '';
  return found.replaceAll('#', new Intl.NumberFormat(locale).format(number));
}

export function formatMessage(message: string, values: Values, locale: string): string {
  let out = '';
  for (let at = 0; at < message.length;) {
    const open = message.indexOf('{', at);
    if (open < 0) return out + message.slice(at);
    out += message.slice(at, open);
    const [inner, end] = block(message, open + 1);
    at = end;
    const [name, kind] = inner.split(',', 2).map((each) => each.trim());
    const value = values[name!] ?? '';
    if (!kind) out += typeof value === 'number' ? new Intl.NumberFormat(locale).format(value) : value;
    else {
      const body = inner.slice(inner.indexOf(',', inner.indexOf(',') + 1) + 1);
      out += formatMessage(choose(body, kind, value, locale), values, locale);
    }
  }
  return out;
}
