// The small parts all pages are made of.
import type {ComponentChildren, JSX} from 'preact';
import {useEffect, useId, useRef, useState} from 'preact/hooks';
import type {ApiError} from '../api/client';
import type {Loaded} from '../api/use';
import {setQuery, usePlace} from '../router';
import {ago, exact, named, t, type Key} from '../words';

export type Children = ComponentChildren;
export const shown = (...names: (string | false | undefined)[]) => names.filter(Boolean).join(' ');

// ---------------------------------------------------------------- status: a hue, a glyph and a word
const looks: Record<string, [hue: string, glyph: string]> = {
  delivered: ['good', '✓'], relayed: ['good', '✓'], opened: ['good', '◎'], clicked: ['good', '➚'], ok: ['good', '✓'], verified: ['good', '✓'],
  enabled: ['good', '✓'], allowed: ['good', '✓'], pass: ['good', '✓'], deferred: ['wait', '↻'], delivery_delayed: ['wait', '↻'], retried: ['wait', '↻'],
  pending: ['wait', '…'], 'cannot tell': ['wait', '?'], unknown: ['wait', '?'], full: ['bad', '!'], sealed: ['bad', '!'],
  bounced: ['bad', '✕'], failed: ['bad', '✕'], expired: ['bad', '✕'], dead: ['bad', '✕'], wrong: ['bad', '✕'], missing: ['bad', '✕'], fail: ['bad', '✕'], complained: ['bad', '⚑'],
  suppressed: ['hold', '⊘'], unsubscribed: ['hold', '⊘'], held: ['hold', '‖'], canceled: ['hold', '–'], deleted: ['hold', '–'], disabled: ['hold', '‖'],
  scheduled: ['plain', '◷'], queued: ['plain', '•'], active: ['plain', '→'], incoming: ['plain', '•'], sent: ['plain', '→'],
  received_for_delivery: ['plain', '↓'], received: ['plain', '↓'], sandboxed: ['plain', '◇'], not_started: ['wait', '?'],
};

export const hueOf = (status: string) => looks[status]?.[0] ?? 'plain';

export function Status({of, quiet}: {of: string; quiet?: boolean}) {
  const [hue, glyph] = looks[of] ?? ['plain', '•'];
  return <span class={shown('status', hue, quiet && 'quiet')}><span class="glyph" aria-hidden="true">{glyph}</span>{named('status.', of)}</span>;
}

// ---------------------------------------------------------------- times
const minute = new Set<() => void>();
setInterval(() => minute.forEach((each) => each()), 20_000);

export function Time({at}: {at?: string | null}) {
  const [, redraw] = useState(0);
  useEffect(() => {
    const tick = () => redraw((n) => n + 1);
    minute.add(tick);
    return () => void minute.delete(tick);
  }, []);
  if (!at) return <span class="muted">–</span>;
  return <time dateTime={at} title={exact(at)}>{ago(at)}</time>;
}

/** When something comes; what should have come already comes any moment. */
export function Due({at}: {at?: string | null}) {
  return at && Date.parse(at) <= Date.now() ? <span title={exact(at)}>{t('time.due')}</span> : <Time at={at} />;
}

// ---------------------------------------------------------------- states of what is loaded
export function Missing({what}: {what?: string}) {
  return <p class="note missing">{what ?? t('state.missing')}</p>;
}

export function Failed({error, again}: {error?: ApiError; again?: () => void}) {
  return (
    <p class="note failed" role="alert">
      {error?.status === 0 ? t('state.offline') : error?.message || t('state.failed')}
      {again && <> <button class="link" onClick={again}>{t('action.again')}</button></>}
    </p>
  );
}

export function Shown<T>({of, children, missing, wait}:
    {of: Loaded<T>; children: (data: T) => Children; missing?: string; wait?: Children}) {
  if (of.data) return <>{children(of.data)}</>;
  if (of.state === 'missing') return <Missing what={missing} />;
  if (of.state === 'failed') return of.error?.status === 404 && missing ? <Missing what={missing} /> : <Failed error={of.error} again={of.reload} />;
  return <>{wait ?? <p class="note loading" aria-busy="true">{t('state.loading')}</p>}</>;
}

// ---------------------------------------------------------------- sections, tables
export function Section({title, aside, children, id}: {title: string; aside?: Children; children: Children; id?: string}) {
  const name = useId();
  return (
    <section aria-labelledby={name} id={id}>
      <div class="section-head"><h2 id={name}>{title}</h2>{aside && <div class="aside">{aside}</div>}</div>
      {children}
    </section>
  );
}

