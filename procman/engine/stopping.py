"""The order of stops: a dependency is stopped only once everything that depends on it is gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from procman.core.app import ALIVE, App
from procman.core.config import AppConfig
from procman.core.events import Stop


class OrderedStop:
    """The apps that are to be stopped and still wait for their dependents to be gone."""

    def __init__(self) -> None:
        self._waiting: dict[str, Stop] = {}
        self._going: set[str] = set()

    def add(self, names: Iterable[str], stop: Stop) -> None:
        """Put `names` in line."""
        for name in names:
            self._waiting[name] = stop

    def withdraw(self, names: Iterable[str]) -> None:
        """Take `names` out of the line: somebody wants them up again."""
        for name in names:
            self._waiting.pop(name, None)
            self._going.discard(name)

    def holds(self, name: str) -> bool:
        """Return whether the app is in line, so that it must not be started any more."""
        return name in self._waiting

    def ready(self, apps: Mapping[str, App], configs: Mapping[str, AppConfig]) -> list[tuple[str, Stop]]:
        """Return the stops whose time has come, and take them out of the line."""
        if not self._waiting:
            return []
        self._going = {name for name in self._going if name in apps and apps[name].state in ALIVE}
        held = {
            dependency
            for name in (*self._waiting, *self._going)
            if name in apps and apps[name].state in ALIVE
            for dependency, _ in configs[name].depends_on
        }
        now = [name for name, stop in self._waiting.items() if stop.force or name not in held]
        self._going.update(now)
        return [(name, self._waiting.pop(name)) for name in now]
