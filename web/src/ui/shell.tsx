// What stands around every page: the rail, the scope, the palette, help.
import {useEffect, useMemo, useRef, useState} from 'preact/hooks';
import {useApi} from '../api/use';
import {currentActions, goKeys, keysOn, turnKeys, useKeys} from '../keys';
import {go, hrefOf, inScope, pages, setQuery, usePlace, type Page} from '../router';
import {idOf} from '../search';
import {logOut, useSession} from '../session';
import {spans, useScope} from '../stats';
import {t, type Key} from '../words';
import {Dialog, type Children} from './parts';
import {LanguageSwitch, ThemeSwitch} from './switches';

export function Shell({children, page}: {children: Children; page: string}) {
  const [open, setOpen] = useState<'palette' | 'help' | 'actions' | null>(null);
  const [menu, setMenu] = useState(false);
  const place = usePlace();
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  useKeys(setOpen);
  // After a change of page, readers and keyboards begin at its title.
  useEffect(() => {
    setMenu(false);
    if (first.current) { first.current = false; return; }
    main.current?.querySelector<HTMLElement>('h1')?.focus({preventScroll: true});
  }, [place.page, place.rest]);
  const close = () => setOpen(null);
  return (
    <div class="shell">
      <a class="skip" href="#main">{t('nav.skip')}</a>
      <header class="rail">
        <div class="rail-top"><a class="brand" href={inScope('/')}>Goniec</a>
          <button type="button" class="link menu" aria-expanded={menu} aria-controls="nav" onClick={() => setMenu(!menu)}>{t('nav.menu')}</button></div>
        <nav id="nav" aria-label={t('nav.pages')} class={menu ? 'open' : ''}>
          <ul>{pages.map((each) => <li key={each}><a href={inScope(hrefOf(each))} aria-current={each === page || (each === 'activity' && page === 'message') ? 'page' : undefined}>{t(`nav.${each}` as Key)}</a></li>)}</ul>
          <Account help={() => setOpen('help')} palette={() => setOpen('palette')} />
        </nav>
      </header>
      <div class="page">
        {['overview', 'activity', 'queue', 'deliverability'].includes(page) && <ScopeBar />}
        <main id="main" ref={main} tabIndex={-1}>{children}</main>
      </div>
      {open === 'palette' && <Palette close={close} />}
      {open === 'actions' && <ActionList close={close} />}
      {open === 'help' && <Help close={close} />}
    </div>
  );
}

function Account({help, palette}: {help: () => void; palette: () => void}) {
  const session = useSession();
  return (
    <div class="account">
      <p class="cut muted">{session?.user}</p>
      <div class="switches"><LanguageSwitch /><ThemeSwitch /><button type="button" class="link" onClick={palette}>{t('palette.title')}</button><button type="button" class="link" onClick={help}>{t('help.title')}</button><button type="button" class="link" onClick={() => void logOut()}>{t('nav.log_out')}</button></div>
    </div>
  );
}

function ScopeBar() {
  const scope = useScope();
  const streams = useApi('/streams');
  const domains = useApi('/domains');
  const choose = (name: string) => (event: Event) => setQuery({[name]: (event.currentTarget as HTMLSelectElement).value || null});
  const list = (names: string[], now: string) => (now && !names.includes(now) ? [now, ...names] : names);
  return (
    <div class="scope" role="region" aria-label={t('scope.title')}>
      <label><span class="hidden">{t('word.time')}</span><select value={scope.since} onChange={choose('since')}>{Object.keys(spans).map((each) => <option key={each} value={each}>{t(`scope.${each}` as Key)}</option>)}</select></label>
      <label><span class="hidden">{t('word.stream')}</span><select value={scope.stream} onChange={choose('stream')}><option value="">{t('word.all_streams')}</option>
        {list((streams.data?.data ?? []).map((each) => each.id), scope.stream).map((each) => <option key={each}>{each}</option>)}</select></label>
      <label><span class="hidden">{t('word.domain')}</span><select value={scope.domain} onChange={choose('domain')}><option value="">{t('word.all_domains')}</option>
        {list((domains.data?.data ?? []).map((each) => each.name), scope.domain).map((each) => <option key={each}>{each}</option>)}</select></label>
    </div>
  );
}

