// npm postmark (argument: which of the two installed majors, and how the base URL is given).
'use strict';
const [, , name, where] = process.argv;
const postmark = require(name);
const {assert, came, check, env, run, thrown} = require('./cases.js');

const requestHost = where === 'prefix' ? `${env.HOST}/postmark` : env.HOST;
const client = new postmark.ServerClient(env.KEY, {requestHost, useHttps: false, timeout: 30});
const by = (token) => new postmark.ServerClient(token, {requestHost, useHttps: false});
const subject = (word) => `${name}-${where}-${word}`;
const mail = (word, more = {}) => ({From: 'Sklep <shop@example.test>', To: 'anna@example.test', Subject: subject(word), TextBody: 'text', ...more});

check('sendEmail', async () => {
  const sent = await client.sendEmail(mail('plain', {Cc: 'Jan <jan@example.test>', Bcc: 'bcc@example.test', HtmlBody: '<b>jaźń</b>', Tag: 'invoice', Metadata: {order: '17'}}));
  assert.strictEqual(sent.ErrorCode, 0);
  assert.strictEqual(sent.Message, 'OK');
  assert.match(sent.MessageID, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/);
  assert.strictEqual(sent.To, 'anna@example.test');
  const source = await came(subject('plain'), 'multipart/alternative');
  assert.ok(!/^bcc:/im.test(source), 'Bcc is seen');
});

check('sendEmail with attachments and headers', async () => {
  await client.sendEmail(mail('attached', {Headers: [{Name: 'X-Shop', Value: 'seventeen'}], HtmlBody: '<img src="cid:logo">', Attachments: [
    new postmark.Models.Attachment('a.txt', Buffer.from('attached words').toString('base64'), 'text/plain'),
    new postmark.Models.Attachment('logo.png', Buffer.from('picture').toString('base64'), 'image/png', 'cid:logo')]}));
  const source = await came(subject('attached'), 'X-Shop: seventeen', 'a.txt');
  assert.match(source, /Content-ID: <logo>/i);
});

check('sendEmailBatch answers for each', async () => {
  const answers = await client.sendEmailBatch([mail('batch-1'), mail('batch-2', {To: 'nobody'}), mail('batch-3')]);
  assert.deepStrictEqual(answers.map((each) => each.ErrorCode), [0, 300, 0]);
  assert.strictEqual(answers[1].Message, "Invalid 'To' address: 'nobody'.");
  await came(subject('batch-1'));
  await came(subject('batch-3'));
});

check('a wrong token is InvalidAPIKeyError', async () => {
  const error = await thrown(() => by('no-such-token').sendEmail(mail('no')));
  assert.ok(error instanceof postmark.Errors.InvalidAPIKeyError, error.name);
  assert.strictEqual(error.code, 10);
  assert.strictEqual(error.statusCode, 401);
});

check('a wrong address is InvalidEmailRequestError', async () => {
  const error = await thrown(() => client.sendEmail(mail('no', {To: 'a@x..pl'})));
  assert.ok(error instanceof postmark.Errors.InvalidEmailRequestError, error.name);
  assert.strictEqual(error.message, "Error parsing 'To': Illegal email domain 'x..pl' in address 'a@x..pl'.");
  assert.strictEqual(error.statusCode, 422);
});

check('an empty message is InvalidEmailRequestError', async () => {
  const error = await thrown(() => client.sendEmail(mail('no', {TextBody: ''})));
  assert.ok(error instanceof postmark.Errors.InvalidEmailRequestError, error.name);
});

check('a sender of somebody else is ApiInputError 400', async () => {
  const error = await thrown(() => client.sendEmail(mail('no', {From: 'boss@elsewhere.test'})));
  assert.ok(error instanceof postmark.Errors.ApiInputError, error.name);
  assert.strictEqual(error.code, 400);
});

check('a forbidden attachment is ApiInputError 411', async () => {
  const error = await thrown(() => client.sendEmail(mail('no', {Attachments: [new postmark.Models.Attachment('a.exe', 'aGk=', 'application/octet-stream')]})));
  assert.strictEqual(error.code, 411);
});

check('too many in a batch is ApiInputError 410', async () => {
  const error = await thrown(() => client.sendEmailBatch(Array.from({length: 501}, () => mail('no'))));
  assert.strictEqual(error.code, 410);
});

check('the token POSTMARK_API_TEST checks and drops', async () => {
  const sent = await by('POSTMARK_API_TEST').sendEmail(mail('dropped'));
  assert.strictEqual(sent.Message, 'Test job accepted');
  const error = await thrown(() => by('POSTMARK_API_TEST').sendEmail(mail('no', {To: 'foo'})));
  assert.strictEqual(error.code, 300);
  assert.ok(await thrown(() => by('POSTMARK_API_TEST').getTemplates()));
});

