"""macOS: kqueue for ends, psutil for processes and ports. Never run on a Mac.

All but this file is run on Linux by the contract suite (`listed/`, `kqueue.py`); what is
here was checked by mypy alone. There is no child subreaper and no announcement of a closed socket, so an
orphan is found by its session and its marker, and a lost listener by the next check.
"""

from __future__ import annotations

import asyncio
import select
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from procman.host.base import Cancellable
from procman.host.listed.psutil_table import PsutilTable
from procman.host.macos.kqueue import Ends

if sys.platform != "win32":
    from procman.host.listed.host import ListedHost

assert sys.platform == "darwin"

TOOL_TIMEOUT = 5.0  # s


class MacHost(ListedHost):
    """The host of a Mac. Owned by the thread of the event loop, the main one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop, PsutilTable(), _boot(), _wait)

    def suspended(self) -> float:
        """Return for how many seconds in all this machine was asleep since its boot."""
        awake = time.clock_gettime(time.CLOCK_UPTIME_RAW)  # mach_absolute_time(), which `now()` is too
        return max(0.0, time.clock_gettime(time.CLOCK_MONOTONIC_RAW) - awake)


def _wait(loop: asyncio.AbstractEventLoop, pids: Sequence[int], callback: Callable[[], None]) -> Cancellable:
    return Ends(loop, pids, callback, select.kqueue, _exit_event)


def _exit_event(pid: int) -> select.kevent:
    flags = select.KQ_EV_ADD | select.KQ_EV_ONESHOT
    return select.kevent(pid, select.KQ_FILTER_PROC, flags, select.KQ_NOTE_EXIT)


def _boot() -> str:
    """Return the id of the boot session, a UUID that the kernel makes at each boot."""
    command = ("/usr/sbin/sysctl", "-n", "kern.bootsessionuuid")
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TOOL_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return ""  # an identity is then a pid and a birth to the microsecond, which says as much
    return done.stdout.decode("ascii", "replace").strip()
