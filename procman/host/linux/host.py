"""Linux: SIGCHLD and pidfds for ends, a child subreaper and cgroups for trees, `sock_diag` for ports.

Every part that an old kernel or a sandbox may refuse has the slower way of `PosixHost` behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from signal import Signals

from procman.core.identity import MARKER, Identity, Member
from procman.core.verdict import Listener
from procman.host.base import (
    Cancellable,
    Ended,
    Holder,
    Occupant,
    Operation,
    Order,
    Run,
    SpawnError,
    Stage,
    Unseen,
    Vitals,
)
from procman.host.linux import debuggers, inotify, open_files, place_notices, ports, procfs, vitals
from procman.host.operations import HINT, operation

if sys.platform != "win32":
    from procman.host.linux.cgroups import Cgroups
    from procman.host.linux.ends import Ends, become_subreaper, pidfd_exit
    from procman.host.linux.procfs import TICKS_PER_SECOND, Stat
    from procman.host.linux.trees import Trees
    from procman.host.posix.host import Call, PosixHost, kill_group, wants_continue
if sys.platform == "linux":  # elsewhere there is no epoll
    from procman.host.linux.readiness import Readiness

assert sys.platform == "linux"

REAPING = 0.2  # seconds that whoever inherited a process may take to reap it: only then its end is told


class LinuxHost(PosixHost):
    """The host of a Linux machine. Owned by the thread of the event loop, the main one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop, place_notices.PlaceNotices, inotify.Inotify)
        self._readers = self._readiness = Readiness(loop)
        self._boot = procfs.boot_id()
        self._trees = Trees()
        self._cgroups = Cgroups(loop.call_soon)
        self._adopted: set[int] = set()  # pidfds of first processes that a former manager started
        self._diag = ports.Diagnostics()
        self._closed: ports.ClosedNotices | None = None
        become_subreaper()
        procfs.keep_room()
        open_files.take_all()

    def close(self) -> None:
        """Let go of everything: no callback comes any more, and the processes live on."""
        super().close()
        self._readiness.close()
        for pidfd in self._adopted:
            self._loop.remove_reader(pidfd)
            os.close(pidfd)
        self._adopted.clear()
        self._diag.close()
        self._cgroups.close()
        procfs.give_back_room()
        open_files.give_back()
        if self._closed is not None:
            self._closed.close()

    def suspended(self) -> float:
        """Return for how many seconds in all this machine was suspended since its boot."""
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic())

    # processes

    def spawn(self, order: Order, on_exit: Callable[[Ended], None]) -> Identity:
        """Start a process in a session of its own and return who it is."""
        pid = self._start_child(order, on_exit)
        try:
            identity = self._trees.identity(self._trees.child(pid))
        except Unseen as error:  # who is not known may not live
            self._children[pid] = lambda _: None
            kill_group(pid)
            full = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            raise SpawnError(Stage.PIPES, full, order.arguments[0]) from error
        marker = order.environment.get(MARKER, "")
        self._trees.started(Run(identity, marker))
        self._cgroups.enter(marker, pid)
        return identity

    def _start_child(self, order: Order, on_exit: Callable[[Ended], None]) -> int:
        pid = super()._start_child(order, on_exit)
        if all(name != "nofile" for name, _ in order.rights.limits):
            open_files.as_before(pid)
        return pid

    def _know_check(self, pid: int) -> None:
        self._trees.started_check(pid)

    def _forget_child(self, pid: int) -> None:
        self._trees.reaped(pid)

    def _reap_all(self) -> list[Callable[[], None]]:
        """Reap our children that have ended, and the orphans that came to us; return what tells of ours.

        The kernel names them one by one, however many live.
        """
        told: list[Callable[[], None]] = []
        with contextlib.suppress(ChildProcessError):  # there is no child at all
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if ended.si_pid in self._children:
                    tell = self._reap(ended.si_pid)
                    told += [tell] if tell is not None else []
                elif self._trees.is_orphan(ended.si_pid):
                    os.waitid(os.P_PID, ended.si_pid, os.WEXITED | os.WNOHANG)
                else:  # somebody else in this process waits for it, and until then it would be named again
                    return told + self._reap_beside()
        return told

    def _reap_beside(self) -> list[Callable[[], None]]:
        """Do so by asking for each of ours."""
        for orphan in self._trees.orphans():
            if not orphan.is_alive:
                os.waitid(os.P_PID, orphan.pid, os.WEXITED | os.WNOHANG)
        return super()._reap_all()

    def tree(self, run: Run) -> tuple[Member, ...]:
        """Return every living process of the run."""
        found = self._tree(run)
        if not found:
            self._trees.gone(run)
            self._cgroups.remove(run.marker)
        return found

    def _tree(self, run: Run) -> tuple[Member, ...]:
        return self._whole(run, self._trees.look(run))

    def trees(self, runs: Sequence[Run]) -> list[tuple[Member, ...]]:
        """Return every living process of each run."""
        return list(map(self._whole, runs, self._trees.look_at_all(runs)))

    def _whole(self, run: Run, stats: list[Stat]) -> tuple[Member, ...]:
        """Return what `Trees` has found of the run, and what else is in its cgroup if it is of this boot."""
        more = self._cgroups.members(run.marker, stats) if run.leader.boot == self._boot else []
        return tuple(map(self._member, (*stats, *more)))

    def _member(self, stat: Stat) -> Member:
        """Return the process as the contract describes it.

        The kernel counts `started` in time that includes suspends, `now()` in time that does not: a process
        from before a suspend looks older than it is, never younger. Rounded, so that two looks agree.
        """
        born = stat.started / TICKS_PER_SECOND - round(self.suspended(), 2)
        return Member(self._trees.identity(stat), stat.parent, stat.name, born, stat.state)

    def vitals(self, members: Collection[Member]) -> tuple[Vitals, ...]:
        """Return what each of `members` that still lives does and uses."""
        return tuple(vitals.read(members, self._trees.find, self.now()))

    def memory(self, members: Collection[Member]) -> int:
        """Return how many bytes of RAM these processes have together, what they share counted once."""
        return vitals.memory(members, self._trees.find)

    def boot(self) -> str:
        """Return the boot id."""
        return self._boot

    def marked(self, prefix: str) -> dict[str, tuple[Member, ...]]:
        """Return every living process whose marker begins with `prefix`, by marker: reads all of `/proc`.

        In the cgroup of a run, it needs to carry no marker.
        """
        found = self._trees.marked(prefix)
        for marker in self._cgroups.markers(prefix):
            more = self._cgroups.members(marker, found.get(marker, ()))
            if more:
                found.setdefault(marker, []).extend(more)
        return {marker: tuple(map(self._member, stats)) for marker, stats in found.items()}

    def adopt(self, run: Run, on_exit: Callable[[Ended], None]) -> bool:
        """Watch the first process of a run that a former manager started; False if it lives no more.

        It is our own child, dead or alive, if this very process was that manager: before an upgrade.
        """
        leader = run.leader
        if self._trees.is_child(leader):
            self._children[leader.pid] = on_exit
            self._trees.started(run)
            self._look_for_ends()  # it may have ended before this process could be told
            return True
        try:
            pidfd = os.pidfd_open(leader.pid)
        except OSError:
            return False
        if self._trees.find(leader) is None:
            os.close(pidfd)
            return False

        def has_ended() -> None:
            self._loop.remove_reader(pidfd)
            tell(self._loop.time() + REAPING)

        def tell(deadline: float) -> None:
            if pidfd not in self._adopted:
                return
            end = pidfd_exit(pidfd)
            if end == Ended(None, None) and self._loop.time() < deadline:
                self._loop.call_later(REAPING / 20, tell, deadline)
                return
            self._adopted.discard(pidfd)
            os.close(pidfd)
            on_exit(end)

        self._adopted.add(pidfd)
        self._loop.add_reader(pidfd, has_ended)
        return True

    def is_ending(self, identity: Identity) -> bool:
        """Return whether the process has ended, or is about to: 8 us."""
        stat = self._trees.find(identity)
        return stat is None or bool(stat.flags & procfs.EXITING)

    def is_stranger(self, run: Run) -> bool:
        """Return whether somebody else lives under the identity of the run's first process.

        That is told by its environment. Of an app that can't be dumped we may not read that, and its own pid,
        start time and boot have to do.
        """
        stat = self._trees.find(run.leader)
        if stat is None or stat.is_hidden or procfs.withholds_environment(stat.pid):
            return False
        return procfs.variable(stat.pid, MARKER) != run.marker

    def find(self, identity: Identity) -> Member | None:
        """Return the process if it still is the same one and alive."""
        stat = self._trees.find(identity)
        return None if stat is None else self._member(stat)

    def _signal(self, member: Member, number: Signals) -> bool:
        """Signal a process through a pidfd: opened first, compared then, so no other can get the signal."""
        try:
            pidfd = os.pidfd_open(member.pid)
        except ProcessLookupError:
            return False
        except OSError:
            return super()._signal(member, number)
        try:
            stat = self._trees.find(member.identity)
            if stat is None:
                return False
            signal.pidfd_send_signal(pidfd, number)
            if wants_continue(stat.state, number):
                signal.pidfd_send_signal(pidfd, signal.SIGCONT)
        except (ProcessLookupError, PermissionError):
            return False
        finally:
            os.close(pidfd)
        return True

    def kill(self, run: Run) -> tuple[Member, ...]:
        """Kill what is in the cgroup of the run, and return it."""
        members = self._tree(run)
        reached = self._cgroups.kill(run.marker) if members else set()
        return tuple(member for member in members if member.pid in reached)

    def when_one_ends(self, members: Sequence[Member], callback: Callable[[], None]) -> Cancellable:
        """Call `callback` once, as soon as any of `members` has ended."""
        pidfds: list[int] = []
        try:
            for member in members:
                pidfds.append(os.pidfd_open(member.pid))
                if self._trees.find(member.identity) is None:
                    raise ProcessLookupError
        except OSError as error:
            for pidfd in pidfds:
                os.close(pidfd)
            if not isinstance(error, ProcessLookupError):
                return super().when_one_ends(members, callback)
            call = Call(callback)
            self._loop.call_soon(call.run)
            return call
        try:
            return Ends(self._loop, pidfds, callback)
        except OSError:
            return super().when_one_ends(members, callback)

    def debugger(self, members: Collection[Member], port: int | None) -> str | None:
        """Return who debugs one of these processes, or None: 20 us each, 1 ms where one has an inspector."""
        return debuggers.debugger(members, port, self._diag)

    def operations(self) -> tuple[Operation, ...]:
        """Return the package installs and git operations that are under way.

        The command line of every process is read, 6 us each: only while something has failed.
        """
        found = (self._operation(pid) for pid in procfs.pids())
        return tuple(each for each in found if each is not None)

    def _operation(self, pid: int) -> Operation | None:
        command = procfs.command(pid)
        name = operation(procfs.words(command)) if HINT.search(command) else None
        if name is None:
            return None
        stat, folder = procfs.stat(pid), procfs.folder(pid)
        if stat is None or not stat.is_alive or folder is None:
            return None
        return Operation(pid, name, folder, max(0.0, self.now() - self._member(stat).born))

    # ports

    def listeners(self) -> tuple[Listener, ...] | None:
        """Return every TCP socket in LISTEN, of both families, or None where they can't be read."""
        return self._diag.listeners()

    def sockets_of(self, members: Collection[Member]) -> frozenset[int] | None:
        """Return the inodes of the sockets that the processes hold, or None where they can't be read.

        One process that can't be read makes it None: the port could be its own, and `stranger` would be a
        guess. (An exiting one can't be read either, but holds its last sockets only for an instant.)
        """
        found: set[int] = set()
        for member in members:
            held: list[int] | None = None
            with contextlib.suppress(PermissionError):
                held = procfs.sockets(member.pid)
            stat = self._trees.find(member.identity)
            if stat is None or (held is None and stat.flags & procfs.EXITING):
                continue
            if held is None or stat.is_hidden:
                return None
            found.update(held)
        return frozenset(found)

    def connections(self, inodes: Collection[int]) -> Mapping[str, int] | None:
        """Return how many of these sockets are connections by TCP, by state; None where too many are open."""
        return self._diag.connections(inodes)

    def holder(self, listener: Listener) -> Holder | None:
        """Return a process that holds the listener, or None where it can't be told.

        Every descriptor of every process is read, 5 to 23 ms: for a message, not for a decision.
        """
        for pid in procfs.pids():
            try:
                holds = listener.inode in procfs.sockets(pid)
            except PermissionError:
                continue
            stat = procfs.stat(pid) if holds else None
            if stat is not None:
                since = self.wall() - max(0.0, self.now() - self._member(stat).born)
                return Holder(pid, procfs.command_line(pid, stat.name), procfs.folder(pid), since)
        return None

    def occupants(self, listeners: Collection[Listener]) -> tuple[Occupant, ...]:
        """Return every process that holds one of the listeners, as far as this user can see them."""
        wanted = frozenset(each.inode for each in listeners)
        found = (self._occupant(pid, wanted) for pid in procfs.pids())
        return tuple(each for each in found if each is not None)

    def _occupant(self, pid: int, wanted: frozenset[int]) -> Occupant | None:
        """Return the process if it holds any of the sockets.

        They are read again after its start time: a pid that was given away in between holds others.
        """
        try:
            if wanted.isdisjoint(procfs.sockets(pid)):
                return None
            stat = procfs.stat(pid)
            held = wanted.intersection(procfs.sockets(pid))
        except PermissionError:
            return None
        if stat is None or not stat.is_alive or not held:
            return None
        command = procfs.command_line(pid, stat.name)
        return Occupant(self._member(stat), command, procfs.folder(pid), procfs.variable(pid, MARKER), held)

    def watch_closed(self, callback: Callable[[int], None]) -> Cancellable | None:
        """Call `callback` with the port of every listener that is closed from now on, at once."""
        if self._closed is None:
            try:
                self._closed = ports.ClosedNotices(self._loop)
            except OSError:
                return None
        return self._closed.watch(callback)
