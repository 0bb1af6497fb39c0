"""Whose process is whose, told from a list of processes: what macOS and Windows have in common.

A run's processes are its leader, what is in its session, what carries its marker, and all descendants of
these. The list is read anew for each look, some 0.03 ms for each process of the machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Sequence

from procman.core.identity import MARKER, Identity, Member
from procman.core.verdict import Listener
from procman.host.base import Holder, Occupant, Operation, Run, Vitals
from procman.host.listed.table import Row, Table, Withheld
from procman.host.operations import operation

COMMAND_SHOWN = 80  # characters
# s after its birth a process is what it will stay: its fork was followed by its exec.
SETTLED = 5.0


class Listing:
    """Answers what a host is asked about processes and ports. Owned by the thread of the event loop.

    `now` and `wall` are the host's clocks; `boot` names the present boot. `checks` are the leaders
    of commands that check something: they are in no tree, whatever marker they carry.
    """

    def __init__(self, table: Table, boot: str, now: Callable[[], float], wall: Callable[[], float]) -> None:
        self.table = table
        self.boot = boot
        self.checks: set[int] = set()
        self._now = now
        self._wall = wall
        self._born: dict[Identity, float] = {}
        self._markers: dict[Identity, str | None] = {}

    # who is who

    def identity(self, row: Row) -> Identity:
        """Return what tells a process from all others that have had or will have its pid."""
        return Identity(row.pid, row.started, self.boot)

    def member(self, row: Row) -> Member:
        """Return a process as the contract describes it; its birth is worked out once, so two looks agree."""
        identity = self.identity(row)
        if identity not in self._born:
            self._born[identity] = self._now() - max(0.0, self._wall() - row.started / 1e6)
        return Member(identity, row.parent, row.name, self._born[identity], row.state)

    def find(self, identity: Identity) -> Member | None:
        """Return the process if it still is the same one and alive."""
        row = self.table.row(identity.pid) if identity.boot == self.boot else None
        return self.member(row) if row is not None and row.started == identity.started else None

    def marker(self, pid: int) -> str | None:
        """Return the marker of a process; None where it has none, or may not be asked."""
        try:
            return self.table.variable(pid, MARKER)
        except Withheld:
            return None

    def _marker(self, row: Row) -> str | None:
        """Return the marker of a process, read once it has settled: only an exec changes it."""
        identity = self.identity(row)
        if identity not in self._markers or self._age(row) < SETTLED:
            self._markers[identity] = self.marker(row.pid)
        return self._markers[identity]

    def is_stranger(self, run: Run) -> bool:
        """Return whether somebody else lives under the identity of the run's first process."""
        if self.find(run.leader) is None:
            return False
        try:
            return self.table.variable(run.leader.pid, MARKER) != run.marker
        except Withheld:
            return False

    # trees

    def trees(self, runs: Sequence[Run]) -> list[tuple[Member, ...]]:
        """Return every living process of each run, in one look."""
        rows = self.table.rows()
        self._forget(rows)
        markers = {pid: marker for pid, row in rows.items() if (marker := self._marker(row)) is not None}
        return [self._tree(run, rows, markers) for run in runs]

    def _tree(self, run: Run, rows: dict[int, Row], markers: dict[int, str]) -> tuple[Member, ...]:
        leader = rows.get(run.leader.pid)
        same = leader is not None and self.identity(leader) == run.leader
        roots = {pid for pid, marker in markers.items() if marker == run.marker}
        if same:
            roots |= {row.pid for row in rows.values() if row.session == run.leader.pid}
            roots.add(run.leader.pid)
        return tuple(self.member(row) for row in self._with_descendants(roots, rows))

    def _with_descendants(self, roots: Iterable[int], rows: dict[int, Row]) -> list[Row]:
        """Return the processes and all below them: in the order of their pids, so that two looks agree.

        A parent is believed only if it is the older one. Windows never changes the parent of an orphan, whose
        number may by now be that of anybody.
        """
        children: dict[int, list[Row]] = {}
        for row in rows.values():
            children.setdefault(row.parent, []).append(row)
        found: dict[int, Row] = {}
        pending = [rows[pid] for pid in roots if pid in rows]
        while pending:
            row = pending.pop()
            if row.pid in found or row.pid == os.getpid() or self._is_check(row):
                continue
            found[row.pid] = row
            pending += [each for each in children.get(row.pid, ()) if each.started >= row.started]
        return [found[pid] for pid in sorted(found)]

    def _is_check(self, row: Row) -> bool:
        return row.pid in self.checks or row.session in self.checks

    def _forget(self, rows: dict[int, Row]) -> None:
        """Keep the births of the living only."""
        living = {self.identity(row) for row in rows.values()}
        self._born = {each: born for each, born in self._born.items() if each in living}
        self._markers = {each: marker for each, marker in self._markers.items() if each in living}

    def marked(self, prefix: str) -> dict[str, tuple[Member, ...]]:
        """Return every living process of ours whose marker begins with `prefix`, by marker."""
        found: dict[str, tuple[Member, ...]] = {}
        for pid, row in self.table.rows().items():
            marker = self._marker(row) if pid != os.getpid() and not self._is_check(row) else None
            if marker is not None and marker.startswith(prefix):
                found[marker] = (*found.get(marker, ()), self.member(row))
        return found

    # what they do

    def vitals(self, members: Collection[Member]) -> tuple[Vitals, ...]:
        """Return what each of `members` that still lives does and uses."""
        return tuple(each for each in map(self._vitals, members) if each is not None)

    def _vitals(self, member: Member) -> Vitals | None:
        used, found = self.table.used(member.pid), self.find(member.identity)
        if used is None or found is None:
            return None
        return Vitals(
            member.identity,
            found.parent,
            found.name,
            self.table.words(member.pid),
            found.state,
            cpu_s=used.cpu_s,
            memory_bytes=used.memory_bytes,
            age_s=max(0.0, self._now() - found.born),
            threads=used.threads,
            descriptors=used.descriptors,
        )

    def operations(self) -> tuple[Operation, ...]:
        """Return the package installs and git operations that are under way, by command line."""
        found = []
        for pid, row in self.table.rows().items():
            name = operation(self.table.words(pid))
            folder = self.table.folder(pid) if name is not None else None
            if name is not None and folder is not None:
                found.append(Operation(pid, name, folder, self._age(row)))
        return tuple(found)

    def _age(self, row: Row) -> float:
        return max(0.0, self._now() - self.member(row).born)

    # ports

    def listeners(self) -> tuple[Listener, ...]:
        """Return the TCP sockets in LISTEN that this user may see."""
        return tuple({each.inode: each for _pid, each in self.table.all_listening()}.values())

    def sockets_of(self, members: Collection[Member]) -> frozenset[int] | None:
        """Return the numbers of the listeners that the processes hold, or None where one may not be asked."""
        found: set[int] = set()
        for member in members:
            try:
                held = self.table.listening(member.pid)
            except Withheld:
                if self.find(member.identity) is None:
                    continue
                return None
            if self.find(member.identity) is not None:
                found.update(each.inode for each in held)
        return frozenset(found)

    def holder(self, listener: Listener) -> Holder | None:
        """Return a process that holds the listener, or None where it can't be told."""
        for pid, each in self.table.all_listening():
            row = self.table.row(pid) if each.inode == listener.inode else None
            if row is not None:
                return Holder(pid, self._command(row), self.table.folder(pid), row.started / 1e6)
        return None

    def occupants(self, listeners: Collection[Listener]) -> tuple[Occupant, ...]:
        """Return every process that holds one of the listeners, as far as this user can see them."""
        wanted = {each.inode for each in listeners}
        held: dict[int, set[int]] = {}
        for pid, each in self.table.all_listening():
            if each.inode in wanted:
                held.setdefault(pid, set()).add(each.inode)
        return tuple(
            Occupant(
                self.member(row),
                self._command(row),
                self.table.folder(pid),
                self.marker(pid),
                frozenset(inodes),
            )
            for pid, inodes in held.items()
            if (row := self.table.row(pid)) is not None
        )

    def _command(self, row: Row) -> str:
        words = self.table.words(row.pid)
        return " ".join(" ".join(words).split())[:COMMAND_SHOWN] or f"[{row.name}]"
