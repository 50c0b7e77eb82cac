// npm postmark: what became of messages (argument: which of the two installed majors).
'use strict';
const [, , name] = process.argv;
const postmark = require(name);
const {assert, came, check, env, run, thrown, until} = require('./cases.js');

const client = new postmark.ServerClient(env.KEY, {requestHost: `${env.HOST}/postmark`, useHttps: false, timeout: 30});
const subject = (word) => `${name}-facts-${word}`;
const send = (word, more = {}) => client.sendEmail({From: 'shop@example.test', To: 'anna@example.test', Subject: subject(word), TextBody: 'text of it', Tag: `tag-${name}`, Metadata: {order: '17'}, ...more});

let delivered;
check('getOutboundMessageDetails tells the story', async () => {
  delivered = (await send('delivered', {HtmlBody: '<b>html of it</b>'})).MessageID;
  await came(subject('delivered'));
  const details = await until('delivery', async () => {
    const found = await client.getOutboundMessageDetails(delivered);
    return found.MessageEvents.length ? found : null;
  });
  assert.strictEqual(details.MessageID, delivered);
  assert.strictEqual(details.Subject, subject('delivered'));
  assert.strictEqual(details.Status, 'Sent');
  assert.strictEqual(details.MessageStream, 'outbound');
  assert.strictEqual(details.Tag, `tag-${name}`);
  assert.deepStrictEqual(details.Metadata, {order: '17'});
  assert.deepStrictEqual(details.Recipients, ['anna@example.test']);
  const [event] = details.MessageEvents;
  assert.strictEqual(event.Type, 'Delivered');
  assert.strictEqual(event.Recipient, 'anna@example.test');
});

check('a message that is not there is ApiInputError 701', async () => {
  const error = await thrown(() => client.getOutboundMessageDetails('00000000-0000-7000-8000-000000000000'));
  assert.ok(error instanceof postmark.Errors.ApiInputError, error.name);
  assert.strictEqual(error.code, 701);
});

check('getOutboundMessageDump answers with a body', async () => {
  assert.strictEqual(typeof (await client.getOutboundMessageDump(delivered)).Body, 'string');
});

check('getOutboundMessages finds by tag, recipient and subject', async () => {
  const list = await until('the list', async () => {
    const found = await client.getOutboundMessages({tag: `tag-${name}`, count: 10});
    return found.Messages.length ? found : null;
  });
  assert.ok(list.Messages.some((each) => each.MessageID === delivered));
  assert.ok((await client.getOutboundMessages({recipient: 'anna@example.test', count: 5})).Messages.length > 0);
  assert.strictEqual((await client.getOutboundMessages({subject: 'none-such-subject'})).TotalCount, 0);
  const error = await thrown(() => client.getOutboundMessages({count: 501}));
  assert.ok(error instanceof postmark.Errors.ApiInputError, error.name);
});

check('getBounces, getBounce, getBounceDump, activateBounce', async () => {
  const sent = await send('bounced', {To: 'hard@remote.test'});
  const bounce = await until('the bounce', async () => {
    const found = await client.getBounces({count: 50});
    return found.Bounces.find((each) => each.MessageID === sent.MessageID);
  });
  assert.strictEqual(bounce.Type, 'HardBounce');
  assert.strictEqual(bounce.TypeCode, 1);
  assert.strictEqual(bounce.Email, 'hard@remote.test');
  assert.match(bounce.Details, /5\.1\.1/);
  assert.strictEqual((await client.getBounce(bounce.ID)).MessageID, sent.MessageID);
  assert.match((await client.getBounceDump(bounce.ID)).Body, /5\.1\.1/);
  const activated = await client.activateBounce(bounce.ID);
  assert.strictEqual(activated.Message, 'OK');
  assert.strictEqual(activated.Bounce.Inactive, false);
  const again = await send('activated', {To: 'hard@remote.test'});
  assert.strictEqual(again.ErrorCode, 0);
  assert.ok((await client.getBounces({messageID: sent.MessageID})).Bounces.length >= 1);
  assert.ok((await client.getBounces({type: postmark.Models.BounceType.SpamComplaint, count: 5})).Bounces.length === 0);
});

check('a bounce that is not there is ApiInputError 407', async () => {
  assert.strictEqual((await thrown(() => client.getBounce(999999999))).code, 407);
});

check('getDeliveryStatistics', async () => {
  const stats = await client.getDeliveryStatistics();
  assert.strictEqual(stats.Bounces[0].Name, 'All');
  assert.ok(Number.isInteger(stats.InactiveMails));
});

check('statistics', async () => {
  const overview = await client.getOutboundOverview();
  assert.ok(overview.Sent > 0, JSON.stringify(overview));
  const sends = await client.getSentCounts();
  assert.ok(sends.Sent > 0 && sends.Days.length > 0);
  assert.ok((await client.getBounceCounts()).HardBounce >= 1);
  assert.strictEqual((await client.getSpamComplaintsCounts()).SpamComplaint, 0);
  for (const call of ['getTrackedEmailCounts', 'getEmailOpenCounts', 'getEmailOpenPlatformUsage', 'getEmailOpenClientUsage', 'getEmailOpenReadTimes', 'getClickCounts', 'getClickBrowserUsage', 'getClickPlatformUsage', 'getClickLocation']) {
    if (client[call]) assert.ok(Array.isArray((await client[call]()).Days), call);
  }
});

check('opens and clicks are lists', async () => {
  assert.ok(Array.isArray((await client.getMessageOpens({count: 5})).Opens));
  assert.ok(Array.isArray((await client.getMessageClicks({count: 5})).Clicks));
  assert.strictEqual((await client.getMessageOpensForSingleMessage(delivered)).TotalCount, 0);
});

check('getServer, editServer', async () => {
  const server = await client.getServer();
  assert.strictEqual(server.ID, 1);
  assert.strictEqual(server.DeliveryType, 'Live');
  assert.strictEqual((await client.editServer({TrackOpens: true})).TrackOpens, true);
  assert.strictEqual((await client.editServer({TrackOpens: false})).TrackOpens, false);
});

run();
