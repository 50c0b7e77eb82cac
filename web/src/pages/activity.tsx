// Activity: every message, searched, followed, and changed many at a time.
import {useEffect, useRef, useState} from 'preact/hooks';
import {address, change, getJson, type Schema} from '../api/client';
import {setLive, useLiveState} from '../api/live';
import {useApi} from '../api/use';
import {useActions} from '../keys';
import {go, hrefOf, setQuery, usePlace} from '../router';
import {fields, idOf, termsOf, without} from '../search';
import {csv} from '../csv';
import {download} from '../ui/chart';
import {complain, doing, say} from '../ui/notice';
import {Confirm} from '../ui/confirm';
import {Button, PageHead, Shown, Status, Table, Tags, Th, Time} from '../ui/parts';
import {named, t, useLanguage, type Key} from '../words';

type Summary = Schema['EmailSummary'];
const pageSize = 50, mostExported = 10_000;
const views: [Key, string][] = [['view.all', ''], ['view.bounced', 'status:bounced'], ['view.deferred', 'status:deferred'],
  ['view.scheduled', 'status:scheduled'], ['view.complained', 'status:complained'], ['view.sandbox', 'is:sandbox']];

const savedName = 'goniec.views';
const savedViews = (): string[] => { try { return JSON.parse(localStorage.getItem(savedName) ?? '[]'); } catch { return []; } };
const keepViews = (list: string[]) => { try { localStorage.setItem(savedName, JSON.stringify(list)); } catch { /* for this visit */ } };

function useSearch() {
  const {query} = usePlace();
  const text = query.get('q') ?? (query.get('status') ? `status:${query.get('status')}` : '');
  const since = query.get('since') ?? '', domain = query.get('domain') ?? '', stream = query.get('stream') ?? '';
  // "after:" in the box says more of the time than the scope above it.
  const dated = termsOf(text).some((each) => each.name === 'after' || each.name === 'before');
  return {text, asked: {q: text, since: dated ? '' : since, from: domain && '@' + domain, stream, limit: pageSize}};
}

export function Activity() {
  useLanguage();
  const {text, asked} = useSearch();
  const live = useLiveState();
  const first = useApi('/emails', {query: asked, follow: live.wanted, every: 60_000});
  const [more, setMore] = useState<Summary[]>([]);
  const [next, setNext] = useState<string | null | undefined>(undefined);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const key = JSON.stringify(asked);
  useEffect(() => { setMore([]); setNext(undefined); setChosen(new Set()); }, [key]);

  const head = first.data?.data ?? [];
  const ids = new Set(head.map((each) => each.id));
  const all = [...head, ...more.filter((each) => !ids.has(each.id))];
  const cursor = next === undefined ? (first.data?.has_more ? first.data.next : null) : next;

  const load = async () => {
    try {
      const page = await getJson<Schema['EmailList']>(address('/emails', {}, {...asked, after: cursor}));
      setMore((old) => [...old, ...page.data]);
      setNext(page.has_more ? page.next ?? null : null);
    } catch (error) { complain(error); }
  };
  // A page may be short and still not be the last: the server ends it after a while of looking.
  const further = all.length === 0 && !!cursor;
  useEffect(() => { if (further) void load(); }, [further, cursor]);
  const exportAll = () => void exportCsv(asked);
  useActions([{key: 'e', label: t('activity.export'), run: exportAll}]);
  const turn = (id: string) => setChosen((old) => { const set = new Set(old); if (!set.delete(id)) set.add(id); return set; });

  return (
    <>
      <PageHead title={t('nav.activity')}>
        <Button aria-pressed={live.wanted} onClick={() => setLive(!live.wanted)}>{t(`live.${live.wanted ? live.state : 'off'}`)}</Button>
        <Button onClick={exportAll}>{t('activity.export')}</Button>
      </PageHead>
      <SearchBox text={text} />
      <Views text={text} />
      <Chips text={text} />
      {first.data?.lag_events ? <p class="note">{t('activity.lag', {count: first.data.lag_events})}</p> : null}
      <Bulk chosen={all.filter((each) => chosen.has(each.id))} clear={() => setChosen(new Set())} reload={first.reload} />
      <Shown of={first}>{() => further ? <p class="note" aria-busy="true">{t('activity.looking')}</p> : all.length === 0 ? <NothingFound text={text} /> : (
        <Table label={t('nav.activity')} class="mail-list fixed" head={<><Th><span class="hidden">{t('activity.select')}</span></Th><Th>{t('word.status')}</Th>
          <Th>{t('word.recipient')}</Th><Th>{t('word.subject')}</Th><Th>{t('word.sender')}</Th><Th right>{t('word.time')}</Th></>}>
          {all.map((each) => <Row key={each.id} mail={each} chosen={chosen.has(each.id)} turn={() => turn(each.id)} />)}
        </Table>)}</Shown>
      {cursor && !further && <p class="more"><Button onClick={load}>{t('action.load_more')}</Button></p>}
    </>
  );
}

