"""The stage of the peers tests: a mount, network and process namespace of its own, a DNS server with
MX records in it, and for each peer a copy-on-write view of the machine with the peer unpacked on top.

Promises: nothing outside the namespaces changes (no file in /etc, no user, no port); all processes end
with the namespace. Refuses to run where namespaces or overlay file systems are not to be had (77).
"""
import os
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[:0] = [str(Path(__file__).resolve().parent.parent / 'harness'), str(Path(__file__).resolve().parent.parent / 'conformance')]
from goniec_server import ROOT, make_certificate
from wait import until

PEERS = ROOT / 'build/peers'
STAGE = PEERS / 'stage'      # an empty folder outside; inside the namespace, memory
ADDRESSES = {'dns': '10.9.0.53', 'goniec': '10.9.0.1', 'postfix': '10.9.0.2', 'exim': '10.9.0.3', 'opensmtpd': '10.9.0.4', 'sink': '10.9.0.5'}
USERS = {'postfix': 6001, 'Debian-exim': 6002, 'opensmtpd': 6003, 'opensmtpq': 6005, 'postdrop': 6006, 'user': 6100}


class CannotRun(Exception):
    pass


def run(*words, **options):
    done = subprocess.run(words, capture_output=True, text=True, **options)
    if done.returncode:
        raise CannotRun(f'{" ".join(map(str, words))}: {done.stderr.strip()[-800:]}')
    return done.stdout


def enter():
    """Starts this program again inside the namespaces, unless it is there already."""
    if os.environ.get('GONIEC_STAGE'):
        STAGE.mkdir(parents=True, exist_ok=True)
        run('mount', '-t', 'tmpfs', 'tmpfs', STAGE)
        run('ip', 'link', 'set', 'lo', 'up')
        for address in ADDRESSES.values():
            run('ip', 'address', 'add', f'{address}/24', 'dev', 'lo')
        return
    if os.geteuid() != 0:
        print('needs root, for namespaces')
        sys.exit(77)
    os.environ['GONIEC_STAGE'] = '1'
    os.execvp('unshare', ['unshare', '--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc', sys.executable, *sys.argv])


def unpack(*names):
    """Before enter(): the packages come by the network, which the namespace has not."""
    if os.environ.get('GONIEC_STAGE'):
        return
    for name in names:
        done = subprocess.run([Path(__file__).parent / 'unpack', name])
        if done.returncode:
            print(f'the packages of {name} could not be fetched')
            sys.exit(77)


