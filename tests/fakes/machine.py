"""A simulated machine: processes, listeners and a clock that moves only when told.

Time passes in `advance`, which runs what is due in order; nothing else happens, so a simulation is the same
in every run. `FakeHost` is how a manager sees it; a second `FakeHost` is that manager's successor.
"""

from __future__ import annotations

import errno
import heapq
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from functools import partial
from signal import Signals

from procman.core.identity import Identity, Member
from procman.core.verdict import Listener
from procman.host.base import Ended, Stage
from tests.fakes.programs import PORT, Child, Listen, Program, Taken, Way

LATENCY = 0.001  # s that anything takes to be noticed
BOOT = "00000000-0000-0000-0000-000000000000"
EPOCH = 1_795_424_400.0  # 2026-11-23T09:00:00Z
INIT = 1
FIRST_PID = 1000
WILDCARDS = {"0.0.0.0", "::"}
HARMLESS = frozenset({"SIGCHLD", "SIGURG", "SIGWINCH", "SIGCONT"})
STOPS = frozenset({"SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"})


@dataclass(slots=True)
class Timer:
    """Something that is due."""

    callback: Callable[[], None] | None

    def cancel(self) -> None:
        """Make sure that the callback is not called any more."""
        self.callback = None


@dataclass(slots=True, eq=False)
class Socket:
    """A listening socket."""

    listener: Listener
    spec: Listen
    owner: Process
    since: float


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection that a program keeps, long after its peer has ended it."""

    inode: int
    owner: Process
    ends_at: float  # when the peer ends it

    def state(self, now: float) -> str:
        """Return what the kernel calls its state."""
        return "established" if now < self.ends_at else "close wait"


@dataclass(slots=True, eq=False)
class Process:
    """A process of the machine."""

    identity: Identity
    parent: int
    session: int
    reaper: int  # whose child it becomes when its parent dies
    born: float
    command: str
    cwd: str
    environment: dict[str, str]
    program: Program
    outputs: tuple[int, ...] = ()  # descriptors of its own for stdout and stderr
    end: Ended | None = None
    stopped: bool = False
    tracer: str | None = None  # who has stopped it by ptrace, in words
    inspected_on: int | None = None  # the port on which a debugger is connected to it
    pending: list[str] = field(default_factory=list)  # signals that wait for it to be continued
    when_ended: list[Callable[[Ended], None]] = field(default_factory=list)
    burned: float = 0.0  # seconds of CPU time until it was last stopped
    continued: float = 0.0  # when it was last continued, or born

    @property
    def pid(self) -> int:
        """Its number."""
        return self.identity.pid

    @property
    def name(self) -> str:
        """The kernel's short name."""
        return os.path.basename(self.command.split()[0])[:15]

    def cpu(self, now: float) -> float:
        """Return how many seconds it has kept a processor busy."""
        going = 0.0 if self.stopped or not self.program.burns else now - self.continued
        return self.burned + going

    @property
    def is_held_up(self) -> bool:
        """Whether it does nothing at present."""
        return self.stopped or self.tracer is not None

    def member(self) -> Member:
        """Return it as a host shows it."""
        state = "t" if self.tracer is not None else "T" if self.stopped else "S"
        return Member(self.identity, self.parent, self.name, self.born, state)