function Row({mail, chosen, turn}: {mail: Summary; chosen: boolean; turn: () => void}) {
  const [to, ...others] = mail.to;
  const subject = mail.subject || t('message.no_subject');
  return (
    <tr data-row aria-selected={chosen}>
      <td class="check"><input type="checkbox" checked={chosen} onChange={turn} aria-label={t('activity.select_one', {subject})} /></td>
      <td class="state"><Status of={mail.status} /></td>
      <td class="cut who" title={mail.to.join(', ')}>{to}{others.length > 0 && <span class="muted"> +{others.length}</span>}</td>
      <td class="cut wide"><a href={hrefOf('message', mail.id)}>{subject}</a>
        <Tags of={mail.tags} />
        {mail.class && <span class="muted"> · {named('class.', mail.class).toLocaleLowerCase()}</span>}</td>
      <td class="cut muted from">{mail.from}</td>
      <td class="right moment"><Time at={mail.created_at} /></td>
    </tr>
  );
}

const examples: [string, Key][] = [['to:@wp.pl status:bounced', 'search.example.provider'], ['subject:"twoja faktura" after:7d', 'search.example.subject'], ['class:mailbox_full provider:o2', 'search.example.class'],
  ['fakt* has:attachment', 'search.example.words'], ['is:sandbox', 'search.example.sandbox'], ['before:2026-11-08T12:00:00Z', 'search.example.time']];

function SearchBox({text}: {text: string}) {
  const box = useRef<HTMLInputElement>(null);
  const [help, setHelp] = useState(false);
  useEffect(() => { if (box.current && document.activeElement !== box.current) box.current.value = text; }, [text]);
  const submit = (event: Event) => {
    event.preventDefault();
    const value = box.current!.value.trim(), id = idOf(value);
    if (id) go(hrefOf('message', id));
    else setQuery({q: value, status: null});
  };
  const put = (word: string) => {
    const input = box.current!;
    input.value = (input.value.trim() + ' ' + word).trim();
    input.focus();
  };
  return (
    <form class="search" role="search" onSubmit={submit}>
      <input ref={box} type="search" aria-label={t('activity.search')} placeholder={t('activity.search.example')}
        defaultValue={text} spellcheck={false} autocomplete="off" />
      <button type="submit" class="plain">{t('action.search')}</button>
      <p class="hint fields">{fields.map((each) => <button type="button" class="link mono" key={each} onClick={() => put(each + ':')} aria-label={t('search.put', {name: each})}>{each}:</button>)}
        <button type="button" class="link" aria-expanded={help} aria-controls="search-help" onClick={() => setHelp(!help)}>{t('search.help')}</button></p>
      <div id="search-help" class="search-help" hidden={!help}>
        <dl class="facts column">{examples.map(([code, what]) => <div key={code}><dt><a class="mono" href={href(code)}>{code}</a></dt><dd class="muted">{t(what)}</dd></div>)}</dl>
        <p class="muted small">{t('search.rules')}</p>
      </div>
    </form>
  );
}

/** The terms of the search, each taken away by a press. */
function Chips({text}: {text: string}) {
  const terms = termsOf(text);
  if (terms.length < 2 && !terms.some((each) => each.name)) return null;
  return (
    <ul class="chips terms" aria-label={t('activity.filters')}>{terms.map((each) => (
      <li key={each.text}><button type="button" onClick={() => setQuery({q: without(text, each), status: null})} aria-label={`${t('activity.take_away')}: ${each.text}`}>
        {each.name && <span class="muted">{each.name}:</span>}{each.name === 'class' || each.name === 'status' ? named(each.name + '.', each.value) : each.value} <span aria-hidden="true">✕</span></button></li>))}
    </ul>
  );
}

