"""macOS, by its own command-line tools and kqueue. Untried: written without a Mac, checked by mypy alone.

There is no child subreaper, no `/proc` and no announcement of a closed socket here. So an orphan is found by
session and by marker in the output of `ps`, and listeners by `lsof`; both are run for each look, some 10 and
50 ms, which is why the engine asks for them no more often than it checks.
"""

from __future__ import annotations

import asyncio
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from procman.core.identity import MARKER, Identity, Member
from procman.core.verdict import Listener
from procman.host.base import Cancellable, Ended, Holder, Occupant, Operation, Order, Run, Vitals
from procman.host.operations import operation
from procman.host.posix import Call, PosixHost

assert sys.platform == "darwin"

TOOL_TIMEOUT = 5.0  # s; lsof waits for a dead network file system unless it is told not to (-b)
DESCRIPTOR = re.compile(r"^(?:\[(?P<six>[^]]*)\]|(?P<four>[^:]*)):(?P<port>\d+)$")


class _Row(NamedTuple):
    """One process in the output of `ps`."""

    pid: int
    parent: int
    session: int  # the process group's: `ps` shows a session as an address, and a leader's group is its pid
    state: str
    started: int  # whole seconds since the epoch: all that `ps` tells
    name: str


class MacHost(PosixHost):
    """The host of a Mac. Owned by the thread of the event loop, the main one. Untried."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._boot = _run("sysctl", "-n", "kern.bootsessionuuid").strip()
        self._checks: set[int] = set()

    def suspended(self) -> float:
        """Return for how many seconds in all this machine was asleep since its boot."""
        awake = time.clock_gettime(time.CLOCK_UPTIME_RAW)  # mach_absolute_time(), which `now()` is too
        return max(0.0, time.clock_gettime(time.CLOCK_MONOTONIC_RAW) - awake)

    # processes

    def spawn(self, order: Order, on_exit: Callable[[Ended], None]) -> Identity:
        """Start a process in a session of its own and return who it is."""
        pid = self._start_child(order, on_exit)
        row = _processes(pid).get(pid)
        return Identity(pid, row.started if row is not None else int(time.time()), self._boot)

    def _know_check(self, pid: int) -> None:
        self._checks.add(pid)

    def _forget_child(self, pid: int) -> None:
        self._checks.discard(pid)

    def trees(self, runs: Sequence[Run]) -> list[tuple[Member, ...]]:
        """Return every living process of each run."""
        return [self.tree(run) for run in runs]

    def tree(self, run: Run) -> tuple[Member, ...]:
        """Return every living process of the run: by descent, by process group and by marker."""
        rows = _processes()
        leader = rows.get(run.leader.pid)
        same = leader is not None and leader.started == run.leader.started
        marked = _marked_pids()
        roots = {pid for pid, marker in marked.items() if marker == run.marker}
        roots |= {row.pid for row in rows.values() if same and row.session == run.leader.pid}
        found: dict[int, _Row] = {}
        pending = [pid for pid in roots if pid in rows and rows[pid].session not in self._checks]
        while pending:
            row = rows[pending.pop()]
            if row.pid not in found and row.pid != os.getpid():
                found[row.pid] = row
                pending += [each.pid for each in rows.values() if each.parent == row.pid]
        return tuple(self._member(row) for row in found.values())

    def _member(self, row: _Row) -> Member:
        born = self.now() - max(0.0, time.time() - row.started)
        return Member(Identity(row.pid, row.started, self._boot), row.parent, row.name, born, row.state)

    def find(self, identity: Identity) -> Member | None:
        """Return the process if it still is the same one and alive."""
        row = _processes(identity.pid).get(identity.pid)
        if row is None or row.started != identity.started or identity.boot != self._boot:
            return None
        return self._member(row)

    def memory(self, members: Collection[Member]) -> int:
        """Return how many bytes of RAM these processes have; what they share counts for each of them."""
        return sum(each.memory_bytes for each in self.vitals(members))

    def vitals(self, members: Collection[Member]) -> tuple[Vitals, ...]:
        """Return what each of `members` that still lives does and uses, as far as `ps` tells."""
        pids = ",".join(str(member.pid) for member in members)
        used: dict[int, list[str]] = {}
        for line in _run("ps", "-ww", "-p", pids, "-o", "pid=,time=,rss=,command=").splitlines():
            fields = line.split()
            if len(fields) > 3:
                used[int(fields[0])] = fields[1:]
        rows = _processes(*used) if used else {}
        found = []
        for member in members:
            row = rows.get(member.pid)
            if row is not None and row.started == member.identity.started:
                taken, kilobytes, *arguments = used[member.pid]
                found.append(
                    Vitals(
                        member.identity,
                        row.parent,
                        row.name,
                        tuple(arguments),
                        row.state,
                        cpu_s=_seconds(taken),
                        memory_bytes=int(kilobytes) * 1024,
                        age_s=max(0.0, self.now() - member.born),
                    )
                )
        return tuple(found)

    def is_stranger(self, run: Run) -> bool:
        """Return whether somebody else lives under the identity of the run's first process."""
        return self.find(run.leader) is not None and _marked_pids().get(run.leader.pid) != run.marker

    def boot(self) -> str:
        """Return the boot session's id."""
        return self._boot

    def marked(self, prefix: str) -> dict[str, tuple[Member, ...]]:
        """Return every living process of ours whose marker begins with `prefix`, by marker."""
        rows = _processes()
        found: dict[str, tuple[Member, ...]] = {}
        for pid, marker in _marked_pids().items():
            if marker.startswith(prefix) and pid in rows and pid != os.getpid():
                found[marker] = (*found.get(marker, ()), self._member(rows[pid]))
        return found

    def adopt(self, run: Run, on_exit: Callable[[Ended], None]) -> bool:
        """Watch a process that a former manager started; how it ends only its parent, launchd, is told."""
        member = self.find(run.leader)
        if member is None:
            return False
        self.when_one_ends((member,), lambda: on_exit(Ended(None, None)))
        return True

    def when_one_ends(self, members: Sequence[Member], callback: Callable[[], None]) -> Cancellable:
        """Call `callback` once, as soon as any of `members` has ended, by kqueue's NOTE_EXIT."""
        if any(self.find(member.identity) is None for member in members):
            call = Call(callback)
            self._loop.call_soon(call.run)
            return call
        return _Ends(self._loop, [member.pid for member in members], callback)

    def operations(self) -> tuple[Operation, ...]:
        """Return the package installs and git operations that are under way, by `ps` and `lsof`."""
        names: dict[int, str] = {}
        for line in _run("ps", "-axww", "-o", "pid=,command=").splitlines():
            pid, *words = line.split()
            if (name := operation(words)) is not None:
                names[int(pid)] = name
        if not names:
            return ()
        folders, pids = {}, ",".join(map(str, names))
        for line in _run("lsof", "-b", "-w", "-a", "-d", "cwd", "-Fpn", "-p", pids).splitlines():
            if line.startswith("p"):
                current = int(line[1:])
            elif line.startswith("n"):
                folders[current] = line[1:]
        rows, now = _processes(*names), time.time()
        return tuple(
            Operation(pid, name, folders[pid], max(0.0, now - rows[pid].started))
            for pid, name in names.items()
            if pid in folders and pid in rows
        )

    # ports

    def listeners(self) -> tuple[Listener, ...] | None:
        """Return the TCP sockets in LISTEN, or None without `lsof`; other users' only as root.

        The inode is the kernel's address of the socket, which serves the same end; a queue is not told.
        """
        held = _listening()
        return None if held is None else tuple({each.inode: each for _pid, each in held}.values())

    def sockets_of(self, members: Collection[Member]) -> frozenset[int] | None:
        """Return what `listeners` calls the inodes of the processes' listening sockets."""
        held = _listening()
        pids = {member.pid for member in members}
        return None if held is None else frozenset(each.inode for pid, each in held if pid in pids)

    def holder(self, listener: Listener) -> Holder | None:
        """Return a process that holds the listener, or None where it can't be told."""
        for pid, each in _listening() or ():
            row = _processes(pid).get(pid) if each.inode == listener.inode else None
            if row is not None:
                command = " ".join(_run("ps", "-ww", "-o", "command=", "-p", str(pid)).split())
                return Holder(pid, command[:80] or row.name, None, row.started)
        return None

    def occupants(self, listeners: Collection[Listener]) -> tuple[Occupant, ...]:
        """Return every process that holds one of the listeners, as far as this user can see them."""
        wanted = {each.inode for each in listeners}
        held: dict[int, set[int]] = {}
        for pid, each in _listening() or ():
            if each.inode in wanted:
                held.setdefault(pid, set()).add(each.inode)
        rows, marked = _processes(), _marked_pids()
        found = []
        for pid, inodes in held.items():
            if pid in rows:
                command = " ".join(_run("ps", "-ww", "-o", "command=", "-p", str(pid)).split())
                shown = command[:80] or rows[pid].name
                member = self._member(rows[pid])
                found.append(Occupant(member, shown, None, marked.get(pid), frozenset(inodes)))
        return tuple(found)

    def watch_closed(self, callback: Callable[[int], None]) -> Cancellable | None:
        """Return None: this kernel does not announce closed sockets."""
        return None


