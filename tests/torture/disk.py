"""What a disk would hold after a power cut: a spool directory rebuilt from the recorded system calls.

A trace is made by `strace` with the words of record(); each call on files below the spool, and each
reply 250 that leaves by a socket, is an Event. Disk follows the events and knows two states of each
file and name: what was synced, and what only the kernel's memory has.

| call | synced by |
|---|---|
| contents and length of a file | fsync, fdatasync of it (O_SYNC, O_DSYNC: at once) |
| names: create, rename, link, unlink, mkdir | model contract: fsync of a directory they touch; model ext4: in their order, by any fsync |

image() builds one possible disk: keep 'nothing' of what was not synced, or 'some': a prefix of the
names, writes by chance, some of them torn at sectors of 512 octets. Refuses to guess: a write whose
place in a file cannot be known counts at the offset that lseek or the last write left.
"""
import os
import re
from collections import namedtuple
from pathlib import Path

CALLS = ('open,openat,creat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,fsync,fdatasync,sync_file_range,sync,syncfs,rename,'
         'renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,sendto,sendmsg,chmod,fchmod,fchmodat,chown,fchown,fchownat,lseek,chdir,fchdir')
SECTOR = 512
Event = namedtuple('Event', 'number time kind path other offset data')


def record(trace):
    """The words before a server's command line."""
    return f'strace -f --seccomp-bpf -y -xx -s 8388608 -ttt -e signal=none -e trace={CALLS} -o {trace}'


def text(hexed):
    return bytes.fromhex(hexed.replace('\\x', '')).decode('utf8', 'surrogateescape')


LINE = re.compile(r'(\d+) +(\d+\.\d+) (.*)', re.S)
CALL = re.compile(r'(\w+)\((.*)\)\s+= (-?\d+|\?)(?:<([^>]*)>)?', re.S)
STRINGS = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
FILE = re.compile(r'^(?:-?\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>(\(deleted\))?')


