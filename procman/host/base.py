"""What an operating system gives: the contract that every host, real or simulated, keeps.

The engine calls a `Host` and is called back by it, always from the one thread of the event loop, never from
inside the call that asked. Nothing here decides anything about an app.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from enum import Enum
from typing import Protocol

from procman.core.config import Check
from procman.core.frozen import Frozen
from procman.core.identity import Identity, Member
from procman.core.verdict import Listener


class Cancellable(Protocol):
    """Something asked for that may still be called off; calling off twice, or too late, does nothing."""

    def cancel(self) -> None:
        """Make sure that the callback is not called any more."""
        ...


class Unsupported(Exception):
    """No host is there for the system we run on."""


class Stage(Enum):
    """Where a spawn failed."""

    CWD = "change into its folder"
    EXECUTE = "execute its command"
    FORK = "make a process"
    PIPES = "make its pipes"
    RIGHTS = "give it its user, priority or limits"
    TERMINAL = "give it its terminal"


class Unseen(Exception):
    """Processes could not be looked at: the system, or the manager, has no descriptor or no memory left."""

    def __str__(self) -> str:
        return "the processes of its tree can't be looked at: too many open files"


class SpawnError(Exception):
    """A process could not be made: at which stage, with which errno, and about what."""

    def __init__(self, stage: Stage, error: OSError, subject: str) -> None:
        super().__init__(f"could not {stage.value}: `{subject}`: {error.strerror}")
        self.stage = stage
        self.errno = error.errno or 0
        self.subject = subject


class Rights(Frozen):
    """As whom a process runs, and what it may use; what is None is as in the manager."""

    user: str | None = None  # a name, or a number
    group: str | None = None
    umask: int | None = None
    nice: int | None = None
    limits: tuple[tuple[str, int | None], ...] = ()  # by the name of setrlimit(2): `nofile`; None: no limit


class Order(Frozen):
    """A process to be made, in a session of its own."""

    arguments: tuple[str, ...]
    shell: bool  # `arguments` is one text for the system's shell
    cwd: str
    environment: dict[str, str]
    stdin: int
    stdout: int
    stderr: int
    rights: Rights = Rights()
    terminal: bool = False  # its stdin is a terminal, which is to be that of its session


class Ended(Frozen):
    """How a process ended: an exit code, or the name of the signal that killed it; neither if not told."""

    code: int | None
    signal: str | None


class Run(Frozen):
    """One run of an app, by everything that lets its processes be recognised.

    `marker` is the value of `MARKER` in the environment of every process of the run: it survives a double
    fork, a new session and the death of the parent.
    """

    leader: Identity
    marker: str


ANY_PORT = 0  # for `Host.watch_closed`: announcements were lost, so any listener may be closed


class Health(Enum):
    """What one address, command or look answered."""

    PASSED = "passed"
    REFUSED = "refused"  # nothing listens
    FAILED = "failed"  # answered, but not as it should
    TIMED_OUT = "timed out"  # accepted, and did not answer in time
    NOT_MADE = "not made"  # the check itself was not possible: our trouble


class Answer(Frozen):
    """What a probe found, in words, and how long it took.

    `answers` is what each address said, as far as it was waited for: `accepted`, `HTTP 500`, `ECONNREFUSED`,
    `timed out after 2s`.
    """

    health: Health
    detail: str
    took_s: float = 0.0
    answers: tuple[tuple[str, str], ...] = ()  # address with its port, and answer


@dataclass(frozen=True, slots=True)
class ProbeOrder:
    """A check to be made."""

    check: Check
    port: int | None
    addresses: tuple[str, ...]  # numeric; any that answers is enough
    cwd: str
    environment: dict[str, str] = field(default_factory=dict)  # for exec checks
    rights: Rights = field(default_factory=Rights)  # for exec checks


def _minute(at: float) -> str:
    """Return a time in this machine's zone, to the minute: `2026-11-29 14:02`."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


class Holder(Frozen):
    """A process that holds a listening socket, as far as it can be described."""

    pid: int
    command: str
    cwd: str | None
    since: float  # when it was started, in seconds since the epoch

    def __str__(self) -> str:
        """Name it, with its age as a time of day: one in seconds would make each look tell something new."""
        where = f" in {self.cwd}" if self.cwd else ""
        return f"pid {self.pid} (`{self.command}`){where}, running since {_minute(self.since)}"


