// HTML mail built anew inside a sandboxed frame.
//
// Nothing of the sender's markup is inserted: it is parsed into an inert document, and of what is there
// only listed elements and attributes are made again, node by node, in the frame's own document. So
// there is nothing to clean and nothing that a parser could read in another way later.
// Three walls, each enough alone: the list below; the frame's sandbox (no scripts, forms, popups,
// navigation); the page's Content-Security-Policy, which the frame inherits (no script but our own,
// no image but data:, no connection elsewhere).
// Links do not lead anywhere: where they would is shown as their title.
import type {Part} from './mime';

const elements = new Set(`a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup
  dd del details dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark
  nav ol p pre q s samp section small span strike strong sub summary sup table tbody td tfoot th thead time tr tt u ul
  var wbr`.split(/\s+/));
const attributes = new Set(`align alt bgcolor border cellpadding cellspacing color colspan dir face height hspace lang
  nowrap rowspan scope size span start title valign vspace width`.split(/\s+/));
const dropped = new Set('script style template noscript iframe object embed applet svg math head title select'.split(' '));
const pictures = /^image\/(png|jpeg|gif|webp)$/;
const mostNodes = 50_000, mostDepth = 200, mostPicture = 2_000_000;

export interface Built { blocked: number }

/** `frame` has sandbox="allow-same-origin" and nothing else; its document is made over. */
export function buildPreview(frame: HTMLIFrameElement, html: string, inline: Map<string, Part>, dark: boolean): Built {
  const page = frame.contentDocument, view = frame.contentWindow as (Window & typeof globalThis) | null;
  const built: Built = {blocked: 0};
  if (!page || !view) return built;
  const inert = new DOMParser().parseFromString(html, 'text/html');
  page.body.replaceChildren();
  page.documentElement.lang = 'und';
  page.title = 'preview';
  let nodes = 0;

  const picture = (from: Element, to: HTMLElement) => {
    const source = from.getAttribute('src') ?? '';
    const part = source.startsWith('cid:') ? inline.get(decodeURIComponent(source.slice(4))) : undefined;
    if (part && pictures.test(part.type) && part.size < mostPicture) to.setAttribute('src', dataUrl(part));
    else if (/^data:image\/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*$/i.test(source)) to.setAttribute('src', source);
    else { built.blocked++; to.classList.add('blocked'); }
    if (!to.hasAttribute('alt')) to.setAttribute('alt', '');
  };

  const copy = (from: Node, to: Element, depth: number) => {
    for (const child of Array.from(from.childNodes)) {
      if (++nodes > mostNodes || depth > mostDepth) return;
      if (child.nodeType === Node.TEXT_NODE) { to.append(page.createTextNode(child.nodeValue ?? '')); continue; }
      if (child.nodeType !== Node.ELEMENT_NODE) continue;
      const element = child as Element, name = element.localName;
      if (dropped.has(name) || element.namespaceURI !== 'http://www.w3.org/1999/xhtml') continue;
      if (!elements.has(name)) { copy(element, to, depth + 1); continue; }
      const made = page.createElement(name);
      for (const {name: each, value} of Array.from(element.attributes))
        if (attributes.has(each)) made.setAttribute(each, value);
      const style = element.getAttribute('style');
      if (style) { made.style.cssText = style; tame(made.style); }
      if (name === 'a') made.title = element.getAttribute('href') ?? '';
      if (name === 'img') picture(element, made);
      to.append(made);
      copy(element, made, depth + 1);
    }
  };
  copy(inert.body, page.body, 0);

  const sheets = Array.from(inert.querySelectorAll('style')).map((each) => sheetOf(view, each.textContent ?? ''));
  const own = sheetOf(view, ownRules(dark));
  page.adoptedStyleSheets = [own, ...sheets];
  return built;
}

const ownRules = (dark: boolean) => `
  :root { color-scheme: ${dark ? 'light dark' : 'light'}; }
  body { margin: 16px; font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; color: #16181d; background: #fff; }
  img { max-width: 100%; } img.blocked { display: inline-block; min-width: 24px; min-height: 24px; border: 1px dashed #888; }
  a { color: #2450a4; text-decoration: underline; cursor: help; }`;

/** No address of another host, nothing fixed over the page. (The policy would stop the first anyway.) */
function tame(style: CSSStyleDeclaration) {
  for (const name of Array.from(style)) {
    if (/url\(|image-set\(|element\(/i.test(style.getPropertyValue(name))) style.removeProperty(name);
  }
  if (style.position === 'fixed' || style.position === 'sticky') style.position = 'static';
}

function sheetOf(view: Window & typeof globalThis, text: string): CSSStyleSheet {
  const sheet = new view.CSSStyleSheet();
  try {
    sheet.replaceSync(text.slice(0, 200_000));
    tameRules(sheet.cssRules, (at) => sheet.deleteRule(at));
  } catch { /* no style is better than a broken page */ }
  return sheet;
}

function tameRules(rules: CSSRuleList, remove: (at: number) => void) {
  for (let at = rules.length - 1; at >= 0; at--) {
    const rule = rules[at] as CSSRule & {style?: CSSStyleDeclaration; cssRules?: CSSRuleList; deleteRule?: (at: number) => void};
    if (rule.style && !/^@/.test(rule.cssText)) tame(rule.style);
    else if (rule.cssRules && rule.deleteRule && /^@media/i.test(rule.cssText)) tameRules(rule.cssRules, (n) => rule.deleteRule!(n));
    else remove(at);
  }
}

function dataUrl(part: Part): string {
  let text = '';
  for (const each of part.bytes) text += String.fromCharCode(each);
  return `data:${part.type};base64,${btoa(text)}`;
}
