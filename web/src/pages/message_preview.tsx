// The message as its reader sees it, in a frame that can do nothing, and as it was sent, as text.
import {useEffect, useMemo, useRef, useState} from 'preact/hooks';
import {address} from '../api/client';
import {latin1, decodeText, fieldOf, type Mail} from '../mail/mime';
import {buildPreview} from '../mail/preview';
import {setQuery, usePlace} from '../router';
import {useTheme} from '../theme';
import {Button, Missing} from '../ui/parts';
import {octets, t} from '../words';

export interface Content { mail: Mail | null; raw: Uint8Array | null; error: string; load: () => void }
const mostShown = 200_000;

export function Preview({content}: {content: Content}) {
  const {query} = usePlace();
  const {mail} = content;
  if (!mail) return <Waiting content={content} />;
  const kinds = [...(mail.html !== null ? ['html', 'narrow'] : []), ...(mail.text !== null ? ['text'] : [])];
  const asked = query.get('view') ?? '', kind = kinds.includes(asked) ? asked : kinds[0];
  return (
    <>
      <dl class="facts preview-head">{['From', 'To', 'Cc', 'Reply-To', 'Subject', 'Date'].map((each) => fieldOf(mail, each.toLowerCase()) &&
        <div key={each}><dt>{each}</dt><dd>{fieldOf(mail, each.toLowerCase())}</dd></div>)}</dl>
      {kinds.length > 1 && <div class="chips" role="group" aria-label={t('message.preview')}>{kinds.map((each) => (
        <button key={each} type="button" aria-pressed={each === kind} onClick={() => setQuery({view: each}, 'replace')}>{t(`preview.${each as 'html' | 'narrow' | 'text'}`)}</button>))}</div>}
      {kind === 'text' ? <pre class="body-text" tabIndex={0} aria-label={t('preview.text')}>{(mail.text ?? '').slice(0, mostShown)}</pre>
        : kind ? <Frame mail={mail} narrow={kind === 'narrow'} /> : <Missing what={t('preview.nothing')} />}
      {mail.attachments.length > 0 && <>
        <h3>{t('preview.attachments', {count: mail.attachments.length})}</h3>
        <ul class="rows">{mail.attachments.map((each, at) => <li key={at}><span class="grow cut">{each.name || t('preview.unnamed')}</span><span class="muted">{each.type}</span><span class="num">{octets(each.size)}</span></li>)}</ul></>}
    </>
  );
}

function Waiting({content}: {content: Content}) {
  if (!content.error) return <p class="note loading">{t('state.loading')}</p>;
  return <Missing what={content.error} />;
}

function Frame({mail, narrow}: {mail: Mail; narrow: boolean}) {
  const frame = useRef<HTMLIFrameElement>(null);
  const theme = useTheme();
  const [blocked, setBlocked] = useState(0);
  const [tall, setTall] = useState(320);
  useEffect(() => {
    if (!frame.current) return;
    setBlocked(buildPreview(frame.current, mail.html ?? '', mail.inline, false).blocked);
    setTall(Math.min(1600, Math.max(160, (frame.current.contentDocument?.documentElement.scrollHeight ?? 320) + 8)));
  }, [mail, theme, narrow]);
  return (
    <>
      {blocked > 0 && <p class="note">{t('preview.blocked', {count: blocked})}</p>}
      <iframe ref={frame} sandbox="allow-same-origin" title={t('message.preview')} class={narrow ? 'preview narrow' : 'preview'} style={{height: `${tall}px`}} tabIndex={0} />
    </>
  );
}

export function Source({content, id}: {content: Content; id: string}) {
  const text = useMemo(() => (content.raw ? decodeText(content.raw.subarray(0, mostShown), 'utf-8') || latin1(content.raw.subarray(0, mostShown)) : ''), [content.raw]);
  const link = <a class="button" href={address('/emails/{id}/raw', {id})} download={`${id.replace(/[^\w-]/g, '')}.eml`}>{t('preview.download')}</a>;
  if (!content.raw) return <><Waiting content={content} />{/\d/.test(content.error) && <p><Button onClick={content.load}>{t('preview.load')}</Button></p>}</>;
  return <><p>{link} <span class="muted">{octets(content.raw.length)}</span></p>
    <pre class="body-text source" tabIndex={0} aria-label={t('message.source')}>{text}</pre>
    {content.raw.length > mostShown && <p class="note">{t('preview.cut', {size: octets(mostShown)})}</p>}</>;
}
