"""Who is the manager of a project: whoever holds the lock in its state folder."""

from __future__ import annotations

import os

from procman.host import files

LOCK = "lock"


class Claim:
    """The right to be the manager; the kernel takes it back when the process ends, however it ends."""

    def __init__(self, home: str, descriptor: int) -> None:
        self._home = home
        self._descriptor: int | None = descriptor

    def is_in_place(self) -> bool:
        """Return whether the lock is still what others find in the state folder: 15 us.

        It is not once somebody has deleted the folder. The lock holds, and keeps nobody out any more.
        """
        path = os.path.join(self._home, LOCK)
        return self._descriptor is not None and _is(path, self._descriptor)

    def renew(self) -> bool:
        """Claim the lock that is in the state folder now, or make one; False while somebody else holds it.

        Raises:
            OSError: the folder can't be used.
        """
        fresh = claim(self._home)
        if fresh is None:
            return False
        self.release()
        self._descriptor, fresh._descriptor = fresh._descriptor, None
        return True

    def pass_on(self) -> int:
        """Return the descriptor of the lock, which a program that replaces this one will hold on to."""
        assert self._descriptor is not None, "only what is held can be passed on"
        os.set_inheritable(self._descriptor, True)
        return self._descriptor

    def release(self) -> None:
        """Let another manager begin."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def claim(home: str) -> Claim | None:
    """Return the claim on a state folder, or None while another manager holds it.

    Raises:
        OSError: the folder can't be used.
    """
    path = os.path.join(home, LOCK)
    while True:
        descriptor = files.open_plain(path, os.O_RDWR | os.O_CREAT)
        try:
            if not files.lock(descriptor):
                os.close(descriptor)
                return None
            if _is(path, descriptor):
                os.truncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())  # for people only: nothing reads it
                return Claim(home, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def holder_of(home: str) -> int | None:
    """Return the pid of the manager that has the claim on a state folder, 0 if it is not told, None if none.

    To ask takes the lock for an instant, shared: a manager that begins just then is told that it is busy, and
    its client tries again.
    """
    try:
        descriptor = os.open(os.path.join(home, LOCK), os.O_RDONLY)
    except OSError:
        return None
    try:
        if not files.lock(descriptor, shared=True):
            written = os.read(descriptor, 32).strip()
            return int(written) if written.isdigit() else 0
    finally:
        os.close(descriptor)
    return None


def _is(path: str, descriptor: int) -> bool:
    """Return whether the locked file is still the one that others would open."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except (FileNotFoundError, NotADirectoryError):
        return False