class _Ends:
    """A wait for the first of some processes to end, on a kqueue of its own."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, pids: list[int], callback: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._callback = callback
        self._queue: select.kqueue | None = select.kqueue()
        loop.add_reader(self._queue.fileno(), self._on_end)
        for pid in pids:
            event = select.kevent(
                pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD | select.KQ_EV_ONESHOT, select.KQ_NOTE_EXIT
            )
            try:
                self._queue.control([event], 0)
            except ProcessLookupError:
                loop.call_soon(self._on_end)
                break

    def cancel(self) -> None:
        """Make sure that the callback is not called any more."""
        if self._queue is not None:
            self._loop.remove_reader(self._queue.fileno())
            self._queue.close()
            self._queue = None

    def _on_end(self) -> None:
        if self._queue is not None:
            self.cancel()
            self._callback()


def _run(*command: str) -> str:
    """Return what a tool of the system prints, or nothing where it fails."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TOOL_TIMEOUT,
            check=False,
            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")


def _seconds(clock: str) -> float:
    """Return how many seconds `ps` means: `0:01.25`, `12:34.56`, `1:02:03.04`, `2-03:04:05`."""
    days, _, rest = clock.rpartition("-")
    total = 0.0
    for part in rest.split(":"):
        total = total * 60 + float(part)
    return total + int(days or 0) * 86400


