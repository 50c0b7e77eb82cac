// What the scripts of this folder share: named cases, one line each, and a look into mailboxes.
//
//   check('sends', async () => {…});  …;  run();
// The harness (clients.py) gives by environment: URL (http://127.0.0.1:PORT), HOST, PORT, KEY
// (send, read, manage), SENDGRID_KEY, SEND_KEY, READ_KEY, SMTP_PORT, MAIL (its own look into
// mailboxes).
'use strict';
const assert = require('assert');

const cases = [];
const check = (name, test) => cases.push([name, test]);

async function run() {
  let failed = 0;
  for (const [name, test] of cases) {
    try {
      await test();
      console.log(`ok    ${name}`);
    } catch (error) {
      failed += 1;
      const text = String(error && error.stack ? error.stack : error).split('\n').slice(0, 6).join('\n      ');
      console.log(`FAIL  ${name}: ${text}`);
    }
  }
  process.exit(failed ? 1 : 0);
}

// The mail whose source has these words; the harness waits for it.
async function came(...words) {
  const query = words.map((word) => `word=${encodeURIComponent(word)}`).join('&');
  const answer = await fetch(`${process.env.MAIL}/came?${query}`);
  const text = await answer.text();
  assert.strictEqual(answer.status, 200, `no mail with ${words.join(', ')}: ${text}`);
  return text;
}

// What `attempt` is thrown, which it must be.
async function thrown(attempt) {
  try {
    await attempt();
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({message: 'nothing was refused'});
}

// The first true value of look(); the harness's own patience is the limit.
async function until(what, look) {
  for (let turn = 0; turn < 100; turn += 1) {
    const found = await look();
    if (found) return found;
    await fetch(`${process.env.MAIL}/turn`);  // a moment passes there
  }
  throw new assert.AssertionError({message: `never came: ${what}`});
}

module.exports = {assert, came, check, env: process.env, run, thrown, until};
