"""Named pipes between an app and its manager, opened so that either may die without harm to the other.

A run has two in the manager's state folder: `web.3.out`, `web.3.err` (app, generation). As they have names,
the next manager can go on reading where a killed one stopped. What nobody has read is kept by the kernel for
as long as any process holds the pipe open, and no longer. Its stdin is a pipe too, and needs no name.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import stat
import sys
import termios
from pathlib import Path

from procman.host.run_paths import RunPaths

assert sys.platform != "win32"

# Tried in this order; an ordinary user may ask for 1 MiB at most (/proc/sys/fs/pipe-max-size). With it a node
# app that calls `process.exit()` loses none of 20,000 queued lines; with the usual 64 KiB, most of them.
CAPACITIES = (1 << 20, 1 << 18, 1 << 16)


class RunFifos(RunPaths):
    """The pipes of one run of an app."""

    __slots__ = ()

    @staticmethod
    def make(path: str) -> None:
        """Make a pipe."""
        os.mkfifo(path, 0o600)


def open_for_child(path: str | Path) -> int:
    """Return a blocking descriptor for a child's stdout or stderr.

    Opened for reading and writing, so that the pipe has both ends while the child lives: that spares it
    SIGPIPE and EPIPE when the manager dies (on a plain pipe http-server, serve and astro end with exit code
    1, and next-server spins at 100 % CPU).

    Returns:
        A descriptor that is closed on exec; the spawn puts a copy of it in its place.

    Raises:
        OSError: the pipe is gone, or may not be opened.
    """
    return os.open(path, os.O_RDWR | os.O_NOFOLLOW)


def open_endless_input(folder: Path) -> int:
    """Return a blocking descriptor for a child's stdin, which never ends and has nothing to read.

    At the end of input esbuild, tailwindcss and webpack leave with exit code 0. So the child holds both ends
    of a pipe, and its input ends with itself, not with the manager. (Linux opens a pipe without a name
    through `/proc`; a name costs 0.1 to 0.9 ms on a disk, elsewhere one is made and taken away at once.)

    Returns:
        A descriptor that is closed on exec; the spawn puts a copy of it in its place.

    Raises:
        OSError: a pipe can't be made.
    """
    read, write = os.pipe()
    try:
        return os.open(f"/proc/self/fd/{read}", os.O_RDWR)
    except FileNotFoundError:  # no /proc
        path = folder / "input"
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        descriptor = os.open(path, os.O_RDWR)
        path.unlink()
        return descriptor
    finally:
        os.close(read)
        os.close(write)


def open_for_manager(path: str | Path) -> int:
    """Return a descriptor that reads what a child writes, and never waits.

    It is an open file description of its own: node sets O_NONBLOCK on the one that its stdout shares with all
    its children, and what they do to theirs must not reach ours. With every child gone it reports the end of
    the stream; a former manager's pipe is opened in just the same way.

    Returns:
        A descriptor that is closed on exec.

    Raises:
        OSError: the pipe is gone, may not be opened, or is something else by now (EINVAL).
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a named pipe", str(path))
    return descriptor


def read(descriptor: int, most: int) -> bytes | None:
    """Return what waits, at most `most` bytes; None if nothing does, nothing if every writer is gone."""
    try:
        return os.read(descriptor, most)
    except BlockingIOError:
        return None


def has_ended(descriptor: int) -> bool:
    """Return whether every writer is gone and nothing waits, without reading anything."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return [events for _, events in poll.poll(0)] == [select.POLLHUP]


close = os.close


def enlarge(descriptor: int) -> int:
    """Let a pipe hold as much as the system allows, at most 1 MiB; return how many bytes that is.

    An ordinary user gets 64 pipes of 1 MiB (/proc/sys/fs/pipe-user-pages-soft), then EPERM, and less is good
    enough. The size belongs to the pipe and outlives this descriptor. 0 where a system does not tell.
    """
    if sys.platform != "linux":
        return 0
    size = fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)
    for wanted in CAPACITIES:
        if size >= wanted:
            break
        with contextlib.suppress(OSError):
            return fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, wanted)
    return size


def waiting(descriptor: int) -> int:
    """Return how many bytes wait in a pipe now."""
    answer = fcntl.ioctl(descriptor, termios.FIONREAD, b"\0\0\0\0")
    return int.from_bytes(answer, sys.byteorder)
