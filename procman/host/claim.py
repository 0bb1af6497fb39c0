"""Who is the manager of a project: whoever holds the lock in its state folder."""

from __future__ import annotations

import fcntl
import os

LOCK = "lock"


class Claim:
    """The right to be the manager; the kernel takes it back when the process ends, however it ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

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
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is(path, descriptor):
                os.truncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())  # for people only: nothing reads it
                return Claim(descriptor)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is(path: str, descriptor: int) -> bool:
    """Return whether the locked file is still the one that others would open."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
