"""A host whose machine is simulated: the engine's world in a test.

    host = FakeHost()
    host.machine.programs["node server.js"] = server(after=0.3)
    ...
    host.advance(10.0)

`tests/contract` holds it to what `LinuxHost` does.
"""

from __future__ import annotations

import errno
import os
import random
import select
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from signal import Signals

from procman.core.config import CheckKind
from procman.core.identity import MARKER, Identity, Member
from procman.core.verdict import Listener
from procman.host.base import (
    Answer,
    Cancellable,
    Ended,
    Health,
    Holder,
    Occupant,
    Order,
    ProbeOrder,
    Run,
    SpawnError,
    Stage,
)
from tests.fakes.machine import BOOT, EPOCH, LATENCY, Machine, Process, Timer
from tests.fakes.programs import Program

QUEUE = 512  # connections that a listener accepts without its program
NOTICED_AFTER = 0.05  # s from a change of a file to its notice
LOOPBACKS = ("127.0.0.1", "::1")


@dataclass(slots=True)
class _Undo:
    """Something asked for that may be called off."""

    undo: Callable[[], None]
    done: bool = False

    def cancel(self) -> None:
        """Call it off, once."""
        if not self.done:
            self.done = True
            self.undo()


@dataclass(slots=True, eq=False)
class _WatchedFile:
    path: str
    callback: Callable[[], None]
    seen: tuple[str, bytes | None]


def _content(path: str) -> tuple[str, bytes | None]:
    real = os.path.realpath(path)
    try:
        with open(real, "rb") as file:
            return real, file.read()
    except OSError:
        return real, None


