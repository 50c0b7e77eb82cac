// What a server wrote into Authentication-Results.
export interface Verdict { method: string; result: string; about: string }

/** The verdicts of Authentication-Results (RFC 8601): "mail.x; spf=pass smtp.mailfrom=a@b.pl; dkim=fail …". */
export function verdictsOf(results: string): Verdict[] {
  const bare = results.replace(/\([^()]*\)/g, ' ');
  return bare.split(';').slice(1).flatMap((part) => {
    const found = /^\s*([a-z0-9-]+)\s*=\s*([a-z]+)\s*([\s\S]*)$/i.exec(part);
    return found ? [{method: found[1]!.toLowerCase(), result: found[2]!.toLowerCase(), about: found[3]!.replace(/\s+/g, ' ').trim()}] : [];
  });
}
