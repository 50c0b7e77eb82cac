// Figures for a scope: what is asked for, summed and laid on a row of days or hours without gaps.
import {useMemo} from 'preact/hooks';
import type {Query, Schema} from './api/client';
import {useApi} from './api/use';
import {usePlace} from './router';

export type Row = Schema['StatsRow'];
export const spans: Record<string, number> = {'24h': 1, '7d': 7, '30d': 30, '90d': 90, '365d': 365};

export interface Scope { since: string; stream: string; domain: string }

export function useScope(): Scope {
  const {query} = usePlace();
  const since = query.get('since') ?? '7d';
  return {since: since in spans ? since : '7d', stream: query.get('stream') ?? '', domain: query.get('domain') ?? ''};
}

export const sum = (rows: Row[] | undefined, name: keyof Row) =>
  (rows ?? []).reduce((all, row) => all + (Number(row[name]) || 0), 0);

export function useStats(group: string, more: Query = {}, when = true) {
  const scope = useScope();
  return useApi('/stats', {query: {group_by: group, since: scope.since, stream: scope.stream, domain: scope.domain, ...more},
    every: 60_000, follow: true, when});
}

/** The time just as long before the scope, for "more or less than then". Moves on every five minutes. */
export function useBefore(group: string): Row[] | undefined {
  const scope = useScope();
  const span = (spans[scope.since] ?? 7) * 86_400_000, until = Math.floor(Date.now() / 300_000) * 300_000 - span;
  return useApi('/stats', {query: {group_by: group, since: new Date(until - span).toISOString(), until: new Date(until).toISOString(),
    stream: scope.stream, domain: scope.domain}}).data?.data;
}

export const stepOf = (since: string) => (since === '24h' ? 'hour' : 'day');

const isoDay = (ms: number) => new Date(ms).toISOString().slice(0, 10);

/** Rows by hour or day of the scope, with zeros where nothing happened. */
export function useTimeline(rows: Row[] | undefined, since: string) {
  return useMemo(() => {
    const hourly = stepOf(since) === 'hour', step = hourly ? 3_600_000 : 86_400_000;
    const count = hourly ? 24 : spans[since] ?? 7;
    const byTime = new Map((rows ?? []).map((row) => [hourly ? new Date(String(row.hour)).getTime() : Date.parse(String(row.day)), row]));
    const last = hourly ? Math.floor(Date.now() / step) * step : Date.parse(isoDay(Date.now()));
    const times = Array.from({length: count}, (_, at) => last - (count - 1 - at) * step);
    const filled = times.map((time) => byTime.get(time) ?? ({} as Row));
    const column = (name: keyof Row) => filled.map((row) => Number(row[name]) || 0);
    const maybe = (name: keyof Row) => filled.map((row) => (row[name] === null || row[name] === undefined ? null : Number(row[name])));
    return {times: times.map((each) => each / 1000), labels: times.map((each) => hourly ? new Date(each).toISOString().slice(0, 16) : isoDay(each)), column, maybe};
  }, [rows, since]);
}
