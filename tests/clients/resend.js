// npm resend, its base URL by RESEND_BASE_URL: the native API is shaped so that it works unchanged.
'use strict';
const {Resend} = require('resend');
const {assert, came, check, env, run} = require('./cases.js');

const client = new Resend(env.KEY);
const mail = (subject, more = {}) => ({from: 'Sklep <shop@example.test>', to: 'anna@example.test', subject, text: 'text', ...more});

// What a call gives when it must not fail, and the error when it must.
async function data(promise) {
  const answer = await promise;
  assert.strictEqual(answer.error, null, JSON.stringify(answer.error));
  return answer.data;
}
async function refusal(promise) {
  const answer = await promise;
  assert.ok(answer.error, 'nothing was refused');
  return answer.error;
}

check('emails.send', async () => {
  const sent = await data(client.emails.send(mail('resend-plain', {to: ['anna@example.test', 'Jan <jan@example.test>'], cc: 'cc@example.test', bcc: ['bcc@example.test'], replyTo: 'r@example.test',
    html: '<b>jaźń</b>', headers: {'X-Shop': 'seventeen'}, tags: [{name: 'kind', value: 'invoice'}]})));
  assert.match(sent.id, /^[0-9a-f-]{36}$/);
  const source = await came('resend-plain', 'X-Shop: seventeen', 'multipart/alternative');
  assert.ok(!/^bcc:/im.test(source));
});

check('emails.send with an attachment', async () => {
  await data(client.emails.send(mail('resend-attached', {attachments: [{filename: 'a.txt', content: Buffer.from('attached words').toString('base64')}]})));
  await came('resend-attached', 'a.txt');
});

check('batch.send', async () => {
  const sent = await data(client.batch.send([mail('resend-batch-1'), mail('resend-batch-2')]));
  assert.strictEqual(sent.data.length, 2);
  await came('resend-batch-1');
  await came('resend-batch-2');
});

check('Idempotency-Key: the same again is the first answer, another body 409', async () => {
  const options = {idempotencyKey: 'resend-idempotent'};
  const first = await data(client.emails.send(mail('resend-once'), options));
  const again = await data(client.emails.send(mail('resend-once'), options));
  assert.strictEqual(again.id, first.id);
  const error = await refusal(client.emails.send(mail('resend-other'), options));
  assert.strictEqual(error.name, 'invalid_idempotent_request');
  assert.strictEqual(error.statusCode, 409);
});

check('a wrong key is invalid_api_key', async () => {
  const error = await refusal(new Resend('re_no_such_key').emails.send(mail('no')));
  assert.strictEqual(error.name, 'invalid_api_key');
});

check('a key without the scope is restricted_api_key', async () => {
  const error = await refusal(new Resend(env.SEND_KEY).apiKeys.list());
  assert.strictEqual(error.name, 'restricted_api_key');
});

check('a wrong address is validation_error, and the field is named', async () => {
  const error = await refusal(client.emails.send(mail('no', {to: ['anna@example.test', 'foo']})));
  assert.strictEqual(error.name, 'validation_error');
  assert.strictEqual(error.statusCode, 422);
  assert.strictEqual(error.field, 'to[1]');
});

check('a sender of somebody else is refused', async () => {
  const error = await refusal(client.emails.send(mail('no', {from: 'boss@elsewhere.test'})));
  assert.strictEqual(error.field, 'from');
});

check('no recipient is missing_required_field', async () => {
  const error = await refusal(client.emails.send({from: 'shop@example.test', subject: 's', text: 't'}));
  assert.strictEqual(error.name, 'missing_required_field');
});

check('emails: scheduledAt, get, update, cancel', async () => {
  const at = (hours) => new Date(Date.now() + hours * 3600e3).toISOString();
  const sent = await data(client.emails.send(mail('resend-later', {scheduledAt: at(48)})));
  const waiting = await data(client.emails.get(sent.id));
  assert.strictEqual(waiting.last_event, 'scheduled');
  assert.ok(Math.abs(Date.parse(waiting.scheduled_at) - Date.parse(at(48))) < 60e3, waiting.scheduled_at);
  const moved = at(72);
  assert.strictEqual((await data(client.emails.update({id: sent.id, scheduledAt: moved}))).id, sent.id);
  assert.ok(Math.abs(Date.parse((await data(client.emails.get(sent.id))).scheduled_at) - Date.parse(moved)) < 60e3);
  assert.strictEqual((await refusal(client.emails.update({id: sent.id, scheduledAt: 'next week'}))).field, 'scheduled_at');
  assert.strictEqual((await data(client.emails.cancel(sent.id))).object, 'email');
  assert.strictEqual((await data(client.emails.get(sent.id))).last_event, 'canceled');
  const again = await refusal(client.emails.cancel(sent.id));
  assert.strictEqual(again.statusCode, 409);
  assert.strictEqual((await refusal(client.emails.cancel('00000000-0000-7000-8000-000000000000'))).name, 'not_found');
});

