"""What the control layer needs of an engine; the real one keeps it, and so does the fake of the tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from procman.core.app import App
from procman.core.config import AppConfig, Config
from procman.core.plan import Plan
from procman.engine.events import Notice, Reloaded
from procman.engine.ports import Current
from procman.engine.usage import Look


@runtime_checkable
class Rejection(Protocol):
    """An exception about the user's file, which can show every mistake with its place in it."""

    def render(self) -> str:
        """Return all diagnostics as text of several lines."""
        ...


class Terminal(Protocol):
    """Somebody's place at the terminal of one run of an app."""

    @property
    def recent(self) -> bytes:
        """What the app has printed last."""
        ...

    def type(self, data: bytes) -> int:
        """Type, and return how many bytes were taken."""
        ...

    def resize(self, columns: int, rows: int) -> None:
        """Say how large the window is."""
        ...

    def leave(self) -> None:
        """Hear of nothing any more."""
        ...


class Engine(Protocol):
    """The owner of every app. All of it is called in the event loop's thread, and nothing of it waits."""

    @property
    def apps(self) -> Mapping[str, App]:
        """The enabled apps by name, in file order; last those that have left the file and still stop."""
        ...

    @property
    def configs(self) -> Mapping[str, AppConfig]:
        """The configuration of every app that `apps` has."""
        ...

    @property
    def config(self) -> Config:
        """The configuration in force."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment that apps inherit."""
        ...

    @property
    def closing(self) -> bool:
        """Whether a shutdown is under way."""
        ...

    def look(self) -> Look:
        """Return what every run uses of the machine now, for `status` to compare with."""
        ...

    def status(self, before: Look | None = None) -> dict[str, Any]:
        """Return the document of `procman status --json`; with an earlier look, that of `--wide`."""
        ...

    def runs(self) -> Sequence[Current]:
        """Return every run there is, with the processes of its tree."""
        ...

    def select(self, patterns: Sequence[str]) -> tuple[str, ...]:
        """Return the apps that names, globs and `@tag` mean; raises `UnknownApp`."""
        ...

    def up(self, names: Sequence[str], explicit: bool) -> tuple[str, ...]:
        """Start apps and what they depend on, and return them; unless `explicit`, only with `autostart`."""
        ...

    def start(self, names: Sequence[str]) -> tuple[str, ...]:
        """Start apps and what they depend on, and return them all."""
        ...

    def stop(self, names: Sequence[str], force: bool = False) -> None:
        """Stop apps, dependents before what they depend on."""
        ...

    def restart(self, names: Sequence[str]) -> None:
        """End the present run of each app and begin a new one."""
        ...

    def reload(self) -> Reloaded:
        """Apply the file as it is now, or say why it can't be."""
        ...

    def plan(self, file: str | None = None) -> Plan:
        """Return what `reload` would do, also if `file` stood in place of the file; raises a `Rejection`."""
        ...

    def signal(self, names: Sequence[str], signal: str) -> dict[str, tuple[str, ...]]:
        """Send a signal to the tree of each app, and return whom it reached."""
        ...

    def attach(self, name: str, on_output: Callable[[bytes], None], on_end: Callable[[], None]) -> Terminal:
        """Attach somebody to the terminal of an app's run, until it ends; raises `NoTerminal`.

        They are called in the middle of a round, and may not ask anything of the engine but how it is.
        """
        ...

    def shutdown(self, force: bool = False) -> None:
        """Stop every app, then the manager; `force` does not wait for anybody's `stop_timeout`."""
        ...

    def subscribe(self, callback: Callable[[Notice], None]) -> Callable[[], None]:
        """Call back with every notice from now on, until what is returned is called."""
        ...
