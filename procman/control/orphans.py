"""What the first process of a container owes: every orphan becomes its child, and nobody else reaps those."""

from __future__ import annotations

import os
import subprocess
import sys

FIRST = 1  # the pid whose end is the end of every process in its namespace


def is_first() -> bool:
    """Return whether this process is the first one of its container, or of its machine."""
    return os.getpid() == FIRST


def reap(ours: subprocess.Popen[bytes] | None) -> int:
    """Reap every child that has ended, and return how many there were; never waits.

    Args:
        ours: the child whose end somebody asks for: it is told of it, so that its exit code is not lost.
    """
    count = 0
    if sys.platform == "win32":  # it has neither zombies nor a first process
        return count
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:  # there is none at all
            return count
        if pid == 0:
            return count
        count += 1
        if ours is not None and pid == ours.pid:
            ours.returncode = os.waitstatus_to_exitcode(status)
