// What was done, said once at the foot of the page.
import {useEffect, useState} from 'preact/hooks';
import {ApiError} from '../api/client';
import {t} from '../words';

let show: (text: string, bad: boolean) => void = () => {};
export const say = (text: string) => show(text, false);
export const complain = (error: unknown) =>
  show(error instanceof ApiError ? (error.missing ? `${t('state.missing')} (${error.message})` : error.message) : String(error), true);

/** Runs a change and says how it went. */
export async function doing<T>(work: () => Promise<T>, done?: string): Promise<T | undefined> {
  try {
    const result = await work();
    if (done) say(done);
    return result;
  } catch (error) {
    complain(error);
    return undefined;
  }
}

export function Notices() {
  const [notice, setNotice] = useState<{text: string; bad: boolean} | null>(null);
  useEffect(() => { show = (text, bad) => setNotice({text, bad}); }, []);
  useEffect(() => {
    if (!notice || notice.bad) return;
    const timer = setTimeout(() => setNotice(null), 6000);
    return () => clearTimeout(timer);
  }, [notice]);
  return (
    <div class="notices" role="status" aria-live="polite">
      {notice && <p class={notice.bad ? 'bad' : ''}>{notice.text} <button type="button" class="link" aria-label={t('action.close')} onClick={() => setNotice(null)}>✕</button></p>}
    </div>
  );
}
