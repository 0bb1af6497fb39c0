"""What processes use, by `/proc`: memory, wakeups and CPU of several as one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path


def descendants(root: int) -> set[int]:
    """Return a process and all that it has started, as far as it is their parent."""
    found: set[int] = set()
    pending = [root]
    while pending:
        pid = pending.pop()
        if pid in found or not Path(f"/proc/{pid}").exists():
            continue
        found.add(pid)
        with contextlib.suppress(OSError):
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                pending += map(int, children.read_text().split())
    return found


def parse_pss(rollup: str) -> float:
    """Return the MB of `Pss` in the text of `smaps_rollup`."""
    for line in rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise ValueError("the kernel does not tell the PSS")


def parse_switches(status: str) -> int:
    """Return the voluntary context switches in the text of a thread's `status`: each ends a sleep."""
    for line in status.splitlines():
        if line.startswith("voluntary_ctxt_switches:"):
            return int(line.split()[1])
    raise ValueError("the kernel does not tell the context switches")


def pss(pids: Iterable[int]) -> float:
    """Return the MB of memory that these processes have, their share of what they share with others."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError):  # it has ended, or is a zombie
            total += parse_pss(Path(f"/proc/{pid}/smaps_rollup").read_text())
    return total


def activity(pids: Iterable[int]) -> tuple[int, float]:
    """Return the wakeups and the ms of CPU of these processes so far, all threads together."""
    switches, cpu = 0, 0.0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").glob("*"):
            with contextlib.suppress(OSError):
                switches += parse_switches((thread / "status").read_text())
                cpu += int((thread / "schedstat").read_text().split()[0]) / 1e6
    return switches, cpu
