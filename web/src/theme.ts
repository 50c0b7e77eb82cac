// Light or dark: by the system, or as chosen.
import {useEffect, useState} from 'preact/hooks';

export type Choice = 'system' | 'light' | 'dark';
const dark = matchMedia('(prefers-color-scheme: dark)');
const stored = () => { try { return localStorage.getItem('goniec.theme') as Choice | null; } catch { return null; } };
let choice: Choice = stored() ?? 'system';
const watchers = new Set<() => void>();

const apply = () => {
  if (choice === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
  watchers.forEach((each) => each());
};
dark.addEventListener('change', apply);
apply();

export const themeChoice = () => choice;
export const currentTheme = (): 'light' | 'dark' => (choice === 'system' ? (dark.matches ? 'dark' : 'light') : choice);

export function setTheme(next: Choice) {
  choice = next;
  try { localStorage.setItem('goniec.theme', next); } catch { /* for this visit */ }
  apply();
}

export function useTheme(): 'light' | 'dark' {
  const [, redraw] = useState(0);
  useEffect(() => {
    const watch = () => redraw((n) => n + 1);
    watchers.add(watch);
    return () => void watchers.delete(watch);
  }, []);
  return currentTheme();
}
