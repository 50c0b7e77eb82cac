// The door.
import {useEffect, useRef, useState} from 'preact/hooks';
import {ApiError} from '../api/client';
import {logIn, sessionTrouble} from '../session';
import {LanguageSwitch, ThemeSwitch} from '../ui/switches';
import {Field, useTitle} from '../ui/parts';
import {t, useLanguage} from '../words';

export function Login() {
  useLanguage();
  useTitle(t('login.title'));
  const [error, setError] = useState(() => (sessionTrouble() ? t('login.no_server') : ''));
  const [busy, setBusy] = useState(false);
  const user = useRef<HTMLInputElement>(null), password = useRef<HTMLInputElement>(null);
  useEffect(() => user.current?.focus(), []);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError('');
    try {
      await logIn(user.current!.value.trim(), password.current!.value);
    } catch (failure) {
      const {status, message} = failure as ApiError;
      setError(status === 401 || status === 403 ? t('login.wrong') : status === 429 ? t('login.slow') : status ? message : t('login.no_server'));
      password.current!.value = '';
      password.current!.focus();
    }
    setBusy(false);
  };
  return (
    <main class="login">
      <form onSubmit={submit}>
        <h1><span class="brand">Goniec</span></h1>
        <p class="muted">{location.host}</p>
        <Field label={t('login.user')}><input ref={user} name="username" type="text" autocomplete="username" inputMode="email" required /></Field>
        <Field label={t('login.password')}><input ref={password} name="password" type="password" autocomplete="current-password" required /></Field>
        {error && <p class="note failed" role="alert">{error}</p>}
        <button class="main" type="submit" disabled={busy} aria-busy={busy}>{t('login.enter')}</button>
        <p class="hint">{t('login.hint')}</p>
      </form>
      <div class="login-foot"><LanguageSwitch /><ThemeSwitch /></div>
    </main>
  );
}