class View:
    """A root directory: the machine below, a set of packages on it, changes in memory."""

    def __init__(self, name):
        base = STAGE / name
        self.name, self.root = name, base / 'root'
        for folder in ('root', 'root/run', 'root/tmp', 'root/home', 'root/root', 'root/var/log', 'root/var/spool', 'root/var/lib', 'root/var/tmp'):
            (base / folder).mkdir(parents=True)
        (self.root / 'var/run').symlink_to('/run')
        for folder in ('bin', 'sbin', 'lib', 'lib64', 'lib32'):
            if os.path.islink(f'/{folder}'):
                (self.root / folder).symlink_to(os.readlink(f'/{folder}'))
        for folder in ('usr', 'etc'):
            parts = [base / f'{part}-{folder}' for part in ('upper', 'work')] + [self.root / folder]
            for part in parts:
                part.mkdir()
            below = f'{PEERS / name / folder}:/{folder}' if (PEERS / name / folder).exists() else f'/{folder}'
            run('mount', '-t', 'overlay', 'overlay', '-o', f'lowerdir={below},upperdir={parts[0]},workdir={parts[1]}', parts[2])
        if (PEERS / name / 'var').exists():
            run('cp', '-a', f'{PEERS / name / "var"}/.', self.root / 'var')
        for folder in ('proc', 'dev', 'sys'):
            (self.root / folder).mkdir()
            run('mount', '--rbind', f'/{folder}', self.root / folder)
        for folder in ('tmp', 'var/tmp'):
            (self.root / folder).chmod(0o1777)
        self.write('/etc/resolv.conf', f'nameserver {ADDRESSES["dns"]}\n')
        self.write('/etc/hosts', '127.0.0.1 localhost\n')
        passwd, group = self.read('/etc/passwd'), self.read('/etc/group')
        for user, number in USERS.items():
            passwd += f'{user}:x:{number}:{number}::/home/{user}:/bin/sh\n'
            group += f'{user}:x:{number}:\n'
        self.write('/etc/passwd', passwd)
        self.write('/etc/group', group)
        self.folder('/home/user', 'user')
        # RSA: Debian's OpenSMTPD cannot sign with ECDSA keys under OpenSSL 3.
        cert, key = make_certificate(self.root / 'tmp', f'mx.{name}.test', ['rsa:2048'])
        self.write('/etc/peer.crt', Path(cert).read_text())
        self.write('/etc/peer.key', Path(key).read_text(), 0o600)

    def at(self, path):
        return self.root / path.lstrip('/')

    def read(self, path):
        return self.at(path).read_text(errors='replace')

    def write(self, path, text, mode=0o644):
        target = self.at(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_symlink():
            target.unlink()
        target.write_text(text)
        target.chmod(mode)

    def folder(self, path, owner='root', group=None, mode=0o755):
        target = self.at(path)
        target.mkdir(parents=True, exist_ok=True)
        number = USERS.get(owner, 0)
        os.chown(target, number, USERS.get(group, number) if group else number)
        target.chmod(mode)

    def run(self, *words, stdin=None, user=None, check=True, env=None, seconds=60):
        line = ['chroot', *([f'--userspec={user}:{user}'] if user else []), str(self.root), *words]
        done = subprocess.run(line, input=stdin, capture_output=True, timeout=seconds, cwd='/',
                              env={'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'HOME': f'/home/{user}' if user else '/root', **(env or {})})
        if check and done.returncode:
            raise RuntimeError(f'{self.name}: {" ".join(words)}: status {done.returncode}: {(done.stdout + done.stderr).decode(errors="replace")[-1500:]}')
        return done

    def start(self, *words, log='/var/log/peer.log'):
        with open(self.at(log), 'ab') as out:
            return subprocess.Popen(['chroot', str(self.root), *words], stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd='/')


def zone(extra=''):
    hosts = [name for name in ADDRESSES if name != 'dns']
    lines = ['$ORIGIN test.', '$TTL 60', '@ SOA ns hostmaster 1 60 60 60 60', '@ NS ns', f'ns A {ADDRESSES["dns"]}']
    for host in hosts:
        lines += [f'{host} MX 10 mx.{host}', f'mx.{host} A {ADDRESSES[host]}']
    return '\n'.join(lines) + '\n' + extra


def start_dns(extra=''):
    folder = STAGE / 'dns'
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'test.zone').write_text(zone(extra))
    reverse = ''.join(f'{ip.split(".")[-1]}.0.9.10.in-addr.arpa. PTR mx.{host}.test.\n' for host, ip in ADDRESSES.items())
    (folder / 'reverse.zone').write_text(f'$ORIGIN 10.in-addr.arpa.\n$TTL 60\n@ SOA ns.test. hostmaster.test. 1 60 60 60 60\n@ NS ns.test.\n{reverse}')
    (folder / 'knot.conf').write_text(
        f'server:\n    rundir: "{folder}"\n    user: root:root\n    listen: {ADDRESSES["dns"]}@53\n    udp-workers: 1\n    tcp-workers: 1\n'
        f'    background-workers: 1\nlog:\n  - target: stderr\n    any: warning\ndatabase:\n    storage: "{folder}"\ntemplate:\n  - id: default\n'
        f'    storage: "{folder}"\n    zonefile-load: whole\n    journal-content: none\nzone:\n  - domain: test.\n    file: test.zone\n'
        '  - domain: 10.in-addr.arpa.\n    file: reverse.zone\n')
    with open(folder / 'log', 'ab') as log:
        process = subprocess.Popen(['knotd', '-c', str(folder / 'knot.conf')], stdout=log, stderr=log)
    (STAGE / 'resolv.conf').write_text(f'nameserver {ADDRESSES["dns"]}\n')
    run('mount', '--bind', STAGE / 'resolv.conf', os.path.realpath('/etc/resolv.conf'))
    until('the DNS server', lambda: listening(ADDRESSES['dns'], 53), 10)
    return process


def listening(host, port):
    import socket
    try:
        socket.create_connection((host, port), 1).close()
        return True
    except OSError:
        return False
