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
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
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
    Operation,
    Order,
    ProbeOrder,
    Run,
    SpawnError,
    Stage,
    Vitals,
)
from procman.host.operations import operation
from procman.host.tree_watch import Signature, changed, look
from tests.fakes.machine import BOOT, EPOCH, LATENCY, Machine, Process, Timer
from tests.fakes.programs import Program

QUEUE = 512  # connections that a listener accepts without its program
PROCESS_SIZE = 10_000_000  # bytes of memory that every process has
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
    seen: tuple[str, int, bytes | None]


@dataclass(slots=True, eq=False)
class _WatchedTree:
    folder: str
    enters: Callable[[str], bool]
    callback: Callable[[str], None]
    seen: dict[str, Signature]


def _content(path: str) -> tuple[str, int, bytes | None]:
    real = os.path.realpath(path)
    try:
        with open(real, "rb") as file:
            return real, os.fstat(file.fileno()).st_ino, file.read()
    except OSError:
        return real, 0, None


class FakeHost:
    """One manager's view of a `Machine`; dead managers keep none.

    A manager that replaces another one in the same process has its `pid`.
    """

    def __init__(self, machine: Machine | None = None, *, seed: int = 0, pid: int | None = None) -> None:
        self.machine = Machine() if machine is None else machine
        self.pid = self.machine.start(Program(), "procman").pid if pid is None else pid
        self.trouble: str | None = None  # why no check can be made: ours
        self._random = random.Random(seed)
        self._alive = True
        self._stopped_until = 0.0
        self._files: list[_WatchedFile] = []
        self._trees: list[_WatchedTree] = []
        self._announced: list[_Undo] = []
        self._readers: dict[int, Callable[[], None]] = {}
        self.machine.on_advance.append(self._look)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.machine.advance(seconds)

    def stop(self, seconds: float) -> None:
        """Stop the manager alone, as SIGSTOP would, and continue it after a while: its timers come late."""
        self._stopped_until = self.now() + seconds
        self.advance(seconds)

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
            for watch in self._announced:
                watch.cancel()

    def _later(self, delay: float, callback: Callable[[], None]) -> Timer:
        return self.call_at(self.now() + delay, callback)

    def _tell(self, callback: Callable[[], None]) -> None:
        """Call back as soon as the manager runs, if it ever does again."""
        if self._alive and self.now() < self._stopped_until:
            self.machine.at(self._stopped_until, partial(self._tell, callback))
        elif self._alive:
            callback()

    # clock

    def now(self) -> float:
        """Return the machine's time."""
        return self.machine.now

    def wall(self) -> float:
        """Return seconds since the epoch."""
        return EPOCH + self.machine.now + self.machine.suspended + self.machine.set_by

    def zone(self) -> tzinfo:
        """Return the machine's zone."""
        return self.machine.zone

    def suspended(self) -> float:
        """Return for how many seconds in all the machine was suspended."""
        return self.machine.suspended

    def chance(self) -> float:
        """Return a random number in [0, 1), the same sequence for the same seed."""
        return self._random.random()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` once, when `now()` has reached `when`."""
        timer = Timer(None)

        def due() -> None:
            if self.now() < self._stopped_until:
                self.machine.at(self._stopped_until, due, timer)
            elif self._alive:
                callback()

        return self.machine.at(when, due, timer)

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
        process.when_ended.append(lambda end: self._tell(partial(on_exit, end)))
        return process.identity

    def _program(self, command: str, order: Order) -> Program:
        if order.cwd in self.machine.missing:
            raise SpawnError(Stage.CWD, _error(errno.ENOENT), order.cwd)
        if self.machine.refusal is not None:
            stage, code = self.machine.refusal
            raise SpawnError(stage, _error(code), order.arguments[0])
        if not self.machine.files_left:
            raise SpawnError(Stage.PIPES, _error(errno.EMFILE), command)
        program = self.machine.programs.get(command)
        if program is None:
            raise SpawnError(Stage.EXECUTE, _error(errno.ENOENT), order.arguments[0])
        if isinstance(program, Program):
            return program
        started = sum(1 for _when, text in self.machine.starts if text == command)
        return program[min(started, len(program) - 1)]

    def variables(self, user: str) -> dict[str, str]:
        """Return what the environment says of a user: here everybody is known."""
        return {"USER": user, "LOGNAME": user, "HOME": f"/home/{user}", "SHELL": "/bin/sh"}

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

    def is_ending(self, identity: Identity) -> bool:
        """Return whether the process has ended."""
        return self._find(identity) is None

    def is_stranger(self, run: Run) -> bool:
        """Return whether somebody else lives under the identity of the run's first process."""
        process = self._find(run.leader)
        return process is not None and process.environment.get(MARKER) != run.marker

    def vitals(self, members: Collection[Member]) -> tuple[Vitals, ...]:
        """Return what each of `members` that still lives does and uses."""
        found = (self._find(member.identity) for member in members)
        return tuple(self._vitals(process) for process in found if process is not None)

    def memory(self, members: Collection[Member]) -> int:
        """Return how many bytes of RAM these processes have together."""
        return sum(each.memory_bytes for each in self.vitals(members))

    def _vitals(self, process: Process) -> Vitals:
        member = process.member()
        return Vitals(
            process.identity,
            member.parent,
            member.name,
            tuple(process.command.split()),
            member.state,
            cpu_s=process.cpu(self.now()),
            memory_bytes=PROCESS_SIZE + process.program.memory,
            age_s=self.now() - process.born,
            threads=1,
            descriptors=3 + len(list(self.machine.sockets_of(process))),
        )

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

    def debugger(self, members: Collection[Member], port: int | None) -> str | None:
        """Return who debugs one of these processes."""
        for process in (found for each in members if (found := self._find(each.identity)) is not None):
            who = f"{process.name} (pid {process.pid})"
            if process.tracer is not None:
                return f"{who} is stopped by {process.tracer}"
            if process.inspected_on not in (None, port):
                return f"a debugger is connected to {who} on port {process.inspected_on}"
        return None

    def operations(self) -> tuple[Operation, ...]:
        """Return the package installs and git operations that are under way."""
        self.machine.looks_for_operations += 1
        return tuple(
            Operation(each.pid, name, each.cwd, self.now() - each.born)
            for each in self.machine.processes.values()
            if (name := operation(each.command.split())) is not None
        )

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

    def connections(self, inodes: Collection[int]) -> Mapping[str, int] | None:
        """Return how many of these sockets are connections, by state."""
        if not self.machine.readable:
            return None
        found = (each for each in self.machine.connections if each.inode in inodes)
        return Counter(each.state(self.now()) for each in found)

    def holder(self, listener: Listener) -> Holder | None:
        """Return the listener's process."""
        for socket in self.machine.sockets:
            if socket.listener.inode == listener.inode and self.machine.readable:
                owner = socket.owner
                since = self.wall() - (self.now() - owner.born)
                return Holder(owner.pid, owner.command, owner.cwd, since)
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
            self._tell(partial(callback, port))

        self.machine.on_closed.append(closed)
        watch = _Undo(lambda: self.machine.on_closed.remove(closed))
        self._announced.append(watch)
        return watch

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
                passed = health is Health.PASSED
                detail = these[0].detail if passed else ", ".join(each.detail for each in these)
                waited_for = [a for a in answers if not passed or a is these[0] or a.took_s < these[0].took_s]
                said = tuple(each for answer in waited_for for each in answer.answers)
                return Answer(health, detail, these[0].took_s, said)
        return Answer(Health.FAILED, "its host has no address")

    def _ask(self, order: ProbeOrder, address: str, port: int) -> Answer:
        where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        timeout = order.check.timeout

        def said(health: Health, detail: str, word: str, took_s: float = LATENCY) -> Answer:
            return Answer(health, detail, took_s, ((where, word),))

        socket = self.machine.answering(address, port)
        if socket is None:
            return said(Health.REFUSED, f"{where} refused", "ECONNREFUSED", 0.0)
        detail = f"no answer within {timeout:g}s from {where}"
        late = said(Health.TIMED_OUT, detail, f"timed out after {timeout:g}s", timeout)
        if socket.owner.is_held_up:
            if socket.listener.queue >= QUEUE:
                return late
            socket.listener = replace(socket.listener, queue=socket.listener.queue + 1)
        if order.check.kind is not CheckKind.HTTP:
            return said(Health.PASSED, f"{where} accepts connections", "accepted")
        status = socket.spec.status
        if status is None and not socket.owner.is_held_up:
            self.machine.connect(socket.owner, timeout)
        if socket.owner.is_held_up or status is None:
            return late
        passed = any(low <= status <= high for low, high in order.check.status)
        health = Health.PASSED if passed else Health.FAILED
        return said(health, f"HTTP {status} from {where}{order.check.path}", f"HTTP {status}")

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

    def watch_tree(
        self, folder: str, enters: Callable[[str], bool], callback: Callable[[str], None]
    ) -> Cancellable:
        """Call `callback` with the path of each file below a real folder that has changed."""
        watched = _WatchedTree(folder, enters, callback, look(folder, enters))
        self._trees.append(watched)
        return _Undo(lambda: self._trees.remove(watched))

    def _look(self) -> None:
        """Notice what happened to real files and pipes."""
        self._look_at_files()
        self._look_at_trees()
        if self._readers:
            for descriptor in select.select(list(self._readers), [], [], 0)[0]:
                callback = self._readers.get(descriptor)
                if callback is not None:
                    callback()

    def _look_at_files(self) -> None:
        for watched in self._files:
            seen = _content(watched.path)
            if seen != watched.seen:
                watched.seen = seen
                self.machine.after(NOTICED_AFTER, partial(self._tell, partial(self._notice, watched)))

    def _look_at_trees(self) -> None:
        for tree in tuple(self._trees):
            found = look(tree.folder, tree.enters)
            differ, tree.seen = changed(tree.seen, found), found
            for path in differ:
                self.machine.after(NOTICED_AFTER, partial(self._tell, partial(self._notice_in, tree, path)))

    def _notice_in(self, tree: _WatchedTree, path: str) -> None:
        if tree in self._trees:
            tree.callback(path)

    def _notice(self, watched: _WatchedFile) -> None:
        if watched in self._files:
            watched.callback()


def _error(code: int) -> OSError:
    return OSError(code, os.strerror(code))
