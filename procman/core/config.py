"""The meaning of a `portwatch.toml`: frozen values, every default filled in.

Each attribute of `AppConfig` carries the name of the key that sets it; `core.fields` says what the key
accepts, what it defaults to, and what a running app owes a change of it. Durations are `float` seconds,
sizes are `int` bytes, paths are as written unless the comment says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from procman.core.frozen import Frozen


class Restart(Enum):
    """When an app that ended by itself is started again."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


class Condition(Enum):
    """What a dependency must have reached before its dependent starts."""

    STARTED = "started"
    HEALTHY = "healthy"
    COMPLETED = "completed"


class PortPolicy(Enum):
    """What is done about a port that somebody else holds, or that the app has left."""

    STRICT = "strict"  # the holder is named and waited for
    RECLAIM = "reclaim"  # a proven orphan of this project is ended first
    FOLLOW = "follow"  # the app may move: checks go where it listens


class Reload(Enum):
    """What becomes of an edit of the file."""

    AUTO = "auto"  # it is applied
    ASK = "ask"  # it is validated and told, and waits for `procman reload`
    OFF = "off"  # it is not looked at before `procman reload`


class CheckKind(Enum):
    """How an app is asked whether it works."""

    NONE = "none"  # no port and no check: healthy while it lives
    TCP = "tcp"
    HTTP = "http"
    EXEC = "exec"
    LOG = "log"  # readiness only: a line that matches ends the start


class Check(Frozen):
    """How an app proves that it works, and how often it may fail to."""

    kind: CheckKind = CheckKind.NONE
    path: str = "/"  # HTTP: the request target
    status: tuple[tuple[int, int], ...] = ((200, 399),)  # HTTP: inclusive ranges that pass
    headers: tuple[tuple[str, str], ...] = ()  # HTTP: sent with the request
    command: Command | None = None  # EXEC
    pattern: str | None = None  # LOG: a regular expression that a line must match somewhere
    timeout: float = 2.0
    failures: int = 3  # consecutive failed checks that make a restart
    retry_interval: float = 1.0  # between checks after a failed one
    successes: int = 1  # consecutive passes that make an app healthy


class Backoff(Frozen):
    """How long an app waits before it is started again after a failure."""

    initial: float = 1.0
    factor: float = 2.0
    max: float = 60.0
    jitter: float = 0.2  # the delay varies by this share of itself in both directions
    reset_after: float = 60.0  # a run healthy for so long starts the count again


class GiveUp(Frozen):
    """How many starts in how long make an app `failed`; `starts = 0` never gives up."""

    starts: int = 10
    within: float = 600.0


class LogBudget(Frozen):
    """How much output is kept: files of `max_size` bytes, and `keep` older ones beside the current."""

    max_size: int = 10_000_000
    keep: int = 5


class HistoryBudget(Frozen):
    """How much of what happened is kept: at most `max_size` bytes, and nothing older than `keep`."""

    max_size: int = 50_000_000
    keep: float = 30 * 86400.0


class Command(Frozen):
    """A command as its owner wrote it, already split into words unless a shell runs it.

    `words` holds one string when `shell` is true: the text that the shell gets. `{port}` and `{name}` are
    filled in already.
    """

    words: tuple[str, ...]
    shell: bool = False

    @property
    def text(self) -> str:
        """The command on one line, for people."""
        return self.words[0] if self.shell else " ".join(self.words)


@dataclass(frozen=True, slots=True)
class AppConfig:
    """One `[apps.NAME]` table, defaults and `[defaults]` applied."""

    name: str
    command: Command
    cwd: str = "."  # absolute once read: relative paths are resolved against the file's folder
    port: int | None = None
    host: str = "localhost"  # `localhost` means 127.0.0.1 and ::1
    check_interval: float = 10.0
    check: Check = field(default_factory=Check)
    start_timeout: float = 60.0
    restart: Restart = Restart.ALWAYS
    backoff: Backoff = field(default_factory=Backoff)
    give_up: GiveUp = field(default_factory=GiveUp)
    stop_signal: str = "SIGTERM"
    stop_timeout: float = 10.0
    depends_on: tuple[tuple[str, Condition], ...] = ()  # in file order, conditions resolved
    env: tuple[tuple[str, str], ...] = ()  # `${VAR}` not yet expanded: that happens at every start
    env_file: tuple[str, ...] = ()  # absolute; read at every start
    inherit_env: bool = True
    tty: bool = False
    prepare: Command | None = None
    port_policy: PortPolicy = PortPolicy.STRICT
    prepare_inputs: tuple[str, ...] = ()  # absolute; empty: the lockfile in `cwd`, else the manifest
    autostart: bool = True
    enabled: bool = True
    logs: LogBudget = field(default_factory=LogBudget)
    tags: tuple[str, ...] = ()
    instances: int = 1
    watch: tuple[str, ...] = ()  # patterns of files, relative to `cwd`
    watch_ignore: tuple[str, ...] = ()
    max_memory: int | None = None  # bytes, of the whole tree
    schedule: str | None = None  # a cron expression
    user: str | None = None  # a name or a number, as the system knows it
    group: str | None = None
    umask: str | None = None  # octal
    nice: int | None = None
    limits: tuple[tuple[str, int | None], ...] = ()  # None: unlimited
    family: str | None = None  # the table that it and its like come from, where `instances` is more than one
    instance: int | None = None  # which of them it is, from 1

    @property
    def table(self) -> str:
        """The name of its table in the file."""
        return self.family or self.name


@dataclass(frozen=True, slots=True)
class ManagerConfig:
    """The `[manager]` table: defaults that every app inherits unless it says otherwise, and its own keys."""

    stop_timeout: float = 10.0
    logs: LogBudget = field(default_factory=LogBudget)
    history: HistoryBudget = field(default_factory=HistoryBudget)
    reload: Reload = Reload.AUTO


class Config(Frozen):
    """A whole file, valid: what the manager is to make true."""

    file: str  # absolute path of the file it was read from
    folder: str  # absolute path of the file's folder
    manager: ManagerConfig
    apps: Mapping[str, AppConfig]  # in file order; disabled apps included
    local_file: str | None = None  # absolute path of what was laid over the file, if there is one

    def enabled_apps(self) -> dict[str, AppConfig]:
        """Return the apps that may run, in file order."""
        return {name: app for name, app in self.apps.items() if app.enabled}
