// Answers by the contract (src/api/openapi.yaml) for a shop that has sent mail for a month. The same
// numbers at each start: chance comes from a seed.
let seed = 20261126;
const chance = () => ((seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff);
const pick = (list) => list[Math.floor(chance() * list.length)];
const empty = process.env.EMPTY === '1';
const now = Date.now(), minute = 60_000, hour = 60 * minute, day = 24 * hour;
const iso = (ms) => new Date(ms).toISOString();

const providers = [['gmail', 0.34], ['wp', 0.2], ['o2', 0.14], ['onet', 0.12], ['interia', 0.08], ['microsoft', 0.07], ['other', 0.05]];
const hosts = {gmail: 'gmail-smtp-in.l.google.com[142.250.102.27]:25', wp: 'mx.wp.pl[212.77.101.4]:25', o2: 'mx.tlen.pl[193.17.41.99]:25',
  onet: 'mx.poczta.onet.pl[213.180.147.146]:25', interia: 'mx.interia.pl[217.74.65.64]:25',
  microsoft: 'outlook-com.olc.protection.outlook.com[52.101.8.42]:25', other: 'mail.example.com[203.0.113.9]:25'};
const domains = {gmail: 'gmail.com', wp: 'wp.pl', o2: 'o2.pl', onet: 'onet.pl', interia: 'interia.pl', microsoft: 'outlook.com', other: 'example.com'};
const people = ['anna', 'jan.kowalski', 'ewa', 'piotr.nowak', 'kasia', 'tomasz', 'magda.w', 'biuro', 'zofia', 'marek'];
const subjects = ['Potwierdzenie zamówienia nr 20417', 'Twoja faktura za listopad', 'Paczka jest w drodze', 'Zmiana hasła', 'Witamy w sklepie!',
  'Nowości tygodnia: zima', 'Your receipt', 'Przypomnienie o koszyku'];
const explanations = {
  bounced: {class: 'bad_mailbox', type: 'permanent', hint: 'bounce.bad_mailbox', who: 'sender', suppresses: true, rule: 'o2/user-unknown'},
  deferred: {class: 'greylisted', type: 'transient', hint: 'bounce.greylisted', who: 'nobody', suppresses: false},
};
const replies = {delivered: '250 2.0.0 OK: queued as 4F1A2B', bounced: '550 5.1.1 <jan@o2.pl>: Recipient address rejected: User unknown',
  deferred: '451 4.7.1 Greylisted, please come back in 300 seconds'};
const tls = {version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', verified: 'pkix'};

const queueId = (n) => '1K7Q' + n.toString(32).toUpperCase().padStart(9, '0').replace(/[ILOU]/g, 'Z');
const mails = empty ? [] : Array.from({length: 400}, (_, n) => {
  const provider = pick(['gmail', 'gmail', 'gmail', 'wp', 'wp', 'o2', 'onet', 'interia', 'microsoft', 'other']);
  const dice = chance(), fixed = {3: 'scheduled', 7: 'held', 11: 'complained'}[n];
  const status = fixed ?? (dice < 0.05 ? 'bounced' : dice < 0.16 && n < 60 ? 'deferred' : 'delivered');
  const created = now - n * n * 17_000 - n * 40_000;
  return {object: 'email', id: `01909d3c-7f${(n % 256).toString(16).padStart(2, '0')}-7000-8000-${n.toString(16).padStart(12, '0')}`,
    queue_id: queueId(n), message_id: `<${n}.20417@example.pl>`, from: n % 5 ? 'sklep@example.pl' : 'newsletter@example.pl',
    to: [`${pick(people)}@${domains[provider]}`], subject: pick(subjects), created_at: iso(created),
    scheduled_at: status === 'scheduled' ? iso(now + 5 * hour) : null, last_event: status, status,
    stream: n % 5 ? 'transactional' : 'newsletter', tags: n % 3 ? [] : [{name: 'kind', value: 'invoice'}], provider,
    class: explanations[status]?.class ?? null, size: 1800 + Math.floor(chance() * 40000), has_attachment: n % 4 === 0, sandbox: false,
    source: n % 2 ? 'api' : 'submission'};
});

function full(mail) {
  const waiting = mail.status === 'deferred';
  const recipients = mail.to.map((email) => ({email, status: mail.status, provider: mail.provider, domain: email.split('@')[1],
    attempts: waiting ? 4 : 1, last_reply: replies[mail.status] ?? null, last_attempt_at: mail.created_at,
    next_attempt_at: waiting ? iso(now + 4 * minute) : null, host: hosts[mail.provider], tls, explanation: explanations[mail.status] ?? null}));
  return {...mail, metadata: {order: '20417'}, body_kept: true, recipients,
    authentication: {from_domain: 'example.pl', spf: {domain: 'example.pl', result: 'pass', aligned: true}, dmarc: {policy: 'reject', result: 'pass'},
      dkim: [{domain: 'example.pl', selector: '202611e', algorithm: 'ed25519-sha256', aligned: true},
        {domain: 'example.pl', selector: '202611r', algorithm: 'rsa-sha256', aligned: true}]}};
}

function trace(mail) {
  const at = Date.parse(mail.created_at), recipient = mail.to[0], site = hosts[mail.provider];
  const stage = (name, ms, more = {}) => ({stage: name, at: iso(at + ms), ms: 0, recipient: null, rule: null, reply: null, tls: null, ...more});
  const stages = [stage('connect', -42, {tls, listener: 'submission', client: '192.0.2.10:51820'}),
    stage('identify', -31, {helo: 'app.example.pl', login: 'sklep@example.pl', mechanism: 'PLAIN', ms: 9}),
    stage('envelope', -12, {recipient, rule: 'submission.login', reply: '250 2.1.5 Ok'}),
    stage('content', 0, {ms: 7, rule: 'accept', reply: `250 2.0.0 Ok: queued as ${mail.queue_id}`}),
    stage('sign', 1, {rule: 'ed25519, rsa', ms: 1}), stage('route', 4, {recipient, rule: 'mx', site})];
  const failed = mail.status === 'bounced', delays = [0.02, 0.41, 0.81];
  // The ladder: a minute, five, a quarter of an hour… and the next one is to come.
  const tries = failed ? [1300] : [1300, 61_000, 365_000, 1_290_000].filter((each) => at + each < now).slice(0, 4);
  if (failed || mail.status === 'deferred')
    for (const [n, when] of tries.entries())
      stages.push(stage('deliver', when, {recipient, rule: failed ? 'failed' : 'deferred', reply: replies[mail.status], site, phase: 'rcpt', tries: n + 1, ms: 1250, tls,
        class: failed ? 'bad_mailbox' : 'greylisted', hint: failed ? 'bounce.bad_mailbox' : 'bounce.greylisted', permanent: failed, class_rule: failed ? 'code.5.1.1' : 'text.greylist',
        delays, ...(failed ? {} : {next_at: iso(now + 4 * minute)})}));
  if (mail.status === 'delivered') stages.push(stage('deliver', 1240, {recipient, rule: 'delivered', reply: replies.delivered, site, tries: 1, ms: 1200, tls, delays}));
  return {id: mail.queue_id, message_id: mail.message_id.slice(1, -1), from: mail.from, size: mail.size, received_at: mail.created_at, stages,
    recipients: [{to: recipient, state: mail.status}]};
}

function transcript(mail) {
  const line = (ms, from, text) => ({ms, from, text});
  const refused = mail.status !== 'delivered' && replies[mail.status];
  return {attempts: [{attempt: 1, whole: true, at: mail.created_at, host: hosts[mail.provider], recipients: mail.to, tls, lines: [
    line(0, 'note', `connected to ${hosts[mail.provider]}`), line(31, 'them', '220 mx ESMTP ready'), line(32, 'us', 'EHLO mail.example.pl'),
    line(61, 'them', '250-mx\n250-STARTTLS\n250-PIPELINING\n250 SIZE 52428800'), line(62, 'us', 'STARTTLS'), line(92, 'them', '220 go ahead'),
    line(180, 'note', 'TLSv1.3, TLS_AES_256_GCM_SHA384, pkix'), line(210, 'us', `MAIL FROM:<${mail.from}> SIZE=${mail.size}\nRCPT TO:<${mail.to[0]}>\nDATA`),
    line(250, 'them', '250 2.1.0 OK'), line(252, 'them', refused || '250 2.1.5 OK'), ...(refused ? [] : [line(900, 'them', replies.delivered)])]}]};
}

const raw = (mail) => [`DKIM-Signature: v=1; a=rsa-sha256; d=example.pl; s=202611r; h=from:to:subject; b=abc`, `From: Sklep <${mail.from}>`, `To: <${mail.to[0]}>`,
  `Subject: =?utf-8?b?${Buffer.from(mail.subject).toString('base64')}?=`, `Message-ID: ${mail.message_id}`, `Date: ${new Date(mail.created_at).toUTCString()}`,
  'MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b1', '', '--b1', 'Content-Type: multipart/alternative; boundary=b2', '',
  '--b2', 'Content-Type: text/plain; charset=utf-8', '', 'Dziękujemy za zamówienie nr 20417.', 'Wyślemy je jutro.', '',
  '--b2', 'Content-Type: text/html; charset=utf-8', '', '<style>h1 { color: #0b5a4a; font-weight: 500; }</style><h1>Dziękujemy!</h1>',
  '<p style="font-size:16px">Zamówienie <b>nr 20417</b> wyślemy jutro.</p><table border="1" cellpadding="6"><tr><td>Kubek</td><td align="right">39,00 zł</td></tr>',
  '<tr><td>Dostawa</td><td align="right">12,99 zł</td></tr></table><p><a href="https://example.pl/zamowienie/20417">Zobacz zamówienie</a></p>',
  '<img src="https://tracker.invalid/open.gif" width="1" height="1">', '--b2--', '--b1', 'Content-Type: application/pdf; name="faktura-20417.pdf"',
  'Content-Disposition: attachment; filename="faktura-20417.pdf"', 'Content-Transfer-Encoding: base64', '', 'JVBERi0xLjQK', '--b1--', ''].join('\r\n');

let sequence = 10_000;
const eventOf = (mail, type = mail.status === 'deferred' ? 'delivery_delayed' : mail.status) => ({object: 'event', type: 'email.' + type,
  id: 'evt_' + String(++sequence).padStart(16, '0'), created_at: mail.created_at,
  data: {email_id: mail.id, queue_id: mail.queue_id, from: mail.from, to: mail.to, subject: mail.subject, stream: mail.stream,
    remote: {host: hosts[mail.provider], provider: mail.provider},
    ...(replies[mail.status] && mail.status !== 'delivered' ? {smtp: {code: Number(replies[mail.status].slice(0, 3)), enhanced: replies[mail.status].split(' ')[1], text: replies[mail.status].split(' ').slice(2).join(' ')},
      bounce: {type: mail.status === 'bounced' ? 'Permanent' : 'Transient', class: mail.class, hint: `bounce.${mail.class}`}} : {})}});
const firstMail = {id: 'x', queue_id: 'X', to: ['anna@wp.pl'], from: 'sklep@example.pl', subject: 'Pierwsza', status: 'delivered', provider: 'wp'};
export const liveEvent = () => ({...eventOf(mails[Math.floor(Math.random() * 40)] ?? firstMail), created_at: iso(Date.now())});

function split(count, row = {}) {
  const bounced = Math.round(count * 0.021), suppressed = Math.round(count * 0.006);
  return {...row, accepted: count, delivered: count - bounced - suppressed, deferred: Math.round(count * 0.06), bounced, suppressed,
    complained: Math.round(count * 0.0004), tls_none: Math.round(count * 0.01), tls_opportunistic: Math.round(count * 0.37), tls_pkix: 0, tls_mta_sts: Math.round(count * 0.41), tls_dane: Math.round(count * 0.19), tls_1_2: Math.round(count * 0.07), tls_1_3: Math.round(count * 0.91), opened: Math.round(count * 0.21), opened_machine: Math.round(count * 0.34), clicked: Math.round(count * 0.05), clicked_machine: Math.round(count * 0.03), octets: count * 21_000, latency_p50_ms: 900 + (count % 400), latency_p90_ms: 2900 + (count % 900), latency_p95_ms: 4200 + (count % 3000), latency_p99_ms: 19_000 + (count % 9000)};
}
function volume(ms) {
  const at = new Date(ms), work = at.getUTCDay() % 6 ? 1 : 0.45;
  return Math.round(420 * work * (0.25 + Math.sin(Math.PI * Math.min(1, Math.max(0, (at.getUTCHours() - 4) / 16)))));
}
const volumeOfDay = (ms) => Array.from({length: 24}, (_, h) => volume(ms + h * hour)).reduce((a, b) => a + b, 0);

function stats(query) {
  const groups = (query.get('group_by') ?? 'day').split(','), span = {'24h': 1, '7d': 7, '30d': 30, '90d': 90, '365d': 365}[query.get('since')] ?? 7;
  const today = Date.parse(iso(now).slice(0, 10));
  const total = Array.from({length: span}, (_, n) => volumeOfDay(today - n * day)).reduce((a, b) => a + b, 0);
  const classes = [['bad_mailbox', 0.011], ['mailbox_full', 0.004], ['spam_reputation', 0.003], ['content_blocked', 0.002], ['bad_domain', 0.001], ['greylisted', 0], ['rate_limited', 0]];
  const byProvider = (row, whole, n) => providers.map(([provider, share], at) => {
    const one = split(Math.round(whole * share), {...row, provider});
    // Evenings at one of them, and a bad day at another.
    const rough = (at === 1 && n % 24 > 16) || (at === 4 && n % 7 === 5) ? 6 : 0.4 + ((n * 7 + at * 3) % 5) / 4;
    return {...one, deferred: Math.round(one.deferred * rough), latency_p95_ms: one.latency_p95_ms * rough};
  });
  const rows = {
    'day,provider': () => rows.day().flatMap((row, n) => byProvider({day: row.day}, row.accepted, n)),
    'hour,provider': () => rows.hour().flatMap((row, n) => byProvider({hour: row.hour}, row.accepted, n)),
    'provider,class': () => [{provider: 'onet', class: 'ip_blocklisted', bounced: 12, deferred: 3}, {provider: 'gmail', class: 'rate_limited', bounced: 0, deferred: 41}, {provider: 'wp', class: 'greylisted', bounced: 0, deferred: 18, delivered: 900}],
    day: () => Array.from({length: span}, (_, n) => today - (span - 1 - n) * day).map((each) => split(volumeOfDay(each), {day: iso(each).slice(0, 10)})),
    hour: () => Array.from({length: span * 24}, (_, n) => Math.floor(now / hour) * hour - (span * 24 - 1 - n) * hour).map((each) => split(volume(each), {hour: iso(each)})),
    total: () => [split(total)],
    provider: () => providers.map(([provider, share]) => split(Math.round(total * share), {provider})),
    class: () => classes.map(([name, share], n) => ({class: name, bounced: Math.round(total * share), deferred: n > 4 ? Math.round(total * 0.03) : 0})),
  };
  return {object: 'stats', since: iso(now - span * day), until: iso(now), group_by: groups, data: empty ? [] : (rows[groups.join()] ?? rows[groups[0]] ?? rows.total)().map((row) => (query.get('until') ? {...row, accepted: Math.round(row.accepted * 0.93), delivered: Math.round(row.delivered * 0.925)} : row))};
}

const list = (data, more = false, next = null) => ({object: 'list', data, has_more: more, next});
const waiting = mails.filter((mail) => ['deferred', 'held', 'scheduled'].includes(mail.status));
const queued = (mail) => {
  const put_off = mail.status === 'deferred';
  return {id: mail.queue_id, email_id: mail.id, state: mail.status, from: mail.from, subject: mail.subject, size: mail.size, received_at: mail.created_at, stream: mail.stream,
    recipients: mail.to.map((to) => ({to, domain: to.split('@')[1], provider: mail.provider, site: put_off ? hosts[mail.provider] : '', state: mail.status,
      tries: put_off ? 2 : 0, next_at: put_off ? iso(now + 4 * minute) : mail.scheduled_at, reply: put_off ? replies.deferred : '', ...(put_off ? {class: 'greylisted'} : {})}))};
};
const count = (status) => waiting.filter((each) => each.status === status).length;
const stateQueue = () => ({messages: waiting.length, bytes: waiting.reduce((sum, each) => sum + each.size, 0), due: waiting.length, active: 0,
  held: count('held'), deferred: count('deferred'), oldest_at: waiting.at(-1)?.created_at ?? null, domains: [],
  history: empty ? [] : Array.from({length: 288}, (_, n) => ({at: iso(now - (287 - n) * 5 * minute), waiting: Math.round(14 + 9 * Math.sin(n / 23) + (n % 7)), deferred: Math.round(7 + 4 * Math.sin(n / 31))}))});

const check = (topic, type, name, value, state = 'ok', more = {}) => ({topic, type, name, value, required: !['mta-sts', 'tlsrpt'].includes(topic), state,
  found: state === 'missing' ? '' : state === 'wrong' ? 'vps-7.host.example' : value, why: 'Receivers look for it before they trust mail.', ...more});
const checks = [check('mx', 'MX', 'example.pl', '10 mail.example.pl'), check('spf', 'TXT', 'example.pl', 'v=spf1 mx -all'),
  check('dkim', 'TXT', '202611r._domainkey.example.pl', 'v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtest'),
  check('dmarc', 'TXT', '_dmarc.example.pl', 'v=DMARC1; p=reject; rua=mailto:reports@example.pl'),
  check('mta-sts', 'TXT', '_mta-sts.example.pl', 'v=STSv1; id=20261126', 'missing', {fix: 'Add the record at your DNS provider.'}),
  check('tlsrpt', 'TXT', '_smtp._tls.example.pl', 'v=TLSRPTv1; rua=mailto:reports@example.pl'),
  check('ptr', 'PTR', '7.113.0.203.in-addr.arpa', 'mail.example.pl', 'wrong', {fix: 'In the panel of your server’s provider: reverse DNS.'})];

const suppressions = empty ? [] : Array.from({length: 9}, (_, n) => ({object: 'suppression', id: 'sup_' + n, email: `${people[n]}@${pick(['o2.pl', 'wp.pl', 'gmail.com'])}`,
  stream: n % 3 ? 'newsletter' : '*', reason: ['bad_mailbox', 'unsubscribed', 'complained', 'unsubscribed', 'manual'][n % 5], origin: ['delivery', 'one_click', 'feedback_loop', 'page', 'dashboard'][n % 5], created_at: iso(now - n * n * 9 * hour),
  event_id: 'evt_' + n, email_id: n % 5 === 4 ? null : mails[n]?.id, note: n % 5 === 4 ? 'asked by phone' : n % 5 === 0 ? replies.bounced : undefined}));
const keys = empty ? [] : [
  {object: 'api_key', id: 'key_1', name: 'shop', hint: 'pk_live_7Q', scopes: ['send'], domain: 'example.pl', stream: null, networks: [], sandbox: false,
    created_at: iso(now - 40 * day), last_used_at: iso(now - 20_000), last_used_from: '192.0.2.10'},
  {object: 'api_key', id: 'key_2', name: 'tests', hint: 'pk_test_M3', scopes: ['send', 'read'], domain: null, stream: null, networks: ['192.0.2.0/24'], sandbox: true,
    created_at: iso(now - 12 * day), last_used_at: null, last_used_from: null}];
const strip = (status) => Array.from({length: 24}, (_, n) => ({at: iso(now - n * minute), status: status(n), ms: 80}));
const hooks = empty ? [] : [
  {object: 'webhook', id: 'wh_1', endpoint: 'https://shop.example.pl/hooks/mail', events: ['email.delivered', 'email.bounced', 'email.complained'], status: 'enabled', format: 'native',
    created_at: iso(now - 30 * day), backlog: 0, last_24h: {delivered: 1284, failed: 3}, recent: strip((n) => (n === 9 ? 503 : 200))},
  {object: 'webhook', id: 'wh_2', endpoint: 'https://crm.example.pl/in', events: ['email.bounced'], status: 'disabled', format: 'postmark', created_at: iso(now - 90 * day),
    disabled_reason: 'failed for 3 days', backlog: 17, last_24h: {delivered: 0, failed: 17}, recent: strip(() => null)}];
const templates = empty ? [] : [{object: 'template', id: 'tpl_1', alias: 'invoice', name: 'Faktura', subject: 'Faktura {{number}}', text: 'Dzień dobry {{name}}',
  html: '<p>Dzień dobry {{name}}</p>', status: 'published', created_at: iso(now - 9 * day), updated_at: iso(now - 2 * day)}];

const status = () => ({version: '0.1.0', hostname: 'mail.example.pl', pid: 901, uptime_s: 8 * 86400 + 4000, store: 'ok', store_reason: '', storage_free_bytes: 61_000_000_000,
  storage_bytes: {events: 812_000_000, bodies: 2_400_000_000, search: 331_000_000},
  listeners: [['mx', '0.0.0.0:25'], ['submission', '0.0.0.0:587'], ['submissions', '0.0.0.0:465'], ['pop3s', '0.0.0.0:995'], ['https', '0.0.0.0:443'], ['admin', '127.0.0.1:8025']]
    .map(([kind, address]) => ({kind, address})),
  certificates: [{file: '/etc/goniec/tls/fullchain.pem', names: ['mail.example.pl', 'mta-sts.example.pl'], not_after: iso(now + 11 * day), days: 11}], queue: stateQueue(),
  projection_lag: 0, retention: {events: '90d', bodies: '7d'}});
const config = [['hostname', '"mail.example.pl"', 1], ['admin', '"admin@example.pl"', 2], ['storage.path', '"/var/lib/goniec"', 5], ['limits.message_size', '"50MiB"', null],
  ['retry.schedule', '["1m", "5m", "15m", "30m", "1h", "2h", "4h"]', null], ['retention.events', '"90d"', 31]].map(([key, value, line]) => ({key, value, line, default: line === null}));
const reports = {
  tls: [{domain: 'example.pl', policy: 'sts', reporter: 'google.com', report_id: 'r1', begin_at: iso(now - day), end_at: iso(now), successful: 812, failed: 2, failures: {'certificate-expired': 2}}],
  sources: [{source: '203.0.113.7', name: 'mail.example.pl', messages: 8421, passed: 8421, dkim_aligned: 8421, spf_aligned: 8400, dispositions: {none: 8421}, reporters: {'google.com': 6000}},
    {source: '198.51.100.23', name: '', messages: 61, passed: 0, dkim_aligned: 0, spf_aligned: 0, dispositions: {reject: 61}, reporters: {'google.com': 61}}],
  dmarc: [{domain: 'example.pl', reporter: 'google.com', report_id: 'd1', begin_at: iso(now - day), end_at: iso(now), policy: 'reject', messages: 6021, passed: 5990, records: 4}],
};

function search(query) {
  const has = (name) => query.get(name);
  const wanted = mails.filter((mail) => (!has('status') || mail.status === has('status')) && (!has('to') || mail.to.join().includes(has('to'))) &&
    (!has('provider') || mail.provider === has('provider')) && (!has('class') || mail.class === has('class')) && (!has('stream') || mail.stream === has('stream')) &&
    (!has('sandbox') || mail.sandbox) &&
    (has('q') ?? '').toLowerCase().split(/\s+/).every((term) => { const [name, value] = term.includes(':') ? term.split(':') : ['', term]; return (name ? String(mail[name] ?? '') : mail.subject + mail.to).toLowerCase().includes(value); }));
  const from = Number(has('after') ?? 0), limit = Number(has('limit') ?? 50);
  return list(wanted.slice(from, from + limit), wanted.length > from + limit, String(from + limit));
}

const ok = (value, code = 200) => ({status: code, body: value});
const session = () => ({object: 'session', user: 'admin@example.pl', csrf: 'token-of-development', hostname: 'mail.example.pl', url: 'https://mail.example.pl', version: '0.1.0',
  expires_at: iso(now + day), smtp: {submission: 587, submissions: 465, mx: 25}});

function changed(method, [first, second, third], body) {
  if (first === 'session') return ok(session());
  if (first === 'queue') {
    const fits = (mail) => (!body.ids || body.ids.includes(mail.queue_id)) && (!body.domain || mail.to[0].endsWith(body.domain)) && (!body.state || mail.status === body.state);
    return ok({dry_run: !!body.dry_run, changes: waiting.filter(fits).map((mail) => ({id: mail.queue_id, domain: mail.to[0].split('@')[1], recipients: mail.to, done: !body.dry_run, reason: ''}))});
  }
  if (first === 'api-keys' && method === 'POST')
    return ok({...keys[0], object: 'api_key', id: 'key_9', name: body.name, scopes: body.scopes, created_at: iso(now), token: 'pk_live_7QZ4M2XK9D3R8T6W1B5N0C7V2H'}, 201);
  if (first === 'webhooks' && third === 'replay') return ok({count: 17, dry_run: !!body?.dry_run});
  if (first === 'templates' && second === 'render') return ok({subject: 'Faktura 7', html: '<p>Dzień dobry Anna</p>', text: 'Dzień dobry Anna', missing: ['number']});
  if (first === 'webhooks' && third === 'test') return ok({at: iso(now), ms: 84, status: 200});
  return ok({object: first, id: second ?? 'new', deleted: true, changed: 1});
}

function aboutMail(mail, what) {
  switch (what) {
    case undefined: return ok(full(mail));
    case 'trace': return ok(trace(mail));
    case 'transcript': return ok(transcript(mail));
    case 'raw': return {body: raw(mail), type: 'message/rfc822'};
    case 'events': return ok(list([eventOf(mail, 'received_for_delivery'), eventOf(mail)]));
    default: return null;
  }
}

export function answer(method, path, query, body) {
  const parts = path.split('/').slice(1).map(decodeURIComponent), [first, second, third] = parts;
  if (method !== 'GET') return changed(method, parts, body);
  if (first === 'emails' && second) {
    const mail = mails.find((each) => each.id === second || each.queue_id === second);
    return mail ? aboutMail(mail, third) : ok({statusCode: 404, name: 'not_found', message: `no message ${second} is known`}, 404);
  }
  switch (first) {
    case 'session': return ok(session());
    case 'emails': return ok(search(query));
    case 'events': return ok(list(mails.filter((each) => (!query.get('class') || each.class === query.get('class')) && (!query.get('recipient') || each.to[0].split('@')[0] === query.get('recipient').split('@')[0])).slice(0, Number(query.get('limit') ?? 50)).map((each) => eventOf(each))));
    case 'stats': return ok(stats(query));
    case 'queue': return ok(second === 'stats' ? stateQueue() : {queue: waiting.map(queued), next: ''});
    case 'status': return ok(status());
    case 'config': return ok(second ? {file: '/etc/goniec/goniec.toml', problems: [], changes: [{key: 'limits.idle', now: '"5m"', then: '"7m"'}]} : config);
    case 'streams': return ok(list([{object: 'stream', id: 'transactional', kind: 'transactional'}, {object: 'stream', id: 'newsletter', kind: 'bulk'}]));
    case 'domains': return third === 'dns' ? ok({domain: second, records: checks, notes: [], mta_sts_policy: '', wrong: true})
      : ok(list([{object: 'domain', id: 'example.pl', name: 'example.pl', status: empty ? 'verified' : 'pending', created_at: iso(now - 60 * day), checks}]));
    case 'suppressions': return second ? null : ok(list(suppressions.filter((each) => !query.get('reason') || each.reason === query.get('reason'))));
    case 'recipients': return ok({email: second, valid: second.includes('@'), provider: 'o2', last_event: mails[0] ? eventOf(mails[0]) : null,
      streams: [{stream: 'transactional', allowed: true, suppression: null}, {stream: 'newsletter', allowed: false, suppression: suppressions[1] ?? null}]});
    case 'api-keys': return ok(list(keys));
    case 'webhooks': return parts[4] === 'attempts' ? ok(list([{at: iso(now - 9 * minute), ms: 5003, status: null, error: 'no answer in 5 s'}, {at: iso(now - 4 * minute), ms: 212, status: 503, response: 'upstream is down\n'}, {at: iso(now - minute), ms: 84, status: 200, response: 'ok'}])) : ok(third !== 'events' ? list(hooks) : list(mails.slice(0, 8).map((each, n) => ({id: 'evt_' + n, type: 'email.' + each.status, state: n === 2 ? 'failed' : 'delivered',
      attempts: n === 2 ? 10 : 1, created_at: each.created_at, last_status: n === 2 ? 503 : 200, last_error: null}))));
    case 'templates': return ok(second ? templates[0] : list(templates));
    case 'reports': return ok(empty ? [] : reports[third ?? second]);
    default: return null;
  }
}