check('a key without the scope is refused', async () => {
  const error = await thrown(() => by(env.READ_KEY).sendEmail(mail('no')));
  assert.ok(error instanceof postmark.Errors.InvalidAPIKeyError, error.name);
});

check('an unknown stream is ApiInputError 1235', async () => {
  const error = await thrown(() => client.sendEmail(mail('no', {MessageStream: 'none-such'})));
  assert.strictEqual(error.code, 1235);
});

const alias = `welcome-${name}-${where}`;
check('templates: create, get, list, edit', async () => {
  const made = await client.createTemplate({Name: 'Welcome', Alias: alias, Subject: 'x', TextBody: 'Hi {{name}}', HtmlBody: '<p>{{name}}</p>'});
  assert.strictEqual(made.Alias, alias);
  assert.ok(Number.isInteger(made.TemplateId));
  const one = await client.getTemplate(alias);
  assert.strictEqual(one.TextBody, 'Hi {{name}}');
  assert.strictEqual((await client.getTemplate(made.TemplateId)).Alias, alias);
  const list = await client.getTemplates();
  assert.ok(list.Templates.some((each) => each.Alias === alias) && list.TotalCount >= 1);
  await client.editTemplate(alias, {Subject: `${subject('template')} {{name}}`, HtmlBody: '<p>{{name}}{{#each rows}} {{.}}{{/each}}</p>'});
  assert.strictEqual((await client.getTemplate(alias)).Subject, `${subject('template')} {{name}}`);
});

check('sendEmailWithTemplate', async () => {
  const sent = await client.sendEmailWithTemplate({From: 'shop@example.test', To: 'anna@example.test', TemplateAlias: alias, TemplateModel: {name: 'Ola <1>', rows: ['a', 'b']}});
  assert.strictEqual(sent.ErrorCode, 0);
  const source = await came(`${subject('template')} Ola <1>`);
  assert.match(source, /<p>Ola &lt;1&gt; a b<\/p>/);
});

check('sendEmailBatchWithTemplates', async () => {
  const one = (templateAlias, word) => ({From: 'shop@example.test', To: 'anna@example.test', TemplateAlias: templateAlias, TemplateModel: {name: word}});
  const answers = await client.sendEmailBatchWithTemplates([one(alias, 'batched'), one('none-such', 'no')]);
  assert.deepStrictEqual(answers.map((each) => each.ErrorCode), [0, 1101]);
  await came(`${subject('template')} batched`);
});

check('a template that is not there is ApiInputError 1101', async () => {
  const error = await thrown(() => client.getTemplate('none-such'));
  assert.ok(error instanceof postmark.Errors.ApiInputError, error.name);
  assert.strictEqual(error.code, 1101);
});

check('templates: validate, wrong ones, delete', async () => {
  const good = await client.validateTemplate({Subject: '{{a}}', TextBody: '{{#b}}{{c}}{{/b}}', HtmlBody: '', TestRenderModel: {a: 'A', b: [{c: 1}, {c: 2}]}});
  assert.strictEqual(good.AllContentIsValid, true);
  assert.strictEqual(good.Subject.RenderedContent, 'A');
  assert.strictEqual(good.TextBody.RenderedContent, '12');
  assert.deepStrictEqual(good.SuggestedTemplateModel, {a: 'a_Value', b: {c: 'c_Value'}});
  const bad = await client.validateTemplate({Subject: '{{#a}}', TextBody: '', HtmlBody: ''});
  assert.strictEqual(bad.AllContentIsValid, false);
  const error = await thrown(() => client.createTemplate({Name: 'Bad', Subject: '{{', TextBody: 't'}));
  assert.ok(error instanceof postmark.Errors.ApiInputError, error.name);
  const removed = await client.deleteTemplate(alias);
  assert.strictEqual(removed.ErrorCode, 0);
  assert.strictEqual((await thrown(() => client.getTemplate(alias))).code, 1101);
});

