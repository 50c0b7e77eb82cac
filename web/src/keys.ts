// The keyboard: single keys, "g" and a letter, Ctrl-K. Pages add what they can do to `actions`.
//
// Single keys can be turned off (WCAG 2.2 §2.1.4); they are silent in fields and while a dialog is open.
import {useEffect} from 'preact/hooks';
import {setLive, isLive} from './api/live';
import {go, hrefOf, inScope, type Page} from './router';

export interface Action { key?: string; label: string; run: () => void }
const sets = new Set<Action[]>();
export const currentActions = () => [...sets].flat();

export function useActions(actions: Action[]) {
  useEffect(() => { sets.add(actions); return () => void sets.delete(actions); });
}

export const goKeys: Record<string, Page> = {o: 'overview', a: 'activity', q: 'queue', d: 'deliverability', r: 'recipients', e: 'developers', s: 'system'};

const name = 'goniec.keys';
export const keysOn = () => { try { return localStorage.getItem(name) !== 'off'; } catch { return true; } };
export const turnKeys = (on: boolean) => { try { localStorage.setItem(name, on ? 'on' : 'off'); } catch { /* for this visit */ } };

function moveRow(step: number) {
  const rows = Array.from(document.querySelectorAll<HTMLElement>('main [data-row]'));
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step))]!;
  // What Enter opens, before what it would only turn.
  (next.querySelector<HTMLElement>('a') ?? next.querySelector<HTMLElement>('button, summary, input'))?.focus();
  next.scrollIntoView({block: 'nearest'});
}

function selectRow() {
  const box = document.activeElement?.closest('[data-row]')?.querySelector<HTMLInputElement>('input[type=checkbox]');
  box?.click();
}

const typing = (target: Element | null) => !!target?.closest('input:not([type=checkbox]), textarea, select, [contenteditable]');

export function useKeys(open: (what: 'palette' | 'help' | 'actions') => void) {
  useEffect(() => {
    let afterG = 0;
    const pressed = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') { event.preventDefault(); open('palette'); return; }
      if (event.ctrlKey || event.metaKey || event.altKey || !keysOn()) return;
      const target = event.target as Element | null;
      if (document.querySelector('dialog[open]')) return;
      if (event.key === 'Escape') {
        if (typing(target)) (target as HTMLElement).blur();
        else if (location.pathname.startsWith('/m/')) history.back();
        return;
      }
      if (typing(target)) return;
      if (Date.now() - afterG < 1500 && goKeys[event.key]) { afterG = 0; event.preventDefault(); go(inScope(hrefOf(goKeys[event.key]!))); return; }
      const own = currentActions().find((each) => each.key === event.key);
      const run: Record<string, () => void> = {
        g: () => { afterG = Date.now(); },
        '/': () => { const box = document.querySelector<HTMLElement>('input[type=search]'); if (box) box.focus(); else open('palette'); },
        j: () => moveRow(1), k: () => moveRow(-1), x: selectRow,
        l: () => setLive(!isLive()), '.': () => open('actions'), '?': () => open('help'),
      };
      const wanted = own?.run ?? run[event.key];
      if (!wanted) return;
      event.preventDefault();
      wanted();
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  });
}