class FakeHost:
    """One manager's view of a `Machine`; dead managers keep none."""

    def __init__(self, machine: Machine | None = None, *, seed: int = 0) -> None:
        self.machine = Machine() if machine is None else machine
        self.pid = self.machine.start(Program(), "procman").pid
        self.trouble: str | None = None  # why no check can be made: ours
        self._random = random.Random(seed)
        self._alive = True
        self._files: list[_WatchedFile] = []
        self._readers: dict[int, Callable[[], None]] = {}
        self.machine.on_advance.append(self._look)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.machine.advance(seconds)

    def die(self) -> None:
        """End the manager at once, as `kill -9` would: its processes live on as init's."""
        self.close()
        for process in self.machine.processes.values():
            if process.reaper == self.pid:
                process.reaper = 1
        self.machine.end(self.machine.processes[self.pid], Ended(None, "SIGKILL"))

    def close(self) -> None:
        """Let go of everything: no callback comes any more, and every process lives on."""
        if self._alive:
            self._alive = False
            self.machine.on_advance.remove(self._look)

    def _later(self, delay: float, callback: Callable[[], None]) -> Timer:
        return self.call_at(self.now() + delay, callback)

    # clock

    def now(self) -> float:
        """Return the machine's time."""
        return self.machine.now

    def wall(self) -> float:
        """Return seconds since the epoch."""
        return EPOCH + self.machine.now

    def chance(self) -> float:
        """Return a random number in [0, 1), the same sequence for the same seed."""
        return self._random.random()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` once, when `now()` has reached `when`."""
        return self.machine.at(when, lambda: callback() if self._alive else None)

    # processes

    def spawn(self, order: Order, on_exit: Callable[[Ended], None]) -> Identity:
        """Start the program that the machine has for the command."""
        command = " ".join(order.arguments)
        program = self._program(command, order)
        self.machine.starts.append((self.now(), command))
        process = self.machine.start(
            program,
            command,
            parent=self.pid,
            reaper=self.pid,
            cwd=order.cwd,
            environment=order.environment,
            outputs=tuple(each for each in (order.stdout, order.stderr) if each >= 0),
        )
        process.when_ended.append(lambda end: on_exit(end) if self._alive else None)
        return process.identity

    def _program(self, command: str, order: Order) -> Program:
        if order.cwd in self.machine.missing:
            raise SpawnError(Stage.CWD, _error(errno.ENOENT), order.cwd)
        if not self.machine.files_left:
            raise SpawnError(Stage.PIPES, _error(errno.EMFILE), command)
        program = self.machine.programs.get(command)
        if program is None:
            raise SpawnError(Stage.EXECUTE, _error(errno.ENOENT), order.arguments[0])
        if isinstance(program, Program):
            return program
        started = sum(1 for _when, text in self.machine.starts if text == command)
        return program[min(started, len(program) - 1)]

    def tree(self, run: Run) -> tuple[Member, ...]:
        """Return the living processes that carry the run's marker, or descend from its leader."""
        found = {run.leader.pid} if self._find(run.leader) is not None else set()
        for process in self.machine.processes.values():  # in the order of birth, so parents come first
            marked = process.environment.get(MARKER) == run.marker
            if process.pid != self.pid and (process.parent in found or marked):
                found.add(process.pid)
        return tuple(self.machine.processes[pid].member() for pid in sorted(found))

    def _find(self, identity: Identity) -> Process | None:
        process = self.machine.processes.get(identity.pid)
        return process if process is not None and process.identity == identity else None

    def trees(self, runs: Sequence[Run]) -> list[tuple[Member, ...]]:
        """Return every living process of each run."""
        return [self.tree(run) for run in runs]

    def is_alive(self, identity: Identity) -> bool:
        """Return whether the process is still there and the same one."""
        return self._find(identity) is not None

    def boot(self) -> str:
        """Return what names the machine's boot."""
        return BOOT

    def marked(self, prefix: str) -> dict[str, tuple[Member, ...]]:
        """Return the living processes whose marker begins with `prefix`, by marker."""
        found: dict[str, tuple[Member, ...]] = {}
        for process in self.machine.processes.values():
            marker = process.environment.get(MARKER, "")
            if MARKER in process.environment and marker.startswith(prefix) and process.pid != self.pid:
                found[marker] = (*found.get(marker, ()), process.member())
        return found

    def adopt(self, run: Run, on_exit: Callable[[Ended], None]) -> bool:
        """Watch a process that a former manager started; False if it lives no more."""
        process = self._find(run.leader)
        if process is None:
            return False
        unknown = Ended(None, None)
        process.when_ended.append(
            lambda end: on_exit(end if self.machine.tells_exits else unknown) if self._alive else None
        )
        return True

    def signal(self, members: Collection[Member], name: str) -> tuple[Member, ...]:
        """Send the signal to those of `members` that live."""
        Signals[name]  # an unknown name is a KeyError here too
        reached = []
        for member in members:
            process = self._find(member.identity)
            if process is None:
                continue
            reached.append(member)
            self.machine.signal(process, name)
            if process.stopped and name not in ("SIGKILL", "SIGCONT", "SIGSTOP", "SIGTSTP"):
                self.machine.signal(process, "SIGCONT")
        return tuple(reached)

    def kill(self, run: Run) -> tuple[Member, ...]:
        """Kill nothing: this system ends no run as one."""
        return ()

    def when_one_ends(self, members: Sequence[Member], callback: Callable[[], None]) -> Cancellable:
        """Call `callback` once, as soon as any of `members` has ended."""
        once = Timer(callback)

        def ended(_end: Ended | None = None) -> None:
            called, once.callback = once.callback, None
            if called is not None and self._alive:
                called()

        for member in members:
            process = self._find(member.identity)
            if process is None:
                self._later(0.0, ended)
            else:
                process.when_ended.append(ended)
        return once

    # ports

    def listeners(self) -> tuple[Listener, ...] | None:
        """Return every listener of the machine."""
        if not self.machine.readable:
            return None
        return tuple(socket.listener for socket in self.machine.sockets)

    def sockets_of(self, members: Collection[Member]) -> frozenset[int] | None:
        """Return the inodes of the sockets that the processes hold."""
        if not self.machine.readable:
            return None
        living = [process for member in members if (process := self._find(member.identity)) is not None]
        return frozenset(inode for process in living for inode in self.machine.sockets_of(process))

    def holder(self, listener: Listener) -> Holder | None:
        """Return the listener's process."""
        for socket in self.machine.sockets:
            if socket.listener.inode == listener.inode and self.machine.readable:
                owner = socket.owner
                return Holder(owner.pid, owner.command, owner.cwd, self.now() - owner.born)
        return None

    def occupants(self, listeners: Collection[Listener]) -> tuple[Occupant, ...]:
        """Return every process that holds one of the listeners, but those of other users."""
        wanted = {each.inode for each in listeners}
        found = []
        for process in self.machine.processes.values():
            held = wanted.intersection(self.machine.sockets_of(process))
            if held and process.pid not in self.machine.hidden:
                marker = process.environment.get(MARKER)
                found.append(
                    Occupant(process.member(), process.command, process.cwd, marker, frozenset(held))
                )
        return tuple(found)

    def addresses(self, host: str) -> tuple[str, ...]:
        """Return both loopbacks for `localhost`, and anything else as it is."""
        return LOOPBACKS if host == "localhost" else (host,)

    def watch_closed(self, callback: Callable[[int], None]) -> Cancellable | None:
        """Call `callback` with the port of every listener that is closed from now on."""
        if not self.machine.announces:
            return None

        def closed(port: int) -> None:
            if self._alive:
                callback(port)

        self.machine.on_closed.append(closed)
        return _Undo(lambda: self.machine.on_closed.remove(closed))

    # checks

    def probe(self, order: ProbeOrder, on_answer: Callable[[Answer], None]) -> Cancellable:
        """Answer as the machine's sockets and programs would."""
        if self.trouble is not None:
            answer = Answer(Health.NOT_MADE, self.trouble)
        elif order.check.kind is CheckKind.EXEC:
            answer = self._run_check(order)
        else:
            answer = self._connect(order)
        answer = replace(answer, took_s=max(answer.took_s, LATENCY))
        return self._later(answer.took_s, partial(on_answer, answer))

    def _run_check(self, order: ProbeOrder) -> Answer:
        assert order.check.command is not None, "an exec check has a command"
        text, timeout = order.check.command.text, order.check.timeout
        program = self.machine.programs.get(text)
        if not isinstance(program, Program):
            return Answer(
                Health.FAILED, f"could not execute its command: `{text}`: {os.strerror(errno.ENOENT)}"
            )
        if program.exits_after is None or program.exits_after >= timeout:
            return Answer(Health.TIMED_OUT, f"`{text}` did not end within {timeout:g}s", timeout)
        health = Health.PASSED if program.code == 0 else Health.FAILED
        return Answer(health, f"`{text}` exited with code {program.code}", program.exits_after)

    def _connect(self, order: ProbeOrder) -> Answer:
        assert order.port is not None, "only an app with a port is asked on it"
        answers = [self._ask(order, address, order.port) for address in order.addresses]
        for health in (Health.PASSED, Health.TIMED_OUT, Health.FAILED, Health.REFUSED):
            these = [answer for answer in answers if answer.health is health]
            if these:
                detail = these[0].detail if health is Health.PASSED else ", ".join(a.detail for a in these)
                return Answer(health, detail, these[0].took_s)
        return Answer(Health.FAILED, "its host has no address")

    def _ask(self, order: ProbeOrder, address: str, port: int) -> Answer:
        where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        timeout = order.check.timeout
        late = Answer(Health.TIMED_OUT, f"no answer within {timeout:g}s from {where}", timeout)
        socket = self.machine.answering(address, port)
        if socket is None:
            return Answer(Health.REFUSED, f"{where} refused")
        if socket.owner.stopped:
            if socket.listener.queue >= QUEUE:
                return late
            socket.listener = replace(socket.listener, queue=socket.listener.queue + 1)
        if order.check.kind is not CheckKind.HTTP:
            return Answer(Health.PASSED, f"{where} accepts connections")
        status = socket.spec.status
        if socket.owner.stopped or status is None:
            return late
        passed = any(low <= status <= high for low, high in order.check.status)
        health = Health.PASSED if passed else Health.FAILED
        return Answer(health, f"HTTP {status} from {where}{order.check.path}")

    # output and files

    def when_readable(self, descriptor: int, callback: Callable[[], None]) -> Cancellable:
        """Call `callback` whenever the descriptor, a real one, can be read."""
        self._readers[descriptor] = callback
        return _Undo(lambda: self._readers.pop(descriptor, None) and None)

    def watch_file(self, path: str, callback: Callable[[], None]) -> Cancellable:
        """Call `callback` soon after the file at `path`, a real one, has changed."""
        watched = _WatchedFile(path, callback, _content(path))
        self._files.append(watched)
        return _Undo(lambda: self._files.remove(watched))

    def _look(self) -> None:
        """Notice what happened to real files and pipes."""
        for watched in self._files:
            seen = _content(watched.path)
            if seen != watched.seen:
                watched.seen = seen
                self._later(NOTICED_AFTER, partial(self._notice, watched))
        if self._readers:
            for descriptor in select.select(list(self._readers), [], [], 0)[0]:
                callback = self._readers.get(descriptor)
                if callback is not None:
                    callback()

    def _notice(self, watched: _WatchedFile) -> None:
        if watched in self._files:
            watched.callback()


def _error(code: int) -> OSError:
    return OSError(code, os.strerror(code))
