"""What the engine tells: notices to everyone who listens, and with them all else that goes into the history.

A `Notice` reaches the manager's log, `up`, `wait` and every follower at once. A `Trace` is what `why` needs
afterwards: it is kept, and nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from procman.core.app import Outcome
from procman.core.causes import Cause
from procman.core.receipt import Receipt
from procman.core.verdict import Listener, Verdict
from procman.host.base import Vitals

__all__ = [
    "Checked",
    "Examined",
    "Exited",
    "Happening",
    "Notice",
    "PastCheck",
    "Problem",
    "Receipt",
    "Reloaded",
    "Signalled",
    "Sockets",
    "Spawned",
    "TakenBack",
    "Trace",
    "Transition",
    "Waits",
]


@dataclass(frozen=True, slots=True)
class Transition:
    """An app changed its state."""

    app: str
    at: float  # seconds since the epoch
    run: int  # the newest of the app
    old: str
    new: str
    reason: str
    wanted: bool  # whether its user wants it up
    ending: str | None = None  # why its run is being ended, while it is
    comes_back: bool = False  # FAILED: it starts again by itself when a file changes that it has failed for


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The file was read again: with an `error` it is rejected and nothing changed, else applied, or not yet.

    Not yet is for `reload = "ask"`: what the edit would do is told, and waits for its user.
    """

    at: float  # seconds since the epoch
    error: str | None
    summary: str
    applied: bool = True


@dataclass(frozen=True, slots=True)
class Problem:
    """Something went wrong that changes no app's state; the text says what follows from it."""

    app: str | None
    at: float  # seconds since the epoch
    text: str


@dataclass(frozen=True, slots=True)
class Spawned:
    """The first process of a run exists."""

    app: str
    at: float  # seconds since the epoch
    run: int
    pid: int
    command: str
    cwd: str
    cause: str  # why it was started
    prepare: bool  # it is the app's `prepare`, not its command


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A run that a former manager started is this one's now."""

    app: str
    at: float  # seconds since the epoch
    run: int
    pids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Waits:
    """An app that is to start can't yet, for another reason than before."""

    app: str
    at: float  # seconds since the epoch
    run: int  # the newest of the app
    reason: str
    verdict: Verdict | None  # of its port, if that is what it waits for
    paused: bool  # for something that its user does


@dataclass(frozen=True, slots=True)
class Checked:
    """A check failed, or said something else than the one before."""

    app: str
    at: float  # seconds since the epoch
    run: int
    outcome: Outcome
    detail: str
    verdict: Verdict | None
    failures: int  # in a row, this one included
    answers: tuple[tuple[str, str], ...]  # address and answer


@dataclass(frozen=True, slots=True)
class Signalled:
    """A signal was sent to processes of a run."""

    app: str
    at: float  # seconds since the epoch
    run: int
    signal: str
    reached: tuple[str, ...]  # names and pids


@dataclass(frozen=True, slots=True)
class Exited:
    """The first process of a run ended."""

    app: str
    at: float  # seconds since the epoch
    run: int
    code: int | None
    signal: str | None
    cause: Cause | None


@dataclass(frozen=True, slots=True)
class PastCheck:
    """A check of the present run, as it is remembered for a while."""

    at: float  # seconds since the epoch
    outcome: Outcome
    detail: str
    took_s: float
    answers: tuple[tuple[str, str], ...]  # address and answer


@dataclass(frozen=True, slots=True)
class Sockets:
    """What a tree has open by TCP."""

    listening: tuple[Listener, ...]
    connections: Mapping[str, int] | None  # how many in which state; None: not told


@dataclass(frozen=True, slots=True)
class Examined:
    """What an app looked like just before its run was ended because it failed."""

    app: str
    at: float  # seconds since the epoch
    run: int
    size: int  # of its tree: processes that lived
    processes: tuple[Vitals, ...]  # the first of them
    sockets: Sockets | None  # None: they can't be read, or nobody was left to have any
    checks: tuple[PastCheck, ...]  # the newest last


Notice = Transition | Receipt | Reloaded | Problem
Trace = Spawned | TakenBack | Waits | Checked | Signalled | Examined | Exited
Happening = Notice | Trace
