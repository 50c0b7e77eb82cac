// npm mailgun.js (argument: how the base URL is given).
'use strict';
const FormData = require('form-data');
const {default: Mailgun} = require('mailgun.js');
const {assert, came, check, env, run, thrown} = require('./cases.js');

const where = process.argv[2];
const url = where === 'prefix' ? `${env.URL}/mailgun` : env.URL;
const by = (key) => new Mailgun(FormData).client({username: 'api', key, url});
const client = by(env.KEY);
const subject = (word) => `mailgun-${where}-${word}`;
const mail = (word, more = {}) => ({from: 'Sklep <shop@example.test>', to: ['anna@example.test'], subject: subject(word), text: 'text', ...more});
const send = (data, domain = 'example.test') => client.messages.create(domain, data);

check('messages.create', async () => {
  const sent = await send(mail('plain', {cc: 'jan@example.test', bcc: 'bcc@example.test', html: '<b>jaźń</b>', 'h:X-Shop': 'seventeen', 'h:Reply-To': 'r@example.test', 'v:order': '17', 'o:tag': ['invoice', 'shop']}));
  assert.strictEqual(sent.status, 200);
  assert.strictEqual(sent.message, 'Queued. Thank you.');
  assert.match(sent.id, /^<[0-9a-f-]{36}@example\.test>$/);
  const source = await came(subject('plain'), 'X-Shop: seventeen');
  assert.ok(!/^bcc:/im.test(source));
});

check('attachment and inline', async () => {
  await send(mail('attached', {html: '<img src="cid:logo.png">', attachment: [{data: Buffer.from('attached words'), filename: 'a.txt'}], inline: {data: Buffer.from('picture'), filename: 'logo.png'}}));
  const source = await came(subject('attached'), 'a.txt');
  assert.match(source, /Content-ID: <logo\.png>/i);
});

check('recipient-variables: each gets his own', async () => {
  await send(mail('variables', {to: ['anna@example.test', 'jan@example.test'], text: 'Hi %recipient.name%', 'recipient-variables': JSON.stringify({'anna@example.test': {name: 'Ola'}, 'jan@example.test': {name: 'Jan'}})}));
  const source = await came(subject('variables'), 'Hi Ola');
  assert.ok(!source.includes('jan@example.test'));
});

check('a whole message (messages.mime)', async () => {
  const message = `From: shop@example.test\r\nTo: anna@example.test\r\nSubject: ${subject('mime')}\r\nX-Whole: yes\r\n\r\nwhole\r\n`;
  const sent = await send({to: 'anna@example.test', message});
  assert.strictEqual(sent.message, 'Queued. Thank you.');
  await came(subject('mime'), 'X-Whole: yes');
});

check('o:testmode checks and drops', async () => {
  assert.strictEqual((await send(mail('tested', {'o:testmode': 'yes'}))).message, 'Queued. Thank you.');
});

check('a wrong key is 401', async () => {
  const error = await thrown(() => by('no-such-key').messages.create('example.test', mail('no')));
  assert.strictEqual(error.status, 401);
});

check('a domain that is not ours is 404', async () => {
  const error = await thrown(() => send(mail('no'), 'elsewhere.test'));
  assert.strictEqual(error.status, 404);
});

check('a wrong address is 400', async () => {
  const error = await thrown(() => send(mail('no', {to: 'foo'})));
  assert.strictEqual(error.status, 400);
  assert.match(error.details, /'to' parameter is not a valid address/);
});

check('a sender of another domain is 400', async () => {
  assert.strictEqual((await thrown(() => send(mail('no', {from: 'boss@elsewhere.test'})))).status, 400);
});

check('a date that is none is 400', async () => {
  const error = await thrown(() => send(mail('no', {'o:deliverytime': 'soon'})));
  assert.match(error.details, /o:deliverytime/);
});

run();
