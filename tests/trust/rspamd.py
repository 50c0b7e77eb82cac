"""Debian's rspamd as a verifier and a signer of DKIM, asked over HTTP: its dkim module alone, with our false DNS.

Promises: loopback and free ports only, all files in the given folder; rspamd ends with stop().
"""
import json
import os
import socket
import subprocess
import urllib.request
from pathlib import Path

from wait import until

CONFIG = '''
options { pidfile = "FOLDER/pid"; tempdir = "FOLDER"; filters = "dkim"; control_socket = "FOLDER/control mode=0600";
          dns { nameserver = ["127.0.0.1:DNS"]; timeout = 5s; } local_addrs = []; }
logging { type = "console"; level = "warning"; }
lua = "FOLDER/none.lua";
dkim { symbol_allow = "ALLOW"; symbol_reject = "REJECT"; symbol_tempfail = "TEMPORARY"; symbol_permfail = "PERMANENT";
       symbol_na = "NONE"; check_local = true; check_authed = true; trusted_only = false; skip_multi = false; }
worker normal { bind_socket = "127.0.0.1:PORT"; count = 1; task_timeout = 60s; }
modules { path = "/usr/share/rspamd/plugins/dkim_signing.lua"; }
dkim_signing { enabled = true; sign_authenticated = true; allow_username_mismatch = true; use_domain = "header"; use_esld = false;
               check_pubkey = false; sign_headers = "from:to:subject:date:message-id";
               domain { "peer.test" { path = "KEY"; selector = "s1"; } } }
'''


class Rspamd:
    def __init__(self, folder, dns_port, key):
        folder = Path(folder)
        folder.mkdir()
        (folder / 'none.lua').write_text('')
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            self.port = probe.getsockname()[1]
        config = CONFIG
        for word, value in {'FOLDER': folder, 'DNS': dns_port, 'PORT': self.port, 'KEY': key}.items():
            config = config.replace(word, str(value))
        (folder / 'rspamd.conf').write_text(config)
        self.log = folder / 'log'
        who = ['-i', '-u', 'root', '-g', 'root'] if os.geteuid() == 0 else []
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(['rspamd', '-f', *who, '-c', str(folder / 'rspamd.conf')], stdout=log, stderr=log)
        until('rspamd', self.answers, 90, 0.5)

    def answers(self):
        try:
            return urllib.request.urlopen(f'http://127.0.0.1:{self.port}/ping', timeout=2).read().startswith(b'pong')
        except OSError:
            return False

    def ask(self, message, headers=None):
        request = urllib.request.Request(f'http://127.0.0.1:{self.port}/checkv2', data=message, headers=headers or {})
        return json.loads(urllib.request.urlopen(request, timeout=60).read())

    def verdicts(self, message):
        """{'ALLOW': ['example.test:s=a', …]}"""
        return {name: symbol.get('options', []) for name, symbol in self.ask(message)['symbols'].items() if name in ('ALLOW', 'REJECT', 'TEMPORARY', 'PERMANENT', 'NONE')}

    def signature(self, message, author):
        """The whole header field."""
        return b'DKIM-Signature: ' + self.ask(message, {'User': author, 'From': author})['dkim-signature'].encode() + b'\r\n'

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
