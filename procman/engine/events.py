"""What the engine tells: notices to everyone who listens, and with them all else that goes into the history.

A `Notice` reaches the manager's log, `up`, `wait` and every follower at once. A `Trace` is what `why` needs
afterwards: it is kept, and nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping

from procman.core.app import Outcome
from procman.core.causes import Cause
from procman.core.frozen import Frozen
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


class Transition(Frozen):
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


class Reloaded(Frozen):
    """The file was read again: with an `error` it is rejected and nothing changed, else applied, or not yet.

    Not yet is for `reload = "ask"`: what the edit would do is told, and waits for its user.
    """

    at: float  # seconds since the epoch
    error: str | None
    summary: str
    applied: bool = True


class Problem(Frozen):
    """Something went wrong that changes no app's state; the text says what follows from it."""

    app: str | None
    at: float  # seconds since the epoch
    text: str


class Spawned(Frozen):
    """The first process of a run exists."""

    app: str
    at: float  # seconds since the epoch
    run: int
    pid: int
    command: str
    cwd: str
    cause: str  # why it was started
    prepare: bool  # it is the app's `prepare`, not its command


class TakenBack(Frozen):
    """A run that a former manager started is this one's now."""

    app: str
    at: float  # seconds since the epoch
    run: int
    pids: tuple[int, ...]


class Waits(Frozen):
    """An app that is to start can't yet, for another reason than before."""

    app: str
    at: float  # seconds since the epoch
    run: int  # the newest of the app
    reason: str
    verdict: Verdict | None  # of its port, if that is what it waits for
    paused: bool  # for something that its user does


class Checked(Frozen):
    """A check failed, or said something else than the one before."""

    app: str
    at: float  # seconds since the epoch
    run: int
    outcome: Outcome
    detail: str
    verdict: Verdict | None
    failures: int  # in a row, this one included
    answers: tuple[tuple[str, str], ...]  # address and answer


class Signalled(Frozen):
    """A signal was sent to processes of a run."""

    app: str
    at: float  # seconds since the epoch
    run: int
    signal: str
    reached: tuple[str, ...]  # names and pids


class Exited(Frozen):
    """The first process of a run ended."""

    app: str
    at: float  # seconds since the epoch
    run: int
    code: int | None
    signal: str | None
    cause: Cause | None


class PastCheck(Frozen):
    """A check of the present run, as it is remembered for a while."""

    at: float  # seconds since the epoch
    outcome: Outcome
    detail: str
    took_s: float
    answers: tuple[tuple[str, str], ...]  # address and answer


class Sockets(Frozen):
    """What a tree has open by TCP."""

    listening: tuple[Listener, ...]
    connections: Mapping[str, int] | None  # how many in which state; None: not told


class Examined(Frozen):
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
