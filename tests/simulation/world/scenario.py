"""What a world is, as data: the apps of the file, what their programs do, and what happens, in order.

A scenario is small and frozen, so that it can be made from a seed, told, and shrunk. Names that mean nothing
at the time (an app that was removed, a process that has ended) make a step without effect: so any part of
a scenario is a scenario.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from tests.fakes.programs import Child, Listen, Program, Way, npm, server

DEAF = frozenset({"SIGTERM", "SIGINT"})

# What a command does. Those that serve take the port of their app.
SERVERS: Mapping[str, Program] = {
    "steady": server(after=0.2),
    "ipv6": Program(listens=(Listen(after=0.2, address="::1"),)),
    "anywhere": Program(listens=(Listen(after=0.1, address="0.0.0.0"),)),
    "slow": server(after=3.0),
    "npm": npm(server(after=0.4)),
    "leaver": Program(children=(Child(server(after=0.2), way=Way.SESSION),)),
    "daemon": Program(children=(Child(server(after=0.2), after=0.1, way=Way.ORPHAN),)),
    "deaf": Program(listens=(Listen(after=0.2),), ignores=DEAF),
    "drains": Program(listens=(Listen(after=0.2),), drains={"SIGTERM": 1.5}),
    "forks": Program(
        listens=(Listen(after=0.2),),
        children=tuple(Child(Program(exits_after=0.004), after=0.5 * at) for at in range(6)),
    ),
    "flaps": Program(listens=(Listen(after=0.2),), exits_after=7.0, code=1),
    "ghost": Program(listens=(Listen(after=0.1, until=0.12, status=None), Listen(after=1.5))),
    "mute": Program(),
}
WORKERS: Mapping[str, Program] = {
    "worker": Program(),
    "tree": npm(Program()),
    "deafworker": Program(ignores=DEAF),
    "crashes": Program(exits_after=0.4, code=1),
    "task": Program(exits_after=1.5),
    "badtask": Program(exits_after=0.6, code=3),
    "leaves": Program(children=(Child(Program(ignores=DEAF), way=Way.ORPHAN),), exits_after=2.0),
}
PROGRAMS: Mapping[str, Program] = {**SERVERS, **WORKERS}
COMES_UP = frozenset({*SERVERS, *WORKERS}) - {"flaps", "mute", "crashes", "task", "badtask", "leaves"}
ENDS_WELL = frozenset({"task", "leaves"})
ENDS = frozenset({"crashes", "task", "badtask", "leaves"})


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the file. Durations are seconds."""

    name: str
    program: str
    port: int | None = None
    check: str = "tcp"  # or http, exec; without a port exec or none
    interval: float = 10.0
    failures: int = 3
    retry: float = 1.0
    timeout: float = 1.0
    start_timeout: float = 15.0
    restart: str = "always"
    stop_timeout: float = 3.0
    starts: int = 5  # of `give_up`
    backoff: float = 4.0  # the longest one
    depends_on: tuple[tuple[str, str], ...] = ()
    policy: str = "strict"
    prepare: bool = False
    autostart: bool = True
    enabled: bool = True
    version: int = 1  # a number in its command

    def text(self, known: frozenset[str]) -> str:
        """Return it as one writes it; what is not `known` can't be depended on."""
        needs = ", ".join(f'{name} = "{how}"' for name, how in self.depends_on if name in known)
        lines = [
            f"[apps.{self.name}]",
            f'command = "{self.program} {self.version}"',
            *([f"port = {self.port}"] if self.port is not None else []),
            *([f"check = {self._check()}"] if self._check() is not None else []),
            f'check_interval = "{self.interval:g}s"',
            f'start_timeout = "{self.start_timeout:g}s"',
            f'stop_timeout = "{self.stop_timeout:g}s"',
            f'restart = "{self.restart}"',
            f'backoff = {{ initial = "1s", max = "{self.backoff:g}s", reset_after = "20s" }}',
            f'give_up = {{ starts = {self.starts}, within = "5m" }}',
            f'port_policy = "{self.policy}"',
            *([f"depends_on = {{ {needs} }}"] if needs else []),
            *(['prepare = "prepare"'] if self.prepare else []),
            f"autostart = {'true' if self.autostart else 'false'}",
            f"enabled = {'true' if self.enabled else 'false'}",
        ]
        return "\n".join(lines) + "\n"

    def _check(self) -> str | None:
        kind = {"tcp": "tcp = true", "http": 'http = "/"', "exec": f'exec = "ask {self.name}"'}.get(
            self.check
        )
        if kind is None or (self.port is None and self.check != "exec"):
            return None
        limits = (
            f'timeout = "{self.timeout:g}s", failures = {self.failures}, retry_interval = "{self.retry:g}s"'
        )
        return f"{{ {kind}, {limits} }}"


def written(tables: Iterable[Table]) -> str:
    """Return the file that has these tables; nothing depends on what is not there, or disabled."""
    kept = tuple(tables)
    known = frozenset(table.name for table in kept if table.enabled)
    return "\n".join(table.text(known) for table in kept)


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
    file is invalid), `mend` (as it was before that), `tear` (half of it for 50 ms).
    """

    what: str
    app: str
    value: object = None


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
    """One world."""

    seed: int
    tables: tuple[Table, ...]
    steps: tuple[Step, ...]
