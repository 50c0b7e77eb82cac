// The conversation with each server, line by line.
import {useApi} from '../api/use';
import {Missing, Shown, Time} from '../ui/parts';
import {milliseconds, t} from '../words';
import {Secrecy} from './message_ladder';

export function Transcript({id}: {id: string}) {
  const transcript = useApi('/emails/{id}/transcript', {fill: {id}});
  return (
    <Shown of={transcript} missing={t('message.no_transcript')}>{(data) => !data.attempts?.length ? <Missing what={t('message.no_transcript')} /> : <>
      {data.attempts.map((each, at) => (
        <article class="attempt" key={at}>
          <h3>{t('message.attempt', {count: each.attempt ?? at + 1})} <span class="mono">{each.host}</span> <span class="muted"><Time at={each.at} /></span> <Secrecy tls={each.tls} /></h3>
          {!!each.recipients?.length && <p class="muted small wrap">{each.recipients.join(', ')}</p>}
          {each.whole === false && <p class="muted small">{t('transcript.part')}</p>}
          <div class="table-frame" tabIndex={0} role="group" aria-label={each.host}>
            <table class="transcript mono"><caption class="hidden">{each.host}</caption><tbody>
              {each.lines.map((line, n) => <tr key={n} class={line.from}><td class="muted right num">{milliseconds(line.ms)}</td>
                <td><span aria-hidden="true">{line.from === 'us' ? '→' : line.from === 'them' ? '←' : '·'}</span><span class="hidden">{t(`transcript.${line.from}`)}</span></td><td>{line.text}</td></tr>)}
            </tbody></table>
          </div>
        </article>))}</>}</Shown>
  );
}