class Occupant(Frozen):
    """A process that holds listening sockets, with all that tells whose it is."""

    member: Member
    command: str
    cwd: str | None
    marker: str | None  # the value of `MARKER` in its environment; None: not set, or can't be read
    inodes: frozenset[int]  # those of the sockets asked for that it holds

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.member.pid


DOING = {
    "R": "running",
    "S": "sleeping",
    "I": "idle",
    "D": "waiting without being interruptible",  # for a disk, a network file system, a driver
    "U": "waiting without being interruptible",  # what macOS calls it
    "T": "stopped",
    "t": "stopped by a debugger",
    "?": "hidden from this user",
}


class Vitals(Frozen):
    """What one living process does and uses, as seen in one look; None where a system does not tell.

    Memory is what it has in RAM; what it shares with others of its tree, such as the code of node, is in the
    sum of a tree once for each of them.
    """

    identity: Identity
    parent: int  # pid
    name: str
    arguments: tuple[str, ...]  # whole, with the secrets in them; none if it has wiped them
    state: str  # the kernel's letter, of its main thread
    cpu_s: float  # user and system, since its birth
    memory_bytes: int
    age_s: float
    threads: int | None = None
    descriptors: int | None = None  # that it has open
    waits_in: str | None = None  # the function of the kernel that its main thread waits in

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.identity.pid

    @property
    def doing(self) -> str:
        """Its state, in words."""
        return DOING.get(self.state, f"in state {self.state}")


class Operation(Frozen):
    """A process that changes the files of a project from outside: a package install or a git operation."""

    pid: int
    name: str  # `npm install`, `git checkout`
    folder: str  # that it works in
    age_s: float


