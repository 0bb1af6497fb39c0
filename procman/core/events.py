"""What can happen to an app. Those with a generation are about one run of it."""

from __future__ import annotations

from procman.core.app import Outcome
from procman.core.causes import Cause
from procman.core.frozen import Frozen
from procman.core.verdict import Verdict


class Moment(Frozen):
    """What the world gives a decision: the time, in monotonic seconds, and one random number in [0, 1)."""

    now: float
    chance: float = 0.5


class Start(Frozen):
    """Somebody wants the app up; `reason` says who and why."""

    reason: str = "started by its user"


class Stop(Frozen):
    """Somebody wants the app down; `force` does not wait for `stop_timeout`."""

    reason: str = "stopped by its user"
    force: bool = False


class Unwanted(Frozen):
    """Somebody wants the app down, and `Stop` follows once nothing that depends on it is left."""


class Restarted(Frozen):
    """Somebody wants a new run, at once and with all counts forgotten."""

    reason: str = "restarted by its user"


class Cleared(Frozen):
    """Nothing holds a waiting app any more."""

    prepare: bool = False  # its `prepare` is due first


class Held(Frozen):
    """A waiting app has to wait on, and why; `recheck` asks again after a while by itself."""

    reason: str
    recheck: bool = False
    verdict: Verdict | None = None  # of its port, if that is what it waits for
    paused: bool = False  # for something that its user does, as `Outcome.HELD`
    starts_at: float | None = None  # its next time, in seconds since the epoch, if that is what it waits for


class Spawned(Frozen):
    """The run's first process exists."""

    generation: int


class SpawnFailed(Frozen):
    """The run's first process could not be made; `permanent` when trying again can't help."""

    generation: int
    reason: str
    permanent: bool
    cause: Cause | None = None


class Probed(Frozen):
    """A check was made."""

    generation: int
    outcome: Outcome
    detail: str
    verdict: Verdict | None = None
    listening: tuple[str, ...] = ()
    sockets: tuple[int, ...] = ()  # the listeners among them, to be known again
    port_taken: bool = False  # somebody else holds the port, which no restart can change
    newest_birth: float | None = None  # when the youngest process of the tree was born, monotonic
    answers: tuple[tuple[str, str], ...] = ()  # what each address answered, in the kernel's words
    cause: Cause | None = None  # of a failure, where the app has printed it


class Unchanged(Frozen):
    """A check was due, and what it would look at is as its newest one that passed has left it."""

    generation: int


class Suspected(Frozen):
    """The kernel announced that a listener on the app's port was closed: look at once."""

    generation: int


class Exceeded(Frozen):
    """The run uses more than it may, and why that is so."""

    generation: int
    reason: str


class Exited(Frozen):
    """The run's first process ended."""

    generation: int
    code: int | None
    signal: str | None
    at: float  # seconds since the epoch
    cause: Cause | None = None  # where the app has printed it


class Gone(Frozen):
    """No process of the run is left, and its port is free or somebody else's."""

    generation: int


class Due(Frozen):
    """The time the app asked for has come."""


class Reconfigured(Frozen):
    """The app's configuration changed in a way that a running app takes over."""


class Remedied(Frozen):
    """A file has changed without which a restart could not help."""

    file: str


class Adopted(Frozen):
    """A former manager's run is ours now: its processes live, and what it was doing goes on."""

    generation: int


Event = (
    Start
    | Stop
    | Unwanted
    | Restarted
    | Cleared
    | Held
    | Spawned
    | SpawnFailed
    | Probed
    | Unchanged
    | Suspected
    | Exceeded
    | Exited
    | Gone
    | Due
    | Reconfigured
    | Remedied
    | Adopted
)
