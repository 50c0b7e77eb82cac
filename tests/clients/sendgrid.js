// npm @sendgrid/mail (argument: how the base URL is given).
'use strict';
const sendgrid = require('@sendgrid/mail');
const {MailService} = sendgrid;
const {assert, came, check, env, run, thrown} = require('./cases.js');

const where = process.argv[2];
const url = where === 'prefix' ? `${env.URL}/sendgrid` : env.URL;
function by(key) {
  const {Client} = require('@sendgrid/client');
  const client = new Client();
  client.setApiKey(key);
  client.setDefaultRequest('baseUrl', url);  // after setApiKey, which resets it
  const service = new MailService();
  service.setClient(client);
  return service;
}
const client = by(env.SENDGRID_KEY);
const subject = (word) => `sendgrid-${where}-${word}`;
const mail = (word, more = {}) => ({from: {email: 'shop@example.test', name: 'Sklep'}, to: 'anna@example.test', subject: subject(word), text: 'text', ...more});
const errors = (error) => error.response.body.errors;

check('send', async () => {
  const [answer] = await client.send(mail('plain', {cc: 'jan@example.test', bcc: 'bcc@example.test', html: '<b>jaźń</b>', replyTo: 'r@example.test', categories: ['invoice'], customArgs: {order: '17'}, headers: {'X-Shop': 'seventeen'}}));
  assert.strictEqual(answer.statusCode, 202);
  assert.ok(answer.headers['x-message-id']);
  const source = await came(subject('plain'), 'X-Shop: seventeen');
  assert.ok(!/^bcc:/im.test(source));
});

check('send with an attachment', async () => {
  await client.send(mail('attached', {attachments: [{content: Buffer.from('attached words').toString('base64'), filename: 'a.txt', type: 'text/plain', disposition: 'attachment'}]}));
  await came(subject('attached'), 'a.txt');
});

check('sendMultiple: each sees himself alone', async () => {
  await client.sendMultiple(mail('multiple', {to: ['anna@example.test', 'jan@example.test']}));
  const source = await came(subject('multiple'), 'To: anna@example.test');
  assert.ok(!source.includes('jan@example.test'));
});

check('personalizations with substitutions', async () => {
  await client.send(mail('substituted', {to: undefined, text: 'Hi {{name}}', personalizations: [{to: [{email: 'anna@example.test'}], substitutions: {name: 'Ola'}}]}));
  await came(subject('substituted'), 'Hi Ola');
});

check('mail_settings.sandbox_mode checks and drops', async () => {
  const [answer] = await client.send(mail('sandboxed', {mailSettings: {sandboxMode: {enable: true}}}));
  assert.strictEqual(answer.statusCode, 200);
});

check('a wrong key is 401', async () => {
  const error = await thrown(() => by('SG.no.such').send(mail('no')));
  assert.strictEqual(error.code, 401);
  assert.strictEqual(errors(error)[0].message, 'The provided authorization grant is invalid, expired, or revoked');
});

check('a key without the scope is 403', async () => {
  const error = await thrown(() => by(env.READ_KEY).send(mail('no')));
  assert.strictEqual(error.code, 403);
});

check('a sender of somebody else is 403 and named', async () => {
  const error = await thrown(() => client.send(mail('no', {from: 'boss@elsewhere.test'})));
  assert.strictEqual(error.code, 403);
  assert.strictEqual(errors(error)[0].field, 'from');
});

check('a wrong address is 400 and named', async () => {
  const error = await thrown(() => client.send(mail('no', {to: 'foo'})));
  assert.strictEqual(error.code, 400);
  assert.strictEqual(errors(error)[0].field, 'personalizations.0.to.0.email');
});

check('an address twice is 400', async () => {
  const error = await thrown(() => client.send(mail('no', {cc: 'anna@example.test'})));
  assert.match(errors(error)[0].message, /should be unique/);
});

check('no subject, no content, an unknown template are 400 and named', async () => {
  assert.strictEqual(errors(await thrown(() => client.send(mail('no', {subject: ''}))))[0].field, 'subject');
  assert.strictEqual(errors(await thrown(() => client.send({...mail('no'), text: undefined, templateId: 'd-none'})))[0].field, 'template_id');
});

run();
