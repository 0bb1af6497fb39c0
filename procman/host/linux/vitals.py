"""What a process of Linux does and uses, by `/proc` and by its clock."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Collection, Iterator

from procman.core.identity import Identity, Member
from procman.host.base import Vitals
from procman.host.linux import procfs

if sys.platform != "win32":
    from procman.host.linux.procfs import TICKS_PER_SECOND, Stat

assert sys.platform == "linux"

PAGE = os.sysconf("SC_PAGE_SIZE")  # bytes
CPU_CLOCK = 2  # CPUCLOCK_SCHED of linux/posix-timers.h: all threads of a process, dead ones included


def read(
    members: Collection[Member], find: Callable[[Identity], Stat | None], now: float
) -> Iterator[Vitals]:
    """Yield what each of `members` that still lives does and uses: 50 us for each.

    Args:
        members: processes, as a look has found them.
        find: returns a process that is still the same one. It is asked last: who is it then was it before.
        now: on the clock of `Member.born`.
    """
    for member in members:
        pid = member.pid
        arguments, waits_in, descriptors = procfs.arguments(pid), _waits_in(pid), _descriptors(pid)
        stat = find(member.identity)
        if stat is not None:
            yield Vitals(
                member.identity,
                stat.parent,
                stat.name,
                arguments,
                stat.state,
                cpu_s=_cpu_seconds(stat),
                memory_bytes=stat.pages * PAGE,
                age_s=max(0.0, now - member.born),
                threads=stat.threads,
                descriptors=descriptors,
                waits_in=waits_in,
            )


def memory(members: Collection[Member], find: Callable[[Identity], Stat | None]) -> int:
    """Return how many bytes of RAM these processes have together: the sum of their proportional shares.

    A page that is shared with processes outside of the tree counts in part. Of a process whose pages may not
    be read all that it has counts. (`smaps_rollup`, since Linux 4.14, walks all pages: 10 ms for 260 MB.)
    """
    total = 0
    for member in members:
        share = _share(member.pid)
        stat = find(member.identity)
        if stat is not None:
            total += stat.pages * PAGE if share is None else share
    return total


def _share(pid: int) -> int | None:
    try:
        rollup = procfs.read(f"/proc/{pid}/smaps_rollup")
    except OSError:
        return None
    shares = (line.split() for line in rollup.splitlines() if line.startswith(b"Pss:"))
    return next((int(words[1]) * 1024 for words in shares), None)


def _cpu_seconds(stat: Stat) -> float:
    """Return how long the process has kept a processor busy, user and system.

    By its clock, to the nanosecond and in 1 us (clock_getcpuclockid(3) makes its number so); the kernel's
    ticks of 10 ms would make steps of 5% in a look of 0.2 s.
    """
    try:
        return time.clock_gettime(~stat.pid << 3 | CPU_CLOCK)
    except OSError:  # a sandbox that knows only our own clocks
        return stat.cpu / TICKS_PER_SECOND


def _descriptors(pid: int) -> int | None:
    """Return how many descriptors the process has open, or None where that can't be read.

    Since Linux 6.2 the folder's size says it, however many they are; before, the size is 0.
    """
    folder = f"/proc/{pid}/fd"
    try:
        return os.stat(folder).st_size or len(os.listdir(folder))
    except OSError:
        return None


def _waits_in(pid: int) -> str | None:
    """Return the function of the kernel in which the process's main thread waits, or None.

    None too for one that runs, and where the kernel keeps it from this user: it says `0` of both.
    """
    try:
        name = os.fsdecode(procfs.read(f"/proc/{pid}/wchan"))
    except OSError:
        return None
    return None if name in ("", "0") else name
