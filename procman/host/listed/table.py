"""What a system's list of processes tells, where no `/proc` does: the few questions of a host."""

from __future__ import annotations

from typing import NamedTuple, Protocol
from zlib import crc32

from procman.core.verdict import Listener


class Row(NamedTuple):
    """One living process."""

    pid: int
    parent: int
    session: int  # its leader's pid; 0 where a system has no sessions, or does not tell
    started: int  # microseconds since the epoch, as the system has written them down at its birth
    name: str
    state: str  # a letter, as in `base.DOING`


class Used(NamedTuple):
    """What one process uses."""

    cpu_s: float
    memory_bytes: int
    threads: int | None
    descriptors: int | None


class Withheld(Exception):
    """The system does not tell this user."""


class Table(Protocol):
    """The list, asked anew each time. What is gone is None, what is another user's may be `Withheld`."""

    def rows(self) -> dict[int, Row]:
        """Return every living process by its pid; zombies are not living."""
        ...

    def row(self, pid: int) -> Row | None:
        """Return one process, if it lives."""
        ...

    def variable(self, pid: int, name: str) -> str | None:
        """Return a variable of the environment that a process was started with."""
        ...

    def words(self, pid: int) -> tuple[str, ...]:
        """Return the command line of a process; nothing where it can't be read."""
        ...

    def folder(self, pid: int) -> str | None:
        """Return the folder that a process works in, or None where it can't be read."""
        ...

    def used(self, pid: int) -> Used | None:
        """Return what a process uses."""
        ...

    def listening(self, pid: int) -> tuple[Listener, ...]:
        """Return the TCP sockets in LISTEN of one process, with inodes or with `inode_of`."""
        ...

    def all_listening(self) -> tuple[tuple[int, Listener], ...]:
        """Return every TCP socket in LISTEN that this user may see, with a process that holds it."""
        ...


def inode_of(pid: int, address: str, port: int) -> int:
    """Return a number for a listener of a system that numbers none: the same for the same one.

    Two processes that share one socket show two, each its own. Two managers must make the same number, so
    it is made of what it stands for.
    """
    return pid << 48 | port << 32 | crc32(address.encode())
