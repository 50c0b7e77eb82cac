// The language of the page, and all that is said and counted in it.
import {useEffect, useState} from 'preact/hooks';
import {formatMessage, type Values} from './format';
import {words, type Key} from './words';

export type Language = 'en' | 'pl';
const stored = () => { try { return localStorage.getItem('goniec.language'); } catch { return null; } };
let language: Language = (stored() ?? navigator.language).startsWith('pl') ? 'pl' : 'en';
const watchers = new Set<() => void>();

export const currentLanguage = () => language;

export function setLanguage(next: Language) {
  language = next;
  try { localStorage.setItem('goniec.language', next); } catch { /* only for this visit, then */ }
  document.documentElement.lang = next;
  watchers.forEach((each) => each());
}
document.documentElement.lang = language;

export function useLanguage(): Language {
  const [, redraw] = useState(0);
  useEffect(() => {
    const watch = () => redraw((n) => n + 1);
    watchers.add(watch);
    return () => void watchers.delete(watch);
  }, []);
  return language;
}

export const locale = () => (language === 'pl' ? 'pl-PL' : 'en-GB');
export const t = (key: Key, values: Values = {}) => formatMessage(words[key][language === 'pl' ? 1 : 0], values, locale());
export const hasWords = (key: string): key is Key => Object.hasOwn(words, key);
/** A word for a name of the API, or the name itself. */
export const named = (prefix: string, name: string) => (hasWords(prefix + name) ? t((prefix + name) as Key) : name.replaceAll('_', ' '));

// ---------------------------------------------------------------- numbers and times
export const number = (value: number) => new Intl.NumberFormat(locale()).format(value);
export const compact = (value: number) =>
  value < 10_000 ? number(value) : new Intl.NumberFormat(locale(), {notation: 'compact', maximumFractionDigits: 1}).format(value);

export function percent(part: number, whole: number): string {
  if (!whole) return '–';
  const share = part / whole;
  const digits = share > 0.999 && share < 1 ? 2 : share >= 0.995 || share === 0 ? 0 : 1;
  return new Intl.NumberFormat(locale(), {style: 'percent', maximumFractionDigits: digits}).format(share);
}

export function octets(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let at = 0;
  while (value >= 1000 && at < units.length - 1) { value /= 1000; at++; }
  return new Intl.NumberFormat(locale(), {maximumFractionDigits: value < 10 && at ? 1 : 0}).format(value) + ' ' + units[at];
}

export function milliseconds(value: number): string {
  const show = (amount: number, unit: string) =>
    new Intl.NumberFormat(locale(), {maximumFractionDigits: amount < 10 ? 1 : 0}).format(amount) + ' ' + unit;
  if (value < 1000) return show(value, 'ms');
  if (value < 60_000) return show(value / 1000, 's');
  if (value < 3_600_000) return show(value / 60_000, 'min');
  return value < 172_800_000 ? show(value / 3_600_000, 'h') : show(value / 86_400_000, 'd');
}

const steps: [Intl.RelativeTimeFormatUnit, number][] = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]];

export function ago(time: string, now = Date.now()): string {
  const seconds = (new Date(time).getTime() - now) / 1000;
  if (Number.isNaN(seconds)) return time;
  if (Math.abs(seconds) > 14 * 86400) return day(time);
  const [unit, size] = steps.find(([, each]) => Math.abs(seconds) >= each) ?? steps[3]!;
  return new Intl.RelativeTimeFormat(locale(), {numeric: 'auto', style: 'short'}).format(Math.trunc(seconds / size), unit);
}

export const exact = (time: string) => {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? time : new Intl.DateTimeFormat(locale(), {dateStyle: 'medium', timeStyle: 'long'}).format(date);
};
export const clock = (time: string) => {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? time : new Intl.DateTimeFormat(locale(), {hour: '2-digit', minute: '2-digit', second: '2-digit'}).format(date);
};
export const day = (time: string | number) => {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : new Intl.DateTimeFormat(locale(), {day: 'numeric', month: 'short', year: 'numeric'}).format(date);
};
export type {Key, Values};
