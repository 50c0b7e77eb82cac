// npm nodemailer over SMTP, an API key as the password, any name beside it.
'use strict';
const nodemailer = require('nodemailer');
const {assert, came, check, env, run, thrown} = require('./cases.js');

const by = (pass, more = {}) => nodemailer.createTransport({host: '127.0.0.1', port: Number(env.SMTP_PORT), requireTLS: true, auth: {user: 'apikey', pass}, tls: {rejectUnauthorized: false}, ...more});
const mail = (subject, more = {}) => ({from: 'Sklep <shop@example.test>', to: 'anna@example.test', subject, text: 'text', ...more});

check('sendMail by a key', async () => {
  const sent = await by(env.KEY).sendMail(mail('nodemailer-plain', {html: '<b>jaźń</b>', attachments: [{filename: 'a.txt', content: 'attached words'}]}));
  assert.deepStrictEqual(sent.accepted, ['anna@example.test']);
  await came('nodemailer-plain', 'a.txt');
});

check('AUTH LOGIN and a pool of connections', async () => {
  const pool = by(env.KEY, {pool: true, authMethod: 'LOGIN'});
  await Promise.all([1, 2, 3].map((n) => pool.sendMail(mail(`nodemailer-pool-${n}`))));
  pool.close();
  for (const n of [1, 2, 3]) await came(`nodemailer-pool-${n}`);
});

check('options by header are not seen by the recipient', async () => {
  await by(env.KEY).sendMail(mail('nodemailer-options', {headers: {'X-Tag': 'invoice', 'X-Metadata-Order': '17', 'X-PM-Tag': 'invoice', 'X-Stream': 'transactional'}}));
  const source = await came('nodemailer-options');
  assert.ok(!/^X-(Tag|Metadata|PM|Stream)/im.test(source), source);
});

check('verify()', async () => {
  assert.strictEqual(await by(env.KEY).verify(), true);
});

check('a wrong key is EAUTH', async () => {
  const error = await thrown(() => by('pk_live_no_such_key').sendMail(mail('no')));
  assert.strictEqual(error.code, 'EAUTH');
  assert.strictEqual(error.responseCode, 535);
});

check('a key that may not send is EAUTH', async () => {
  assert.strictEqual((await thrown(() => by(env.READ_KEY).sendMail(mail('no')))).code, 'EAUTH');
});

check('a sender of somebody else is refused', async () => {
  const error = await thrown(() => by(env.KEY).sendMail(mail('no', {from: 'boss@elsewhere.test'})));
  assert.ok(error.responseCode >= 500, `${error.responseCode} ${error.message}`);
});

check('a recipient who is nobody here is EENVELOPE', async () => {
  const error = await thrown(() => by(env.KEY).sendMail(mail('no', {to: 'nobody@example.test'})));
  assert.strictEqual(error.code, 'EENVELOPE');
});

run();
