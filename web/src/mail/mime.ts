// A message taken apart for reading: fields, decoded words, the first text and HTML parts, attachments.
//
// Promises: any octets give a result and no exception; depth and number of parts are limited; nothing is
// fetched. It judges nothing: what comes out is as hostile as what went in, and is shown as text or
// built anew by mail/preview.ts.
// RFC 2045-2047, 2183, 2231, 5322.
export interface Field { name: string; value: string }
export interface Part { type: string; charset: string; name: string; cid: string; size: number; bytes: Uint8Array }
export interface Mail { fields: Field[]; text: string | null; html: string | null; attachments: Part[]; inline: Map<string, Part> }

const mostDepth = 20, mostParts = 500;

/** One character an octet. (TextDecoder's "latin1" is windows-1252, which is not that.) */
export function latin1(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
}

export function decodeText(bytes: Uint8Array, charset: string): string {
  try {
    return new TextDecoder(charset || 'utf-8').decode(bytes);
  } catch {
    return new TextDecoder('utf-8').decode(bytes);
  }
}

const bytesOf = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));

function base64(text: string): Uint8Array {
  const clean = text.replace(/[^A-Za-z0-9+/]/g, '');
  try {
    return bytesOf(atob(clean.slice(0, clean.length - (clean.length % 4 === 1 ? 1 : 0))));
  } catch {
    return new Uint8Array();
  }
}

const quotedPrintable = (text: string) => bytesOf(text.replace(/[ \t]+(?=\r?\n|$)/g, '').replace(/=\r?\n/g, '')
  .replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))));

/** RFC 2047; raw octets above 127 are read as UTF-8. */
export function decodeWords(value: string): string {
  const glued = value.replace(/(=\?[^?\s]+\?[bq]\?[^?\s]*\?=)\s+(?==\?)/gi, '$1');
  let out = '', at = 0;
  for (const match of glued.matchAll(/=\?([^?\s*]+)(?:\*[^?\s]*)?\?([bq])\?([^?\s]*)\?=/gi)) {
    const [whole, charset, encoding, text] = match as unknown as [string, string, string, string];
    out += decodeText(bytesOf(glued.slice(at, match.index)), 'utf-8');
    out += decodeText(/b/i.test(encoding) ? base64(text) : quotedPrintable(text.replace(/_/g, ' ')), charset);
    at = match.index! + whole.length;
  }
  return out + decodeText(bytesOf(glued.slice(at)), 'utf-8');
}

function fieldsOf(block: string): Field[] {
  const fields: Field[] = [];
  for (const line of block.replace(/\r?\n[ \t]+/g, ' ').split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0) fields.push({name: line.slice(0, colon).trim(), value: line.slice(colon + 1).trim()});
  }
  return fields;
}

const valueOf = (fields: Field[], name: string) =>
  fields.find((each) => each.name.toLowerCase() === name)?.value ?? '';

function parameter(value: string, name: string): string {
  const extended = new RegExp(`;\\s*${name}\\*0?\\*?=\\s*"?([^";]*)`, 'i').exec(value)?.[1];
  const plain = new RegExp(`;\\s*${name}\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|([^;\\s]*))`, 'i').exec(value);
  if (plain) return decodeWords((plain[1] ?? plain[2] ?? '').replace(/\\(.)/g, '$1'));
  if (extended === undefined) return '';
  const [charset, , text] = extended.includes("'") ? extended.split("'") : ['utf-8', '', extended];
  return decodeText(bytesOf((text ?? '').replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)))),
    charset ?? 'utf-8');
}

function split(raw: string): [string, string] {
  const found = /\r?\n\r?\n/.exec(raw);
  if (/^\r?\n/.test(raw)) return ['', raw.replace(/^\r?\n/, '')];
  return found ? [raw.slice(0, found.index), raw.slice(found.index + found[0].length)] : [raw, ''];
}

interface Work { mail: Mail; parts: number }

function readPart(raw: string, depth: number, work: Work) {
  if (depth > mostDepth || ++work.parts > mostParts) return;
  const [block, body] = split(raw);
  const fields = fieldsOf(block);
  if (!depth) work.mail.fields = fields;
  const content = valueOf(fields, 'content-type') || 'text/plain';
  const type = (/^[\w!#$&^.+-]+\/[\w!#$&^.+-]+/.exec(content)?.[0] ?? 'text/plain').toLowerCase();
  const boundary = parameter(content, 'boundary');
  if (type.startsWith('multipart/') && boundary) {
    const pieces = ('\n' + body).split('\n--' + boundary);
    for (const piece of pieces.slice(1)) {
      if (piece.startsWith('--')) break;
      readPart(piece.replace(/^[ \t]*\r?\n/, '').replace(/\r$/, ''), depth + 1, work);
    }
    return;
  }
  const encoding = valueOf(fields, 'content-transfer-encoding').toLowerCase();
  const bytes = encoding === 'base64' ? base64(body) : encoding === 'quoted-printable' ? quotedPrintable(body) : bytesOf(body);
  const disposition = valueOf(fields, 'content-disposition');
  const charset = parameter(content, 'charset').toLowerCase();
  const name = parameter(disposition, 'filename') || parameter(content, 'name');
  const cid = valueOf(fields, 'content-id').replace(/^<|>$/g, '');
  const part = {type, charset, name, cid, size: bytes.length, bytes};
  const attached = /^attachment/i.test(disposition) || !!name;
  if (!attached && type === 'text/plain' && work.mail.text === null) work.mail.text = decodeText(bytes, charset);
  else if (!attached && type === 'text/html' && work.mail.html === null) work.mail.html = decodeText(bytes, charset);
  else if (cid && type.startsWith('image/')) work.mail.inline.set(cid, part);
  else work.mail.attachments.push(part);
}

export function readMail(bytes: Uint8Array): Mail {
  const mail: Mail = {fields: [], text: null, html: null, attachments: [], inline: new Map()};
  readPart(latin1(bytes), 0, {mail, parts: 0});
  return mail;
}

export const fieldOf = (mail: Mail, name: string) => decodeWords(valueOf(mail.fields, name));
