"""Windows: job objects for trees, handles for ends, Ctrl-Break for stops. Never run on Windows.

Everything here is run on Linux by the contract suite, on a simulated kernel that keeps the contract of
`win32.py`; the calls themselves (`win32_calls.py`) were checked by mypy alone.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from functools import partial

from procman.core.identity import MARKER, Identity, Member
from procman.host.base import (
    Answer,
    Cancellable,
    Ended,
    Order,
    ProbeOrder,
    Run,
)
from procman.host.listed.answers import ByListing
from procman.host.listed.listing import Listing
from procman.host.listed.table import Table
from procman.host.notices import Notices
from procman.host.probes import Resolver
from procman.host.tree_watch import TreeWatch
from procman.host.watch import FileWatcher
from procman.host.windows import win32
from procman.host.windows.jobs import Jobs
from procman.host.windows.start import Starter
from procman.host.windows.task_probes import make_task_probe
from procman.host.windows.waits import AwakeTimer, Ends, Looks
from procman.host.windows.win32 import CallFailed, Handle, Win32

# What a program is asked with; Windows has one way, so they all are the same one here.
ASKS = frozenset({"SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGBREAK"})
KILLED = 1  # the exit code of whom we end, as of whom the Task Manager ends


@dataclass(slots=True)
class _Leader:
    """The first process of a run, or of a check, and what we did to it."""

    asked: str | None = None  # the signal that it was sent as Ctrl-Break
    killed: bool = False


class WindowsHost(ByListing):
    """The host of a Windows machine. Owned by the thread of the event loop.

    Args:
        loop: the event loop, one that tells when something is done (`ProactorEventLoop`).
        kernel: the calls of Windows.
        table: the list of processes.
        waiting: returns how many bytes of an app's output a descriptor has to give.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        kernel: Win32,
        table: Table,
        waiting: Callable[[int], int],
    ) -> None:
        self._loop = loop
        self._kernel = kernel
        self._listing = Listing(table, kernel.boot(), self.now, self.wall)
        self._jobs = Jobs(kernel)
        self._starter = Starter(kernel, self._jobs)
        self._waiting = waiting
        self._watched: set[Ends] = set()
        self._leaders: dict[int, _Leader] = {}  # by pid, which is theirs as long as we have their handle
        self._groups: dict[Identity, int] = {}  # of each process seen in a tree: the leader of its run
        self._resolver = Resolver(loop.time)
        self._files = FileWatcher(loop, Notices)
        self._trees_watched: list[TreeWatch] = []

    def close(self) -> None:
        """Let go of everything: no callback comes any more, and every process lives on."""
        for wait in tuple(self._watched):
            wait.cancel()
        self._jobs.close()
        self._files.close()
        for watch in self._trees_watched:
            watch.cancel()

    # clock

    def now(self) -> float:
        """Return monotonic seconds, without those that the machine slept: Python's clock counts them here."""
        return self._loop.time() - self._kernel.asleep()

    def wall(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def zone(self) -> tzinfo:
        """Return the zone of the clock on this machine's wall, which Windows calls by names of its own."""
        from tzlocal import get_localzone  # only an app with a schedule pays for it

        return get_localzone()

    def suspended(self) -> float:
        """Return for how many seconds in all this machine was suspended since its boot."""
        return self._kernel.asleep()

    def chance(self) -> float:
        """Return a random number in [0, 1)."""
        return random.random()

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancellable:
        """Call `callback` once, when `now()` has reached `when`."""
        return AwakeTimer(self._loop, self.now, when, callback)

    # processes

    def spawn(self, order: Order, on_exit: Callable[[Ended], None]) -> Identity:
        """Start a process in a job and a console of its own, and return who it is."""
        birth = self._starter.start(order, order.environment.get(MARKER, ""))
        identity = Identity(birth.pid, birth.started, self._listing.boot)
        self._groups[identity] = birth.pid
        self._lead(birth.pid, birth.process, on_exit)
        return identity

    def _lead(self, pid: int, process: Handle, on_exit: Callable[[Ended], None]) -> None:
        """Call `on_exit` once the process has ended, and keep its handle until then."""
        self._leaders[pid] = _Leader()
        wait = self._watch([process], partial(self._on_exit, pid, process, on_exit))
        wait.on_cancel = partial(self._kernel.close, process)

    def _on_exit(self, pid: int, process: Handle, on_exit: Callable[[Ended], None]) -> None:
        code = self._kernel.exit_code(process)
        self._kernel.close(process)
        leader = self._leaders.pop(pid)
        if leader.killed and code == KILLED:
            on_exit(Ended(None, "SIGKILL"))
        elif code == win32.CONTROL_C_EXIT:
            on_exit(Ended(None, leader.asked or "SIGINT"))
        else:
            on_exit(Ended(code, None))

    def _watch(self, processes: Sequence[Handle], callback: Callable[[], None]) -> Ends:
        """Call `callback` once, in the loop, as soon as one has ended; its handles stay the caller's."""
        return Ends(self._loop, self._kernel, processes, callback, self._watched)

    def variables(self, user: str) -> dict[str, str]:
        """Return nothing: no app runs as another user here."""
        return {}

    def tree(self, run: Run) -> tuple[Member, ...]:
        """Return every living process of the run: what is in its job, from which no process can leave.

        Where the job's name was lost with the manager that had made it and the last process that had been
        given a handle, the run is told by its leader and its marker.
        """
        return self.trees([run])[0]

    def trees(self, runs: Sequence[Run]) -> list[tuple[Member, ...]]:
        """Return every living process of each run, in one look."""
        jobs = [self._jobs.pids(run.marker) if self._is_of_this_boot(run) else set() for run in runs]
        rows = self._listing.table.rows() if any(jobs) else {}
        lost = [run for run, pids in zip(runs, jobs, strict=True) if pids is None]
        found = iter(self._listing.trees(lost) if lost else ())
        trees = []
        for run, pids in zip(runs, jobs, strict=True):
            if pids is None:
                tree = next(found)
            else:
                tree = tuple(self._listing.member(rows[pid]) for pid in sorted(pids) if pid in rows)
            self._remember(run.leader.pid, tree)
            trees.append(tree)
        return trees

    def _remember(self, leader: int, tree: Sequence[Member]) -> None:
        """Keep to which group the processes of a run belong; nothing of one that is over."""
        others = {each: group for each, group in self._groups.items() if group != leader}
        self._groups = others | {member.identity: leader for member in tree}

    def _is_of_this_boot(self, run: Run) -> bool:
        return run.leader.boot == self._listing.boot

    def is_ending(self, identity: Identity) -> bool:
        """Return whether the process has ended."""
        return self.find(identity) is None

    def is_stranger(self, run: Run) -> bool:
        """Return whether somebody else lives under the identity of the run's first process."""
        pids = self._jobs.pids(run.marker)
        return run.leader.pid not in pids if pids else self._listing.is_stranger(run)

    def adopt(self, run: Run, on_exit: Callable[[Ended], None]) -> bool:
        """Watch a process that a former manager started: how it ends is told to whoever has a handle."""
        process = self._open(run.leader)
        if process is None:
            return False
        self._lead(run.leader.pid, process, on_exit)
        return True

    def _open(self, identity: Identity) -> Handle | None:
        """Return a handle of the process if it still is the same one and alive.

        As long as the handle is open its number is nobody else's, so it is opened first and compared then.
        """
        if identity.boot != self._listing.boot:
            return None
        try:
            process = self._kernel.open_process(identity.pid)
        except CallFailed:
            return None
        if process is None:
            return None
        same = self._kernel.started(process) == identity.started
        if not same or self._kernel.exit_code(process) is not None:
            self._kernel.close(process)
            return None
        return process

    def signal(self, members: Collection[Member], name: str) -> tuple[Member, ...]:
        """End each of `members` with SIGKILL, or ask it by Ctrl-Break; return those it reached.

        Ctrl-Break goes to the group of the whole run, in its console: who has left either is not reached, and
        is ended by force in its time. A signal that is no wish for an end reaches nobody.
        """
        if name == "SIGKILL":
            return tuple(member for member in members if self._kill(member))
        return self._ask(members, name) if name in ASKS else ()

    def _kill(self, member: Member) -> bool:
        process = self._open(member.identity)
        if process is None:
            return False
        try:
            self._kernel.terminate(process, KILLED)
        except CallFailed:  # another user's, or it is ending by itself
            return False
        finally:
            self._kernel.close(process)
        self._note_killed(member.pid)
        return True

    def _note_killed(self, pid: int) -> None:
        if pid in self._leaders:
            self._leaders[pid].killed = True

    def _ask(self, members: Collection[Member], name: str) -> tuple[Member, ...]:
        reached: set[int] = set()
        living = [member for member in members if self.find(member.identity) is not None]
        groups = {self._groups.get(member.identity, member.pid) for member in living}
        for member in living:
            group = self._groups.get(member.identity, member.pid)
            if group not in groups:
                continue
            try:
                consoles = self._kernel.interrupt(member.pid, group)
            except CallFailed:  # it has no console: the next of its run may have
                continue
            groups.discard(group)
            if group in self._leaders:
                self._leaders[group].asked = name
            reached.update(consoles)
        return tuple(member for member in living if member.pid in reached)

    def kill(self, run: Run) -> tuple[Member, ...]:
        """End all that is in the job of the run at one blow, whatever it starts meanwhile."""
        members = self.tree(run) if self._is_of_this_boot(run) else ()
        if not members or not self._jobs.terminate(run.marker, KILLED):
            return ()
        self._note_killed(run.leader.pid)
        return members

    def when_one_ends(self, members: Sequence[Member], callback: Callable[[], None]) -> Cancellable:
        """Call `callback` once, as soon as any of `members` has ended."""
        processes = [self._open(member.identity) for member in members]
        alive = [process for process in processes if process is not None]

        def close() -> None:
            for process in alive:
                self._kernel.close(process)

        def ended() -> None:
            close()
            callback()

        wait = self._watch(alive if len(alive) == len(processes) else (), ended)
        wait.on_cancel = close
        if len(alive) < len(processes):
            self._loop.call_soon(wait.tell)
        return wait

    def debugger(self, members: Collection[Member], port: int | None) -> str | None:
        """Return None: it is not told here."""
        return None

    # ports

    def connections(self, inodes: Collection[int]) -> Mapping[str, int] | None:
        """Return None: connections have no numbers here that lead to a listener's."""
        return None

    def addresses(self, host: str) -> tuple[str, ...]:
        """Return the numeric addresses to check for `host`."""
        return self._resolver.addresses(host)

    # checks

    def probe(self, order: ProbeOrder, on_answer: Callable[[Answer], None]) -> Cancellable:
        """Make a check; `on_answer` is called once, at the latest when the check's timeout is over."""
        return make_task_probe(self._loop, order, on_answer, self._start_check)

    def _start_check(self, order: Order, on_exit: Callable[[Ended], None]) -> Callable[[], None]:
        """Start a check's command, and return what ends it with all that it has started."""
        name = f"check:{os.getpid()}:{self._jobs.count()}"  # a job of its own: part of no run's tree
        birth = self._starter.start(order, name)
        self._listing.checks.add(birth.pid)

        def over(end: Ended) -> None:
            self._listing.checks.discard(birth.pid)
            self._jobs.forget(name)
            on_exit(end)

        def kill() -> None:
            self._jobs.terminate(name, KILLED)

        self._lead(birth.pid, birth.process, over)
        return kill

    # output and files

    def when_readable(self, descriptor: int, callback: Callable[[], None]) -> Cancellable:
        """Call `callback` whenever there is more of an app's output, until cancelled: within 0.25 s here.

        Output goes to files, and Windows tells of writes to an open file when it likes.
        """
        return Looks(self._loop, partial(self._waiting, descriptor), callback)

    def watch_file(self, path: str, callback: Callable[[], None]) -> Cancellable:
        """Call `callback` soon after the file at `path` may have changed."""
        return self._files.watch(path, callback)

    def watch_tree(
        self, folder: str, enters: Callable[[str], bool], callback: Callable[[str], None]
    ) -> Cancellable:
        """Call `callback` with the path of each changed file below `folder`: by a look each second."""
        watch = TreeWatch(self._loop, folder, enters, callback, None)
        self._trees_watched = [*(each for each in self._trees_watched if not each.over), watch]
        return watch
