// Nothing sent yet: how to send the first one, with the reader's own host and key. Turns green when it
// comes.
import {useEffect, useState} from 'preact/hooks';
import {address, change, type Schema} from '../api/client';
import {onEvent, useLiveState, type LiveEvent} from '../api/live';
import {hrefOf} from '../router';
import {useSession} from '../session';
import {doing} from '../ui/notice';
import {Button, Copy, PageHead, Status, Tabs} from '../ui/parts';
import {t} from '../words';

interface First { id: string; subject: string; to: string[]; status: string }

/** `first`: what a look at the list found, where no event tells. */
export function FirstSend({first}: {first?: Schema['EmailSummary']}) {
  const [heard, setHeard] = useState<LiveEvent | null>(null);
  const live = useLiveState();
  useEffect(() => onEvent((event) => { if (event.type.startsWith('email.')) setHeard((old) => old ?? event); }), []);
  const arrived: First | null = first ?? (heard && {id: heard.data.email_id ?? heard.data.queue_id ?? '', subject: heard.data.subject ?? '',
    to: heard.data.to ?? [], status: heard.type.replace('email.', '')});
  if (arrived) return <Arrived mail={arrived} />;
  return (
    <>
      <PageHead title={t('first.title')} lead={t('first.lead')} />
      <p class={'listening ' + live.state}><span class="pulse" aria-hidden="true" /><span aria-live="polite">{t('first.waiting')}</span></p>
      <Snippets />
    </>
  );
}

function Arrived({mail}: {mail: First}) {
  return (
    <div class="arrived" role="status">
      <PageHead title={t('first.done')} />
      <p class="lead"><Status of={mail.status} /> {mail.subject} <span class="muted">{mail.to.join(', ')}</span></p>
      <p><a class="button main" href={hrefOf('message', mail.id)}>{t('first.story')}</a></p>
    </div>
  );
}

const quoted = (text: string) => text.replaceAll("'", '');

export function Snippets() {
  const session = useSession();
  const [token, setToken] = useState('');
  const host = session?.hostname ?? location.hostname;
  const origin = location.origin, user = session?.user ?? `admin@${host}`;
  const key = token || t('first.your_key');
  const from = user.includes('@') ? user : `me@${host}`;
  const port = session?.smtp?.submission ?? 587;
  const create = async () => {
    const made = await doing(() => change<Schema['CreatedKey']>('POST', address('/api-keys'), {name: 'dashboard', scopes: ['send']}));
    if (made?.token) setToken(made.token);
  };
  const code: Record<string, string> = {
    curl: `curl ${origin}/api/v1/emails \\
  -H 'Authorization: Bearer ${key}' \\
  -H 'Content-Type: application/json' \\
  -d '{"from": "${quoted(from)}", "to": "${quoted(from)}", "subject": "${t('first.subject')}", "text": "${t('first.text')}"}'`,
    smtp: `swaks --server ${host}:${port} --tls \\
  --auth-user api --auth-password '${key}' \\
  --from ${from} --to ${from} --header 'Subject: ${t('first.subject')}'`,
    php: `<?php  // composer require phpmailer/phpmailer
use PHPMailer\\PHPMailer\\PHPMailer;
require 'vendor/autoload.php';

$mail = new PHPMailer(true);
$mail->isSMTP();
$mail->Host = '${host}';
$mail->Port = ${port};
$mail->SMTPSecure = 'tls';
$mail->SMTPAuth = true;
$mail->Username = 'api';
$mail->Password = '${key}';
$mail->setFrom('${from}');
$mail->addAddress('${from}');
$mail->Subject = '${t('first.subject')}';
$mail->Body = '${t('first.text')}';
$mail->send();`,
    wordpress: `<?php  // wp-content/mu-plugins/goniec.php
add_action('phpmailer_init', function ($mail) {
    $mail->isSMTP();
    $mail->Host = '${host}';
    $mail->Port = ${port};
    $mail->SMTPSecure = 'tls';
    $mail->SMTPAuth = true;
    $mail->Username = 'api';
    $mail->Password = '${key}';
});
add_filter('wp_mail_from', fn () => '${from}');`,
  };
  const tab = (id: string, title: string): [string, string, () => preact.ComponentChildren] => [id, title, () => (
    <div class="snippet"><pre tabIndex={0} aria-label={title}><code>{code[id]}</code></pre><Copy text={code[id]!} label={title} /></div>)];
  return (
    <>
      <Tabs name="how" label={t('first.how')} tabs={[tab('curl', 'curl'), tab('smtp', 'SMTP'), tab('php', 'PHP'), tab('wordpress', 'WordPress')]} />
      {token ? <p class="note">{t('first.key_made')} <code class="token">{token}</code> <Copy text={token} label={t('keys.token')} /></p>
        : <p><Button kind="main" onClick={create}>{t('first.make_key')}</Button></p>}
    </>
  );
}
