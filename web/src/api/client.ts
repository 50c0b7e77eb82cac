// Calls of the API, typed by its contract (src/api/openapi.yaml).
//
// Promises: every failure is an ApiError; a change carries the session's CSRF token, and once more with
// a fresh one when the server refuses it; a 401 tells the page that nobody is logged in any more.
import type {components, paths} from 'api-types';

export type Schema = components['schemas'];
type Json<R> = R extends {content: {'application/json': infer T}} ? T : never;
type Answer<O> = O extends {responses: infer R}
  ? R extends {200: infer A} ? Json<A> : R extends {201: infer B} ? Json<B> : never
  : never;
type With<M extends string> = {[P in keyof paths]: paths[P] extends Record<M, unknown> ? P : never}[keyof paths];
export type GetPath = With<'get'>;
export type Got<P extends GetPath> = paths[P] extends {get: infer O} ? Answer<O> : never;
export type Query = Record<string, string | number | boolean | string[] | null | undefined>;

export class ApiError extends Error {
  constructor(readonly status: number, readonly kind: string, message: string, readonly field = '') {
    super(message);
  }
  /** The server does not know the call: an older one, or a part that is not built yet. */
  get missing() { return this.status === 404 || this.status === 405 || this.status === 501; }
}

let csrf = '';
let whenLoggedOut = () => {};
export const setToken = (token: string) => { csrf = token; };
export const onLoggedOut = (run: () => void) => { whenLoggedOut = run; };

export function address(path: string, fill: Record<string, string> = {}, query: Query = {}): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(fill[name] ?? ''));
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === '') continue;
    for (const each of Array.isArray(value) ? value : [value]) pairs.append(name, String(each));
  }
  return '/api/v1' + filled + (pairs.size ? '?' + pairs : '');
}

async function errorOf(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '');
  try {
    const body = JSON.parse(text);
    return new ApiError(response.status, String(body.name ?? ''), String(body.message ?? text), String(body.field ?? ''));
  } catch {
    return new ApiError(response.status, 'http', text.slice(0, 200) || response.statusText || String(response.status));
  }
}

async function ask(method: string, url: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = {accept: 'application/json'};
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (method !== 'GET') headers['x-csrf-token'] = csrf;
  try {
    return await fetch(url, {method, headers, body: body === undefined ? undefined : JSON.stringify(body),
      credentials: 'same-origin', signal, redirect: 'error'});
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, 'network', String((error as Error).message));
  }
}

async function renewToken(): Promise<boolean> {
  const response = await ask('GET', '/api/v1/session', undefined);
  if (!response.ok) return false;
  csrf = ((await response.json()) as Schema['Session']).csrf;
  return true;
}

async function answer(method: string, url: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  let response = await ask(method, url, body, signal);
  if (response.status === 403 && method !== 'GET') {
    const error = await errorOf(response.clone());
    if (error.kind === 'security_error' && (await renewToken())) response = await ask(method, url, body, signal);
  }
  if (response.ok) return response;
  const error = await errorOf(response);
  if (error.status === 401 && !url.startsWith('/api/v1/session')) whenLoggedOut();
  throw error;
}

export async function getJson<T>(url: string, signal?: AbortSignal): Promise<T> {
  const response = await answer('GET', url, undefined, signal);
  if (!/json/.test(response.headers.get('content-type') ?? '')) throw new ApiError(501, 'http', 'no JSON');
  return response.json();
}

export async function getBytes(url: string, signal?: AbortSignal): Promise<Uint8Array> {
  return new Uint8Array(await (await answer('GET', url, undefined, signal)).arrayBuffer());
}

/** POST, PATCH or DELETE; undefined when the answer has no body. */
export async function change<T = unknown>(method: 'POST' | 'PATCH' | 'DELETE', url: string, body?: unknown): Promise<T> {
  const response = await answer(method, url, body);
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}