check('emails.update to now sends it', async () => {
  const sent = await data(client.emails.send(mail('resend-sooner', {scheduledAt: new Date(Date.now() + 48 * 3600e3).toISOString()})));
  await data(client.emails.update({id: sent.id, scheduledAt: new Date(Date.now() - 1000).toISOString()}));
  await came('resend-sooner');
});

check('suppressed recipients are named in the answer', async () => {
  const suppressions = (method, path, body) => fetch(`${env.URL}/api/v1${path}`, {method, headers: {Authorization: `Bearer ${env.KEY}`, 'Content-Type': 'application/json'}, body: body && JSON.stringify(body)});
  assert.ok((await suppressions('POST', '/suppressions', {email: 'jan+out@example.test'})).ok);
  const options = {idempotencyKey: 'resend-suppressed'};
  const partly = mail('resend-partly', {to: ['anna@example.test', 'jan+out@example.test']});
  for (let times = 0; times < 2; times += 1) assert.deepStrictEqual((await data(client.emails.send(partly, options))).suppressed, ['jan+out@example.test']);
  await came('resend-partly');
  assert.strictEqual((await data(client.emails.send(mail('resend-whole')))).suppressed, undefined);
});

check('domains: create, get, list, verify, remove', async () => {
  const made = await data(client.domains.create({name: 'made.example.test'}));
  assert.strictEqual(made.name, 'made.example.test');
  assert.ok(made.records.some((each) => each.type === 'TXT' && each.name && each.value), JSON.stringify(made.records));
  assert.strictEqual((await data(client.domains.get(made.id))).id, made.id);
  assert.ok((await data(client.domains.list())).data.some((each) => each.id === made.id));
  assert.strictEqual((await data(client.domains.verify(made.id))).object, 'domain');
  assert.strictEqual((await data(client.domains.remove(made.id))).deleted, true);
  assert.strictEqual((await refusal(client.domains.get(made.id))).name, 'not_found');
  assert.strictEqual((await refusal(client.domains.create({name: 'no domain'}))).statusCode, 422);
});

check('apiKeys: create, list, remove', async () => {
  const made = await data(client.apiKeys.create({name: 'made by resend', permission: 'sending_access'}));
  assert.ok(made.token && made.id);
  await data(new Resend(made.token).emails.send(mail('resend-by-a-new-key')));
  await came('resend-by-a-new-key');
  assert.ok((await data(client.apiKeys.list())).data.some((key) => key.id === made.id));
  await data(client.apiKeys.remove(made.id));
  const error = await refusal(new Resend(made.token).emails.send(mail('no')));
  assert.strictEqual(error.name, 'invalid_api_key');
});

check('templates: create, get, list, update, publish', async () => {
  const made = await data(client.templates.create({name: 'Welcome', alias: 'resend-welcome', subject: 's {{{NAME}}}', html: '<p>{{{NAME}}}</p>',
    variables: [{key: 'NAME', type: 'string', fallbackValue: 'nobody'}]}));
  const one = await data(client.templates.get(made.id));
  assert.strictEqual(one.status, 'draft');
  assert.strictEqual(one.alias, 'resend-welcome');
  assert.strictEqual(one.variables[0].fallback_value, 'nobody');
  await data(client.templates.update('resend-welcome', {subject: 'hello {{{NAME}}}'}));
  await data(client.templates.publish(made.id));
  const published = await data(client.templates.get('resend-welcome'));
  assert.strictEqual(published.status, 'published');
  assert.strictEqual(published.subject, 'hello {{{NAME}}}');
  assert.strictEqual(published.has_unpublished_versions, false);
  const list = await data(client.templates.list());
  assert.strictEqual(list.object, 'list');
  assert.ok(list.data.some((each) => each.id === made.id));
});

check('templates: create and publish in one, duplicate, remove, errors', async () => {
  const made = await data(client.templates.create({name: 'Bye', html: '<p>{{x}}</p>'}).publish());
  const copy = await data(client.templates.duplicate(made.id));
  assert.notStrictEqual(copy.id, made.id);
  assert.strictEqual((await data(client.templates.remove(copy.id))).deleted, true);
  assert.strictEqual((await refusal(client.templates.get(copy.id))).name, 'not_found');
  const error = await refusal(client.templates.create({name: 'Bad', html: '{{#x}}'}));
  assert.strictEqual(error.field, 'html');
  assert.strictEqual(error.statusCode, 422);
});

run();
