// Webhooks of the real binary, received here and judged by npm standardwebhooks and resend (svix), and Postmark's own
// calls and payloads by npm postmark.
'use strict';
const http = require('http');
const postmark = require('postmark');
const {Resend} = require('resend');
const {Webhook} = require('standardwebhooks');
const {assert, came, check, env, run, thrown, until} = require('./cases.js');

const calls = [];  // {path, headers, body}
const receiver = http.createServer((request, response) => {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    calls.push({path: request.url, headers: request.headers, body: Buffer.concat(pieces).toString()});
    response.end('taken');
  });
});
const listening = new Promise((done) => receiver.listen(0, '127.0.0.1', () => done(`http://127.0.0.1:${receiver.address().port}`)));
const told = (path, word, fits = () => true) => until(`a call of ${path} with ${word}`, () => calls.find((call) =>
  call.path === path && call.body.includes(word) && fits(JSON.parse(call.body))));

const resend = new Resend(env.KEY);
const client = new postmark.ServerClient(env.KEY, {requestHost: `${env.HOST}/postmark`, useHttps: false, timeout: 30});
const api = async (method, path, body) => {
  const answer = await fetch(`${env.URL}/api/v1${path}`, {method, headers: {Authorization: `Bearer ${env.KEY}`, 'Content-Type': 'application/json'}, body: body && JSON.stringify(body)});
  const json = await answer.json();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${JSON.stringify(json)}`);
  return json;
};
const data = async (promise) => {
  const answer = await promise;
  assert.strictEqual(answer.error, null, JSON.stringify(answer.error));
  return answer.data;
};
const send = async (subject, more = {}) => (await data(resend.emails.send({from: 'shop@example.test', to: 'anna@example.test', subject, text: 'text', ...more}))).id;
const verified = (secret, call, change = {}) => new Webhook(secret).verify(change.body ?? call.body, {...call.headers, ...change});

let native;
check('resend: webhooks create, get, list, update', async () => {
  const base = await listening;
  native = await data(resend.webhooks.create({endpoint: `${base}/native`, events: ['email.delivered', 'email.bounced']}));
  assert.match(native.signing_secret, /^whsec_/);
  assert.strictEqual((await data(resend.webhooks.get(native.id))).endpoint, `${base}/native`);
  assert.ok((await data(resend.webhooks.list())).data.some((each) => each.id === native.id));
  await data(resend.webhooks.update(native.id, {events: ['email.*'], status: 'enabled', endpoint: `${base}/native`}));
  assert.deepStrictEqual((await data(resend.webhooks.get(native.id))).events, ['email.*']);
});

check('standardwebhooks verifies what was delivered, and refuses it changed', async () => {
  const id = await send('hook-delivered');
  const call = await told('/native', id, (body) => body.type === 'email.delivered');
  const event = verified(native.signing_secret, call);
  assert.strictEqual(event.data.email_id, id);
  assert.strictEqual(event.data.subject, 'hook-delivered');
  assert.strictEqual(call.headers['webhook-id'], event.id);
  const changes = [{body: call.body.replace('email.delivered', 'email.complained')}, {'webhook-id': 'evt_other'},
    {'webhook-timestamp': String(Number(call.headers['webhook-timestamp']) - 1)}, {'webhook-signature': 'v1,AAAA'}];
  for (const change of changes) assert.throws(() => verified(native.signing_secret, call, change), /signature/i, JSON.stringify(change));
  assert.throws(() => verified(native.signing_secret, call, {'webhook-timestamp': String(Math.floor(Date.now() / 1000) - 600)}), /old/);
});

check('resend verifies it too', async () => {
  const call = calls.find((each) => each.path === '/native');
  const headers = {id: call.headers['webhook-id'], timestamp: call.headers['webhook-timestamp'], signature: call.headers['webhook-signature']};
  const event = resend.webhooks.verify({payload: call.body, headers, webhookSecret: native.signing_secret});
  assert.match(event.type, /^email\./);
  assert.throws(() => resend.webhooks.verify({payload: `${call.body} `, headers, webhookSecret: native.signing_secret}));
});

check('a bounce tells its class, and a rotated secret signs beside the old one', async () => {
  const fresh = await api('POST', `/webhooks/${native.id}/signing-secret/rotate`);
  const id = await send('hook-bounced', {to: 'hard+native@remote.test'});
  const call = await told('/native', id, (body) => body.type === 'email.bounced');
  for (const secret of [native.signing_secret, fresh.signing_secret]) {
    const event = verified(secret, call);
    assert.strictEqual(event.data.bounce.class, 'bad_mailbox');
    assert.strictEqual(event.data.smtp.enhanced, '5.1.1');
  }
  await data(resend.webhooks.remove(native.id));
  assert.strictEqual((await resend.webhooks.get(native.id)).error.name, 'not_found');
});

let hook;
const on = {Enabled: true};
check('postmark: createWebhook, getWebhook, getWebhooks', async () => {
  hook = await client.createWebhook({Url: `${await listening}/postmark`, MessageStream: 'outbound', HttpAuth: {Username: 'user', Password: 'pass'}, HttpHeaders: [{Name: 'X-Shop', Value: '17'}],
    Triggers: {Delivery: on, Bounce: {Enabled: true, IncludeContent: false}, SpamComplaint: on, Open: {Enabled: true, PostFirstOpenOnly: true}, Click: on, SubscriptionChange: on}});
  assert.ok(Number.isInteger(hook.ID));
  const one = await client.getWebhook(hook.ID);
  assert.deepStrictEqual(one, hook);
  assert.deepStrictEqual(one.HttpAuth, {Username: 'user', Password: 'pass'});
  assert.deepStrictEqual(one.Triggers.Open, {Enabled: true, PostFirstOpenOnly: true});
  assert.ok((await client.getWebhooks({messageStream: 'outbound'})).Webhooks.some((each) => each.ID === hook.ID));
  assert.strictEqual((await client.getWebhooks({messageStream: 'broadcast'})).Webhooks.length, 0);
});

check('postmark: errors', async () => {
  for (const options of [{Url: 'ftp://x'}, {Triggers: {}}, {Url: 'http://127.0.0.1/', MessageStream: 'none-such'}]) {
    assert.ok(await thrown(() => client.createWebhook(options)) instanceof postmark.Errors.ApiInputError, JSON.stringify(options));
  }
  assert.ok(await thrown(() => client.getWebhook(1)) instanceof postmark.Errors.ApiInputError);
  assert.ok(await thrown(() => client.deleteWebhook(1)) instanceof postmark.Errors.ApiInputError);
});

const mail = (subject, more = {}) => ({From: 'shop@example.test', To: 'anna@example.test', Subject: subject, TextBody: 'text', Tag: 'invoice', Metadata: {order: '17'}, ...more});
const record = async (type, word) => JSON.parse((await told('/postmark', word, (body) => body.RecordType === type)).body);

check('postmark: Delivery', async () => {
  const {MessageID} = await client.sendEmail(mail('hook-pm-delivered'));
  const body = await record('Delivery', MessageID);
  assert.strictEqual(body.Recipient, 'anna@example.test');
  assert.strictEqual(body.MessageStream, 'outbound');
  assert.strictEqual(body.Tag, 'invoice');
  assert.deepStrictEqual(body.Metadata, {order: '17'});
  assert.match(body.DeliveredAt, /^20/);
  const call = calls.find((each) => each.path === '/postmark');
  assert.strictEqual(call.headers.authorization, `Basic ${Buffer.from('user:pass').toString('base64')}`);
  assert.strictEqual(call.headers['x-shop'], '17');
});

check('postmark: Bounce and the SubscriptionChange that follows', async () => {
  const {MessageID} = await client.sendEmail(mail('hook-pm-bounced', {To: 'hard+hooks@remote.test'}));
  const body = await record('Bounce', MessageID);
  assert.strictEqual(body.Type, 'HardBounce');
  assert.strictEqual(body.TypeCode, 1);
  assert.strictEqual(body.Name, 'Hard bounce');
  assert.strictEqual(body.Email, 'hard+hooks@remote.test');
  assert.strictEqual(body.Subject, 'hook-pm-bounced');
  assert.strictEqual(body.Inactive, true);
  assert.strictEqual((await client.getBounce(body.ID)).MessageID, MessageID);
  const change = await record('SubscriptionChange', MessageID);
  assert.strictEqual(change.Recipient, 'hard+hooks@remote.test');
  assert.strictEqual(change.SuppressSending, true);
  assert.strictEqual(change.SuppressionReason, 'HardBounce');
  assert.strictEqual(change.Origin, 'Recipient');
});

check('postmark: a SubscriptionChange by hand, on and off', async () => {
  const EmailAddress = 'hook-by-hand@example.test';
  await client.createSuppressions('outbound', {Suppressions: [{EmailAddress}]});
  const change = await record('SubscriptionChange', EmailAddress);
  assert.deepStrictEqual([change.SuppressSending, change.SuppressionReason, change.Origin, change.MessageStream], [true, 'ManualSuppression', 'Customer', 'outbound']);
  await client.deleteSuppressions('outbound', {Suppressions: [{EmailAddress}]});
  await told('/postmark', EmailAddress, (body) => body.SuppressSending === false && body.SuppressionReason === null);
});

check('postmark: Open and Click', async () => {
  const {MessageID} = await client.sendEmail(mail('hook-pm-tracked', {TrackOpens: true, TrackLinks: 'HtmlOnly', HtmlBody: '<a href="https://shop.example.test/buy">buy</a>'}));
  const source = (await came('hook-pm-tracked')).replace(/=\r?\n/g, '').replace(/=3D/g, '=');
  const load = (kind) => fetch(`${env.URL}${source.match(new RegExp(`"https?://[^/"]+(/${kind}/[^"]+)"`))[1]}`, {redirect: 'manual'});
  assert.strictEqual((await load('o')).status, 200);
  const open = await record('Open', MessageID);
  assert.strictEqual(open.FirstOpen, true);
  assert.strictEqual(open.Recipient, 'anna@example.test');
  assert.strictEqual((await load('c')).headers.get('location'), 'https://shop.example.test/buy');
  const click = await record('Click', MessageID);
  assert.strictEqual(click.OriginalLink, 'https://shop.example.test/buy');
  assert.strictEqual(click.ClickLocation, 'HTML');
  await load('o');
  const opens = await until('the second opening', async () => {
    const found = await client.getMessageOpensForSingleMessage(MessageID);
    return found.TotalCount >= 2 ? found : null;
  });
  assert.strictEqual(opens.Opens[0].RecordType, 'Open');
  assert.strictEqual((await client.getMessageClicksForSingleMessage(MessageID)).Clicks[0].OriginalLink, 'https://shop.example.test/buy');
  await client.sendEmail(mail('hook-pm-after'));
  await told('/postmark', 'Delivery', () => true);
  assert.strictEqual(calls.filter((call) => call.path === '/postmark' && JSON.parse(call.body).RecordType === 'Open').length, 1, 'PostFirstOpenOnly');
});

check('postmark: SpamComplaint', async () => {
  const {MessageID} = await client.sendEmail(mail('hook-pm-complaint', {To: 'complaint@sandbox.goniec.test'}));
  const body = await record('SpamComplaint', MessageID);
  assert.strictEqual(body.TypeCode, 100001);
  assert.strictEqual(body.Email, 'complaint@sandbox.goniec.test');
  assert.strictEqual(body.CanActivate, false);
});

check('postmark: editWebhook, deleteWebhook', async () => {
  const edited = await client.editWebhook(hook.ID, {Triggers: {Delivery: {Enabled: false}}});
  assert.strictEqual(edited.Triggers.Delivery.Enabled, false);
  assert.strictEqual(edited.Triggers.Click.Enabled, true);
  assert.strictEqual(edited.Url, hook.Url);
  const done = await client.deleteWebhook(hook.ID);
  assert.strictEqual(done.ErrorCode, 0);
  assert.ok(await thrown(() => client.getWebhook(hook.ID)) instanceof postmark.Errors.ApiInputError);
});

run();
