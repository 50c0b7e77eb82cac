"""A server under a limit of memory or descriptors: programs to start in its place, that set the limit and become it.

memory: a control group of its own (version 1 or 2) where one can be made, else RLIMIT_DATA. close() removes the
group. Nothing here measures; kills() says whether the kernel has killed for lack of memory.
"""
import os
from pathlib import Path

V1, V2 = Path('/sys/fs/cgroup/memory'), Path('/sys/fs/cgroup')


def wrapper(path, lines, binary):
    path.write_text('#!/bin/sh\n' + ''.join(line + '\n' for line in lines) + f'exec {binary} "$@"\n')
    path.chmod(0o755)
    return str(path)


class MemoryLimit:
    def __init__(self, folder, octets, binary):
        self.group = None
        for parent, name in ((V1, 'memory.limit_in_bytes'), (V2, 'memory.max')):
            group = parent / f'goniec-pressure-{os.getpid()}'
            try:
                group.mkdir()
                (group / name).write_text(str(octets))
                self.group = group
                break
            except OSError:
                if group.exists():
                    group.rmdir()
        self.how = f'control group {self.group}' if self.group else 'RLIMIT_DATA'
        lines = [f'echo $$ > {self.group}/cgroup.procs'] if self.group else [f'ulimit -d {octets // 1024}']
        self.program = wrapper(folder / 'limited', lines, binary)

    def kills(self):
        for name in ('memory.oom_control', 'memory.events'):
            if self.group and (self.group / name).exists():
                return sum(int(line.split()[1]) for line in (self.group / name).read_text().splitlines() if line.startswith('oom_kill '))
        return 0

    def peak(self):
        for name in ('memory.max_usage_in_bytes', 'memory.peak'):
            if self.group and (self.group / name).exists():
                return int((self.group / name).read_text())
        return 0

    def close(self):
        if self.group:
            self.group.rmdir()
