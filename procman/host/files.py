"""Files where Windows has other ways: read at an offset, locked, deleted while they are open.

Nothing is imported for POSIX but what it has anyway, and its calls are the system's own.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import errno

    from procman.host.windows import files as windows_files

    def open_plain(path: str | os.PathLike[str], flags: int) -> int:
        """Return a descriptor of a file that may be deleted while it is open; links are not followed."""
        return windows_files.open_shared(os.fspath(path), flags)

    def open_folder(path: str | os.PathLike[str]) -> int:
        """Return a descriptor of a folder, which tells it from another that comes in its place."""
        return windows_files.open_folder(os.fspath(path))

    def read_at(descriptor: int, count: int, offset: int) -> bytes:
        """Return at most `count` bytes from `offset` on; one thread at a time."""
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, count)

    def write_at(descriptor: int, data: bytes, offset: int) -> int:
        """Write at `offset` and return how many bytes; one thread at a time."""
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.write(descriptor, data)

    def lock(descriptor: int, *, shared: bool = False) -> bool:
        """Lock a file until `unlock` or its close; return False while somebody else keeps us from it."""
        return windows_files.lock(descriptor, shared=shared)

    def unlock(descriptor: int) -> None:
        """Lock it no longer."""
        windows_files.unlock(descriptor)

    def user() -> int | None:
        """Return the number of this user, or None where users have none."""
        return None

    def owner_of(path: Path) -> str:
        """Raise OSError: who owns a file is not found out here."""
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), str(path))

else:
    import fcntl

    # Neither led elsewhere nor made to wait. (`os.open` closes on exec by itself.)
    _PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK

    def open_plain(path: str | os.PathLike[str], flags: int) -> int:
        """Return a descriptor of a file; a new one is for its owner only; a link in its place is ELOOP."""
        return os.open(path, flags | _PLAIN, 0o600)

    def open_folder(path: str | os.PathLike[str]) -> int:
        """Return a descriptor of a folder, which tells it from another that comes in its place."""
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY)

    read_at = os.pread
    write_at = os.pwrite

    def lock(descriptor: int, *, shared: bool = False) -> bool:
        """Lock a file until `unlock` or its close; return False while somebody else keeps us from it.

        Raises:
            OSError: a file system without locks.
        """
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(descriptor: int) -> None:
        """Lock it no longer."""
        fcntl.flock(descriptor, fcntl.LOCK_UN)

    def user() -> int | None:
        """Return the number of this user."""
        return os.geteuid()

    def owner_of(path: Path) -> str:
        """Return the name of a file's owner; raises OSError, or KeyError of one without a name."""
        return path.owner()