/** A table that may be wider than the page: it scrolls by itself and can be reached by keyboard. */
export function Table({label, head, children, class: extra}: {label: string; head: Children; children: Children; class?: string}) {
  const frame = useRef<HTMLDivElement>(null);
  const [wide, setWide] = useState(false);
  useEffect(() => {
    const look = () => frame.current && setWide(frame.current.scrollWidth > frame.current.clientWidth + 1);
    const watch = new ResizeObserver(look);
    if (frame.current) { watch.observe(frame.current); watch.observe(frame.current.firstElementChild!); }
    return () => watch.disconnect();
  }, []);
  return (
    <div class="table-frame" ref={frame} {...(wide ? {tabIndex: 0, role: 'group', 'aria-label': label} : {})}>
      <table class={extra} aria-label={label}><thead><tr>{head}</tr></thead><tbody>{children}</tbody></table>
    </div>
  );
}

export const Th = ({children, right}: {children?: Children; right?: boolean}) => <th scope="col" class={right ? 'right' : undefined}>{children}</th>;
export const Num = ({children}: {children?: Children}) => <td class="right num">{children}</td>;

// ---------------------------------------------------------------- buttons and fields
type ButtonProps = JSX.IntrinsicElements['button'] & {kind?: 'plain' | 'main' | 'danger' | 'link'};
export function Button({kind = 'plain', ...rest}: ButtonProps) {
  return <button type="button" {...rest} class={shown(kind, rest.class as string)} />;
}

export function Copy({text, label}: {text: string; label?: string}) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    try { await navigator.clipboard.writeText(text); } catch { return; }
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return <button type="button" class="link copy" onClick={copy} aria-label={`${t(done ? 'action.copied' : 'action.copy')}: ${label ?? text}`.slice(0, 80)}>
    <span aria-live="polite">{done ? t('action.copied') : t('action.copy')}</span></button>;
}

export function Field({label, hint, children}: {label: string; hint?: string; children: Children}) {
  return <label class="field"><span class="label">{label}</span>{children}{hint && <span class="hint">{hint}</span>}</label>;
}

// ---------------------------------------------------------------- tabs, kept in the address
export function Tabs({name, tabs, fallback, label}: {name: string; tabs: [id: string, title: string, body: () => Children][]; fallback?: string; label: string}) {
  const {query} = usePlace();
  const wanted = query.get(name) ?? fallback ?? tabs[0]![0];
  const chosen = tabs.find(([id]) => id === wanted) ?? tabs[0]!;
  const root = useId();
  const move = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (!step) return;
    event.preventDefault();
    const next = tabs[(tabs.indexOf(chosen) + step + tabs.length) % tabs.length]!;
    setQuery({[name]: next[0]}, 'replace');
    document.getElementById(`${root}-${next[0]}`)?.focus();
  };
  return (
    <div class="tabs">
      <div role="tablist" aria-label={label} onKeyDown={move}>
        {tabs.map(([id, title]) => (
          <button key={id} type="button" role="tab" id={`${root}-${id}`} aria-selected={id === chosen[0]} aria-controls={`${root}-panel`}
            tabIndex={id === chosen[0] ? 0 : -1} onClick={() => setQuery({[name]: id}, 'replace')}>{title}</button>))}
      </div>
      <div role="tabpanel" id={`${root}-panel`} aria-labelledby={`${root}-${chosen[0]}`} key={chosen[0]}>{chosen[2]()}</div>
    </div>
  );
}

// ---------------------------------------------------------------- a dialog
export function Dialog({title, close, children, wide}: {title: string; close: () => void; children: Children; wide?: boolean}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const name = useId();
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    dialog.current?.showModal();
    return () => before?.focus?.();
  }, []);
  return (
    <dialog ref={dialog} class={wide ? 'wide' : undefined} aria-labelledby={name} onClose={close}
      onClick={(event) => { if (event.target === dialog.current) close(); }}>
      <div class="dialog-body">
        <div class="dialog-head"><h2 id={name}>{title}</h2>
          <button type="button" class="link" onClick={close} aria-label={t('action.close')}>✕</button></div>
        {children}
      </div>
    </dialog>
  );
}

export function useTitle(title: string) {
  useEffect(() => { document.title = `${title} · Goniec`; }, [title]);
}

export function PageHead({title, lead, children}: {title: string; lead?: Children; children?: Children}) {
  useTitle(title);
  return (
    <header class="page-head"><div><h1 tabIndex={-1}>{title}</h1>{lead && <p class="lead">{lead}</p>}</div>
      {children && <div class="page-actions">{children}</div>}</header>
  );
}

export const Word = ({k}: {k: Key}) => <>{t(k)}</>;

export function Tags({of}: {of?: {name: string; value: string}[]}) {
  return <>{of?.map((each) => <span class="tag" key={each.name}>{each.name === 'tag' ? each.value : `${each.name}=${each.value}`}</span>)}</>;
}
