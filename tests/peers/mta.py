"""The peers: Debian's Postfix, Exim and OpenSMTPD, each in its view, each a true server for its domain.

Each hosts NAME.test with one mailbox `user` (a maildir), takes mail for other domains from the stage's
network, offers STARTTLS and a SIZE of 400,000 octets, and sends by MX. Nothing of them is imitated.
"""
import email
import re
import subprocess
from pathlib import Path

from stage import ADDRESSES, View, listening
from wait import until

SIZE = 400000


class Peer:
    """start() returns when port 25 greets; inbox() is what lies in the mailbox, as bytes."""
    maildir = '/home/user/Maildir'
    utf8 = dsn = False

    def __init__(self):
        self.view = View(self.name)
        self.address, self.domain = ADDRESSES[self.name], f'{self.name}.test'
        self.view.write('/etc/mailname', f'mx.{self.domain}\n')
        self.view.write('/etc/hostname', f'mx.{self.domain}\n')
        self.view.folder('/var/log', 'root', mode=0o777)

    def up(self):
        until(f'{self.name} on port 25', lambda: listening(self.address, 25), 30)
        return self

    def does_tls(self):
        """Whether another client than goniec gets through its STARTTLS."""
        done = subprocess.run(['openssl', 's_client', '-starttls', 'smtp', '-connect', f'{self.address}:25'], input=b'QUIT\r\n',
                              capture_output=True, timeout=20)
        return done.returncode == 0 and b'Verification' in done.stdout + done.stderr

    def inbox(self):
        folder = self.view.at(self.maildir) / 'new'
        if not folder.exists():
            return []
        return [path.read_bytes().replace(b'\r\n', b'\n').replace(b'\n', b'\r\n') for path in sorted(folder.iterdir(), key=lambda p: p.stat().st_mtime_ns)]

    def find(self, token, seconds=30):
        """The message that has the token, when it has come."""
        return until(f'{token} at {self.name}', lambda: next((m for m in self.inbox() if token.encode() in m), None), seconds, 0.1)

    def log(self):
        return ''.join(path.read_text(errors='replace')[-3000:] for path in [self.view.at('/var/log/peer.log')] if path.exists())


class Postfix(Peer):
    name, utf8, dsn = 'postfix', True, True

    def start(self):
        v = self.view
        master = v.read('/usr/share/postfix/master.cf.dist')
        rows = []
        for line in master.splitlines():
            columns = line.split()
            if line and not line[0].isspace() and not line.startswith('#') and len(columns) >= 8:
                columns[4] = 'n'
                line = ' '.join(columns)
            rows.append(line)
        v.write('/etc/postfix/master.cf', '\n'.join(rows) + '\npostlog unix-dgram n - n - 1 postlogd\n')
        v.write('/etc/postfix/main.cf', f'''
compatibility_level = 3.6
myhostname = mx.postfix.test
mydestination =
inet_interfaces = {self.address}
inet_protocols = ipv4
smtp_bind_address = {self.address}
mynetworks = 10.9.0.0/24
maillog_file = /var/log/peer.log
virtual_mailbox_domains = postfix.test
virtual_mailbox_maps = inline:{{user@postfix.test=Maildir/}}
virtual_mailbox_base = /home/user
virtual_uid_maps = static:6100
virtual_gid_maps = static:6100
virtual_minimum_uid = 100
message_size_limit = {SIZE}
mailbox_size_limit = 0
virtual_mailbox_limit = 0
smtputf8_enable = yes
smtpd_tls_cert_file = /etc/peer.crt
smtpd_tls_key_file = /etc/peer.key
smtpd_tls_security_level = may
smtp_tls_security_level = may
smtp_tls_loglevel = 1
smtpd_discard_ehlo_keywords =
alias_maps =
alias_database =
minimal_backoff_time = 2s
maximal_backoff_time = 4s
queue_run_delay = 2s
''')
        v.write('/etc/postfix/dynamicmaps.cf', '')
        v.write('/etc/postfix/makedefs.out', '')
        v.folder('/var/spool/postfix')
        v.folder('/var/lib/postfix', 'postfix')
        v.run('postfix', 'set-permissions', check=False)
        v.run('postfix', 'start')
        return self.up()


class Exim(Peer):
    name, utf8, dsn = 'exim', True, True

    def start(self):
        v = self.view
        v.write('/etc/exim4/exim4.conf', f'''
primary_hostname = mx.exim.test
local_interfaces = {self.address}
daemon_smtp_ports = 25
spool_directory = /var/spool/exim4
log_file_path = /var/log/exim-%slog
exim_user = Debian-exim
exim_group = Debian-exim
never_users = root
keep_environment =
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
chunking_advertise_hosts = *
message_size_limit = {SIZE}
tls_advertise_hosts = *
tls_certificate = /etc/peer.crt
tls_privatekey = /etc/exim.key
acl_smtp_rcpt = rcpt
acl_smtp_data = accepted
host_lookup =
rfc1413_query_timeout = 0s
allow_utf8_domains = true
begin acl
rcpt:
  accept domains = exim.test
         verify = recipient
  deny domains = exim.test
       message = unknown user
  accept hosts = 10.9.0.0/24
         control = submission/sender_retain
  deny
accepted:
  accept
begin routers
here:
  driver = accept
  domains = exim.test
  local_parts = user : postmaster
  transport = maildir
  no_more
away:
  driver = dnslookup
  domains = ! exim.test
  transport = out
  self = send
  no_more
begin transports
maildir:
  driver = appendfile
  directory = /home/user/Maildir
  maildir_format
  user = user
  delivery_date_add
  envelope_to_add
  return_path_add
out:
  driver = smtp
  interface = {self.address}
begin retry
* * F,1h,2s
begin rewrite
''')
        v.write('/etc/exim.key', v.read('/etc/peer.key'), 0o644)
        v.folder('/var/spool/exim4', 'Debian-exim')
        v.start('/usr/sbin/exim4', '-bdf', '-q5s')
        return self.up()

    def log(self):
        return ''.join(path.read_text(errors='replace')[-3000:] for path in self.view.at('/var/log').glob('exim-*')) + super().log()


class OpenSmtpd(Peer):
    name, dsn = 'opensmtpd', True

    def start(self):
        v = self.view
        v.write('/etc/smtpd.conf', f'''
pki mx.opensmtpd.test cert "/etc/peer.crt"
pki mx.opensmtpd.test key "/etc/peer.key"
smtp max-message-size "{SIZE}"
listen on {self.address} tls pki mx.opensmtpd.test hostname mx.opensmtpd.test
action "here" maildir
action "away" relay src {self.address} helo mx.opensmtpd.test
match from any for domain "opensmtpd.test" action "here"
match from src 10.9.0.0/24 for any action "away"
match from local for any action "away"
''', 0o600)
        v.folder('/var/empty')
        v.folder('/var/lib/opensmtpd/empty')
        v.folder('/run/smtpd')
        v.folder('/var/spool/smtpd', mode=0o711)
        v.folder('/run/opensmtpd')
        v.start('/usr/sbin/smtpd', '-d', '-f', '/etc/smtpd.conf')
        return self.up()


def fields(message, name):
    return [re.sub(r'\r?\n[ \t]+', ' ', str(value)) for value in email.message_from_bytes(message).get_all(name, [])]


ALL = (Postfix, Exim, OpenSmtpd)
