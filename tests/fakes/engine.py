"""An engine without processes, for tests of what talks to one: it moves its apps when it is told to.

Its time stands still but for `TICK` seconds at each transition, so whatever is printed of it is the same in
every run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from procman.core.app import ALIVE, App, Exit, State
from procman.core.config import AppConfig, Check, CheckKind, Command, Condition, Config, ManagerConfig
from procman.core.order import with_dependencies
from procman.core.plan import Plan
from procman.core.receipt import Ended, Receipt
from procman.core.selection import select
from procman.core.verdict import Verdict
from procman.core.view import view
from procman.engine.attaching import NoTerminal
from procman.engine.events import Notice, Reloaded, Transition
from procman.engine.ports import Current
from procman.engine.usage import Look

WALL = 1795424400.0  # 2026-11-23T09:00:00Z
TICK = 0.5


class RejectedFile(Exception):
    """What `plan` raises for a file that does not read."""

    def render(self) -> str:
        """Return all diagnostics."""
        return str(self)


def app_config(name: str, **more: Any) -> AppConfig:
    """Return the configuration of an app; a `port` brings its check."""
    if more.get("port") is not None:
        more.setdefault("check", Check(CheckKind.TCP))
    return AppConfig(name, Command(("run", name)), **more)


def example() -> tuple[AppConfig, ...]:
    """Return the apps of the example project."""
    return (
        app_config("api", port=3000, tags=("back",)),
        app_config("web", port=5173, depends_on=(("api", Condition.HEALTHY),)),
        app_config("worker", tags=("back",)),
    )


@dataclass(slots=True)
class FakeTerminal:
    """Somebody's place at a terminal that shows what a test calls `on_output` with.

    Attributes:
        takes: how many bytes it takes at a time; 0 as an app does that reads nothing.
    """

    on_output: Callable[[bytes], None]
    on_end: Callable[[], None]
    recent: bytes = b"before"
    takes: int = 1 << 16
    typed: bytes = b""
    size: tuple[int, int] | None = None
    has_left: bool = False

    def type(self, data: bytes) -> int:
        """Take what it takes."""
        self.typed += data[: self.takes]
        return min(self.takes, len(data))

    def resize(self, columns: int, rows: int) -> None:
        """Take a size."""
        self.size = columns, rows

    def leave(self) -> None:
        """Say that nobody is attached any more."""
        self.has_left = True


class FakeEngine:
    """Keeps the contract of `procman.control.contract.Engine`; its fields say what is to happen.

    Attributes:
        never_up: apps that stay `starting`, by name.
        broken: apps that fail instead of coming up, with the reason.
        survivors: what outlives a stop, by app.
        stuck: apps that stay `stopping` until they are stopped by force.
        rejection: what is wrong with the file on disk.
        next_plan: what `plan` returns.
        waiting: what an edit would do that waits for its user, in a word.
        calls: what was asked of it, in order.
    """

    def __init__(self, *apps: AppConfig, file: str = "/project/portwatch.toml") -> None:
        configs = apps or example()
        folder = file.rpartition("/")[0]
        self.config = Config(file, folder, ManagerConfig(), {each.name: each for each in configs})
        self.apps: dict[str, App] = {each.name: App() for each in configs}
        self.environment = {"PATH": "/usr/bin", "HOME": "/home/me", "API_TOKEN": "word"}
        self.closing = False
        self.never_up: set[str] = set()
        self.broken: dict[str, str] = {}
        self.survivors: dict[str, tuple[str, ...]] = {}
        self.stuck: set[str] = set()
        self.rejection: str | None = None
        self.next_plan = Plan()
        self.waiting: str | None = None
        self.calls: list[str] = []
        self.on_empty: Callable[[], None] = lambda: None
        self.now = 100.0
        self.listeners: list[Callable[[Notice], None]] = []
        self.terminals: list[FakeTerminal] = []

    def move(self, name: str, state: State, reason: str, **changes: Any) -> None:
        """Put an app into a state, and tell everybody."""
        self.now += TICK
        before = self.apps[name]
        self.apps[name] = replace(before, state=state, reason=reason, since=self.now, **changes)
        after = self.apps[name]
        states = before.state.value, state.value
        self._tell(Transition(name, self._wall(), after.generation, *states, reason, after.wanted))

    def run(self, name: str) -> None:
        """Make an app run as it should."""
        port = self.config.apps[name].port
        own = {"verdict": Verdict.OWN, "listening": (f"[::1]:{port}",)} if port else {}
        reason = f"answers on [::1]:{port}" if port else "no check is declared"
        cause = self.apps[name].cause or "started by its user"
        self.move(name, State.RUNNING, reason, wanted=True, spawned_at=self.now, cause=cause, **own)

    def fail(self, name: str, reason: str) -> None:
        """Make the manager give up an app."""
        end = Exit(1, None, self._wall(), "ended by itself")
        counts = {"attempts": 3, "restarts": 2}
        self.move(name, State.FAILED, reason, last_exit=end, verdict=None, listening=(), **counts)

    def end(self, name: str, reason: str = "stopped by its user") -> None:
        """Finish a stop, with its receipt."""
        left = self.survivors.get(name, ())
        pid = self._pid(name)
        ended = (Ended("npm", pid), Ended("node", pid + 1))
        port = self.config.apps[name].port
        self._tell(Receipt(name, self._wall(), ended, 0.3, port=port, survivors=left))
        if not left:
            self.move(name, State.STOPPED, reason, wanted=False, verdict=None, listening=(), spawned_at=None)

    @property
    def configs(self) -> Mapping[str, AppConfig]:
        """The configuration of every app."""
        return {name: self.config.apps[name] for name in self.apps}

    def look(self) -> Look:
        """Return a look at nothing."""
        self.calls.append("look")
        return Look(self.now)

    def status(self, before: Look | None = None) -> dict[str, Any]:
        """Return the document of `procman status --json`, or of `--wide`."""
        error = self.rejection
        return {
            "manager": {
                "pid": 4000,
                "version": "0.1.0",
                "file": self.config.file,
                "uptime_s": self.now - 100.0,
                "config": {
                    "state": "rejected" if error else "edited" if self.waiting else "applied",
                    "error": error,
                    "applied_at": "2026-11-23T09:00:00.000Z",
                    "waiting": self.waiting,
                },
                "local_file": None,
            },
            "apps": [
                self._view(name, app) | (self._usage(app) if before is not None else {})
                for name, app in self.apps.items()
            ],
        }

    def runs(self) -> tuple[Current, ...]:
        """Return every run there is; none of its pids is anybody's."""
        alive = {name: self._pid(name) for name, app in self.apps.items() if app.state in ALIVE}
        return tuple(Current(name, f"fake:{name}:1", (pid, pid + 1)) for name, pid in alive.items())

    def select(self, patterns: Sequence[str]) -> tuple[str, ...]:
        """Return the apps that are meant."""
        return select(patterns, self.config.apps)

    def up(self, names: Sequence[str], explicit: bool) -> tuple[str, ...]:
        """Start apps and what they depend on."""
        chosen = [name for name in names if explicit or self.config.apps[name].autostart]
        return self.start(chosen)

    def start(self, names: Sequence[str]) -> tuple[str, ...]:
        """Start apps and what they depend on; each comes up in the next turn of the loop."""
        self.calls.append(f"start {' '.join(names)}")
        needs = {name: [other for other, _ in each.depends_on] for name, each in self.config.apps.items()}
        wanted = with_dependencies(names, needs)
        for name in wanted:
            if self.apps[name].state not in ALIVE:
                self._begin(name, "started by its user")
        asyncio.get_running_loop().call_soon(self._come_up, wanted)
        return wanted

    def stop(self, names: Sequence[str], force: bool = False) -> None:
        """Stop apps; each is gone in the next turn of the loop."""
        self.calls.append(f"stop {' '.join(names)}{' by force' if force else ''}")
        self._stop(names, force)

    def restart(self, names: Sequence[str]) -> None:
        """End each app's run and begin another."""
        self.calls.append(f"restart {' '.join(names)}")
        for name in names:
            self.move(name, State.STOPPING, "restarted by its user")
        asyncio.get_running_loop().call_soon(self._begin_again, tuple(names))

    def reload(self) -> Reloaded:
        """Read the file again."""
        self.calls.append("reload")
        reloaded = Reloaded(self._wall(), self.rejection, "" if self.rejection else "nothing changed")
        self._tell(reloaded)
        return reloaded

    def plan(self, file: str | None = None) -> Plan:
        """Return what `reload` would do."""
        if self.rejection is not None:
            raise RejectedFile(self.rejection)
        return self.next_plan

    def signal(self, names: Sequence[str], signal: str) -> dict[str, tuple[str, ...]]:
        """Return whom a signal reaches."""
        self.calls.append(f"signal {signal} {' '.join(names)}")
        alive = {name: self.apps[name].state in ALIVE for name in names}
        return {name: (f"node {self._pid(name) + 1}",) if alive[name] else () for name in names}

    def attach(
        self, name: str, on_output: Callable[[bytes], None], on_end: Callable[[], None]
    ) -> FakeTerminal:
        """Attach somebody to the terminal of an app that is alive."""
        if self.apps[name].state not in ALIVE:
            raise NoTerminal(f"`{name}` has no terminal", "`tty = true` gives it one")
        terminal = FakeTerminal(on_output, on_end)
        self.terminals.append(terminal)
        return terminal

    def shutdown(self, force: bool = False) -> None:
        """Stop every app, and then say that nothing is left."""
        self.calls.append(f"shutdown{' by force' if force else ''}")
        self.closing = True
        self._stop(tuple(reversed(self.apps)), force)
        asyncio.get_running_loop().call_soon(self._empty)

    def subscribe(self, callback: Callable[[Notice], None]) -> Callable[[], None]:
        """Call back with every notice."""
        self.listeners.append(callback)
        return lambda: self.listeners.remove(callback)

    def _stop(self, names: Sequence[str], force: bool) -> None:
        alive = [name for name in names if self.apps[name].state in ALIVE]
        for name in alive:
            if self.apps[name].state is not State.STOPPING:
                self.move(name, State.STOPPING, "stopped by its user")
        loop = asyncio.get_running_loop()
        for name in alive:
            if force or name not in self.stuck:
                loop.call_soon(self.end, name)
        for name in names:
            if name not in alive and self.apps[name].state is not State.STOPPED:
                self.move(name, State.STOPPED, "stopped by its user", wanted=False)

    def _begin_again(self, names: Sequence[str]) -> None:
        for name in names:
            self.end(name, "restarted by its user")
            self._begin(name, "restarted by its user")
        self._come_up(names)

    def _begin(self, name: str, cause: str) -> None:
        self.move(name, State.STARTING, cause, wanted=True, spawned_at=self.now, cause=cause)

    def _come_up(self, names: Sequence[str]) -> None:
        for name in names:
            if self.apps[name].state is not State.STARTING or name in self.never_up:
                continue
            if name in self.broken:
                self.fail(name, self.broken[name])
            else:
                self.run(name)

    def _empty(self) -> None:
        if not any(app.state in ALIVE for app in self.apps.values()):
            self.on_empty()

    def _tell(self, notice: Notice) -> None:
        for listener in tuple(self.listeners):
            listener(notice)

    def _wall(self) -> float:
        return WALL + self.now - 100.0

    def _pid(self, name: str) -> int:
        return 4711 + 10 * list(self.apps).index(name)

    def _usage(self, app: App) -> dict[str, Any]:
        used = (12.345, 3.4, 210_000_000) if app.state in ALIVE else (None, None, None)
        return dict(zip(("cpu_s", "cpu_percent", "memory_bytes"), used, strict=True))

    def _view(self, name: str, app: App) -> dict[str, Any]:
        pids = (self._pid(name), self._pid(name) + 1) if app.state in ALIVE else ()
        leader = pids[0] if pids else None
        config = self.config.apps[name]
        return view(app, config, now=self.now, wall=self._wall(), pids=pids, leader=leader)


def by_name(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the apps of a status document by their names."""
    return {app["name"]: app for app in status["apps"]}