class Host(Protocol):
    """The operating system, as the engine sees it."""

    # clock

    def now(self) -> float:
        """Return monotonic seconds."""
        ...

    def wall(self) -> float:
        """Return seconds since the epoch; for people only, never for a decision."""
        ...

    def zone(self) -> tzinfo:
        """Return the zone of the clock on this machine's wall, with its changes to and from summer time."""
        ...

    def suspended(self) -> float:
        """Return for how many seconds in all this machine was suspended since its boot: its lid was closed.

        `now()` does not count them. A virtual machine that is paused may not notice, and this says nothing.
        """
        ...

    def chance(self) -> float:
        """Return a random number in [0, 1)."""
        ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancellable:
        """Call `callback` once, when `now()` has reached `when`."""
        ...

    # processes

    def spawn(self, order: Order, on_exit: Callable[[Ended], None]) -> Identity:
        """Start a process in a session of its own and return who it is.

        `on_exit` is called once, after the process has ended and was reaped.

        Raises:
            SpawnError: nothing was started.
        """
        ...

    def variables(self, user: str) -> dict[str, str]:
        """Return `HOME`, `USER`, `LOGNAME` and `SHELL` of a user; nothing of one that is not known."""
        ...

    def tree(self, run: Run) -> tuple[Member, ...]:
        """Return every living process of the run: its first process, and all descendants of that.

        Those that left its process group or session, or whose parent died, are among them. Zombies are not.

        Raises:
            Unseen: there is no room to look. Nobody is gone because of that.
        """
        ...

    def trees(self, runs: Sequence[Run]) -> list[tuple[Member, ...]]:
        """Return what `tree` does for each run, in one look; who is missing in it is not proven gone."""
        ...

    def is_ending(self, identity: Identity) -> bool:
        """Return whether the process has ended, or is about to.

        What it holds is let go of before its end is told: a killed server's listener is announced as closed
        some 0.1 ms before `on_exit` can be called.
        """
        ...

    def is_stranger(self, run: Run) -> bool:
        """Return whether somebody else lives under the identity of the run's first process.

        Who lives there without the run's marker is; who may not be asked for it is not.
        """
        ...

    def vitals(self, members: Collection[Member]) -> tuple[Vitals, ...]:
        """Return what each of `members` that still lives does and uses, in their order.

        For showing, and for limits of a whole tree: it reads more of each process than a look at a tree does.
        """
        ...

    def memory(self, members: Collection[Member]) -> int:
        """Return how many bytes of RAM these processes have together.

        What they share, such as the code of node, is counted once where the system tells; it takes some
        0.4 ms for each 10 MB. For a limit, not for showing.
        """
        ...

    def boot(self) -> str:
        """Return what names the present boot of the machine."""
        ...

    def marked(self, prefix: str) -> dict[str, tuple[Member, ...]]:
        """Return every living process whose marker begins with `prefix`, by marker, whoever started it."""
        ...

    def adopt(self, run: Run, on_exit: Callable[[Ended], None]) -> bool:
        """Watch the first process of a run that a former manager started; False if it lives no more.

        `on_exit` is called once, after it has ended. How it ended is told where the system tells others than
        the parent; else code and signal are both None.
        """
        ...

    def signal(self, members: Collection[Member], name: str) -> tuple[Member, ...]:
        """Send the signal to each of `members` that is still the same process; return those it reached.

        A stopped process is continued too, or it would not see the signal before it is killed.
        """
        ...

    def kill(self, run: Run) -> tuple[Member, ...]:
        """Kill the processes of the run that the system can end as one, and return them; none where it can't.

        What they fork meanwhile ends too. Others of the run, if any, are left to `signal`.
        """
        ...

    def when_one_ends(self, members: Sequence[Member], callback: Callable[[], None]) -> Cancellable:
        """Call `callback` once, as soon as any of `members` has ended."""
        ...

    def debugger(self, members: Collection[Member], port: int | None) -> str | None:
        """Return who debugs one of these processes, as a sentence without a full stop, or None.

        That is a tracer (gdb) that has stopped it, or a client that is connected to node's inspector, paused
        or not: the inspector does not tell others which. A process stopped by SIGSTOP is not debugged, nor is
        one that strace follows. `port` is the app's own, whose clients are no debuggers.
        """
        ...

    def operations(self) -> tuple[Operation, ...]:
        """Return the package installs and git operations that are under way, as far as they can be seen.

        Told by command lines. One that works in a container works in a folder of that container.
        """
        ...

    # ports

    def listeners(self) -> tuple[Listener, ...] | None:
        """Return every TCP socket in LISTEN, of both families, or None where they can't be read."""
        ...

    def sockets_of(self, members: Collection[Member]) -> frozenset[int] | None:
        """Return the inodes of the sockets that the processes hold, or None where they can't be read."""
        ...

    def connections(self, inodes: Collection[int]) -> Mapping[str, int] | None:
        """Return how many of these sockets are connections by TCP, by state: `established`, `close wait`…

        None where it can't be told, or only by a look that takes too long. Connections that a listener's
        process has not accepted yet are none of these: they are in its queue.
        """
        ...

    def holder(self, listener: Listener) -> Holder | None:
        """Return a process that holds the listener, or None where it can't be told."""
        ...

    def occupants(self, listeners: Collection[Listener]) -> tuple[Occupant, ...]:
        """Return every process that holds one of the listeners, as far as this user can see them.

        All descriptors of all processes are read: for people, not for a decision about an app.
        """
        ...

    def addresses(self, host: str) -> tuple[str, ...]:
        """Return the numeric addresses to check for `host`: both loopbacks for `localhost`."""
        ...

    def watch_closed(self, callback: Callable[[int], None]) -> Cancellable | None:
        """Call `callback` with the port of every listener that is closed from now on, at once.

        `ANY_PORT` means that announcements were lost. None where the system announces nothing.
        """
        ...

    # checks

    def probe(self, order: ProbeOrder, on_answer: Callable[[Answer], None]) -> Cancellable:
        """Make a check; `on_answer` is called once, at the latest when the check's timeout is over.

        A command's own processes are part of no tree, whatever marker they carry.
        """
        ...

    # output and files

    def when_readable(self, descriptor: int, callback: Callable[[], None]) -> Cancellable:
        """Call `callback` whenever the descriptor can be read, until cancelled."""
        ...

    def watch_file(self, path: str, callback: Callable[[], None]) -> Cancellable:
        """Call `callback` soon after the file at `path` may have changed.

        Also when it is replaced, deleted, restored, or a symlink on its way is swapped; a change of
        content is reported within a second where the system gives notices or says that it does not; a look
        every 10 s is the guarantee behind them. Ask first and read the file then: what happened before is
        not reported.
        """
        ...

    def watch_tree(
        self, folder: str, enters: Callable[[str], bool], callback: Callable[[str], None]
    ) -> Cancellable:
        """Call `callback` with the path of each file below `folder` that was made, written, moved or deleted.

        Within 0.1 s where the system gives notices of that, else within seconds; one change may be told
        several times. Folders of which `enters` says no are not looked into, and links to folders are not
        followed. `folder` need not be there yet.
        """
        ...

    def close(self) -> None:
        """Let go of everything: no callback comes any more, and every process lives on."""
        ...
