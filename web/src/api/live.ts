// The tail of events: server-sent events, and where they do not come, a look every few seconds.
//
// One tail for all listeners of the page; it sleeps while the page is hidden or paused, and goes on
// from the last event it saw, so that nothing is missed.
import {useEffect, useState} from 'preact/hooks';
import {address, getJson, type Schema} from './client';

export type LiveEvent = Schema['Event'];
export type LiveState = 'off' | 'connecting' | 'live' | 'polling';

const pollEvery = 5000, patience = 6000, kept = 50;
const listeners = new Set<(event: LiveEvent) => void>();
const watchers = new Set<() => void>();
let state: LiveState = 'off', wanted = true, last = '';
let source: EventSource | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
export const recent: LiveEvent[] = [];

const setState = (next: LiveState) => { state = next; watchers.forEach((each) => each()); };

function heard(event: LiveEvent) {
  if (!event?.id || event.id === last) return;
  last = event.id;
  recent.unshift(event);
  recent.length = Math.min(recent.length, kept);
  listeners.forEach((each) => each(event));
}

function stop() {
  source?.close();
  source = null;
  clearTimeout(timer);
  setState('off');
}

async function poll() {
  source?.close();
  source = null;
  if (state === 'off') return;
  setState('polling');
  try {
    if (!last) {
      const newest = await getJson<Schema['EventList']>(address('/events', {}, {limit: 1}));
      last = newest.data?.[0]?.id ?? '';
    } else {
      const page = await getJson<Schema['EventList']>(address('/events', {}, {order: 'asc', after: last, limit: 100}));
      page.data?.forEach(heard);
    }
  } catch { /* the next look may go better */ }
  if (state === 'polling') timer = setTimeout(poll, pollEvery);
}

function start() {
  if (source || state === 'polling' || !wanted || document.hidden || !listeners.size) return;
  setState('connecting');
  source = new EventSource(address('/live', {}, {after: last}));
  timer = setTimeout(poll, patience);
  source.onopen = () => { clearTimeout(timer); setState('live'); };
  const take = (message: MessageEvent) => { try { heard(JSON.parse(message.data)); } catch { /* no event */ } };
  source.onmessage = take;
  for (const type of ['received_for_delivery', 'scheduled', 'sent', 'delivered', 'delivery_delayed', 'bounced', 'complained',
    'opened', 'clicked', 'failed', 'suppressed', 'unsubscribed', 'received', 'held', 'canceled'])
    source.addEventListener('email.' + type, take as EventListener);
  source.onerror = () => {
    // A closed stream (404, 401) does not come back by itself; a broken one does.
    if (source?.readyState === EventSource.CLOSED) { clearTimeout(timer); void poll(); }
  };
}

document.addEventListener('visibilitychange', () => (document.hidden ? stop() : start()));

export function onEvent(listener: (event: LiveEvent) => void): () => void {
  listeners.add(listener);
  start();
  return () => { listeners.delete(listener); if (!listeners.size) stop(); };
}

export function setLive(on: boolean) { wanted = on; if (on) start(); else stop(); watchers.forEach((each) => each()); }
export const isLive = () => wanted;

export function useLiveState(): {state: LiveState; wanted: boolean} {
  const [, redraw] = useState(0);
  useEffect(() => {
    const watch = () => redraw((n) => n + 1);
    watchers.add(watch);
    return () => void watchers.delete(watch);
  }, []);
  return {state, wanted};
}
