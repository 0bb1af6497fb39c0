"""Files between app and manager: what `posix/fifo.py` is, for a system whose pipes end with their maker.

The app appends to a file, which never makes it wait, and the manager reads behind it. The first bytes of the
file say how far a manager has stored it, so that the next one goes on from there. What it had taken, and not
written down as stored, when it was killed comes twice: 64 KiB at most. What was stored is given back to the
disk while the run goes on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
import sys
from pathlib import Path

from procman.host import files
from procman.host.run_paths import RunPaths

HEAD = struct.Struct("<8sQ")
MARK = b"procman\n"
GIVE_BACK = 1 << 20  # bytes that were stored, until the disk gets them back
GRAIN = 1 << 16  # bytes: NTFS frees whole clusters of a sparse file, and the head is in the first

_stored: dict[int, int] = {}  # descriptor → what the head says
_given: dict[int, int] = {}  # descriptor → up to where the disk has it back


class RunFifos(RunPaths):
    """The files of one run of an app; the name is that of the other implementation."""

    __slots__ = ()

    @staticmethod
    def make(path: str) -> None:
        """Make a file of which nothing is stored yet."""
        descriptor = files.open_plain(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            os.write(descriptor, HEAD.pack(MARK, HEAD.size))
        finally:
            os.close(descriptor)


def open_for_child(path: str | Path) -> int:
    """Return a descriptor for a child's stdout or stderr, which can only append.

    Raises:
        OSError: the file is gone, or may not be opened.
    """
    return files.open_plain(path, os.O_WRONLY | os.O_APPEND)


def open_endless_input(folder: Path) -> int:
    """Return a descriptor for a child's stdin, which has nothing to read.

    Its other end is for the child too, which is given it once it has started (`take_writer`): so its input
    ends with itself, not with the manager.

    Raises:
        OSError: a pipe can't be made.
    """
    read, write = os.pipe()
    forgotten = _writers.pop(read, None)  # of a spawn that has failed: the number of its `read` is free again
    if forgotten is not None:
        os.close(forgotten)
    _writers[read] = write
    return read


def take_writer(stdin: int) -> int | None:
    """Return the other end of a child's stdin, to be given to the child and closed; None if it has none."""
    return _writers.pop(stdin, None)


_writers: dict[int, int] = {}  # the read end of a child's stdin → its write end


def open_for_manager(path: str | Path) -> int:
    """Return a descriptor that reads what a child writes, from the first byte that was not stored.

    Raises:
        OSError: the file is gone, may not be opened, or is something else (EINVAL).
    """
    descriptor = files.open_plain(path, os.O_RDWR)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "no file", str(path))
        head = os.read(descriptor, HEAD.size)
        mark, stored = HEAD.unpack(head) if len(head) == HEAD.size else (b"", 0)
        if mark != MARK or not HEAD.size <= stored <= os.fstat(descriptor).st_size:
            raise OSError(errno.EINVAL, "not the output of an app", str(path))
    except OSError:
        os.close(descriptor)
        raise
    os.lseek(descriptor, stored, os.SEEK_SET)
    _stored[descriptor] = _given[descriptor] = stored
    return descriptor


def enlarge(descriptor: int) -> int:
    """Return 0: a file holds as much as the disk does."""
    return 0


def waiting(descriptor: int) -> int:
    """Return how many bytes are to be read; all that was read before is stored by now."""
    here = os.lseek(descriptor, 0, os.SEEK_CUR)
    _note(descriptor, here)
    return os.fstat(descriptor).st_size - here


def read(descriptor: int, most: int) -> bytes | None:
    """Return what a child has written, at most `most` bytes, or None if there is nothing now.

    All that was read before is stored by now. A file never says that its writers are gone.
    """
    _note(descriptor, os.lseek(descriptor, 0, os.SEEK_CUR))
    return os.read(descriptor, most) or None


def has_ended(descriptor: int) -> bool:
    """Return False: a file never says that its writers are gone."""
    return False


def close(descriptor: int) -> None:
    """Read no more; all that was read is stored."""
    with contextlib.suppress(OSError):
        _note(descriptor, os.lseek(descriptor, 0, os.SEEK_CUR))
    _stored.pop(descriptor, None)
    _given.pop(descriptor, None)
    os.close(descriptor)


def _note(descriptor: int, here: int) -> None:
    """Write down that all before `here` is stored."""
    if _stored.get(descriptor) == here:
        return
    files.write_at(descriptor, HEAD.pack(MARK, here), 0)
    os.lseek(descriptor, here, os.SEEK_SET)
    _stored[descriptor] = here
    if here - _given.get(descriptor, 0) >= GIVE_BACK:
        start, end = max(GRAIN, _given.get(descriptor, 0) // GRAIN * GRAIN), here // GRAIN * GRAIN
        _given[descriptor] = here
        with contextlib.suppress(OSError):  # FAT: the file grows until the run ends
            _give_back(descriptor, start, end)


def _give_back(descriptor: int, start: int, end: int) -> None:
    if sys.platform == "win32":
        from procman.host.windows.files import give_back

        give_back(descriptor, start, end)
