"""A service manager that starts nothing: what it was asked is there to be looked at."""

from __future__ import annotations

from pathlib import Path

from procman.host.service_manager import NotDone, ServiceState


class Noted:
    """A service manager that keeps its files in a folder of the test, and notes what it is asked."""

    kind = "systemd"

    def __init__(self, folder: Path) -> None:
        self.system = False
        self.place = folder
        self.done: list[str] = []
        self.now = ServiceState()
        self.lingering: bool | None = False
        self.pid = 4711
        self.refuses: str | None = None

    def folder(self) -> str:
        """Return the test's folder."""
        return str(self.place)

    def file_name(self, name: str) -> str:
        """Return the name of a unit's file."""
        return f"{name}.service"

    def name_of(self, file_name: str) -> str:
        """Return the name of a unit."""
        return file_name.removesuffix(".service")

    def demand(self) -> None:
        """Note that it was asked for."""
        self._note("demand")

    def enable(self, name: str) -> None:
        """Note it, and know the service from now on."""
        self._note(f"enable {name}")
        self.now = ServiceState(True, True, self.now.word, self.now.pid)

    def start(self, name: str) -> None:
        """Note it, and have it run."""
        self._note(f"start {name}")
        self.now = ServiceState(True, True, "active", self.pid)

    def remove(self, name: str) -> None:
        """Note it."""
        self._note(f"remove {name}")

    def forget(self, name: str) -> None:
        """Note it, and know the service no more."""
        self._note(f"forget {name}")
        self.now = ServiceState()

    def state(self, name: str) -> ServiceState:
        """Return how it is."""
        return self.now

    def lingers(self) -> bool | None:
        """Return whether this user lingers."""
        return self.lingering

    def linger(self) -> None:
        """Note it, and let them."""
        self._note("linger")
        self.lingering = True

    def spell(self, verb: str, name: str) -> str:
        """Return what to type."""
        return f"systemctl --user {verb} {name}"

    def _note(self, what: str) -> None:
        if self.refuses == what.split()[0]:
            raise NotDone(f"`{what}` is refused")
        self.done.append(what)
