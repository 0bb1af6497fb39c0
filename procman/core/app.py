"""What the manager knows of one app: its state, what its newest run has shown, and what is owed to it.

Only `core.machine.step` makes a new one. The table of states is in docs/ARCHITECTURE.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from procman.core.causes import Cause
from procman.core.frozen import Frozen
from procman.core.verdict import Verdict


class State(Enum):
    """What an app is doing; the words are the public ones."""

    STOPPED = "stopped"  # by its user, or not started yet
    WAITING = "waiting"  # wanted; for a dependency, or for its port
    PREPARING = "preparing"  # its `prepare` command runs
    STARTING = "starting"  # spawned; no check has passed yet
    RUNNING = "running"  # alive, and its checks pass or it has none
    UNHEALTHY = "unhealthy"  # alive; checks fail
    STOPPING = "stopping"  # signalled or ended by itself; its tree not yet proven gone
    BACKOFF = "backoff"  # gone; starts again at the deadline
    COMPLETED = "completed"  # ended by itself and is not to be restarted
    FAILED = "failed"  # given up; only its user, or an edit, leaves this state


ALIVE = frozenset({State.PREPARING, State.STARTING, State.RUNNING, State.UNHEALTHY, State.STOPPING})


class Ending(Enum):
    """Why a run is being ended, which decides what comes after it."""

    STOP = "stop"  # its user wants it down
    RESTART = "restart"  # its user, or an edit of the file, wants a new run
    UNHEALTHY = "unhealthy"  # its checks failed
    EXITED = "exited"  # it ended by itself; what it left behind is ended too
    PREPARED = "prepared"  # its `prepare` succeeded
    NOT_PREPARED = "not prepared"  # its `prepare` failed


class Outcome(Enum):
    """What a check says. Only `DOWN` ever counts against an app."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"  # the check could not be made: our trouble, not the app's
    HELD = "held"  # it would be down, but for something that its user does: an install, a breakpoint


class Exit(Frozen):
    """How a run's first process ended: an exit code, or the name of the signal that killed it.

    Neither is known of a process whose parent was a manager that is gone.
    """

    code: int | None
    signal: str | None
    at: float  # seconds since the epoch
    reason: str  # why, as far as it is known

    @property
    def clean(self) -> bool:
        """Whether it ended by itself and without an error."""
        return self.code == 0

    @property
    def words(self) -> str:
        """How it ended, as words for a sentence."""
        if self.signal is not None:
            return f"killed by {self.signal}"
        return "ended unseen" if self.code is None else f"exited with code {self.code}"


@dataclass(frozen=True, slots=True)
class App:
    """Everything the manager knows of one app. Times are monotonic seconds."""

    state: State = State.STOPPED
    wanted: bool = False
    reason: str = "not started yet"  # why it is in this state; shown by every command
    cause: str = ""  # why the present run was started, or the next one will be
    since: float = 0.0  # when it entered this state
    generation: int = 0  # of the newest run
    deadline: float | None = None  # when the state itself is due
    probe_at: float | None = None  # when the next check is due
    probing: bool = False  # a check is under way
    suspected: bool = False  # and something happened meanwhile that its answer may not know of
    ending: Ending | None = None  # while STOPPING
    forced: bool = False  # while STOPPING: SIGKILL was sent
    spawned_at: float | None = None  # of the present run
    healthy_since: float | None = None  # first passing check of the present run
    failing_since: float | None = None  # first of the failed checks in a row
    passes: int = 0  # in a row, and while starting of the same listeners
    sockets: tuple[int, ...] = ()  # of the newest pass
    failures: int = 0  # in a row
    verdict: Verdict | None = None
    port_taken: bool = False  # by somebody else, as the newest check saw it
    listening: tuple[str, ...] = ()
    last_check: str | None = None  # what the newest check of the run said
    last_outcome: Outcome | None = None  # and what that came to
    held: str | None = None  # why it is not judged at present
    starts_at: float | None = None  # its next run by its schedule, in seconds since the epoch
    diagnosis: Cause | None = None  # of its newest failure, until it is up again
    attempts: int = 0  # restarts since the app last proved itself
    delays: int = 0  # those of them that had to wait
    starts: tuple[float, ...] = ()  # oldest first, inside `give_up.within`
    restarts: int = 0  # made by the manager because a run failed or ended
    last_exit: Exit | None = None

    @property
    def wake_at(self) -> float | None:
        """When the next `Due` is owed, if at all."""
        times = [at for at in (self.deadline, self.probe_at) if at is not None]
        return min(times, default=None)
