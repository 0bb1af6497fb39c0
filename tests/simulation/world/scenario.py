"""What a world is, as data: the apps of the file, what their programs do, and what happens, in order.

A scenario is small and frozen, so that it can be made from a seed, told, and shrunk. Names that mean nothing
at the time (an app that was removed, a process that has ended) make a step without effect: so any part of
a scenario is a scenario.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from tests.fakes.programs import Way
from tests.simulation.world.table import Table

# What happens. `app` is a name; `which` chooses one of several, counted round and round.


@dataclass(frozen=True, slots=True)
class Kills:
    """Somebody, or the kernel, ends a process of an app."""

    app: str
    which: int
    signal: str


@dataclass(frozen=True, slots=True)
class Exits:
    """The first process of an app ends by itself."""

    app: str
    code: int


@dataclass(frozen=True, slots=True)
class Freezes:
    """A process stops without ending, for so many seconds; None: until it is ended."""

    app: str
    which: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Hangs:
    """A process waits for a disk: no signal ends it."""

    app: str
    which: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Closes:
    """A server closes its listener; it opens it again after `seconds`, if that is not None."""

    app: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Moves:
    """A server listens on another port from now on."""

    app: str


@dataclass(frozen=True, slots=True)
class Answers:
    """A server answers HTTP requests with this from now on; None: with nothing."""

    app: str
    status: int | None


@dataclass(frozen=True, slots=True)
class Forks:
    """A process of an app starts another one, which lives for `seconds`."""

    app: str
    which: int
    way: Way
    deaf: bool
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Strangers:
    """Somebody else comes to listen on the port of an app, for so long; `beside` the app if it is there."""

    app: str
    address: str
    seconds: float
    beside: bool


@dataclass(frozen=True, slots=True)
class PidTaken:
    """Somebody else gets the pid of an app's process that has just ended."""

    app: str


@dataclass(frozen=True, slots=True)
class SpawnsFail:
    """No process can be made for a while."""

    trouble: str  # EAGAIN, EMFILE, ENOMEM, ENOENT, EACCES
    seconds: float


@dataclass(frozen=True, slots=True)
class ChecksFail:
    """No check can be made for a while: our own trouble."""

    seconds: float


@dataclass(frozen=True, slots=True)
class AskedInVain:
    """The `exec` check of an app fails for a while."""

    app: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Hides:
    """Whose sockets are whose can't be read for a while."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Silence:
    """The kernel announces no closed listener for a while."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ClockSet:
    """The clock on the wall is set."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Suspends:
    """The machine sleeps."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ManagerStands:
    """The manager alone stands still, as by SIGSTOP."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Edits:
    """The file is saved with one table, or the whole, another one.

    `what` is a field of `Table` with its new value, or `add`, `remove`, `rename`, `touch`, `break` (the
    file is invalid), `mend` (as it was before that), `tear` (half of it for 50 ms), `reload` (of [manager]).
    """

    what: str
    app: str
    value: object = None


@dataclass(frozen=True, slots=True)
class Saves:
    """A file that an app watches is saved so often, 0.1 s apart; or one beside it, which nobody watches."""

    app: str
    times: int
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Grows:
    """A process fills 200 MB of memory, for so many seconds; None: until it is ended."""

    app: str
    which: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Asks:
    """Somebody types a command: up, start, stop, restart, reload, down; `apps` is empty for all."""

    verb: str
    apps: tuple[str, ...] = ()
    force: bool = False


@dataclass(frozen=True, slots=True)
class ManagerDies:
    """`kill -9` of the manager, and what becomes of its records: intact, truncated, garbage or lost."""

    records: str


@dataclass(frozen=True, slots=True)
class ManagerComes:
    """`procman up` with these apps, by a new manager if none runs; None: one comes and is asked nothing."""

    apps: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class Upgrades:
    """`procman upgrade`: another manager in the same process."""


Happening = (
    Kills
    | Exits
    | Freezes
    | Hangs
    | Closes
    | Moves
    | Answers
    | Forks
    | Strangers
    | PidTaken
    | SpawnsFail
    | ChecksFail
    | AskedInVain
    | Hides
    | Silence
    | ClockSet
    | Suspends
    | ManagerStands
    | Edits
    | Saves
    | Grows
    | Asks
    | ManagerDies
    | ManagerComes
    | Upgrades
)


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens, `after` so many seconds."""

    after: float
    what: Happening
    number: int  # its place in the scenario that the seed makes

    @property
    def words(self) -> str:
        """What happens, for the story."""
        shown = [f"{each.name}={getattr(self.what, each.name)!r}" for each in fields(self.what)]
        return f"{type(self.what).__name__} {' '.join(shown)}".strip()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One world.

    Attributes:
        reload: what becomes of an edit: auto, ask, off.
        begins: on a plain day, or in a night in which clocks are changed: spring, autumn, autumn again.
    """

    seed: int
    tables: tuple[Table, ...]
    steps: tuple[Step, ...]
    reload: str = "auto"
    begins: str = "plain"
