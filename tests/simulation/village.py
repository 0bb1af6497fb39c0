"""A project on a simulated machine: the real engine, decisions, reload and hand-over, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from procman.config.read import read_config
from procman.core.identity import MARKER
from procman.core.journal import Record
from procman.engine.engine import Engine
from procman.engine.events import Notice, Receipt, Transition
from tests.fakes.host import FakeHost
from tests.fakes.machine import Machine, Process


class Village:
    """One project, its file on disk, and one manager at a time."""

    def __init__(self, folder: Path, text: str) -> None:
        self.file = folder / "portwatch.toml"
        self.home = folder / ".procman"
        (self.home / "run").mkdir(parents=True)
        self.file.write_text(text)
        self.machine = Machine()
        self.notices: list[Notice] = []
        self.records: list[Record] = []  # all that the history is given
        self.ended = False
        self.host: FakeHost
        self.engine: Engine
        self.manage()

    def manage(self) -> None:
        """Start a manager; what the one before left is its to take back."""
        self.ended = False
        self.host = FakeHost(self.machine)
        config = read_config(str(self.file))
        keep = self.records.append
        self.engine = Engine(self.host, config, "", self.home, {"PATH": "/bin"}, self._on_empty, keep)
        self.engine.subscribe(self.notices.append)
        self.engine.begin()

    def up(self, *names: str) -> None:
        self.engine.up(names or tuple(self.engine.apps), explicit=bool(names))

    def kill_manager(self) -> None:
        """`kill -9` the manager: its pipes and timers are gone with it, the apps live on."""
        self.host.die()
        self.engine._circle.release()  # the kernel closes a dead process's descriptors

    def advance(self, seconds: float) -> None:
        self.host.advance(seconds)

    def until(self, condition: Callable[[], bool], within: float = 120.0, step: float = 0.05) -> float:
        """Let time pass until `condition` holds; return how long it took."""
        began = self.host.now()
        while not condition():
            assert self.host.now() - began < within, f"not within {within} s; {self.states()}"
            self.host.advance(step)
        return self.host.now() - began

    def states(self) -> dict[str, str]:
        return {name: app.state.value for name, app in self.engine.apps.items()}

    def is_up(self) -> bool:
        return set(self.states().values()) == {"running"}

    def edit(self, old: str, new: str) -> None:
        text = self.file.read_text()
        assert old in text
        self.file.write_text(text.replace(old, new))

    def processes(self, app: str) -> list[Process]:
        """Return the living processes that carry the marker of the app."""
        return [
            process
            for process in self.machine.processes.values()
            if process.environment.get(MARKER, "").split(":")[1:2] == [app]
        ]

    def pids(self, app: str) -> list[int]:
        return sorted(process.pid for process in self.processes(app))

    def verdict(self, app: str) -> str | None:
        found = self.engine.apps[app].verdict
        return None if found is None else str(found.value)

    def starts(self, command: str) -> int:
        return sum(1 for _, started in self.machine.starts if started == command)

    def end(self) -> None:
        """Stop everything by force, and prove that nothing of the project lives."""
        self.engine.shutdown(force=True)
        self.until(lambda: self.ended)
        assert not any(self.pids(app) for app in self.engine.apps), "something survived"
        self.host.close()

    def transitions(self, app: str) -> list[str]:
        return [notice.new for notice in self.notices if isinstance(notice, Transition) and notice.app == app]

    def receipts(self) -> list[str]:
        return [notice.text for notice in self.notices if isinstance(notice, Receipt)]

    def _on_empty(self) -> None:
        self.ended = True
