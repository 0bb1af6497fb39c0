"""What the engine tells: notices to everyone who listens, and with them all else that goes into the history.

A `Notice` reaches the manager's log, `up`, `wait` and every follower at once. A `Trace` is what `why` needs
afterwards: it is kept, and nobody waits for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from procman.core.causes import Cause
from procman.core.machine import Outcome
from procman.core.receipt import Receipt
from procman.core.verdict import Verdict

__all__ = [
    "Checked",
    "Exited",
    "Happening",
    "Notice",
    "Problem",
    "Receipt",
    "Reloaded",
    "Signalled",
    "Spawned",
    "TakenBack",
    "Trace",
    "Transition",
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


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The file was read again: applied when `error` is None, else rejected with nothing changed."""

    at: float  # seconds since the epoch
    error: str | None
    summary: str


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


Notice = Transition | Receipt | Reloaded | Problem
Trace = Spawned | TakenBack | Checked | Signalled | Exited
Happening = Notice | Trace
