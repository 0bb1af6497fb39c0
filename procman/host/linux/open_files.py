"""How many descriptors the manager may have: all that there are to get. Its children get what it had before.

An app takes five, and systems start a user's programs with 1,024 (soft) of 524,288 (hard), because select(2)
knows no number above. The manager does not use that; its apps may.
"""

from __future__ import annotations

import contextlib
import resource
import sys

assert sys.platform != "win32"

MOST = 1 << 18  # of a hard limit that is none: 50,000 apps
_before: list[tuple[int, int]] = []


def take_all() -> None:
    """Raise this process's limit as far as it goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if not _before and soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        _before.append((soft, hard))


def give_back() -> None:
    """Set this process's limit to what it was: a program that replaces this one is to find it so."""
    if _before:
        resource.setrlimit(resource.RLIMIT_NOFILE, _before.pop())


def as_before(pid: int) -> None:
    """Give a child that has just been started the limit that this process had.

    It has executed its command some 50 us ago. To have it so from the beginning would take code between fork
    and exec, and with it a fork that copies the manager's tables instead of vfork.
    """
    if _before and sys.platform == "linux":
        with contextlib.suppress(OSError):  # it has ended, or has another user's rights
            resource.prlimit(pid, resource.RLIMIT_NOFILE, _before[0])
