"""One world for each host, so that one suite holds the real one and the fake to the same contract."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

import psutil
import pytest

from procman.core.config import Check, CheckKind, Command
from procman.core.identity import MARKER, Identity
from procman.host import make_host
from procman.host.base import Answer, Cancellable, Ended, Host, Order, ProbeOrder, Run
from procman.host.linux.ends import become_subreaper
from procman.host.listed.table import Row
from procman.host.posix.fifo import waiting
from tests.fakes.host import FakeHost
from tests.fakes.machine import Machine
from tests.fakes.programs import Program
from tests.fakes.windows import FOLDER, FakeWindows, Kernel
from tests.real.npm import npm_environment

__all__ = ["npm_environment"]

PATIENCE_S = 10.0
ACTOR = Path(__file__).with_name("actor.py")


class Started:
    """A run that was started, and how it ended."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.ends: list[Ended] = []


class World(Protocol):
    """A host, and time to let it do things."""

    host: Host

    def order(self, program: Program, marker: str, port: int, output: int) -> Order:
        """Return the order that plays `program`."""
        ...

    def pass_time(self, seconds: float) -> None:
        """Let the host's callbacks come for so long."""
        ...

    def free_port(self) -> int:
        """Return a port that nobody listens on."""
        ...

    def stranger(self, program: Program, port: int) -> None:
        """Start a program that is no business of the host's."""
        ...

    def close(self) -> None:
        """End everything that was started."""
        ...


class RealWorld:
    """The host of this machine, on a real loop."""

    def __init__(self, make: Callable[[asyncio.AbstractEventLoop], Host] = make_host) -> None:
        self.loop = asyncio.new_event_loop()
        self.host = make(self.loop)
        self.strangers: list[int] = []

    def order(self, program: Program, marker: str, port: int, output: int) -> Order:
        environment = {**acting(program, port), MARKER: marker}
        return Order(actor(), False, "/", environment, -3, output, output)

    def pass_time(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def free_port(self) -> int:
        with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as probe:
            port: int = probe.getsockname()[1]
        return port

    def stranger(self, program: Program, port: int) -> None:
        command = actor()
        self.strangers.append(os.posix_spawn(command[0], command, acting(program, port)))

    def close(self) -> None:
        deadline = self.host.now() + PATIENCE_S
        while self._orphans() and self.host.now() < deadline:
            self.pass_time(0.005)
        self.host.close()
        self.loop.close()
        if sys.platform == "linux":
            become_subreaper(False)  # or the orphans of later tests would come to this process
        for pid in self.strangers:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def _orphans(self) -> set[int]:
        """Return our children that the host is still to reap."""
        if sys.platform != "linux":
            return set()
        from procman.host.linux import procfs

        return set(procfs.children(os.getpid())) - set(self.strangers)


def make_listed_host(loop: asyncio.AbstractEventLoop) -> Host:
    """Return all of the host of a Mac that is not macOS itself, with real processes.

    Its list of processes is the real one too; only the wait for an end is Linux's.
    """
    from procman.host.linux import procfs
    from procman.host.listed import host as listed
    from procman.host.listed import psutil_table

    class Table(psutil_table.PsutilTable):
        """On Linux psutil knows the second of the boot only, and so of a birth."""

        error = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) - psutil.boot_time()

        def row(self, pid: int) -> Row | None:
            row = super().row(pid)
            return row and row._replace(started=row.started + round(self.error * 1e6))

    return listed.ListedHost(loop, Table(), procfs.boot_id(), PidfdWait)


def make_task_host(loop: asyncio.AbstractEventLoop) -> Host:
    """Return the host of this machine with the checks of Windows."""
    from procman.host.linux.host import LinuxHost
    from procman.host.windows.task_probes import make_task_probe

    class TaskHost(LinuxHost):
        def probe(self, order: ProbeOrder, on_answer: Callable[[Answer], None]) -> Cancellable:
            return make_task_probe(self._loop, order, on_answer, self._start_check)

    return TaskHost(loop)


