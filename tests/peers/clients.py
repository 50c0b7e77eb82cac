#!/usr/bin/env python3
"""goniec with the programs that people and machines use: senders, readers of POP3, readers of its logs.

swaks, msmtp, mutt, PHP's mail() and PHPMailer in its three modes, Python's smtplib, nodemailer and the
sendmail command send; fetchmail, getmail and mpop read; pflogsumm, logwatch, fail2ban-regex and promtool
read logs and metrics. Each in a view of the machine, unmodified. Closes with `N passed, N failed`.
"""
import os
import re
import shutil
import subprocess
import sys
import urllib.request

import stage

stage.unpack('clients')
stage.enter()

from goniec_server import GoniecServer, binary   # noqa: E402
from tally import Tests  # noqa: E402
from wait import until                            # noqa: E402

ADDRESS, PASSWORD = 'user@goniec.test', 'secret'
PHPMAILER = '''<?php
require '/usr/share/php/libphp-phpmailer/src/Exception.php';
require '/usr/share/php/libphp-phpmailer/src/PHPMailer.php';
require '/usr/share/php/libphp-phpmailer/src/SMTP.php';
$m = new PHPMailer\\PHPMailer\\PHPMailer(true);
[$self, $mode, $token, $ip] = $argv;
if ($mode == 'smtp') { $m->isSMTP(); $m->Host = $ip; $m->Port = 587; $m->SMTPAuth = true; $m->Username = 'user@goniec.test';
  $m->Password = 'secret'; $m->SMTPSecure = 'tls'; $m->SMTPOptions = ['ssl' => ['verify_peer' => false, 'verify_peer_name' => false, 'allow_self_signed' => true]]; }
elseif ($mode == 'sendmail') $m->isSendmail(); else $m->isMail();
$m->CharSet = 'UTF-8';
$m->setFrom('user@goniec.test', 'Zażółć'); $m->addAddress('user@goniec.test'); $m->Subject = $token; $m->Body = 'jaźń';
$m->send();
'''
NODE = '''
const t = require('/usr/share/nodejs/nodemailer').createTransport({host: process.argv[2], port: 587, requireTLS: true,
  auth: {user: 'user@goniec.test', pass: 'secret'}, tls: {rejectUnauthorized: false}});
t.sendMail({from: 'user@goniec.test', to: 'user@goniec.test', subject: process.argv[3], text: 'ja\\u017a\\u0144'})
 .then(() => process.exit(0), e => { console.error(e); process.exit(1); });
'''


