// Bundles web/src into build/web/dist: index.html, assets/NAME-HASH.js and .css. Types of the API are
// made from src/api/openapi.yaml into build/web/types.ts, which the sources import as "api-types"; the
// words of refusals from src/mail/bounce_words.cc into build/web/bounce_words.ts, "bounce-words".
// Promises: no inline script or style, no address of another host, hashes in the names of files.
import {build} from 'esbuild';
import {mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import openapi from 'openapi-typescript';
import {asModule, bounceWords} from './bounce_words.mjs';

const here = new URL('.', import.meta.url);
const path = (name) => fileURLToPath(new URL(name, here));
const dist = path('../build/web/dist');

mkdirSync(path('../build/web'), {recursive: true});
writeFileSync(path('../build/web/types.ts'), await openapi(new URL('../src/api/openapi.yaml', here)));
writeFileSync(path('../build/web/bounce_words.ts'), asModule(bounceWords(readFileSync(path('../src/mail/bounce_words.cc'), 'utf8'))));
rmSync(dist, {recursive: true, force: true});

const result = await build({
  absWorkingDir: path('.'),
  entryPoints: ['src/main.tsx', 'src/icon.svg'],
  outdir: dist,
  entryNames: 'assets/[name]-[hash]',
  assetNames: 'assets/[name]-[hash]',
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  alias: {'bounce-words': path('../build/web/bounce_words.ts')},
  jsx: 'automatic',
  jsxImportSource: 'preact',
  loader: {'.svg': 'copy'},
  legalComments: 'none',
  charset: 'utf8',
  metafile: true,
  logLevel: 'warning',
});

const files = Object.keys(result.metafile.outputs).map((name) => name.replace(/^.*\/dist\//, '/'));
const named = (pattern) => files.find((name) => pattern.test(name));
const page = readFileSync(path('src/index.html'), 'utf8')
  .replace('SCRIPT', named(/main-.*\.js$/))
  .replace('STYLE', named(/main-.*\.css$/))
  .replace('ICON', named(/icon-.*\.svg$/));
writeFileSync(dist + '/index.html', page);
