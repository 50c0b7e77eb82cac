// What needs no browser: messages and plurals, the search box, reading mail, CSV. Words of both languages
// are formatted with every plural class. Ends 1 with the first that is wrong.
import assert from 'node:assert/strict';
import {build} from 'esbuild';
import {fileURLToPath} from 'node:url';

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const out = path('../../build/web/test.mjs');
await build({
  absWorkingDir: path('..'), bundle: true, format: 'esm', platform: 'node', outfile: out, logLevel: 'warning', alias: {'bounce-words': path('../../build/web/bounce_words.ts')},
  stdin: {resolveDir: path('../src'), contents: `export * from './words/format'; export * from './words/words'; export * from './search'; export * from './mail/mime'; export * from './csv'; export {bare as bareReply} from './pages/deliver_reply'; export {verdictsOf} from './mail/verdicts'; export * from 'bounce-words';`},
});
const {formatMessage, words, termsOf, without, idOf, bareReply, verdictsOf, bounceWords, readMail, decodeWords, fieldOf, csv} = await import(out);

const pl = (key, values) => formatMessage(words[key][1], values, 'pl-PL');
for (const [count, text] of [[1, '1 wiadomość'], [2, '2 wiadomości'], [5, '5 wiadomości'], [22, '22 wiadomości'], [1.5, '1,5 wiadomości']])
  assert.equal(pl('queue.all', {count}), text);
for (const [count, text] of [[1, '1 odbiorca'], [2, '2 odbiorców'], [5, '5 odbiorców'], [1.5, '1,5 odbiorcy']])
  assert.equal(pl('message.recipients', {count}), text);
assert.equal(formatMessage('{a} and {n, plural, =0 {none} one {one} other {# of {a}}}', {a: 'x', n: 3}, 'en-GB'), 'x and 3 of x');
assert.equal(pl('trouble.store', {state: 'full'}), 'Magazyn jest pełny: poczta nie jest przyjmowana.');

/** The values that a message takes: what stands in its outermost braces. */
function names(text) {
  const found = new Set();
  for (let at = 0, depth = 0; at < text.length; at++) {
    if (text[at] === '{' && !depth++) found.add(/^\w+/.exec(text.slice(at + 1))[0]);
    if (text[at] === '}') depth--;
  }
  return [...found].sort();
}
for (const [key, pair] of Object.entries(words)) {
  assert.deepEqual(names(pair[0]), names(pair[1]), `${key}: other values in Polish`);
  for (const count of [0, 1, 2, 5, 1.5]) for (const [at, locale] of ['en-GB', 'pl-PL'].entries()) {
    const values = Object.fromEntries(names(pair[at]).map((name) => [name, count]));
    assert.doesNotMatch(formatMessage(pair[at], values, locale), /[{}#]/, `${key} with ${count}`);
  }
}

assert.deepEqual(termsOf('to:@wp.pl status:bounced').map((each) => [each.name, each.value]), [['to', '@wp.pl'], ['status', 'bounced']]);
assert.deepEqual(termsOf('Subject:"two words" hello message-id:<a@b>').map((each) => [each.name, each.value]), [['subject', 'two words'], ['', 'hello'], ['message-id', '<a@b>']]);
assert.equal(without('subject:"two words" hello to:x', termsOf('subject:"two words"')[0]), 'hello to:x');
assert.equal(idOf('1K7Q000000009'), '1K7Q000000009');
assert.equal(idOf('<a@b.pl>'), '<a@b.pl>');
assert.equal(idOf('FAKTURALISTOPAD'), null);

const mail = readMail(Buffer.from(['From: =?utf-8?q?Za=C5=BC=C3=B3=C5=82=C4=87?= <a@b.pl>', 'Subject: =?utf-8?b?xYE=?= =?utf-8?b?w7Nkxbo=?= x', 'Content-Type: multipart/mixed; boundary="b b"', '', 'preamble',
  '--b b', 'Content-Type: text/plain; charset=iso-8859-2', 'Content-Transfer-Encoding: quoted-printable', '', 'za=BF=F3=B3=E6 =', 'g=EA=B6l=B1', '--b b', 'Content-Type: application/pdf',
  "Content-Disposition: attachment; filename*=utf-8''%C5%82.pdf", 'Content-Transfer-Encoding: base64', '', 'AAEC', '--b b--', ''].join('\r\n')));
assert.equal(fieldOf(mail, 'subject'), 'Łódź x');
assert.equal(fieldOf(mail, 'from'), 'Zażółć <a@b.pl>');
assert.equal(mail.text, 'zażółć gęślą');
assert.deepEqual(mail.attachments.map((each) => [each.name, each.size]), [['ł.pdf', 3]]);
assert.equal(decodeWords('=?bogus?q?=FF?= =?utf-8?b?!!!?='), decodeWords('=?bogus?q?=FF?= =?utf-8?b?!!!?='));
for (const broken of ['', '\r\n', 'Content-Type: multipart/mixed; boundary=a\r\n\r\n--a', 'Content-Type: multipart/mixed; boundary=a\r\n\r\n' + '--a\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n'.repeat(300)])
  readMail(Buffer.from(broken));

assert.equal(csv([['a', 1], ['=1+1', null], ['x,"y"', -2]]), 'a,1\r\n\'=1+1,\r\n"x,""y""",-2\r\n');
// One reply to many addresses is one line.
assert.equal(bareReply('<anna@o2.pl>: Recipient address rejected'), bareReply('<jan.k@o2.pl>: Recipient address rejected'));
assert.equal(bareReply('5.7.1 [203.0.113.7] blocked, 4Qx12345678-Ab1'), bareReply('5.7.1 [203.0.113.7] blocked, 4Qy99345678-Zz9'));
assert.notEqual(bareReply('Mailbox full'), bareReply('User unknown'));
assert.deepEqual(verdictsOf('mx.example.pl; spf=pass (ok) smtp.mailfrom=a@b.pl;\r\n dkim=fail header.d=b.pl; dmarc=none').map((each) => [each.method, each.result]),
  [['spf', 'pass'], ['dkim', 'fail'], ['dmarc', 'none']]);

// The words of refusals are the server's; every class that the page names has some, and every actor has a word.
const classes = Object.keys(words).filter((each) => each.startsWith('class.')).map((each) => each.slice(6));
for (const name of classes) assert.ok(bounceWords['bounce.' + name], `no words for the class ${name}`);
for (const [hint, told] of Object.entries(bounceWords)) {
  assert.ok(classes.includes(hint.split('.')[1]), `the class of ${hint} has no name`);
  assert.ok(words['who.' + told.who], `${hint}: nobody knows who "${told.who}" is`);
  for (const each of [...told.cause, ...told.fix]) assert.match(each, /\.$/, hint);
}
console.log('ok');
