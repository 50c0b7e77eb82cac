<?php
// PHPMailer of Debian over SMTP, an API key as the password. The environment is that of cases.js.
require '/usr/share/php/libphp-phpmailer/src/Exception.php';
require '/usr/share/php/libphp-phpmailer/src/PHPMailer.php';
require '/usr/share/php/libphp-phpmailer/src/SMTP.php';
use PHPMailer\PHPMailer\PHPMailer;

function mailer($key, $subject) {
  $m = new PHPMailer(true);
  $m->isSMTP();
  $m->Host = '127.0.0.1';
  $m->Port = (int) getenv('SMTP_PORT');
  $m->SMTPAuth = true;
  $m->Username = 'apikey';
  $m->Password = $key;
  $m->SMTPSecure = 'tls';
  $m->SMTPOptions = ['ssl' => ['verify_peer' => false, 'verify_peer_name' => false, 'allow_self_signed' => true]];
  $m->Timeout = 20;
  $m->CharSet = 'UTF-8';
  $m->setFrom('shop@example.test', 'Zażółć');
  $m->addAddress('anna@example.test');
  $m->Subject = $subject;
  $m->Body = 'text';
  return $m;
}
function came(...$words) {
  $query = implode('&', array_map(fn($word) => 'word=' . rawurlencode($word), $words));
  $source = file_get_contents(getenv('MAIL') . '/came?' . $query);
  if ($source === false) throw new Exception('no mail with ' . implode(', ', $words));
  return $source;
}
function check($name, $test) {
  global $failed;
  try {
    $test();
    echo "ok    $name\n";
  } catch (Throwable $error) {
    $failed = true;
    echo "FAIL  $name: ", str_replace("\n", ' ', $error->getMessage()), "\n";
  }
}
function refused($mailer) {
  try {
    $mailer->send();
  } catch (\PHPMailer\PHPMailer\Exception $error) {
    return $error->getMessage();
  }
  throw new Exception('nothing was refused');
}
$failed = false;
check('send by a key', function () { mailer(getenv('KEY'), 'phpmailer-plain')->send(); came('phpmailer-plain'); });
check('HTML, its text, an attachment, a picture', function () {
  $m = mailer(getenv('KEY'), 'phpmailer-parts');
  $m->isHTML(true);
  $m->Body = '<b>jaźń</b> <img src="cid:logo">';
  $m->AltBody = 'jaźń';
  $m->addStringAttachment('attached words', 'a.txt');
  $m->addStringEmbeddedImage('picture', 'logo', 'logo.png');
  $m->send();
  came('phpmailer-parts', 'a.txt', 'multipart/');
});
check('a wrong key is refused', function () {
  $said = refused(mailer('pk_live_no_such_key', 'no'));
  if (!str_contains($said, 'authenticate')) throw new Exception($said);
});
check('a recipient who is nobody here is refused', function () {
  $m = mailer(getenv('KEY'), 'no');
  $m->addAddress('nobody@example.test');
  $said = refused($m);
  if (!str_contains($said, 'nobody@example.test')) throw new Exception($said);
});
exit($failed ? 1 : 0);
