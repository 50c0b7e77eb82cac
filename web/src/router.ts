// The address bar is the state of the page: /PAGE/REST?QUERY. Links are real links.
// src/api/assets.cc has the same list of first segments.
import {useEffect, useState} from 'preact/hooks';

export const pages = ['overview', 'activity', 'queue', 'deliverability', 'recipients', 'developers', 'system'] as const;
export type Page = (typeof pages)[number] | 'message';

export interface Place { page: Page | 'lost'; rest: string; query: URLSearchParams }

export const hrefOf = (page: Page, rest = '') =>
  page === 'overview' ? '/' : page === 'message' ? `/m/${encodeURIComponent(rest)}` : `/${page}${rest && '/' + rest}`;

/** The scope (stream, domain, time) goes along from page to page. */
export function inScope(href: string): string {
  const now = new URLSearchParams(location.search), kept = new URLSearchParams();
  for (const name of ['since', 'stream', 'domain']) if (now.get(name)) kept.set(name, now.get(name)!);
  return kept.size ? href + (href.includes('?') ? '&' : '?') + kept : href;
}

function placeNow(): Place {
  const [, first = '', rest = ''] = location.pathname.split('/');
  const query = new URLSearchParams(location.search);
  if (!first || first === 'login') return {page: 'overview', rest: '', query};
  if (first === 'm') return {page: 'message', rest: decodeURIComponent(rest), query};
  return {page: (pages as readonly string[]).includes(first) ? (first as Page) : 'lost', rest, query};
}

const watchers = new Set<() => void>();
const tell = () => watchers.forEach((each) => each());

export function go(href: string, how: 'push' | 'replace' = 'push') {
  if (href === location.pathname + location.search) return;
  const samePage = new URL(href, location.origin).pathname === location.pathname;
  history[how === 'push' ? 'pushState' : 'replaceState'](null, '', href);
  if (!samePage) scrollTo(0, 0);
  tell();
}

/** Sets (null: removes) members of the query. */
export function setQuery(changes: Record<string, string | null>, how: 'push' | 'replace' = 'push') {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === '') query.delete(name);
    else query.set(name, value);
  }
  go(location.pathname + (query.size ? '?' + query : ''), how);
}

export function usePlace(): Place {
  const [place, setPlace] = useState(placeNow);
  useEffect(() => {
    const watch = () => setPlace(placeNow());
    watchers.add(watch);
    addEventListener('popstate', watch);
    return () => { watchers.delete(watch); removeEventListener('popstate', watch); };
  }, []);
  return place;
}

document.addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element).closest?.('a[href]') as HTMLAnchorElement | null;
  if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
  if (link.pathname.startsWith('/api/') || link.hash) return;
  event.preventDefault();
  go(link.pathname + link.search);
});
