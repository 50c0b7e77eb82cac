// What a component shows of the API: loading, there, not built yet, or failed.
import {useEffect, useMemo, useRef, useState} from 'preact/hooks';
import {address, ApiError, getJson, type GetPath, type Got, type Query} from './client';
import {onEvent} from './live';

export interface Loaded<T> {
  state: 'loading' | 'ready' | 'missing' | 'failed';
  data?: T;
  error?: ApiError;
  reload: () => void;
}

interface Options {
  fill?: Record<string, string>;
  query?: Query;
  every?: number;    // milliseconds between looks while the page is seen
  follow?: boolean;  // look again when events come
  when?: boolean;    // false: not now
}

const restBetween = 2000;

/** What was shown stays until its successor is there, as long as the path is the same. */
export function useApi<P extends GetPath>(path: P, options: Options = {}): Loaded<Got<P>> {
  const {fill, query, every, follow, when = true} = options;
  const url = when ? address(path, fill, query) : '';
  const stem = address(path, fill);
  const [found, setFound] = useState<{url: string; stem: string; data?: Got<P>; error?: ApiError}>({url: '', stem: ''});
  const [round, setRound] = useState(0);
  const reload = useMemo(() => () => setRound((n) => n + 1), []);

  useEffect(() => {
    if (!url) return;
    const abort = new AbortController();
    getJson<Got<P>>(url, abort.signal).then(
      (data) => setFound({url, stem, data}),
      (error) => {
        if (abort.signal.aborted) return;
        const told = error instanceof ApiError ? error : new ApiError(0, 'network', String(error));
        setFound((old) => ({url, stem, data: told.status === 0 && old.url === url ? old.data : undefined, error: told}));
      });
    return () => abort.abort();
  }, [url, round]);

  useEffect(() => {
    if (!url || !every) return;
    const timer = setInterval(() => { if (!document.hidden) reload(); }, every);
    return () => clearInterval(timer);
  }, [url, every]);

  const resting = useRef(false);
  useEffect(() => {
    if (!url || !follow) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = onEvent(() => {
      if (resting.current) return;
      resting.current = true;
      timer = setTimeout(() => { resting.current = false; reload(); }, restBetween);
    });
    return () => { stop(); clearTimeout(timer); resting.current = false; };
  }, [url, follow]);

  if (found.url !== url && found.stem !== stem) return {state: 'loading', reload};
  if (found.error && !found.data) {
    const pathUnknown = found.error.missing && !(fill && found.error.status === 404 && found.error.kind === 'not_found');
    return {state: pathUnknown ? 'missing' : 'failed', error: found.error, reload};
  }
  return {state: found.data ? 'ready' : 'loading', data: found.data, reload};
}
