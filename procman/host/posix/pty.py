"""Pseudo-terminals: an app sees a terminal, and its manager holds the other end.

A terminal has no name under which another process could take it over. It ends with the process that holds
its master, and the kernel sends SIGHUP to what runs in it then. A process that becomes another program keeps
it, if it lets the descriptors through exec.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import sys
import termios
from typing import NamedTuple

assert sys.platform != "win32"

COLUMNS, ROWS = 80, 24  # what an app sees until somebody attaches
LARGEST = 10_000  # columns or rows; the kernel takes 65,535, and an app may allocate for all of them
CAPACITY = 1 << 13  # bytes that an app can write before it waits: Linux buffers 8 KiB, and 4 more as lines
READ_AT_A_TIME = 1 << 16


class Ends(NamedTuple):
    """Both ends of a pseudo-terminal."""

    master: int  # never waits
    slave: int  # a terminal


def open_terminal() -> Ends:
    """Return a new pseudo-terminal of 80 columns and 24 rows, in the mode of a fresh terminal window.

    As long as the slave stays open here too, reading from the master waits for more also where the last
    process of the app has closed its own: what opens `/dev/tty` later can go on writing. On macOS the kernel
    would throw away what is unread at the last close.

    Returns:
        Descriptors that are closed on exec. Neither is the controlling terminal of this process.

    Raises:
        OSError: there is none left (ENOSPC, /proc/sys/kernel/pty/max), or no descriptor.
    """
    master, slave = os.openpty()
    os.set_blocking(master, False)
    resize(master, COLUMNS, ROWS)
    return Ends(master, slave)


def take_over(master: int, slave: int) -> Ends:
    """Return a terminal that this process has opened as the program that it was before exec.

    Returns:
        Descriptors that are closed on exec again.

    Raises:
        OSError: these are no ends of a terminal.
    """
    for each in (master, slave):
        os.set_inheritable(each, False)
        if not os.isatty(each):
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
    os.set_blocking(master, False)
    return Ends(master, slave)


def read(master: int, most: int) -> bytes | None:
    """Return what an app has written, at most `most` bytes.

    It asks the kernel to hand over what is on its way, so None means that everything written before was read.

    Returns:
        None if nothing waits; nothing (`b""`) if no process has the terminal open any more, which Linux says
        with EIO and macOS with the end of the file.

    Raises:
        OSError: it can't be read.
    """
    try:
        return os.read(master, min(most, READ_AT_A_TIME))
    except BlockingIOError:
        return None
    except OSError as error:
        if error.errno == errno.EIO:
            return b""
        raise


def write(master: int, data: bytes) -> int:
    """Type into a terminal, and return how many bytes it took: 0 while the app reads nothing.

    Raises:
        OSError: nobody has the terminal open any more.
    """
    try:
        return os.write(master, data)
    except BlockingIOError:
        return 0


def resize(master: int, columns: int, rows: int) -> None:
    """Give a terminal another size; what runs in its foreground gets SIGWINCH if it differs.

    Sizes beyond 1 to 10,000 are brought into it. A terminal that is gone has no size.
    """
    columns, rows = (max(1, min(LARGEST, each)) for each in (columns, rows))
    with contextlib.suppress(OSError):
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def take_control() -> None:
    """Make the terminal at stdin the controlling one of this process, which leads a session without any.

    For a child between fork and exec: it makes one system call. Opening the terminal by its path would do it
    too, but only in a process that has no descriptor of it yet.

    Raises:
        OSError: it leads no session, or the terminal belongs to another one.
    """
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