interface Choice { label: string; hint?: string; run: () => void }

function Palette({close}: {close: () => void}) {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const actions = useMemo(currentActions, []);
  const word = text.trim(), id = idOf(word);
  const all: Choice[] = [
    ...pages.map((page) => ({label: t(`nav.${page}` as Key), hint: t('palette.page'), run: () => go(inScope(hrefOf(page)))})),
    ...actions.map((each) => ({label: each.label, hint: each.key, run: each.run}))];
  const found = [...(id ? [{label: t('palette.open', {id: word}), run: () => go(hrefOf('message', id))}] : []),
    ...all.filter((each) => each.label.toLowerCase().includes(word.toLowerCase())),
    ...(word && !id ? [{label: t('palette.search', {text: word}), run: () => go(`/activity?q=${encodeURIComponent(word)}`)},
      ...(word.includes('@') ? [{label: t('palette.check', {text: word}), run: () => go(`/recipients?check=${encodeURIComponent(word)}`)}] : [])] : [])];
  const chosen = Math.min(at, found.length - 1);
  const run = (each?: Choice) => { close(); each?.run(); };
  const key = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step) { event.preventDefault(); setAt((chosen + step + found.length) % found.length); }
    if (event.key === 'Enter') { event.preventDefault(); run(found[chosen]); }
  };
  return (
    <Dialog title={t('palette.title')} close={close}>
      <input type="text" role="combobox" aria-expanded="true" aria-controls="palette-list" aria-activedescendant={`palette-${chosen}`} aria-label={t('palette.hint')} placeholder={t('palette.hint')}
        value={text} onInput={(event) => { setText(event.currentTarget.value); setAt(0); }} onKeyDown={key} autocomplete="off" spellcheck={false} autoFocus />
      <ul class="palette" role="listbox" id="palette-list" aria-label={t('palette.title')}>{found.map((each, n) => (
        <li key={each.label} id={`palette-${n}`} role="option" aria-selected={n === chosen} onClick={() => run(each)}>{each.label}{each.hint && <span class="muted">{each.hint}</span>}</li>))}</ul>
    </Dialog>
  );
}

function ActionList({close}: {close: () => void}) {
  const actions = useMemo(currentActions, []);
  return (
    <Dialog title={t('word.actions')} close={close}>
      {actions.length === 0 ? <p class="note">{t('palette.none')}</p> : <div class="buttons column">{actions.map((each) => <button type="button" class="plain" key={each.label} onClick={() => { close(); each.run(); }}>{each.label}{each.key && <kbd>{each.key}</kbd>}</button>)}</div>}
    </Dialog>
  );
}

function Help({close}: {close: () => void}) {
  const [on, setOn] = useState(keysOn);
  const rows: [string, string][] = [['/', t('action.search')], ...Object.entries(goKeys).map(([key, page]) => [`g ${key}`, t(`nav.${page as Page}` as Key)] as [string, string]),
    ['j k', t('help.move')], ['Enter', t('help.open')], ['x', t('help.select')], ['r', t('action.retry')], ['e', t('activity.export')], ['c', t('message.copy_id')], ['l', t('help.live')],
    ['t', t('message.transcript')], ['.', t('word.actions')], ['Ctrl K', t('palette.title')], ['?', t('help.title')], ['Esc', t('action.back')]];
  return (
    <Dialog title={t('help.title')} close={close}>
      <label class="choice"><input type="checkbox" checked={on} onChange={() => { turnKeys(!on); setOn(!on); }} /> {t('help.on')}</label>
      <dl class="facts column keys">{rows.map(([key, what]) => <div key={key}><dt>{key.split(' ').map((each) => <kbd key={each}>{each}</kbd>)}</dt><dd>{what}</dd></div>)}</dl>
    </Dialog>
  );
}