class Trace:
    """Events of a trace, in the order of their ends; a sync carries the number at which it began."""

    def __init__(self, path, roots):
        self.path, self.roots = Path(path), [str(root).rstrip('/') for root in roots]
        self.folders, self.offsets, self.sockets, self.begun, self.number = {}, {}, {}, {}, 0

    def inside(self, path):
        for root in self.roots:
            if path == root:
                return '.'
            if path.startswith(root + '/'):
                return os.path.normpath(path[len(root) + 1:])
        return None

    def events(self):
        with open(self.path, errors='replace') as lines:
            for line in lines:
                if match := LINE.match(line):
                    yield from self.line(match[1], float(match[2]), match[3])

    def line(self, thread, time, rest):
        if rest.startswith('<... '):
            begun, at = self.begun.pop(thread, ('', 0))
            rest = begun + rest.partition('resumed>')[2]
            if rest.startswith('send'):
                return      # its time was its beginning
        elif '<unfinished ...>' in rest[-40:]:
            rest = rest[:rest.rindex('<unfinished ...>')]
            self.begun[thread], at = (rest, self.number), self.number
            if not rest.startswith('send'):
                return
            rest = rest.rstrip(', ') + ') = 0'
        else:
            at = self.number
        match = CALL.match(rest.rstrip())
        if match and not match[3].startswith('-') and match[3] != '?':
            for event in self.call(thread, match[1], match[2], int(match[3]), match[4], at):
                self.number += 1
                yield Event(self.number, time, *event)

    def absolute(self, thread, words, which):
        """The path of argument number `which`, by its directory descriptor or the thread's folder."""
        folder = None
        if which > 0 and (match := FILE.match(words[which - 1])):
            folder = text(match[1])
        name = text(STRINGS.match(words[which])[1])
        return os.path.join(folder or self.folders.get(thread) or self.folders.get('last') or self.roots[0], name)

    def call(self, thread, name, arguments, result, result_path, at):
        words = arguments.split(', ')
        file = FILE.match(words[0])
        if file and words[0].startswith('AT_FDCWD'):
            self.folders[thread] = self.folders['last'] = text(file[1])
        if name in ('chdir', 'fchdir'):
            self.folders[thread] = self.folders['last'] = self.absolute(thread, words, 0) if name == 'chdir' else text(file[1])
            return
        if name in ('open', 'openat', 'creat'):
            yield from self.opened(thread, arguments, result_path)
            return
        path = self.inside(text(file[1])) if file and not words[0].startswith('AT_FDCWD') else None
        if file and path is None and name in ('write', 'writev', 'sendto', 'sendmsg'):
            data = b''.join(bytes.fromhex(each.replace('\\x', '')) for each in STRINGS.findall(arguments))
            if b'250 ' in data:
                yield 'told', '', '', at, data
            return
        if path is not None and not file[2]:
            yield from self.on_file(thread, name, words, arguments, result, path, at)
        elif name in ('rename', 'renameat', 'renameat2', 'link', 'linkat', 'unlink', 'unlinkat', 'mkdir', 'mkdirat', 'rmdir', 'truncate', 'chmod', 'fchmodat', 'chown', 'fchownat'):
            yield from self.on_names(thread, name, words)
        elif name == 'sync':
            yield 'sync_all', '', '', at, b''

    def opened(self, thread, arguments, result_path):
        path = self.inside(text(result_path)) if result_path and result_path.startswith('\\x') else None
        if path is None or 'O_DIRECTORY' in arguments:
            return
        self.offsets[thread, path] = None if 'O_APPEND' in arguments else 0
        if 'O_TRUNC' in arguments or arguments.count('O_') == 0:
            yield 'create', path, '', 0, b''
            yield 'truncate', path, '', 0, b''
        elif 'O_CREAT' in arguments:
            yield 'create', path, '', 0, b''
        if 'O_SYNC' in arguments or 'O_DSYNC' in arguments:
            yield 'always', path, '', 0, b''

    def on_file(self, thread, name, words, arguments, result, path, at):
        if name in ('write', 'writev', 'pwrite64', 'pwritev', 'pwritev2'):
            data = b''.join(bytes.fromhex(each.replace('\\x', '')) for each in STRINGS.findall(arguments))[:result]
            if name.startswith('p'):
                offset = int(words[-1 if name != 'pwritev2' else -2].strip())
            else:
                offset = self.offsets.get((thread, path), 0)
                if offset is not None:
                    self.offsets[thread, path] = offset + len(data)
            yield 'write', path, '', offset, data
        elif name == 'lseek':
            if self.offsets.get((thread, path), 0) is not None:
                self.offsets[thread, path] = result
        elif name == 'ftruncate':
            yield 'truncate', path, '', int(words[1]), b''
        elif name == 'fallocate' and 'PUNCH' not in arguments:
            if 'KEEP_SIZE' not in arguments:
                yield 'extend', path, '', int(words[-2]) + int(words[-1]), b''
        elif name in ('fsync', 'fdatasync', 'syncfs'):
            yield 'sync' if name != 'syncfs' else 'sync_all', path, '', at, b''
        elif name == 'fchmod':
            yield 'mode', path, '', int(words[1], 8), b''
        elif name == 'fchown':
            yield 'owner', path, '', 0, f'{words[1]} {words[2]}'.encode()

    def on_names(self, thread, name, words):
        strings = [number for number, word in enumerate(words) if word.startswith('"')]
        paths = [self.inside(self.absolute(thread, words, number)) for number in strings]
        if not paths or None in paths:
            return
        if name.startswith(('rename', 'link')):
            yield name[:6] if name.startswith('rename') else 'link', paths[0], paths[1], 0, b''
        elif name in ('unlink', 'unlinkat', 'rmdir'):
            yield 'unlink', paths[0], '', 0, b''
        elif name in ('mkdir', 'mkdirat'):
            yield 'mkdir', paths[0], '', int(words[-1], 8), b''
        elif name == 'truncate':
            yield 'truncate', paths[0], '', int(words[-1]), b''
        elif name in ('chmod', 'fchmodat'):
            yield 'mode', paths[0], '', int(words[strings[0] + 1], 8), b''