class Clients:
    def __init__(self):
        self.view = view = stage.View('clients')
        self.server = GoniecServer(view.at('/var/lib/goniec-test'), 'mx.goniec.test')
        self.ip = stage.ADDRESSES['goniec']
        view.folder('/var/lib/goniec-test')
        self.server.start(
            [{'kind': kind, 'address': f'{self.ip}:{port}'} for kind, port in
             {'mx': 25, 'submission': 587, 'submissions': 465, 'pop3': 110, 'pop3s': 995}.items()] + ['admin'],
            {'resolver': {'servers': [f'{stage.ADDRESSES["dns"]}:53'], 'dnssec': 'off'}, 'delivery': {'private_targets': True},
             'limits': {'messages_per_account_hour': 0}, 'log': {'to': str(view.at('/var/log/mail.log')), 'style': 'postfix'},
             'local': {'aliases': [], 'trusted_users': ['root', 'user'], 'socket': str(view.at('/run/goniec-submit.sock'))}})
        self.server.goniec('domain', 'add', 'goniec.test')
        self.server.add_user(ADDRESS, PASSWORD)
        # The sendmail command inside the view: the binary by another name, and a configuration that names the socket.
        shutil.copy2(binary(), view.at('/usr/bin/goniec'))
        for name in ('/usr/sbin/sendmail', '/usr/bin/mailq'):
            view.at(name).unlink(missing_ok=True)
            view.at(name).symlink_to('/usr/bin/goniec')
        text = self.server.config.read_text().replace(str(view.root), '')
        view.write('/etc/goniec/goniec.toml', text)
        view.write('/etc/mailname', 'goniec.test\n')

    def came(self, token, words=b''):
        seen = {}

        def look():
            seen.update({name: data for name, data in self.mail(seen).items() if data is not None})
            return next((data for data in seen.values() if token.encode() in data), None)
        found = until(token, look, 20, 0.2)
        assert words in found, found[-500:]
        return found

    def mail(self, known=()):
        import poplib
        import ssl
        poplib._MAXLINE = 1 << 24
        context = ssl._create_unverified_context()
        box = poplib.POP3_SSL(self.ip, 995, context=context, timeout=20)
        box.user(ADDRESS)
        box.pass_(PASSWORD)
        names = [line.decode().split() for line in box.uidl()[1]]
        found = {name: None if name in known else b'\r\n'.join(box.retr(int(n))[1]) + b'\r\n' for n, name in names}
        box.quit()
        return found

    # ------------------------------------------------------------ senders
    def swaks(self):
        for method in ('PLAIN', 'LOGIN'):
            subprocess.run(['swaks', '--server', f'{self.ip}:587', '-tls', '-a', method, '-au', ADDRESS, '-ap', PASSWORD, '-f', ADDRESS,
                            '-t', ADDRESS, '--header', f'Subject: by-swaks-{method}'], check=True, capture_output=True, timeout=30)
            self.came(f'by-swaks-{method}')

    def msmtp(self):
        for method in ('plain', 'login'):
            self.view.run('msmtp', '-C', '/dev/null', f'--host={self.ip}', '--port=587', '--tls=on', '--tls-certcheck=off', f'--auth={method}',
                          f'--user={ADDRESS}', '--passwordeval=echo secret', f'--from={ADDRESS}', ADDRESS,
                          stdin=f'Subject: by-msmtp-{method}\n\n.dot\n'.encode())
            self.came(f'by-msmtp-{method}', b'\r\n.dot\r\n')

    def mutt(self):
        self.view.write('/tmp/muttrc', f'set smtp_url="smtp://user%40goniec.test@{self.ip}:587"\nset smtp_pass="secret"\nset ssl_force_tls=yes\n'
                        f'set ssl_verify_host=no\nset ssl_verify_dates=no\nset certificate_file="/etc/peer-goniec.crt"\nset from="{ADDRESS}"\nset smtp_authenticators="plain"\n')
        self.view.write('/etc/peer-goniec.crt', (self.server.folder / 'cert.pem').read_text())
        self.view.write('/tmp/part.txt', 'attached\n')
        self.view.run('mutt', '-F', '/tmp/muttrc', '-s', 'by-mutt', '-a', '/tmp/part.txt', '--', ADDRESS, stdin='jaźń\n'.encode(), env={'LANG': 'C.UTF-8', 'TERM': 'dumb'})
        self.came('by-mutt', b'attached')

    def mutt_sendmail(self):
        self.view.run('mutt', '-F', '/dev/null', '-e', f'set from={ADDRESS}', '-e', 'set use_envelope_from', '-s', 'by-mutt-sendmail', '--', ADDRESS,
                      stdin=b'text\n', env={'LANG': 'C.UTF-8', 'TERM': 'dumb'}, user='user')
        self.came('by-mutt-sendmail')

    def sendmail(self):
        self.view.run('/usr/sbin/sendmail', '-t', '-i', '-f', ADDRESS, user='user',
                      stdin=f'To: {ADDRESS}\nBcc: {ADDRESS}\nSubject: by-sendmail\n\n.\nafter the dot\n'.encode())
        found = self.came('by-sendmail', b'after the dot')
        assert b'bcc:' not in found.lower()

    def mailq(self):
        assert self.view.run('/usr/bin/mailq', user='user').returncode == 0

    def php_mail(self):
        self.view.run('php8.2', '-d', 'sendmail_path=/usr/sbin/sendmail -t -i', '-r',
                      f'exit(mail("{ADDRESS}", "by-php-mail", "text\\n.\\nmore", "From: {ADDRESS}", "-f{ADDRESS}") ? 0 : 1);', user='user')
        self.came('by-php-mail', b'more')

    def phpmailer(self, mode):
        self.view.write('/tmp/send.php', PHPMAILER)
        self.view.run('php8.2', '-d', 'extension=ctype', '-d', 'extension=mbstring', '/tmp/send.php', mode, f'by-phpmailer-{mode}', self.ip, user='user')
        self.came(f'by-phpmailer-{mode}')

    def nodemailer(self):
        self.view.write('/tmp/send.js', NODE)
        self.view.run('node', '/tmp/send.js', self.ip, 'by-nodemailer')
        self.came('by-nodemailer')

    def smtplib(self):
        import smtplib
        import ssl
        with smtplib.SMTP_SSL(self.ip, 465, context=ssl._create_unverified_context()) as client:
            client.login(ADDRESS, PASSWORD)
            client.sendmail(ADDRESS, [ADDRESS], 'Subject: by-smtplib\r\n\r\njaźń\r\n'.encode(), ['BODY=8BITMIME'])
        self.came('by-smtplib', 'jaźń'.encode())

    # ------------------------------------------------------------ readers (they leave the mail where it is)
    def fetchmail(self):
        self.view.write('/home/user/.fetchmailrc', f'poll {self.ip} proto pop3 port 110 user "{ADDRESS}" pass "{PASSWORD}" keep fetchall sslproto tls1.2+ no sslcertck mda "cat >>/tmp/fetched"\n', 0o600)
        os.chown(self.view.at('/home/user/.fetchmailrc'), 6100, 6100)
        self.view.run('fetchmail', '-f', '/home/user/.fetchmailrc', '--pidfile', '/tmp/fetchmail.pid', user='user')
        assert 'by-smtplib' in self.view.read('/tmp/fetched')

    def getmail(self):
        for folder in ('', '/cur', '/new', '/tmp'):
            self.view.folder('/home/user/got' + folder, 'user')
        self.view.folder('/home/user/.getmail', 'user', mode=0o700)
        self.view.write('/home/user/.getmail/getmailrc', f'[retriever]\ntype = SimplePOP3SSLRetriever\nserver = {self.ip}\nport = 995\ntimeout = 5\nusername = {ADDRESS}\npassword = {PASSWORD}\n'
                        '[destination]\ntype = Maildir\npath = /home/user/got/\n[options]\ndelete = false\nread_all = true\n')
        os.chown(self.view.at('/home/user/.getmail/getmailrc'), 6100, 6100)
        # getmail now and then misses the end of its own child and gives up after its timeout: then it runs again.
        for _ in range(5):
            done = self.view.run('/usr/bin/python3', '/usr/bin/getmail', '-g', '/home/user/.getmail', user='user', check=False)
            got = list(self.view.at('/home/user/got/new').iterdir())
            if done.returncode == 0 and b'timed out' not in done.stdout + done.stderr:
                break
            for path in got:
                path.unlink()
        assert len(got) == len(self.mail()), (len(got), done.stdout, done.stderr)

    def mpop(self):
        self.view.run('mpop', '-C', '/dev/null', f'--host={self.ip}', '--port=995', '--tls=on', '--tls-starttls=off', '--tls-certcheck=off', f'--user={ADDRESS}',
                      '--passwordeval=echo secret', '--auth=user', '--keep=on', '--delivery=mbox,/tmp/mpop.mbox', '--uidls-file=/tmp/uidls', user='user')
        assert 'by-smtplib' in self.view.read('/tmp/mpop.mbox')

    # ------------------------------------------------------------ readers of logs and metrics
    def pflogsumm(self):
        text = self.view.run('/usr/sbin/pflogsumm', '--syslog-name=goniec', '/var/log/mail.log').stdout.decode()
        received, delivered = (int(re.search(rf'(\d+)\s+{word}', text)[1]) for word in ('received', 'delivered'))
        assert received >= 10 and delivered >= 10, text[:1500]

    def logwatch(self):
        self.view.folder('/var/cache/logwatch')
        self.view.write('/etc/logwatch/conf/services/postfix.conf', (stage.ROOT / 'packaging/logwatch/goniec.conf').read_text())
        self.view.write('/var/log/maillog', self.view.read('/var/log/mail.log'))
        text = self.view.run('/usr/sbin/logwatch', '--service', 'postfix', '--range', 'all', '--detail', '10', '--output', 'stdout', '--logdir', '/var/log').stdout.decode()
        assert re.search(r'\d+\s+Delivered', text) and 'Unmatched' not in text, text[text.find('Unmatched') - 300:]

    def fail2ban(self):
        for password in ('wrong-one', 'wrong-two'):
            done = subprocess.run(['swaks', '--server', f'{self.ip}:587', '-tls', '-a', 'PLAIN', '-au', ADDRESS, '-ap', password, '-f', ADDRESS, '-t', ADDRESS,
                                   '--quit-after', 'AUTH'], capture_output=True, timeout=40)
            assert done.returncode != 0
        subprocess.run(['swaks', '--server', f'{self.ip}:25', '-f', 'a@remote.test', '-t', 'victim@remote.test'], capture_output=True, timeout=40)
        self.view.write('/etc/fail2ban/filter.d/goniec.conf', (stage.ROOT / 'packaging/fail2ban/goniec.conf').read_text())
        for mode, wanted in (('normal', 1), ('auth', 2), ('more', 3), ('aggressive', 3)):
            text = self.view.run('fail2ban-regex', '/var/log/mail.log', f'/etc/fail2ban/filter.d/goniec.conf[mode={mode}]', check=False).stdout.decode()
            matched = re.search(r'Failregex: (\d+) total', text)
            assert matched and int(matched[1]) == wanted, f'{mode}: {text[-1500:]}'

    def promtool(self):
        port = self.server.port('admin')
        text = urllib.request.urlopen(f'http://127.0.0.1:{port}/metrics', timeout=10).read()
        assert b'goniec_' in text
        done = self.view.run('promtool', 'check', 'metrics', stdin=text, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr).decode()


def main():
    tests = Tests()
    stage.start_dns()
    clients = Clients()
    wanted = sys.argv[1:]  # names of tests; none: all
    check = lambda name, *rest: tests.check(name, *rest) if not wanted or name.split()[0] in wanted else None  # noqa: E731
    try:
        for name in ('swaks', 'msmtp', 'mutt', 'mutt_sendmail', 'sendmail', 'mailq', 'php_mail', 'nodemailer', 'smtplib'):
            check(name, getattr(clients, name))
        for mode in ('mail', 'sendmail', 'smtp'):
            check(f'PHPMailer {mode}', clients.phpmailer, mode)
        for name in ('fetchmail', 'getmail', 'mpop', 'pflogsumm', 'logwatch', 'fail2ban', 'promtool'):
            check(name, getattr(clients, name))
    finally:
        log = clients.view.at('/var/log/mail.log')
        (stage.PEERS / 'clients.log').write_text((log.read_text(errors='replace') if log.exists() else '') + clients.server.log.read_text(errors='replace'))
        clients.server.stop()
    tests.close()


if __name__ == '__main__':
    try:
        main()
    except stage.CannotRun as error:
        print(error)
        sys.exit(77)