function Views({text}: {text: string}) {
  const [saved, setSaved] = useState(savedViews);
  const keep = (list: string[]) => { setSaved(list); keepViews(list); };
  const standing = views.some(([, each]) => each === text);
  return (
    <nav class="chips" aria-label={t('activity.views')}>
      {views.map(([key, value]) => <a key={key} href={href(value)} aria-current={value === text ? 'true' : undefined}>{t(key)}</a>)}
      {saved.map((each) => <a key={each} href={href(each)} aria-current={each === text ? 'true' : undefined}>{each}</a>)}
      {text && !standing && (saved.includes(text)
        ? <button type="button" class="link" onClick={() => keep(saved.filter((each) => each !== text))}>{t('activity.forget_view')}</button>
        : <button type="button" class="link" onClick={() => keep([...saved, text])}>{t('activity.save_view')}</button>)}
    </nav>
  );
}

function href(text: string): string {
  const query = new URLSearchParams(location.search);
  query.delete('status');
  if (text) query.set('q', text); else query.delete('q');
  return '/activity' + (query.size ? '?' + query : '');
}

function NothingFound({text}: {text: string}) {
  return <div class="empty"><p class="big">{text ? t('activity.nothing_found') : t('activity.nothing')}</p>
    <p class="muted">{text ? t('activity.nothing_found.hint') : t('activity.nothing.hint')}</p></div>;
}

function Bulk({chosen, clear, reload}: {chosen: Summary[]; clear: () => void; reload: () => void}) {
  const [asked, setAsked] = useState<'resend' | 'suppress' | null>(null);
  if (!chosen.length) return null;
  const each = async (work: (mail: Summary) => Promise<unknown>, done: Key) => {
    let count = 0;
    for (const mail of chosen) if ((await doing(() => work(mail))) !== undefined) count++;
    if (count) say(t(done, {count}));
    clear();
    reload();
  };
  const resend = () => each((mail) => change('POST', address('/emails/{id}/resend', {id: mail.id}), {}).then(() => true), 'activity.resent');
  const suppress = () => each(async (mail) => {
    for (const email of mail.to) await change('POST', address('/suppressions'), {email, stream: mail.stream || '*', reason: 'manual', origin: 'dashboard'});
    return true;
  }, 'activity.suppressed');
  const addresses = new Set(chosen.flatMap((mail) => mail.to)).size;
  return (
    <div class="bulk" role="group" aria-label={t('activity.bulk')}>
      <b>{t('activity.chosen', {count: chosen.length})}</b>
      <Button onClick={() => setAsked('resend')}>{t('action.resend')}…</Button>
      <Button onClick={() => setAsked('suppress')}>{t('action.suppress')}…</Button>
      <Button onClick={() => download('goniec-activity.csv', table(chosen))}>CSV</Button>
      <Button kind="link" onClick={clear}>{t('action.clear')}</Button>
      {asked && <Confirm title={t(`message.ask.${asked}`)} means={t(`activity.means.${asked}`, {count: chosen.length, addresses})} action={t(`action.${asked}`)} danger={asked === 'suppress'}
        run={asked === 'resend' ? resend : suppress} close={() => setAsked(null)} />}
    </div>
  );
}

const table = (mails: Summary[]) => csv([['id', 'created_at', 'status', 'from', 'to', 'subject', 'stream', 'provider', 'class'],
  ...mails.map((each) => [each.id, each.created_at, each.status, each.from, each.to.join(' '), each.subject, each.stream, each.provider, each.class])]);

async function exportCsv(asked: Record<string, unknown>) {
  const found: Summary[] = [];
  try {
    for (let after: string | null | undefined; found.length < mostExported;) {
      const page: Schema['EmailList'] = await getJson(address('/emails', {}, {...asked, limit: 1000, after} as never));
      found.push(...page.data);
      if (!page.has_more || !page.next) break;
      after = page.next;
    }
  } catch (error) { return complain(error); }
  download('goniec-activity.csv', table(found));
  say(t('activity.exported', {count: found.length}));
}
