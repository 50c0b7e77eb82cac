// Templates: write, look at, publish.
import {useEffect, useRef, useState} from 'preact/hooks';
import {address, change, type Schema} from '../api/client';
import {useApi} from '../api/use';
import {buildPreview} from '../mail/preview';
import {inScope, setQuery, usePlace} from '../router';
import {doing, say} from '../ui/notice';
import {Button, Field, Missing, Section, Shown, Time} from '../ui/parts';
import {t} from '../words';

export function Templates() {
  const {query} = usePlace();
  const list = useApi('/templates');
  const open = query.get('template');
  const chosen = list.data?.data.find((each) => each.id === open);
  return (
    <Section title={t('templates.title')} aside={<button type="button" class="plain" onClick={() => setQuery({template: 'new'}, 'replace')}>{t('templates.make')}…</button>}>
      <Shown of={list}>{(data) => data.data.length === 0 && open !== 'new' ? <p class="note">{t('templates.none')}</p> : <ul class="rows">{data.data.map((each) => (
        <li key={each.id} data-row><span class="grow"><button type="button" class="link" aria-expanded={open === each.id} onClick={() => setQuery({template: open === each.id ? null : each.id}, 'replace')}>{each.name}</button> {each.alias && <code>{each.alias}</code>}</span>
          <span class="muted">{each.status && t(`templates.${each.status}`)}</span><Time at={each.updated_at ?? each.created_at} /></li>))}</ul>}</Shown>
      {list.state === 'ready' && (chosen || open === 'new') && <Template key={open} id={chosen?.id} reload={list.reload} />}
    </Section>
  );
}

function Template({id, reload}: {id?: string; reload: () => void}) {
  const found = useApi('/templates/{id}', {fill: {id: id ?? ''}, when: !!id});
  const save = async (event: Event) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const body = Object.fromEntries(['name', 'alias', 'subject', 'text', 'html'].map((each) => [each, String(data.get(each) ?? '')]).filter(([name, value]) => value || name !== 'alias'));
    const saved = await doing(() => change<Schema['Template']>(id ? 'PATCH' : 'POST', id ? address('/templates/{id}', {id}) : address('/templates'), body), t('templates.saved'));
    if (saved) { reload(); setQuery({template: saved.id ?? id ?? null}, 'replace'); }
  };
  const publish = async () => { await doing(() => change('POST', address('/templates/{id}/{action}', {id: id!, action: 'publish'})), t('templates.published')); reload(); };
  const duplicate = async () => {
    const made = await doing(() => change<Schema['Template']>('POST', address('/templates/{id}/{action}', {id: id!, action: 'duplicate'})), t('templates.saved'));
    if (made?.id) { reload(); setQuery({template: made.id}, 'replace'); }
  };
  const remove = async () => { await doing(() => change('DELETE', address('/templates/{id}', {id: id!})), t('templates.deleted')); setQuery({template: null}, 'replace'); reload(); };
  if (id && !found.data) return found.state === 'loading' ? <p class="note">{t('state.loading')}</p> : <Missing />;
  const now = found.data;
  return (
    <form class="detail" onSubmit={save}>
      <Field label={t('word.name')}><input name="name" required defaultValue={now?.name ?? ''} /></Field>
      <Field label={t('templates.alias')}><input name="alias" defaultValue={now?.alias ?? ''} pattern="[A-Za-z][A-Za-z0-9._-]*" /></Field>
      <Field label={t('word.subject')}><input name="subject" defaultValue={now?.subject ?? ''} /></Field>
      <Field label={t('preview.text')} hint={t('templates.hint')}><textarea name="text" rows={6} defaultValue={now?.text ?? ''} /></Field>
      <Field label="HTML"><textarea name="html" rows={8} class="mono" defaultValue={now?.html ?? ''} spellcheck={false} /></Field>
      {id && <Rendered id={id} />}
      <div class="buttons"><button type="submit" class="main">{t('action.save')}</button>{id && <><Button onClick={publish}>{t('templates.publish')}</Button><Button onClick={duplicate}>{t('templates.duplicate')}</Button><Button kind="danger" onClick={remove}>{t('action.delete')}</Button></>}
        <a href={inScope('/developers?tab=templates')}>{t('action.close')}</a></div>
    </form>
  );
}

/** As it would be sent, with variables of the reader's choice; what lacks a value is said. */
function Rendered({id}: {id: string}) {
  const frame = useRef<HTMLIFrameElement>(null), words = useRef<HTMLTextAreaElement>(null);
  const [made, setMade] = useState<{subject?: string; html?: string; text?: string; missing?: string[]} | null>(null);
  const render = async () => {
    let variables: unknown;
    try { variables = JSON.parse(words.current!.value || '{}'); } catch { return say(t('templates.no_json')); }
    setMade((await doing(() => change<NonNullable<typeof made>>('POST', address('/templates/render'), {id, variables}))) ?? null);
  };
  useEffect(() => { if (frame.current && made?.html) buildPreview(frame.current, made.html, new Map(), false); }, [made]);
  return (
    <details class="record"><summary><b>{t('message.preview')}</b></summary>
      <Field label={t('templates.variables')} hint="JSON"><textarea ref={words} rows={3} class="mono" spellcheck={false} defaultValue={'{"name": "Anna"}'} /></Field>
      <p><Button onClick={render}>{t('templates.render')}</Button></p>
      {made && <>
        {!!made.missing?.length && <p class="note failed">{t('templates.missing')} {made.missing.map((each) => <code key={each}>{each} </code>)}</p>}
        <dl class="facts preview-head"><div><dt>{t('word.subject')}</dt><dd>{made.subject}</dd></div></dl>
        {made.html ? <iframe ref={frame} sandbox="allow-same-origin" title={t('message.preview')} class="preview" tabIndex={0} /> : <pre class="body-text" tabIndex={0} aria-label={t('preview.text')}>{made.text}</pre>}</>}
    </details>
  );
}
