// A change that is asked about first: what it will do, in words, and then done once.
import {useState} from 'preact/hooks';
import {t} from '../words';
import {Button, Dialog, type Children} from './parts';

export function Confirm({title, means, action, danger, run, close, children}:
    {title: string; means: string; action: string; danger?: boolean; run: () => Promise<unknown>; close: () => void; children?: Children}) {
  const [busy, setBusy] = useState(false);
  const go = async () => { setBusy(true); await run(); close(); };
  return (
    <Dialog title={title} close={close}>
      <p>{means}</p>
      {children}
      <div class="buttons"><Button kind={danger ? 'danger' : 'main'} disabled={busy} aria-busy={busy} onClick={go}>{action}</Button>
        <Button onClick={close}>{t('action.back')}</Button></div>
    </Dialog>
  );
}
