// Language and light.
import {setTheme, themeChoice, useTheme, type Choice} from '../theme';
import {currentLanguage, setLanguage, t, useLanguage} from '../words';

export function LanguageSwitch() {
  useLanguage();
  const other = currentLanguage() === 'pl' ? 'en' : 'pl';
  return <button type="button" class="link" lang={other} onClick={() => setLanguage(other)}>{other === 'pl' ? 'Polski' : 'English'}</button>;
}

export function ThemeSwitch() {
  useTheme();
  const order: Choice[] = ['system', 'light', 'dark'];
  const next = order[(order.indexOf(themeChoice()) + 1) % 3]!;
  return <button type="button" class="link" onClick={() => setTheme(next)}>{t(`theme.${themeChoice()}`)}</button>;
}
