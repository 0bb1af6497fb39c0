"""How Linux tells the ends of processes that are not our children, and how their orphans become ours."""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import struct
import sys
from collections.abc import Callable

from procman.host.base import Ended

if sys.platform != "win32":
    from procman.host.posix.host import ended

assert sys.platform != "win32"

PR_SET_CHILD_SUBREAPER = 36  # prctl(2), Linux 3.4
PR_GET_CHILD_SUBREAPER = 37
PIDFD_GET_INFO = 0xC040FF0B  # ioctl(2), Linux 6.13: _IOWR(0xFF, 11, struct pidfd_info), its first 64 bytes
PIDFD_INFO_EXIT = 1 << 3  # Linux 6.15: how a process ended, for whoever had a pidfd of it before
EXIT_STATUS = 60  # offset in struct pidfd_info, linux/pidfd.h


class Ends:
    """A wait for the first of some processes to end, on their pidfds."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, pidfds: list[int], callback: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._pidfds = pidfds
        self._callback = callback
        try:
            for pidfd in pidfds:
                loop.add_reader(pidfd, self._on_end)
        except OSError:
            self.cancel()
            raise

    def cancel(self) -> None:
        """Make sure that the callback is not called any more."""
        for pidfd in self._pidfds:
            self._loop.remove_reader(pidfd)
            os.close(pidfd)
        self._pidfds = []

    def _on_end(self) -> None:
        self.cancel()
        self._callback()


def is_subreaper() -> bool:
    """Return whether this process inherits the orphans among its descendants."""
    answer = ctypes.c_int(0)
    told = ctypes.CDLL(None).prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0) == 0
    return told and answer.value == 1


def become_subreaper(wanted: bool = True) -> bool:
    """Make this process inherit the orphans among its descendants, or not; return whether the kernel agreed.

    Nothing in the standard library calls prctl(2). The import of ctypes costs 0.2 MB and 3 ms, and inotify
    needs it anyway.
    """
    library = ctypes.CDLL(None, use_errno=True)
    agreed: int = library.prctl(PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)
    return agreed == 0


def pidfd_exit(pidfd: int) -> Ended:
    """Return how the process of a pidfd ended, though it was no child of ours; unknown before Linux 6.15."""
    request = bytearray(64)
    struct.pack_into("=Q", request, 0, PIDFD_INFO_EXIT)
    try:
        fcntl.ioctl(pidfd, PIDFD_GET_INFO, request)
    except OSError:
        return Ended(None, None)
    (mask,) = struct.unpack_from("=Q", request, 0)
    (status,) = struct.unpack_from("=i", request, EXIT_STATUS)
    return ended(status) if mask & PIDFD_INFO_EXIT else Ended(None, None)