check('message streams', async () => {
  const id = `news-${name}-${where}`;
  const made = await client.createMessageStream({ID: id, Name: 'News', MessageStreamType: 'Broadcasts', Description: 'd'});
  assert.strictEqual(made.MessageStreamType, 'Broadcasts');
  const list = await client.getMessageStreams();
  const ids = list.MessageStreams.map((each) => each.ID);
  assert.ok(ids.includes('outbound') && ids.includes('broadcast') && ids.includes(id), ids.join());
  assert.strictEqual((await client.editMessageStream(id, {Name: 'Nowiny'})).Name, 'Nowiny');
  assert.strictEqual((await client.archiveMessageStream(id)).ID, id);
  assert.ok(!(await client.getMessageStreams()).MessageStreams.some((each) => each.ID === id));
  assert.strictEqual((await client.unarchiveMessageStream(id)).ID, id);
  assert.strictEqual((await client.getMessageStream(id)).Name, 'Nowiny');
  assert.ok((await thrown(() => client.getMessageStream('none-such'))) instanceof postmark.Errors.ApiInputError);
});

const inactive = `jan+${name}-${where}@example.test`;
check('suppressions: create, list', async () => {
  const made = await client.createSuppressions('outbound', {Suppressions: [{EmailAddress: inactive}, {EmailAddress: 'nobody'}]});
  assert.deepStrictEqual(made.Suppressions.map((each) => each.Status), ['Suppressed', 'Failed']);
  const list = await client.getSuppressions('outbound');
  const found = list.Suppressions.find((each) => each.EmailAddress === inactive);
  assert.strictEqual(found.SuppressionReason, 'ManualSuppression');
  assert.strictEqual(found.Origin, 'Customer');
  assert.deepStrictEqual((await client.getSuppressions('outbound', {suppressionReason: 'HardBounce', emailAddress: inactive})).Suppressions, []);
  assert.strictEqual((await client.getSuppressions('outbound', {suppressionReason: 'ManualSuppression', emailAddress: inactive})).Suppressions.length, 1);
});

check('only inactive recipients: InactiveRecipientsError names them', async () => {
  const error = await thrown(() => client.sendEmail(mail('no', {To: inactive})));
  assert.ok(error instanceof postmark.Errors.InactiveRecipientsError, error.name);
  assert.strictEqual(error.code, 406);
  assert.deepStrictEqual(error.recipients, [inactive]);
});

check('some inactive recipients: accepted, and named', async () => {
  const sent = await client.sendEmail(mail('partly', {To: `anna@example.test, ${inactive}`}));
  assert.strictEqual(sent.ErrorCode, 0);
  assert.ok(sent.Message.startsWith(`Message OK, but will not deliver to these inactive addresses: ${inactive}. `), sent.Message);
  await came(subject('partly'));
});

check('sendBulkEmail: one content for many, and its status', async () => {
  if (!client.sendBulkEmail) return;
  const asked = {From: 'shop@example.test', Subject: `${subject('bulk')} {{name}}`, HtmlBody: '<p>{{name}}</p>', Metadata: {campaign: 'x'}, Attachments: [new postmark.Models.Attachment('a.txt', 'aGk=', 'text/plain')],
    Messages: [{To: 'anna@example.test', TemplateModel: {name: 'first'}}, {To: 'anna@example.test', TemplateModel: {name: 'second'}, Metadata: {n: '2'}}]};
  const sent = await client.sendBulkEmail(asked);
  assert.strictEqual(sent.Status, 'Accepted');
  for (const name of ['first', 'second']) assert.match(await came(`${subject('bulk')} ${name}`, 'a.txt'), /^List-Unsubscribe-Post: /m);
  const status = await client.getBulkEmailStatus(sent.Id);
  assert.deepStrictEqual([status.Status, status.TotalMessages, status.PercentageCompleted], ['Completed', 2, 1]);
  assert.ok(await thrown(() => client.getBulkEmailStatus('none-such')) instanceof postmark.Errors.ApiInputError);
  const error = await thrown(() => client.sendBulkEmail({...asked, Messages: [{To: 'anna@example.test', TemplateModel: {}}, {To: 'foo'}]}));
  assert.strictEqual(error.code, 300);
});

check('inbound: empty lists, and nothing to be had', async () => {
  assert.deepStrictEqual((await client.getInboundMessages()).InboundMessages, []);
  assert.deepStrictEqual((await client.getInboundRuleTriggers()).InboundRules, []);
  assert.strictEqual((await thrown(() => client.getInboundMessageDetails('x'))).code, 701);
  assert.ok(await thrown(() => client.createInboundRuleTrigger({Rule: 'spam.test'})) instanceof postmark.Errors.ApiInputError);
});

check('suppressions: delete', async () => {
  const done = await client.deleteSuppressions('outbound', {Suppressions: [{EmailAddress: inactive}]});
  assert.strictEqual(done.Suppressions[0].Status, 'Deleted');
  assert.ok(!(await client.getSuppressions('outbound')).Suppressions.some((each) => each.EmailAddress === inactive));
});

run();