class Node:
    """A file: what was synced, and the changes since. A directory has no contents here."""

    def __init__(self, folder=False, mode=0o600):
        self.folder, self.synced, self.changes, self.mode, self.owner, self.always = folder, bytearray(), [], mode, None, False

    def apply(self, content, change, keep=None):
        kind, offset, data, _ = change
        if kind == 'truncate':
            del content[offset:]
        if kind in ('truncate', 'extend'):
            content.extend(bytes(max(0, offset - len(content))))
            return
        place = len(content) if offset is None else offset
        content.extend(bytes(max(0, place - len(content))))
        if keep is None:
            content[place:place + len(data)] = data
            return
        content.extend(bytes(max(0, place + len(data) - len(content))))
        for at in range(0, len(data), SECTOR):      # torn: this sector came to the disk, that one did not
            if keep():
                content[place + at:place + min(at + SECTOR, len(data))] = data[at:at + SECTOR]

    def sync(self, before):
        for change in self.changes:
            if change[3] <= before:
                self.apply(self.synced, change)
        self.changes = [change for change in self.changes if change[3] > before]

    def now(self, chance):
        """Contents after a power cut; chance None: only what was synced."""
        if not self.changes or chance is None:
            return self.synced
        content = bytearray(self.synced)
        for change in self.changes:
            fate = chance.random()
            if fate < 0.5 and len(change[2]) <= 4096 or fate < 0.3:
                self.apply(content, change)
            elif fate < 0.6:
                self.apply(content, change, lambda: chance.random() < 0.5)
        return content


class Disk:
    def __init__(self, folder, model):
        self.model, self.live, self.synced, self.pending = model, {}, {}, []   # names to nodes, and changes of names
        for path in sorted(Path(folder).rglob('*')):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                continue
            facts = path.stat()
            node = Node(path.is_dir(), facts.st_mode & 0o7777)
            node.owner = (facts.st_uid, facts.st_gid)
            if not node.folder:
                node.synced = bytearray(path.read_bytes())
            self.live[str(path.relative_to(folder))] = node
        self.synced = dict(self.live)

    @staticmethod
    def rename(names, change):
        kind, path, other, node, _ = change
        if kind in ('create', 'mkdir'):
            names[path] = node
        elif kind == 'link':
            names[other] = node
        elif kind == 'unlink':
            names.pop(path, None)
        elif kind == 'rename':
            if node.folder:
                for each in [name for name in names if name.startswith(path + '/')]:
                    names[other + each[len(path):]] = names.pop(each)
            names.pop(path, None)
            names[other] = node

    def feed(self, event):
        number, _, kind, path, other, offset, data = event
        if kind in ('create', 'mkdir'):
            if path in self.live:
                return
            self.change((kind, path, other, Node(kind == 'mkdir', offset or 0o600), number))
        elif kind in ('rename', 'link', 'unlink'):
            if node := self.live.get(path):
                self.change((kind, path, other, node, number))
        elif kind in ('write', 'truncate', 'extend') and path in self.live:
            node = self.live[path]
            node.changes.append((kind, offset, data, number))
            if node.always:
                node.sync(number)
        elif kind == 'mode' and path in self.live:
            self.live[path].mode = offset
        elif kind == 'owner' and path in self.live:
            self.live[path].owner = tuple(int(each) for each in data.split())
        elif kind == 'always' and path in self.live:
            self.live[path].always = True
        elif kind == 'sync':
            if path in self.live and not self.live[path].folder:
                self.live[path].sync(offset)
            self.sync_names(path, offset)
        elif kind == 'sync_all':
            for node in self.live.values():
                node.sync(offset)
            self.sync_names(None, offset)

    def change(self, change):
        self.pending.append(change)
        self.rename(self.live, change)

    def sync_names(self, path, before):
        """Changes of names that this sync, begun at number `before`, makes last."""
        kept = []
        for change in self.pending:
            places = {os.path.dirname(each) or '.' for each in change[1:3] if each}
            if change[4] <= before and (path is None or self.model == 'ext4' or path in places):
                self.rename(self.synced, change)
            else:
                kept.append(change)
        self.pending = kept

    def image(self, folder, chance=None):
        """Writes one possible disk to an empty folder. chance None: nothing of what was not synced."""
        names = dict(self.synced)
        if chance:
            for change in self.pending[:chance.randrange(len(self.pending) + 1)]:
                self.rename(names, change)
        for name, node in sorted(names.items()):
            path = Path(folder, name)
            if not path.parent.is_dir():
                continue        # its directory was lost, and it with it
            if node.folder:
                path.mkdir(exist_ok=True)
            else:
                write_sparse(path, node.now(chance))
            path.chmod(node.mode)
            if node.owner and os.geteuid() == 0:
                os.chown(path, *node.owner)


def write_sparse(path, content, block=1 << 18):
    empty = bytes(block)
    with open(path, 'wb') as out:
        for at in range(0, len(content), block):
            piece = content[at:at + block]
            if piece == empty:
                out.seek(len(piece), 1)
            else:
                out.write(piece)
        out.truncate(len(content))
