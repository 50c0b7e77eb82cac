"""The peers' views: each mail server of Debian unpacked over a read-only machine, its spool on the disk.

Promises: the spool lies on the disk under test and not in the view's memory, so that what is measured
is the same file system for all; the view itself is made once a run. Needs the namespaces of
tests/peers/stage.py, which the caller has entered.
"""
import shutil

import stage

SPOOLS = {'postfix': '/var/spool/postfix', 'exim': '/var/spool/exim4', 'opensmtpd': '/var/spool/smtpd'}
MOUNTED = set()


def view(name):
    made = stage.View(name)
    made.write('/etc/mailname', f'mx.{name}.test\n')
    made.write('/etc/hostname', f'mx.{name}.test\n')
    made.folder('/var/log', 'root', mode=0o777)
    for folder in (SPOOLS[name], '/var/empty', '/var/lib/opensmtpd/empty', '/run/smtpd', '/run/opensmtpd'):
        made.folder(folder)
    if name == 'postfix':
        made.folder('/var/lib/postfix', 'postfix')
    return made.root


def mount_spool(name, root, folder):
    """The folder's spool in the place of the view's; what was mounted there before goes."""
    target, source = str(root) + SPOOLS[name], folder / 'spool'
    if name in MOUNTED:
        stage.run('umount', target)
    source.mkdir()
    stage.run('mount', '--bind', source, target)
    MOUNTED.add(name)
    if name == 'exim':
        shutil.chown(source, 6002, 6002)
    source.chmod(0o711 if name == 'opensmtpd' else 0o755)
