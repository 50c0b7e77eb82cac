// The browser's side of run.py: reads one JSON line after another ({"do": …}), answers each with one.
//
// One context of Chromium for all. What must never happen is watched all the time: a request to another
// origin, a dialog, window.pwned in any frame, an error of a script. An answer {"error"} says what did.
import {createRequire} from 'node:module';
import {createInterface} from 'node:readline';
import {readFileSync} from 'node:fs';

const require = createRequire(new URL('../../web/package.json', import.meta.url));
const {chromium} = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const {BASE: base, LOGIN: login, PASSWORD: password, PICTURES: pictures} = process.env;

const browser = await chromium.launch({executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--hide-scrollbars']});
const context = await browser.newContext({viewport: {width: 1280, height: 800}, locale: 'en-GB', timezoneId: 'Europe/Warsaw', reducedMotion: 'reduce', permissions: ['clipboard-read', 'clipboard-write']});
let bad = [];
await context.route('**/*', (route) => {
  const url = route.request().url();
  if (url.startsWith(base + '/') || /^(data|blob|about):/.test(url)) return route.continue();
  bad.push('asked for ' + url);
  return route.abort();
});
let page = await context.newPage();
watch(page);

function watch(one) {
  one.on('dialog', (dialog) => { bad.push(`a dialog: ${dialog.message()}`); void dialog.dismiss(); });
  one.on('pageerror', (error) => bad.push(`an error: ${error.message}`));
  one.on('popup', (popup) => bad.push(`a window: ${popup.url()}`));
  one.on('console', (message) => {
    // An answer 404 or 401 is told by the page; the browser's line about it is no error of ours. Neither
    // is its word that the policy held of styles and handlers in a mail's inert copy; that none comes
    // into a page is looked at in clean().
    if (message.type() === 'error' && !/Failed to load resource|(Applying inline style|Executing inline event handler|Setting the document.s base URI)/.test(message.text())) bad.push(`console: ${message.text()}`);
  });
}

function expect(true_, words) { if (!true_) throw new Error(words); }

async function quiet() {
  for (const frame of page.frames()) {
    const pwned = await frame.evaluate(() => window.pwned).catch(() => undefined);
    if (pwned !== undefined) bad.push('window.pwned is set in ' + frame.url());
  }
  const found = bad;
  bad = [];
  expect(!found.length, found.join('; '));
}

async function ready() {
  await page.waitForFunction(() => document.querySelector('main h1, main form') && !document.querySelector('[aria-busy=true]'), undefined, {timeout: 15000});
}

async function open(path) {
  await page.goto(base + path);
  await ready();
}

async function looks(language, theme) {
  await page.evaluate(([language, theme]) => { localStorage.setItem('goniec.language', language); localStorage.setItem('goniec.theme', theme); }, [language, theme]);
}

async function judge() {
  // The policy forbids foreign scripts; a debugger's evaluate is none.
  await page.evaluate(axe);
  const result = await page.evaluate(() => window.axe.run(document, {iframes: false, runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}));
  expect(!result.violations.length, result.violations.map((each) => `${each.id}: ${each.nodes.slice(0, 3).map((node) => node.html.slice(0, 120) + ' ' + node.any.map((one) => one.message).join(' ').slice(0, 160)).join(' | ')}`).join('; '));
}

const deeds = {
  async login() {
    await page.goto(base + '/queue?state=held');
    await page.fill('input[name=username]', login);
    await page.fill('input[name=password]', 'wrong ' + password);
    await page.click('button[type=submit]');
    await page.waitForSelector('[role=alert]');
    await judge();
    await page.fill('input[name=password]', password);
    await page.click('button[type=submit]');
    await page.waitForSelector('nav');
    await ready();
    expect(page.url().endsWith('/queue?state=held'), 'another page: ' + page.url());
    await quiet();
  },
  async first() {
    await open('/');
    await page.waitForSelector('.listening');
    await judge();
    await page.click('button.main');
    await page.waitForSelector('code.token');
    await page.screenshot({path: `${pictures}/first-send.png`});
    await quiet();
    return {snippet: await page.textContent('.snippet pre')};
  },
  async turns_green() {
    await page.waitForSelector('.arrived', {timeout: 20000});
    await judge();
    await quiet();
  },
  async settled() {
    await open('/activity');
    await page.waitForSelector('table.mail-list tbody tr');
    await quiet();
  },
  async page({path, language, theme, narrow}) {
    await looks(language, theme);
    await open(path);
    expect(await page.evaluate(() => document.documentElement.lang) === language, 'another language');
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'wider than the window');
    await judge();
    if (narrow) {
      await page.setViewportSize({width: 320, height: 640});
      const wide = await page.waitForFunction(() => document.documentElement.scrollWidth <= 320, undefined, {timeout: 2000}).catch(() => page.evaluate(() =>
        [...document.querySelectorAll('main *')].filter((each) => each.getBoundingClientRect().right > 321 && !each.closest('.table-frame')).slice(0, 5).map((each) => each.outerHTML.slice(0, 120))));
      if (!Array.isArray(wide)) await judge();
      await page.setViewportSize({width: 1280, height: 800});
      expect(!Array.isArray(wide), `wider than 320 pixels: ${wide}`);
    }
    await quiet();
  },
  async keyboard() {
    await looks('en', 'light');
    await open('/');
    await page.keyboard.press('g');
    await page.keyboard.press('a');
    await page.waitForURL('**/activity*');
    await page.waitForSelector('table.mail-list tbody tr');
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('x');
    expect(await page.locator('table.mail-list tbody tr').nth(1).locator('input').isChecked(), 'x did not select the second row');
    const second = await page.locator('table.mail-list tbody tr').nth(1).locator('a').textContent();
    await page.keyboard.press('Enter');
    await page.waitForURL('**/m/*');
    await ready();
    expect((await page.textContent('h1')) === second, 'Enter opened another row');
    await page.keyboard.press('Escape');
    await page.waitForURL('**/activity*');
    await page.waitForSelector('table.mail-list tbody tr');
    await page.keyboard.press('/');
    expect(await page.evaluate(() => document.activeElement?.matches('input[type=search]')), '/ did not reach the search');
    await page.keyboard.press('Escape');
    await page.keyboard.press('?');
    await page.waitForSelector('dialog[open]');
    await judge();
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+k');
    await page.waitForSelector('dialog[open] [role=combobox]');
    await judge();
    await page.keyboard.type('queue');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/queue*');
    await quiet();
  },
  async search({text, subject}) {
    await open('/activity');
    await page.fill('input[type=search]', text);
    await page.keyboard.press('Enter');
    await page.waitForFunction((subject) => { const rows = [...document.querySelectorAll('table.mail-list tbody tr')]; return rows.length === 1 && rows[0].textContent.includes(subject); }, subject);
    expect(page.url().includes('q=to%3A'), 'the search is not in the address: ' + page.url());
    await page.keyboard.press('Escape');
    await page.click('table.mail-list tbody tr a');
    await page.waitForURL('**/m/*');
    await ready();
    expect((await page.textContent('h1')).includes(subject), 'another message');
    expect((await page.textContent('.why')).includes('no such mailbox'), 'it does not say why');
    await quiet();
  },
  /** The words of the table that the server has, in both languages. */
  async why({id, cause, fix}) {
    for (const [at, language] of ['en', 'pl'].entries()) {
      await looks(language, 'light');
      await open(`/m/${id}`);
      const text = await page.textContent('.why');
      expect(text.includes(cause[at]) && text.includes(fix[at]), `${language}: ${text}`);
    }
    await looks('en', 'light');
    await quiet();
  },
  /** The ladder of a message that waits; asked about, tried once more, it has a rung more. */
  async ladder({id, recipient}) {
    await open(`/m/${id}`);
    await page.waitForSelector('.ladder .coming');
    expect(await page.locator('.ladder li').count() === 2, 'not one try and the next one');
    expect((await page.textContent('.recipients .status')).includes('deferred'), 'it is not deferred');
    expect(/not encrypted/.test(await page.textContent('.recipients')), 'it does not say that the connection was in clear text');
    await page.locator('.page-actions button', {hasText: 'Retry'}).click();
    await page.waitForSelector('dialog[open]');
    expect((await page.textContent('dialog')).includes(recipient), 'it does not say whom it concerns');
    await judge();
    await page.locator('dialog button.main').click();
    await page.waitForFunction(() => document.querySelectorAll('.ladder li').length === 3, undefined, {timeout: 20000});
    for (const name of ['Cancel', 'Send again']) {
      await page.locator('.page-actions button', {hasText: name}).click();
      await page.waitForSelector('dialog[open]');
      await judge();
      await page.locator('dialog button', {hasText: 'Back'}).click();
      await page.waitForFunction(() => !document.querySelector('dialog'));
    }
    expect(await page.locator('.ladder li').count() === 3, 'going back did something');
    await quiet();
  },
  async terms() {
    await open('/activity?q=' + encodeURIComponent('status:bounced zmiana'));
    await page.waitForFunction(() => document.querySelectorAll('table.mail-list tbody tr').length === 1);
    await page.locator('.chips.terms button', {hasText: 'zmiana'}).click();
    await page.waitForFunction(() => document.querySelectorAll('table.mail-list tbody tr').length > 1);
    expect(new URL(page.url()).searchParams.get('q') === 'status:bounced', 'the address says ' + page.url());
    await page.locator('.search button', {hasText: 'Help'}).click();
    await page.waitForSelector('#search-help:not([hidden])');
    await judge();
    await open('/activity?q=statsu:bounced');
    expect((await page.textContent('[role=alert]')).includes('status:'), 'a wrong name is not told');
    await quiet();
  },
  /** Provider by hour: another figure by a press, in the address; the same as a table. */
  async heat() {
    await open('/deliverability?since=24h');
    await page.waitForSelector('.heat.wait .full');
    const darkest = await page.evaluate(() => Math.max(...[...document.querySelectorAll('.heat.wait .full')].map((each) => Number(getComputedStyle(each).fillOpacity))));
    expect(darkest > 0.5, 'no provider put off anything');
    await page.locator('.chips button', {hasText: 'bounced'}).click();
    await page.waitForSelector('.heat.bad .full');
    expect(page.url().includes('heat=bounced'), 'the address says ' + page.url());
    await page.locator('button[aria-label^="Table: Provider by time"]').click();
    await page.waitForSelector('table[aria-label="Provider by time"] td');
    expect(/%/.test(await page.textContent('table[aria-label="Provider by time"] tbody')), 'the table is empty');
    await judge();
    await quiet();
  },
  async replies() {
    await open('/deliverability?tab=bounces&since=24h');
    await page.locator('table button', {hasText: 'No such mailbox'}).click();
    await page.waitForSelector('th.wide-reply');
    expect((await page.textContent('th.wide-reply')).includes('User unknown'), 'the reply is not told');
    await judge();
    await quiet();
  },
  async dns({domain}) {
    await open(`/deliverability?tab=dns&at=${domain}`);
    await page.waitForSelector('.record[open]', {timeout: 30000});
    const value = page.locator('.record[open]').first().locator('dl div').nth(1), wanted = (await value.locator('code').textContent()).replace(/^\w+ /, '');
    await value.locator('button.copy').click();
    await page.waitForFunction(() => [...document.querySelectorAll('button.copy')].some((each) => each.textContent === 'Copied'));
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    expect(copied === wanted, `copied ${copied}, wanted ${wanted}`);
    await judge();
    await quiet();
  },
  /** The story of an address; off the list only after it was asked about. */
  async story({email}) {
    await open(`/recipients?check=${encodeURIComponent(email)}`);
    await page.waitForSelector('.story li');
    expect((await page.textContent('.story')).includes('There is no such mailbox'), 'the story does not say what happened');
    await judge();
    const row = page.locator('table tbody tr', {hasText: email});
    await row.locator('button', {hasText: 'Remove'}).click();
    await page.waitForSelector('dialog[open]');
    await judge();
    await page.locator('dialog button.danger').click();
    await page.waitForFunction((email) => ![...document.querySelectorAll('table tbody tr')].some((each) => each.textContent.includes(email)), email);
    await quiet();
  },
  /** A webhook made here, tested, and what it was answered. */
  async webhook({endpoint}) {
    await open('/developers?tab=webhooks');
    await page.locator('button', {hasText: 'New webhook'}).first().click();
    await page.fill('dialog input[name=endpoint]', endpoint);
    await judge();
    await page.locator('dialog button[type=submit]').click();
    await page.waitForSelector('code.token');
    await page.locator('table button', {hasText: endpoint}).click();
    await page.locator('.detail button', {hasText: 'Send a test'}).click();
    await page.waitForSelector('.detail .note.fresh');
    const said = await page.textContent('.detail .note.fresh');
    expect(said.includes('503') && said.includes('down for repairs'), 'what it answered is not shown: ' + said);
    await judge();
    await quiet();
  },
  async webhook_attempts({endpoint}) {
    await open('/developers?tab=webhooks');
    await page.locator('table button', {hasText: endpoint}).click();
    await page.waitForSelector('.detail tbody tr', {timeout: 20000});
    await page.locator('.detail tbody th button').first().click();
    await page.waitForSelector('.attempts li');
    expect((await page.textContent('.attempts')).includes('503'), 'the attempt is not shown');
    await judge();
    await page.locator('.detail button', {hasText: 'Send what was given up'}).click();
    await page.waitForFunction(() => /^\d/.test(document.querySelector('dialog .big')?.textContent ?? ''));
    await judge();
    await page.keyboard.press('Escape');
    await page.locator('.detail button', {hasText: 'Delete'}).click();
    await page.locator('dialog button.danger').click();
    await page.waitForFunction(() => !document.querySelector('.detail'));
    await quiet();
  },
  async queue() {
    await open('/queue');
    const press = async (name) => { await page.locator('.bulk.quiet button', {hasText: name}).click(); await page.waitForSelector('dialog[open] .big'); };
    await press('Hold');
    await page.waitForFunction(() => /^\d/.test(document.querySelector('dialog .big').textContent));
    const count = Number(/^\d+/.exec(await page.textContent('dialog .big'))[0]);
    expect(count > 0, 'nothing is counted');
    await judge();
    await page.locator('dialog button.main').click();
    await page.waitForFunction((count) => [...document.querySelectorAll('table.mail-list tbody tr')].filter((row) => row.textContent.includes('held')).length === count, count);
    await press('Release');
    await page.waitForFunction(() => !document.querySelector('dialog button.main').disabled);
    await page.locator('dialog button.main').click();
    await page.waitForFunction(() => ![...document.querySelectorAll('table.mail-list tbody tr')].some((row) => row.textContent.includes('held')));
    await quiet();
  },
  async csrf() {
    const status = await page.evaluate(() => fetch('/api/v1/queue/hold', {method: 'POST', body: '{"all":true,"dry_run":true}', headers: {'content-type': 'application/json'}}).then((reply) => reply.status));
    expect(status === 403, 'status ' + status);
  },
  async hostile({id}) {
    await open(`/m/${id}?tab=preview`);
    await poke();
    await clean();
    for (const [at] of (await page.locator('[role=tab]').all()).entries()) {
      await page.locator('[role=tab]').nth(at).click();
      await ready();
      const text = page.locator('.chips button', {hasText: 'Text'});
      if (await text.count()) await text.click();
      await clean();
      expect(await page.evaluate(() => document.title.endsWith('· Goniec') && !!document.querySelector('main h1')), 'the page is not itself any more');
    }
    await quiet();
  },
  async hostile_lists() {
    for (const path of ['/', '/activity', '/activity?q=hostile', '/queue', '/deliverability', '/recipients']) { await open(path); await clean(); }
    await quiet();
  },
  async pictures({refused, delivered}) {
    await looks('en', 'light');
    await page.setViewportSize({width: 1120, height: 720});
    const shots = [['overview', '/?since=24h'], ['activity', '/activity'], ['message', `/m/${refused}`], ['preview', `/m/${delivered}?tab=preview`], ['queue', '/queue'],
      ['deliverability', '/deliverability?since=24h'], ['dns', '/deliverability?tab=dns'], ['recipients', '/recipients?check=unknown.nowak@o2.pl'], ['developers', '/developers?tab=smtp'], ['system', '/system']];
    for (const [name, path] of shots) { await open(path); if (name === 'message') await page.waitForSelector('.why'); await page.screenshot({path: `${pictures}/${name}.png`}); }
    await looks('pl', 'dark');
    await open('/?since=24h');
    await page.screenshot({path: `${pictures}/overview-pl-dark.png`});
    await looks('en', 'light');
    await page.setViewportSize({width: 1280, height: 800});
    await quiet();
  },
  async logout() {
    await open('/');
    await page.locator('.account button', {hasText: 'Log out'}).click();
    await page.waitForSelector('input[name=password]');
    const status = await page.evaluate(() => fetch('/api/v1/status').then((reply) => reply.status));
    expect(status === 401, 'status ' + status);
    await quiet();
  },
};

/** No script but ours, no handler in an attribute, nothing that loads or sends by itself, in any frame. */
async function clean() {
  for (const frame of page.frames()) {
    const found = await frame.evaluate(() => {
      const wrong = [...document.querySelectorAll('script, object, embed, form[action], svg script, base, meta[http-equiv], link:not([href^="/assets/"])')]
        .filter((each) => !each.matches('script[src^="/assets/"]')).map((each) => each.outerHTML.slice(0, 80));
      for (const each of document.querySelectorAll('*')) for (const {name, value} of each.attributes)
        if (name.startsWith('on') || (/^(xlink:)?(href|src|action|formaction|data)$/.test(name) && /^\s*javascript:/i.test(value))) wrong.push(`${each.localName} ${name}`);
      return wrong;
    });
    expect(!found.length, `in ${frame.url()}: ${found.slice(0, 5)}`);
  }
}

/** Touches what is in the preview, as a reader would: moves over it, clicks links and fields. */
async function poke() {
  const frame = page.frames().find((each) => each !== page.mainFrame());
  if (!frame) return;
  const found = await frame.locator('a, p, div, img').all();
  for (const each of found.slice(0, 4)) await each.click({timeout: 500, force: true}).catch(() => undefined);
  const scripts = await frame.evaluate(() => document.querySelectorAll('iframe, form, input, svg, style, template').length);
  expect(scripts === 0, `${scripts} elements that have no place in a preview`);
}

for await (const line of createInterface({input: process.stdin})) {
  const {do: deed, ...more} = JSON.parse(line);
  let answer;
  try {
    answer = {ok: true, ...(await deeds[deed](more))};
  } catch (error) {
    const found = bad;
    bad = [];
    answer = {error: `${String(error.message).slice(0, 1200)} ${found.join('; ')} at ${page.url()}`};
    await page.screenshot({path: `${pictures}/failed.png`}).catch(() => undefined);
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
await browser.close();
