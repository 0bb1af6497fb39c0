"""What a process does, as data: `FakeHost` plays it in virtual time, `tests/contract/actor.py` for real."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

PORT = 0  # for `Listen.port`: the number in the process's environment variable `PORT`


class Taken(Enum):
    """What a server does when its port is taken."""

    EXIT = "exit"  # with code 1, as node does with an uncaught EADDRINUSE
    NEXT = "next"  # tries the port above, as Vite does
    STAY = "stay"  # lives on without a port, as nodemon does


@dataclass(frozen=True, slots=True)
class Listen:
    """A listening socket, from `after` to `until` seconds after the process was born."""

    port: int = PORT
    after: float = 0.0
    until: float | None = None
    address: str = "127.0.0.1"
    status: int | None = 200  # what an HTTP request is answered; None: nothing, ever
    taken: Taken = Taken.EXIT


class Way(Enum):
    """How a child comes to be."""

    FORK = "fork"  # a plain child
    SESSION = "session"  # leaves for a session of its own
    ORPHAN = "orphan"  # a session of its own, and its parent's death: the double fork of a daemon


@dataclass(frozen=True, slots=True)
class Child:
    """A child that the process starts `after` seconds after its own birth."""

    program: Program
    after: float = 0.0
    way: Way = Way.FORK


@dataclass(frozen=True, slots=True)
class Program:
    """What a process does. By default it lives for ever, and dies by the first signal that would kill it.

    Attributes:
        exits_after: seconds of life; None for ever.
        code: the exit code then.
        ignores: signals without effect on it.
        drains: signals that it handles by exiting with code 0 after so many seconds.
        writes: what it prints, and when.
        follows: it ends when its first child does, as npm and a shell do, with 128 + n for signal n.
        burns: it keeps a processor busy all the time.
        memory: bytes that it fills, beside what every process has.
    """

    listens: tuple[Listen, ...] = ()
    children: tuple[Child, ...] = ()
    exits_after: float | None = None
    code: int = 0
    ignores: frozenset[str] = frozenset()
    drains: Mapping[str, float] = field(default_factory=dict)
    writes: tuple[tuple[float, bytes], ...] = ()
    follows: bool = False
    burns: bool = False
    memory: int = 0


def server(*, after: float = 0.0, port: int = PORT, taken: Taken = Taken.EXIT) -> Program:
    """Return a program that listens on its port, and lives for ever."""
    return Program(listens=(Listen(port, after, taken=taken),))


def npm(inner: Program) -> Program:
    """Return the tree of `npm run`: npm, a shell, and below it the process that matters."""
    return Program(children=(Child(Program(children=(Child(inner),), follows=True)),), follows=True)
