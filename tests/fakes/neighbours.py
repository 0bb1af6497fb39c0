"""A simulated machine with all sorts of listeners: an app, an orphan, another project, strangers."""

from __future__ import annotations

from dataclasses import replace

from procman.core.identity import MARKER
from procman.engine.ports import Current, Holding, Sight, look, tell_apart
from tests.fakes.host import FakeHost
from tests.fakes.machine import INIT, Process
from tests.fakes.programs import Listen, Program, npm

OURS = "0123456789ab:"
THEIRS = "ba9876543210:"


def listening(*ports: int, **more: object) -> Program:
    """Return a program that listens on both loopbacks at once."""
    listens = tuple(Listen(port, address=address) for port in ports for address in ("127.0.0.1", "::1"))
    return replace(Program(listens=listens), **more)  # type: ignore[arg-type]


class Neighbours:
    """Processes of this and that project, and how a command sees them."""

    def __init__(self) -> None:
        self.host = FakeHost()
        self.machine = self.host.machine

    def start(self, program: Program, command: str, marker: str | None = None, **more: object) -> Process:
        """Start a process, marked as a manager would."""
        environment = {} if marker is None else {MARKER: marker}
        return self.machine.start(
            program,
            command,
            cwd="/srv/shop",
            environment=environment,
            **more,  # type: ignore[arg-type]
        )

    def app(self) -> tuple[Process, Current]:
        """Start the app `web` as npm does, and return its leader and the run that its manager has."""
        leader = self.start(npm(listening(5173)), "npm run dev", f"{OURS}web:4")
        self.host.advance(1)
        pids = [each.pid for each in self.machine.processes.values() if each.command == "npm run dev"]
        return leader, Current("web", f"{OURS}web:4", tuple(pids))

    def orphan(self, port: int = 3000, **more: object) -> Process:
        """Start what a dead manager has left of `api`, with a child that has lost the marker."""
        process = self.start(listening(port, **more), "node api.js", f"{OURS}api:2", parent=INIT)
        bare = self.machine.start(Program(), "esbuild --service", parent=process.pid)
        self.host.advance(1)
        assert bare.pid in self.machine.processes
        return process

    def look(self, project: str | None = OURS) -> Sight:
        """Return what there is to see."""
        self.host.advance(1)
        sight = look(self.host, project)
        assert sight is not None
        return sight

    def holdings(self, *current: Current, managed: bool = True, sign: float | None = None) -> list[Holding]:
        """Return whose each listener is."""
        return list(tell_apart(self.host, self.look(), current if managed else None, sign))
