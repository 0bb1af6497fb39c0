"""One table of the file, and what the programs do that it may name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.fakes.programs import Child, Listen, Program, Way, npm, server

LINE = "ready"  # what a `log` check waits for
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
    "says": Program(listens=(Listen(after=0.2),), writes=((0.3, b"loading\nready\n"),)),
}
WORKERS: Mapping[str, Program] = {
    "worker": Program(),
    "tree": npm(Program()),
    "deafworker": Program(ignores=DEAF),
    "crashes": Program(exits_after=0.4, code=1),
    "task": Program(exits_after=1.5),
    "badtask": Program(exits_after=0.6, code=3),
    "talks": Program(writes=((0.1, b"loading\n"), (0.6, b"ready\n"))),
    "murmurs": Program(writes=((0.1, b"loading\n"),)),
    "leaves": Program(children=(Child(Program(ignores=DEAF), way=Way.ORPHAN),), exits_after=2.0),
}
PROGRAMS: Mapping[str, Program] = {**SERVERS, **WORKERS}
COMES_UP = frozenset({*SERVERS, *WORKERS}) - {"flaps", "mute", "crashes", "task", "badtask", "leaves"}
SAYS = frozenset({"says", "talks"})  # the line that a `log` check waits for
ENDS = frozenset({"crashes", "task", "badtask", "leaves"})


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the file. Durations are seconds."""

    name: str
    program: str
    port: int | None = None
    check: str = "tcp"  # or http, exec, log; without a port exec, log or none
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
    successes: int = 1
    stop_signal: str = "SIGTERM"
    instances: int = 1
    watch: str | None = None  # a file in `src`
    max_memory: int | None = None  # in MB
    schedule: str | None = None
    tty: bool = False

    @property
    def comes_up(self) -> bool:
        """Whether its program comes up and stays up, as far as its check can tell."""
        return self.program in COMES_UP and (self.check != "log" or self.program in SAYS)

    @property
    def up_after(self) -> float:
        """Seconds after which its program listens, if it does."""
        return max((each.after for each in PROGRAMS[self.program].listens), default=0.0)

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
            f'stop_signal = "{self.stop_signal}"',
            *([f'restart = "{self.restart}"'] if self.schedule is None else []),
            f'backoff = {{ initial = "1s", max = "{self.backoff:g}s", reset_after = "20s" }}',
            f'give_up = {{ starts = {self.starts}, within = "5m" }}',
            f'port_policy = "{self.policy}"',
            *([f"depends_on = {{ {needs} }}"] if needs else []),
            *(['prepare = "prepare"'] if self.prepare else []),
            *([f"instances = {self.instances}"] if self.instances > 1 else []),
            *([f'watch = "src/{self.watch}"'] if self.watch is not None else []),
            *([f'max_memory = "{self.max_memory}MB"'] if self.max_memory is not None else []),
            *([f'schedule = "{self.schedule}"'] if self.schedule is not None else []),
            *(["tty = true"] if self.tty else []),
            f"autostart = {'true' if self.autostart else 'false'}",
            f"enabled = {'true' if self.enabled else 'false'}",
        ]
        return "\n".join(lines) + "\n"

    def _check(self) -> str | None:
        kinds = {
            "tcp": "tcp = true",
            "http": 'http = "/"',
            "exec": f'exec = "ask {self.name}"',
            "log": f'log = "^{LINE}$"',
        }
        if self.check not in kinds or (self.port is None and self.check not in ("exec", "log")):
            return None
        limits = (
            f'timeout = "{self.timeout:g}s", failures = {self.failures}, retry_interval = "{self.retry:g}s", '
            f"successes = {self.successes}"
        )
        return f"{{ {kinds[self.check]}, {limits} }}"


def is_of(app: str, table: str) -> bool:
    """Return whether an app is that of a table, or one of its instances."""
    return app == table or app.rpartition(".")[0] == table


def written(tables: Iterable[Table], reload: str = "auto") -> str:
    """Return the file that has these tables; nothing depends on what is not there, or never stays."""
    kept = tuple(tables)
    known = frozenset(table.name for table in kept if table.enabled and table.schedule is None)
    manager = f'[manager]\nreload = "{reload}"\n\n' if reload != "auto" else ""
    return manager + "\n".join(table.text(known) for table in kept)