def _processes(*only: int) -> dict[int, _Row]:
    """Return the living processes by pid: all, or those asked for."""
    which = ["-p", ",".join(map(str, only))] if only else ["-ax"]
    rows: dict[int, _Row] = {}
    for line in _run("ps", *which, "-o", "pid=,ppid=,pgid=,state=,lstart=,comm=").splitlines():
        fields = line.split(None, 9)  # lstart is five of them: Mon Nov 23 16:00:00 2026
        if len(fields) == 10 and not fields[3].startswith("Z"):
            started = datetime.strptime(" ".join(fields[4:9]), "%a %b %d %H:%M:%S %Y").timestamp()
            name = os.path.basename(fields[9])[:15]
            pid = int(fields[0])
            rows[pid] = _Row(pid, int(fields[1]), int(fields[2]), fields[3][0], int(started), name)
    return rows


def _marked_pids() -> dict[int, str]:
    """Return the marker of each process of this user that has one: `ps -E` shows environments."""
    found: dict[int, str] = {}
    for line in _run("ps", "-axww", "-E", "-o", "pid=,command=").splitlines():
        pid, _, rest = line.strip().partition(" ")
        match = re.search(rf"(?:^|\s){MARKER}=(\S*)", rest)
        if match and pid.isdecimal():
            found[int(pid)] = match[1]
    return found


def _listening() -> list[tuple[int, Listener]] | None:
    """Return each listening socket with a pid that holds it, or None without `lsof`."""
    text = _run("lsof", "-b", "-w", "-nP", "-iTCP", "-sTCP:LISTEN", "-FpdPtn")
    if not text:
        return None
    found: list[tuple[int, Listener]] = []
    pid, device, family = 0, 0, ""
    for line in text.splitlines():
        kind, value = line[:1], line[1:]
        if kind == "p":
            pid = int(value)
        elif kind == "t":
            family = value
        elif kind == "d":
            device = int(value, 16)
        elif kind == "n" and (match := DESCRIPTOR.match(value)):
            bound = match["six"] or match["four"]
            wildcard = "::" if family == "IPv6" else "0.0.0.0"
            found.append((pid, Listener(wildcard if bound == "*" else bound, int(match["port"]), device, 0)))
    return found
