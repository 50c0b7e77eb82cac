// Who is logged in. null: nobody; undefined: not known yet.
import {useEffect, useState} from 'preact/hooks';
import {address, ApiError, change, getJson, onLoggedOut, setToken, type Schema} from './api/client';

export type Session = Schema['Session'];
let session: Session | null | undefined;
let trouble: ApiError | null = null;
const watchers = new Set<() => void>();

function keep(next: Session | null, error: ApiError | null = null) {
  session = next;
  trouble = error;
  setToken(next?.csrf ?? '');
  watchers.forEach((each) => each());
}
onLoggedOut(() => keep(null));

export async function findSession() {
  try {
    keep(await getJson<Session>(address('/session')));
  } catch (error) {
    keep(null, error instanceof ApiError && error.status !== 401 ? error : null);
  }
}

export async function logIn(user: string, password: string) {
  keep(await change<Session>('POST', address('/session'), {user, password}));
}

export async function logOut() {
  await change('DELETE', address('/session')).catch(() => undefined);
  keep(null);
}

export const sessionTrouble = () => trouble;

export function useSession(): Session | null | undefined {
  const [, redraw] = useState(0);
  useEffect(() => {
    const watch = () => redraw((n) => n + 1);
    watchers.add(watch);
    return () => void watchers.delete(watch);
  }, []);
  return session;
}
