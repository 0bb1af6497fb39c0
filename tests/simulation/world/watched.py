"""A simulated machine and a host that tell what is done to them, for the promises to be looked at."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from procman.core.identity import MARKER, Identity, Member
from procman.host.base import Ended, Order, SpawnError
from tests.fakes.host import FakeHost
from tests.fakes.machine import Machine, Process, Socket, Timer
from tests.simulation.world.table import LINE

ENDLESS = 10_000  # decisions of one manager: no world of a few minutes needs a tenth of that


class Broken(Exception):
    """A promise was not kept: which, and what was seen."""

    def __init__(self, promise: str, seen: str) -> None:
        super().__init__(f"{promise}: {seen}")
        self.promise = promise
        self.seen = seen


class Watcher(Protocol):
    """Who is told."""

    def on_spawn(self, marker: str, command: str) -> None:
        """A process is about to be made."""

    def on_spawned(self, marker: str, process: Process) -> None:
        """It was made."""

    def on_refused(self, marker: str, error: SpawnError) -> None:
        """It could not be made."""

    def on_signal(self, process: Process, name: str) -> None:
        """A living process is signalled."""


class WatchedMachine(Machine):
    """A machine that counts what may change the truth about an app: processes, signals and sockets."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = 0
        self.printed: set[str] = set()  # markers of the runs that have printed what a `log` check waits for
        self.ended_at: dict[str, float] = {}  # by marker, when a process of a run last ended

    def end(self, process: Process, end: Ended) -> None:
        """End a process now."""
        self.changes += 1
        self.ended_at[process.environment.get(MARKER, "")] = self.now
        super().end(process, end)

    def close(self, socket: Socket) -> None:
        """Close a listener, and announce it."""
        self.changes += 1
        super().close(socket)

    def _plan(self, process: Process) -> None:
        self.changes += 1
        super()._plan(process)

    def _write(self, process: Process, text: bytes) -> None:
        if LINE in text.decode().split():
            self.changes += 1
            self.printed.add(process.environment[MARKER])
        super()._write(process, text)

    def _listen(self, process: Process, spec: object) -> None:
        self.changes += 1
        super()._listen(process, spec)  # type: ignore[arg-type]

    def _signalled(self, process: Process, name: str) -> None:
        self.changes += 1
        super()._signalled(process, name)


class WatchedHost(FakeHost):
    """A manager's view of the machine; keeps its timers, and looks at files when they were written.

    Args:
        machine: the machine.
        watcher: who is told.
        seed: of what the manager leaves to chance.
        pid: of the manager that this one replaces.
    """

    def __init__(self, machine: WatchedMachine, watcher: Watcher, seed: int, pid: int | None = None) -> None:
        super().__init__(machine, seed=seed, pid=pid)
        self.files_changed = False
        self.trees_changed = False
        self._watcher = watcher
        self._timers: list[Timer] = []
        self._decisions = 0

    def chance(self) -> float:
        """Return a random number; every decision asks for one, so they are counted here."""
        self._decisions += 1
        if self._decisions > ENDLESS:
            raise Broken("there is an end to it", f"{ENDLESS} decisions")
        return super().chance()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` once, when `now()` has reached `when`."""
        timer = super().call_at(when, callback)
        if len(self._timers) > 200:
            self._timers = self.timers()
        self._timers.append(timer)
        return timer

    def timers(self) -> list[Timer]:
        """Return the timers that are not due yet and were not called off."""
        return [timer for timer in self._timers if timer.callback is not None]

    def open_watches(self) -> int:
        """Return how many files, pipes and announcements are still waited for."""
        return len(self._files) + len(self._trees) + len(self._readers) + len(self.machine.on_closed)

    def spawn(self, order: Order, on_exit: Callable[[Ended], None]) -> Identity:
        """Start a program, or refuse to."""
        marker = order.environment[MARKER]
        self._watcher.on_spawn(marker, " ".join(order.arguments))
        try:
            identity = super().spawn(order, on_exit)
        except SpawnError as error:
            self._watcher.on_refused(marker, error)
            raise
        self._watcher.on_spawned(marker, self.machine.processes[identity.pid])
        return identity

    def signal(self, members: Collection[Member], name: str) -> tuple[Member, ...]:
        """Send the signal to those of `members` that live."""
        for member in members:
            process = self._find(member.identity)
            if process is not None:
                self._watcher.on_signal(process, name)
        return super().signal(members, name)

    def _look_at_files(self) -> None:
        if self.files_changed:
            self.files_changed = False
            super()._look_at_files()

    def _look_at_trees(self) -> None:
        if self.trees_changed:
            self.trees_changed = False
            super()._look_at_trees()