class PidfdWait:
    """What kqueue does for a Mac: calls back when the first of some processes has ended."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, pids: Sequence[int], callback: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._callback = callback
        self._pidfds: list[int] = []
        for pid in pids:
            try:
                pidfd = os.pidfd_open(pid)
            except ProcessLookupError:
                loop.call_soon(self._tell)
                continue
            self._pidfds.append(pidfd)
            loop.add_reader(pidfd, self._tell)

    def cancel(self) -> None:
        for pidfd in self._pidfds:
            self._loop.remove_reader(pidfd)
            os.close(pidfd)
        self._pidfds = []

    def _tell(self) -> None:
        self.cancel()
        self._callback()


class FakeWorld:
    """A simulated machine."""

    def __init__(self) -> None:
        self.machine = Machine()
        self._fake = FakeHost(self.machine)
        self.host: Host = self._fake
        self._ports = itertools.count(41000, 10)
        self._commands = itertools.count()

    def order(self, program: Program, marker: str, port: int, output: int) -> Order:
        command = f"actor {next(self._commands)}"
        self.machine.programs[command] = program
        return Order((command,), False, "/", {MARKER: marker, "PORT": str(port)}, -1, output, output)

    def pass_time(self, seconds: float) -> None:
        self._fake.advance(seconds)

    def free_port(self) -> int:
        return next(self._ports)

    def stranger(self, program: Program, port: int) -> None:
        self.machine.start(program, "stranger --serve", environment={"PORT": str(port)})

    def close(self) -> None:
        self.host.close()
        for process in list(self.machine.processes.values()):
            self.machine.end(process, Ended(None, "SIGKILL"))


class WindowsWorld(FakeWorld):
    """A simulated machine with Windows."""

    def __init__(self) -> None:
        self.machine = Machine()
        self._manager = FakeWindows(Kernel(self.machine), waiting)
        self.host = self._manager.host
        self._ports = itertools.count(41000, 10)
        self._commands = itertools.count()

    def order(self, program: Program, marker: str, port: int, output: int) -> Order:
        order = super().order(program, marker, port, output)
        return replace(order, environment={**order.environment, "Path": FOLDER})

    def pass_time(self, seconds: float) -> None:
        self.machine.advance(seconds)

    def close(self) -> None:
        super().close()
        assert not self._manager.calls.open, "every handle is given back"


def actor() -> tuple[str, ...]:
    """Return the command that plays a program."""
    return (sys.executable, "-I", "-S", str(ACTOR))


def acting(program: Program, port: int) -> dict[str, str]:
    """Return the environment that tells the actor what to play."""
    return {"ACT": json.dumps(asdict(program), default=_plain), "PORT": str(port)}


def _plain(value: object) -> object:
    match value:
        case Enum():
            return value.value
        case frozenset():
            return sorted(value)
        case bytes():
            return value.decode()
    raise TypeError(f"no JSON for {value!r}")


class Stage:
    """What a test does with a world: start programs, wait, look."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.host = world.host
        self._started: list[Started] = []
        self._markers = itertools.count()

    def start(self, program: Program, *, port: int = 1, output: int = -3) -> Started:
        """Start a program as a run of its own."""
        marker = f"test.{os.getpid()}.{next(self._markers)}"
        return self.begin(self.world.order(program, marker, port, output), marker)

    def begin(self, order: Order, marker: str) -> Started:
        """Start an order as the run of that marker."""
        started = Started(Run(Identity(0, 0, ""), marker))
        started.run = Run(self.host.spawn(order, started.ends.append), marker)
        self._started.append(started)
        return started

    def until(self, holds: Callable[[], object], within: float = PATIENCE_S) -> None:
        """Let time pass until `holds` returns something true, or fail."""
        deadline = self.host.now() + within
        while not holds():
            assert self.host.now() < deadline, "it did not come true in time"
            self.world.pass_time(0.005)

    def pids(self, started: Started) -> set[int]:
        """Return the pids of the run's tree."""
        return {member.pid for member in self.host.tree(started.run)}

    def grown(self, started: Started, size: int) -> None:
        """Wait until the run's tree has `size` processes, each past its own start."""
        self.until(lambda: len(self.host.tree(started.run)) == size)

    def probe(
        self, kind: CheckKind, port: int | None = None, host: str = "localhost", **check: Any
    ) -> Answer:
        """Make a check and return its answer."""
        answers: list[Answer] = []
        self.host.probe(self.probe_order(kind, port, host, **check), answers.append)
        assert not answers, "nobody is called back from inside a call"
        self.until(lambda: answers)
        return answers[0]

    def probe_order(
        self, kind: CheckKind, port: int | None = None, host: str = "localhost", **check: Any
    ) -> ProbeOrder:
        """Return the order of a check."""
        environment = {"PATH": os.defpath}
        return ProbeOrder(Check(kind, **check), port, self.host.addresses(host), "/", environment)

    def command(self, program: Program) -> Command:
        """Return a check's command that plays `program`."""
        order = self.world.order(program, "", 1, -3)
        if isinstance(self.world, FakeWorld):
            return Command(order.arguments)
        words = " ".join(f"'{word}'" for word in order.arguments)
        return Command((f"ACT='{order.environment['ACT']}' exec {words}",), shell=True)

    def listening(self, port: int) -> None:
        """Wait until somebody listens on the port."""
        self.until(lambda: any(each.port == port for each in self.host.listeners() or ()))

    def clean(self) -> None:
        """End every run."""
        for started in self._started:
            members = self.host.tree(started.run)
            while members:
                self.host.signal(members, "SIGKILL")
                self.world.pass_time(0.005)
                members = self.host.tree(started.run)
        self.until(lambda: all(started.ends for started in self._started))


WORLDS: dict[str, Callable[[], World]] = {
    "real": RealWorld,
    "fake": FakeWorld,
    "windows": WindowsWorld,
    "listed": lambda: RealWorld(make_listed_host),
    "tasks": lambda: RealWorld(make_task_host),
}


@contextlib.contextmanager
def stage_on(world: World) -> Iterator[Stage]:
    """Give a stage, and clean it afterwards."""
    stage = Stage(world)
    try:
        yield stage
    finally:
        stage.clean()
        world.close()


def on_each(*worlds: str) -> Any:
    """Return a fixture that gives each of these hosts in turn."""

    @pytest.fixture(params=worlds)
    def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
        with stage_on(WORLDS[request.param]()) as stage:
            yield stage

    return stage


stage = on_each("real", "fake")
# Those that have their own idea of what is asked, where most of the tests of a file are about that.
telling = on_each("real", "fake")  # of connections, closed listeners and debuggers; the others say they can't


@pytest.fixture
def real() -> Iterator[Stage]:
    """The real host alone."""
    with stage_on(RealWorld()) as stage:
        yield stage