class Machine:
    """The processes and sockets of a machine, and its time.

    Attributes:
        programs: what a command line does; a sequence is one program for each start, the last for all later.
        missing: folders that do not exist.
        files_left: False makes the next spawns fail for want of descriptors.
        announces: whether closed listeners are announced.
        readable: whether sockets can be listed and attributed.
        hidden: processes of other users, whose descriptors can't be read.
        tells_exits: whether somebody who is not the parent learns how a process ended.
        refusal: at which stage every spawn fails, and with which errno; None for no trouble.
        uninterruptible: processes that no signal ends, for they wait for a disk that does not answer.
        suspended: seconds that it was suspended for, in all.
        set_by: seconds by which its clock on the wall was set.
        looks_for_operations: how often a manager has read all command lines.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.programs: dict[str, Program | Sequence[Program]] = {}
        self.missing: set[str] = set()
        self.files_left = True
        self.announces = True
        self.readable = True
        self.hidden: set[int] = set()
        self.tells_exits = True
        self.refusal: tuple[Stage, int] | None = None
        self.uninterruptible: set[int] = set()
        self.suspended = 0.0
        self.set_by = 0.0
        self.zone: tzinfo = UTC
        self.looks_for_operations = 0
        self.starts: list[tuple[float, str]] = []  # when which command was started by a manager
        self.processes: dict[int, Process] = {}  # the living ones
        self.sockets: list[Socket] = []
        self.connections: list[Connection] = []
        self.on_closed: list[Callable[[int], None]] = []
        self.on_advance: list[Callable[[], None]] = []  # called after everything that happens
        self._due: list[tuple[float, int, Timer]] = []
        self._numbers = 0
        self._next_pid = FIRST_PID

    # time

    def at(self, when: float, callback: Callable[[], None], timer: Timer | None = None) -> Timer:
        """Call `callback` when the time has come; `timer` is what calls it off, a new one by default."""
        timer = timer or Timer(None)
        timer.callback = callback
        heapq.heappush(self._due, (max(when, self.now), self._number(), timer))
        return timer

    def after(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` after `delay` seconds."""
        return self.at(self.now + delay, callback)

    def advance(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due in it."""
        end = self.now + seconds
        self._tell()
        while self._due and self._due[0][0] <= end:
            when, _number, timer = heapq.heappop(self._due)
            self.now = max(self.now, when)
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback()
                self._tell()
        self.now = end
        self._tell()

    def drop_cancelled(self) -> None:
        """Forget the timers that were cancelled, as an event loop does once they are many."""
        self._due = [each for each in self._due if each[2].callback is not None]
        heapq.heapify(self._due)

    def next_due(self) -> float | None:
        """Return when the next thing happens, or None when nothing ever will."""
        live = [when for when, _number, timer in self._due if timer.callback is not None]
        return min(live, default=None)

    def _tell(self) -> None:
        for callback in tuple(self.on_advance):
            callback()

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    # processes

    def start(
        self,
        program: Program,
        command: str,
        *,
        parent: int = INIT,
        session: int | None = None,
        reaper: int = INIT,
        cwd: str = "/",
        environment: dict[str, str] | None = None,
        outputs: tuple[int, ...] = (),
        pid: int | None = None,
    ) -> Process:
        """Start a process, a stranger's unless said otherwise; `pid` gives it a dead one's number."""
        if pid is None:
            pid, self._next_pid = self._next_pid, self._next_pid + 1
        assert pid not in self.processes, "a living process keeps its number"
        process = Process(
            identity=Identity(pid, self._number(), BOOT),
            parent=parent,
            session=pid if session is None else session,
            reaper=reaper,
            born=self.now,
            continued=self.now,
            command=command,
            cwd=cwd,
            environment=environment or {},
            program=program,
            outputs=tuple(map(os.dup, outputs)),
        )
        self.processes[pid] = process
        self._plan(process)
        return process

    def _plan(self, process: Process) -> None:
        program = process.program
        for spec in program.listens:
            self._when_alive(process, spec.after, partial(self._listen, process, spec))
        for child in program.children:
            self._when_alive(process, child.after, partial(self._fork, process, child))
        for delay, text in program.writes:
            self._when_alive(process, delay, partial(self._write, process, text))
        if program.exits_after is not None:
            exit_code = Ended(program.code, None)
            self._when_alive(process, program.exits_after, partial(self.end, process, exit_code))

    def _when_alive(self, process: Process, delay: float, callback: Callable[[], None]) -> None:
        """Let the process do something then, if it lives; a stopped one does it when it is continued."""

        def do() -> None:
            if process.end is None:
                if process.is_held_up:
                    self.after(LATENCY, do)
                else:
                    callback()

        self.after(delay, do)

    def _fork(self, parent: Process, child: Child) -> None:
        process = self.start(
            child.program,
            parent.command,
            parent=parent.reaper if child.way is Way.ORPHAN else parent.pid,
            session=parent.session if child.way is Way.FORK else None,
            reaper=parent.reaper,
            cwd=parent.cwd,
            environment=parent.environment,
            outputs=parent.outputs,
        )
        if parent.program.follows and process.parent == parent.pid:
            process.when_ended.append(partial(self._follow, parent))

    def _follow(self, parent: Process, end: Ended) -> None:
        code = end.code if end.signal is None else 128 + Signals[end.signal]
        self._when_alive(parent, LATENCY, partial(self.end, parent, Ended(code, None)))

    def _write(self, process: Process, text: bytes) -> None:
        if process.outputs:
            try:
                os.write(process.outputs[0], text)
            except OSError as error:
                if error.errno != errno.EIO:  # its terminal went with the manager, and it hangs
                    raise

    def end(self, process: Process, end: Ended) -> None:
        """End a process now."""
        if process.end is not None:
            return
        process.end = end
        self.uninterruptible.discard(process.pid)
        del self.processes[process.pid]
        for descriptor in process.outputs:
            os.close(descriptor)
        for socket in [each for each in self.sockets if each.owner is process]:
            self.close(socket)
        self.connections = [each for each in self.connections if each.owner is not process]
        for child in self.processes.values():
            if child.parent == process.pid:
                child.parent = child.reaper
        for callback in process.when_ended:
            self.after(LATENCY, partial(callback, end))

    def signal(self, process: Process, name: str) -> None:
        """Signal a process; what that does to it happens an instant later."""
        self.after(LATENCY, partial(self._signalled, process, name))

    def _signalled(self, process: Process, name: str) -> None:
        program = process.program
        if process.end is not None:
            return
        if process.pid in self.uninterruptible:
            process.pending.append(name)
        elif name == "SIGKILL":
            self.end(process, Ended(None, name))
        elif name == "SIGCONT":
            if process.stopped:
                process.stopped, process.continued = False, self.now
            if process.tracer is not None:
                return
            for socket in self.sockets:
                if socket.owner is process:
                    socket.listener = replace(socket.listener, queue=0)
            pending, process.pending = process.pending, []
            for each in pending:
                self._signalled(process, each)
        elif name in program.ignores or name in HARMLESS:
            return
        elif name in STOPS:
            process.burned, process.stopped = process.cpu(self.now), True
        elif process.is_held_up:
            process.pending.append(name)
        elif name in program.drains:
            self._when_alive(process, program.drains[name], partial(self.end, process, Ended(0, None)))
        else:
            self.end(process, Ended(None, name))

    def hold(self, process: Process) -> None:
        """Let a process wait for a disk that does not answer: its signals come when it is let go."""
        self.uninterruptible.add(process.pid)

    def let_go(self, process: Process) -> None:
        """Let the disk answer."""
        if process.end is None:
            self.uninterruptible.discard(process.pid)
            pending, process.pending = process.pending, []
            for each in pending:
                self._signalled(process, each)

    def trace(self, process: Process, tracer: str | None) -> None:
        """Have a debugger stop a process, or let it go."""
        process.tracer = tracer
        if tracer is None:
            self._signalled(process, "SIGCONT")

    # sockets

    def _listen(self, process: Process, spec: Listen) -> None:
        if spec.port == PORT and "PORT" not in process.environment:  # of a file that was half written
            self.end(process, Ended(1, None))
            return
        port = spec.port if spec.port != PORT else int(process.environment["PORT"])
        while self._is_taken(spec.address, port):
            if spec.taken is Taken.EXIT:
                self.end(process, Ended(1, None))
                return
            if spec.taken is Taken.STAY:
                return
            port += 1
        inode = self._number()
        socket = Socket(Listener(spec.address, port, inode, 0), spec, process, self.now)
        self.sockets.append(socket)
        if spec.until is not None:
            self._when_alive(process, spec.until - spec.after, partial(self.close, socket))

    def _is_taken(self, address: str, port: int) -> bool:
        on_port = {each.listener.address for each in self.sockets if each.listener.port == port}
        wildcards = {"0.0.0.0", "::"} if ":" not in address else {"::"}
        if address == "::":
            return bool(on_port)
        if address == "0.0.0.0":
            return any(":" not in each or each == "::" for each in on_port)
        return bool(on_port & {address, *wildcards})

    def close(self, socket: Socket) -> None:
        """Close a listener, and announce it."""
        if socket in self.sockets:
            self.sockets.remove(socket)
            for callback in tuple(self.on_closed):
                self.after(LATENCY, partial(self._announce, callback, socket.listener.port))

    def _announce(self, callback: Callable[[int], None], port: int) -> None:
        if callback in self.on_closed:
            callback(port)

    def answering(self, address: str, port: int) -> Socket | None:
        """Return the listener that a connection reaches: the most specific one."""
        order = (address, "::") if ":" in address else (address, "0.0.0.0", "::")
        for bound in order:
            for socket in self.sockets:
                if socket.listener.port == port and socket.listener.address == bound:
                    return socket
        return None

    def connect(self, owner: Process, seconds: float) -> None:
        """Have a program accept a connection that it keeps, and its peer end it after a while."""
        self.connections.append(Connection(self._number(), owner, self.now + seconds))

    def sockets_of(self, process: Process) -> Iterator[int]:
        """Yield the inodes of the process's sockets."""
        yield from (each.listener.inode for each in self.sockets if each.owner is process)
        yield from (each.inode for each in self.connections if each.owner is process)
