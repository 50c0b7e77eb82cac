// npm run dev: serves build/web/dist and answers the API by fixtures.mjs, so that pages can be worked on
// without a server. PORT, EMPTY=1 (nothing sent yet), BARE=1 (only the session is there: every page must
// stay calm), LOGGED_OUT=1. TARGET=http://127.0.0.1:PORT asks a real server instead of the fixtures. Prints
// its address. Same headers as the real one.
import {createServer, request as ask} from 'node:http';
import {existsSync, readFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {answer, liveEvent} from './fixtures.mjs';

const dist = fileURLToPath(new URL('../../build/web/dist', import.meta.url));
const types = {html: 'text/html; charset=utf-8', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml'};
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
let loggedIn = process.env.LOGGED_OUT !== '1';

function stream(response) {
  response.writeHead(200, {'content-type': 'text/event-stream', 'cache-control': 'no-store'});
  response.write(': hello\n\n');
  const timer = setInterval(() => {
    const event = liveEvent();
    response.write(`id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  }, Number(process.env.EVERY ?? 4000));
  response.on('close', () => clearInterval(timer));
}

async function api(request, response, url) {
  let body = '';
  for await (const piece of request) body += piece;
  const path = url.pathname.slice('/api/v1'.length);
  const send = (status, value, type = 'application/json') => {
    response.writeHead(status, {'content-type': type});
    response.end(type === 'application/json' ? JSON.stringify(value) : value);
  };
  const refuse = (status, name, message) => send(status, {statusCode: status, name, message});
  if (path === '/session') {
    if (request.method === 'POST') loggedIn = JSON.parse(body).password === 'correct';
    if (request.method === 'DELETE') { loggedIn = false; return send(204, ''); }
    if (!loggedIn) return refuse(401, 'invalid_access', 'nobody is logged in');
  }
  if (!loggedIn) return refuse(401, 'invalid_access', 'nobody is logged in');
  if (request.method !== 'GET' && path !== '/session' && request.headers['x-csrf-token'] !== 'token-of-development')
    return refuse(403, 'security_error', 'X-CSRF-Token is missing');
  if (process.env.BARE === '1' && path !== '/session') return refuse(404, 'not_found', `there is no ${path} here`);
  if (path === '/live') return stream(response);
  const found = answer(request.method, path, url.searchParams, body ? JSON.parse(body) : undefined);
  if (!found) return refuse(404, 'not_found', `there is no ${path} here`);
  return send(found.status ?? 200, found.body, found.type);
}

function pass(request, response) {
  const onward = ask(process.env.TARGET + request.url, {method: request.method, headers: request.headers}, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  onward.on('error', () => response.destroy());
  response.on('close', () => onward.destroy());
  request.pipe(onward);
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost');
  if (url.pathname.startsWith('/api/v1/')) return process.env.TARGET ? pass(request, response) : api(request, response, url);
  const file = existsSync(dist + url.pathname) && url.pathname !== '/' ? url.pathname : '/index.html';
  response.writeHead(200, {'content-type': types[file.split('.').pop()] ?? 'text/plain', 'content-security-policy': policy,
    'x-content-type-options': 'nosniff'});
  response.end(readFileSync(dist + file));
});
server.listen(Number(process.env.PORT ?? 8026), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/`));
