"""Which processes belong to which run, by what `/proc` says.

The manager is a child subreaper: a process whose parent dies becomes the manager's own child instead of
init's. So the living processes of a run are its leader, those of the manager's other children that the run
can claim, and all descendants of both; and when the leader is dead and no such child is left, the run is
proven gone, by one file read (tests/faults/test_trees.py has the hostile ones).

A run that an earlier manager started has its orphans elsewhere: with whoever inherited the leader, which is
the leader's parent now. That list is not ours, so there an empty answer is proven by all of `/proc`.

Where `/proc` hides a process from us, its parent's list still has it: it is a member like any other.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from procman.core.identity import MARKER, Identity
from procman.host.base import Run, Unseen
from procman.host.linux import procfs

if sys.platform != "win32":
    from procman.host.linux.procfs import Stat

assert sys.platform != "win32"

REMEMBERED = 1024  # markers kept in mind; beyond that they are read again


@dataclass(slots=True)
class _Listing:
    """All the living orphans that we had at one moment, each with its marker."""

    after: int  # how many of our children had been reaped before it
    orphans: list[tuple[Stat, str | None]]


@dataclass(slots=True)
class _Record:
    """What earlier looks at a run found."""

    inheritor: int | None  # pid of the process whose children its orphans become; None: never seen alive
    seen: frozenset[tuple[int, int]] = frozenset()  # (pid, started) of the last look
    has_session: bool = False  # at the last look somebody was in it, so its number was not given away


class Trees:
    """The trees of every run. Owned by the thread of the event loop."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._session = os.getsid(0)
        self._boot = procfs.boot_id()
        self._lists_children = procfs.lists_children()
        self._known: dict[int, Identity | None] = {}  # children we started and did not reap; None: a check's
        self._records: dict[Run, _Record] = {}
        self._reaped: dict[Identity, int] = {}  # leaders that we have reaped, each with how many it made
        self._reaps = 0
        self._listing = _Listing(0, [])  # the newest
        self._listed: list[Stat] | None = None  # our orphans, while several runs are looked at
        self._markers: dict[tuple[int, int], str] = {}

    def identity(self, stat: Stat) -> Identity:
        """Return who the process is."""
        return Identity(stat.pid, stat.started, self._boot)

    def find(self, identity: Identity) -> Stat | None:
        """Return the process if it still is the same one and alive."""
        if identity.boot != self._boot:
            return None
        is_ours = self._known.get(identity.pid) == identity  # not reaped, so the number is its own
        stat = procfs.stat(identity.pid)
        if stat is None:
            stat = procfs.hidden(identity.pid, self._pid) if is_ours else self._find_hidden(identity)
        elif stat.started != identity.started and not is_ours:
            return None
        return stat if stat is not None and stat.is_alive else None

    def _find_hidden(self, identity: Identity) -> Stat | None:
        """Return a hidden process if the parent that it was seen below still lists it."""
        parent = -identity.started
        is_listed = parent > 0 and identity.pid in procfs.children(parent)
        return procfs.hidden(identity.pid, parent) if is_listed else None

    def is_child(self, identity: Identity) -> bool:
        """Return whether the process is our own child, dead or alive: it stays so over an upgrade.

        A child keeps its number until we reap it, so of one that is hidden, or was, the number is enough.
        """
        stat = self._stat(identity.pid, self._pid) if identity.pid in self._children(self._pid) else None
        if stat is None or identity.boot != self._boot:
            return False
        return stat.is_hidden or identity.started in (stat.started, -self._pid)

    def child(self, pid: int) -> Stat:
        """Return our child that was not reaped, so that it is in `/proc` or hidden, dead or alive.

        Raises:
            Unseen: there was no room to look at it.
        """
        stat = self._stat(pid, self._pid)
        if stat is None:
            raise Unseen
        return stat

    def started(self, run: Run) -> None:
        """Know the run's leader as a child that was started here, and is nobody's orphan."""
        self._known[run.leader.pid] = run.leader
        self._records[run] = _Record(self._pid, has_session=True)

    def started_check(self, pid: int) -> None:
        """Know `pid` as a child that was started here, and belongs to no run though it has a run's marker."""
        self._known[pid] = None

    def reaped(self, pid: int) -> None:
        """Forget `pid`: its number is free."""
        leader = self._known.pop(pid, None)
        self._reaps += 1
        if leader is not None:
            self._reaped[leader] = self._reaps

    def gone(self, run: Run) -> None:
        """Forget a run of which `look` has found nobody, unless its leader is to be reaped yet.

        Nothing is kept of what is over, so many restarts leave the manager as large as few. Who asks for it
        once more has all of `/proc` looked through.
        """
        if self._known.get(run.leader.pid) == run.leader:
            return
        self._records.pop(run, None)
        self._reaped.pop(run.leader, None)
        self._markers = {trace: marker for trace, marker in self._markers.items() if marker != run.marker}

    def is_orphan(self, pid: int) -> bool:
        """Return whether it is a child of ours, dead or alive, that we did not start."""
        return pid not in self._known and bool(self._orphans_of([pid]))

    def orphans(self) -> list[Stat]:
        """Return our children that we did not start, zombies included."""
        return self._orphans_of(self._strange())

    def _strange(self) -> list[int]:
        """Return the pids of our children that we did not start, and of those that others here have."""
        return [pid for pid in self._children(self._pid) if pid not in self._known]

    def _orphans_of(self, strange: list[int]) -> list[Stat]:
        """Return which of these children are orphans.

        What was started here lives in a session of its own, and nobody joins a session later: a child in
        ours was made by someone else in this process, who waits for it.
        """
        found = (stat for pid in strange if (stat := self._stat(pid, self._pid)) is not None)
        return [stat for stat in found if stat.parent == self._pid and stat.session != self._session]

    def look(self, run: Run) -> list[Stat]:
        """Return the living processes of the run.

        Raises:
            Unseen: there was no room to look at all of them.
        """
        if run.leader.boot != self._boot:
            return []
        blind = procfs.blind()
        record = self._records.setdefault(run, _Record(None))
        found: dict[int, Stat] = {}
        leader = self.find(run.leader)
        if leader is not None:
            record.inheritor, record.has_session = leader.parent, True
            self._walk(leader, self._children_of, found)
        elif self._is_given_away(run.leader):
            record.has_session = False
        if record.inheritor is not None:
            self._look_among_fostered(run, record, record.inheritor, found)
        if record.inheritor is None or (not found and record.inheritor != self._pid):
            self._scan(run, record, found)
        if procfs.blind() != blind:
            raise Unseen
        record.seen = frozenset(map(_trace, found.values()))
        record.has_session = any(stat.session == run.leader.pid for stat in found.values())
        return list(found.values())

    def look_at_all(self, runs: Iterable[Run]) -> list[list[Stat]]:
        """Return the living processes of each run; our own orphans are listed once for all of them.

        For showing only: an empty answer proves less than that of `look`.
        """
        self._listed = self._fostered(self._pid)
        try:
            return [self._shown(run) for run in runs]
        finally:
            self._listed = None

    def _shown(self, run: Run) -> list[Stat]:
        try:
            return self.look(run)
        except Unseen:
            return []

    def _look_among_fostered(self, run: Run, record: _Record, inheritor: int, found: dict[int, Stat]) -> None:
        """Add the orphans of the run that `inheritor` has, and their descendants, to `found`.

        A child may die after the list was read and before it is looked at: its own children come to the same
        list then, too late to be on it. So an answer of nobody counts only once the list stays as it is.
        """
        if inheritor == self._pid and not found and self._has_left_nobody(run, record):
            return
        before: list[int] | None = None
        while True:
            for orphan in self._fostered(inheritor):
                if orphan.pid not in found and self._claims(run, record, orphan):
                    self._walk(orphan, self._children_of, found)
            if found:
                return
            listed = self._children(inheritor)
            if listed == before:
                return
            before = listed

    def _has_left_nobody(self, run: Run, record: _Record) -> bool:
        """Return whether all our orphans are others', at a moment at which the run's leader was no more.

        Whoever had nobody then has nobody ever after. So of a hundred that were reaped one after the other
        the first that is looked at lists our children, which takes longer the more they are, for all.
        """
        reaped = self._reaped.get(run.leader)
        if reaped is None:
            return False
        if self._listing.after < reaped and not self._list():
            return False
        return not any(
            marker == run.marker or self._is_seen(run, record, stat) for stat, marker in self._listing.orphans
        )

    def _list(self) -> bool:
        """List our living orphans, until the list stays as it is, for the same reason as above.

        Everything is looked at before the list is read again: who dies meanwhile leaves its children there.
        Returns whether there was room to look at everything.
        """
        listing, blind = _Listing(self._reaps, []), procfs.blind()
        before: list[int] = []  # and with none on it there is nobody who could leave a child there
        while (strange := self._strange()) != before:
            before = strange
            living = (stat for stat in self._orphans_of(strange) if stat.is_alive)
            listing.orphans += [(stat, self._marker(stat)) for stat in living]
        if procfs.blind() != blind:
            return False
        self._listing = listing
        return True

    def marked(self, prefix: str) -> dict[str, list[Stat]]:
        """Return the living processes of the machine whose marker begins with `prefix`, by marker.

        Raises:
            Unseen: there was no room to look at all of them.
        """
        blind = procfs.blind()
        found: dict[str, list[Stat]] = {}
        for pid in procfs.pids():
            stat = procfs.stat(pid)
            if stat is None or not stat.is_alive or pid == self._pid:
                continue
            marker = self._marker(stat)
            if marker is not None and marker.startswith(prefix):
                found.setdefault(marker, []).append(stat)
        if procfs.blind() != blind:
            raise Unseen
        return found

    def _fostered(self, inheritor: int) -> list[Stat]:
        """Return the living children of `inheritor` that may be orphans."""
        if inheritor == self._pid:
            if self._listed is not None:
                return self._listed
            return [stat for stat in self.orphans() if stat.is_alive]
        found = (self._stat(pid, inheritor) for pid in self._children(inheritor))
        return [stat for stat in found if stat is not None and stat.is_alive]

    def _claims(self, run: Run, record: _Record, stat: Stat) -> bool:
        if stat.pid == self._pid:  # a manager that was started from inside its own app has that run's marker
            return False
        return self._is_seen(run, record, stat) or self._marker(stat) == run.marker

    def _is_seen(self, run: Run, record: _Record, stat: Stat) -> bool:
        """Return whether earlier looks at the run have known the process, or its session."""
        return _trace(stat) in record.seen or (record.has_session and stat.session == run.leader.pid)

    def _marker(self, stat: Stat) -> str | None:
        key = (stat.pid, stat.started)
        marker = self._markers.get(key)
        if marker is None:
            marker = procfs.variable(stat.pid, MARKER)
            if marker is not None:
                if len(self._markers) >= REMEMBERED:
                    self._markers.clear()
                self._markers[key] = marker
        return marker

    def _walk(self, root: Stat, children: Callable[[Stat], Iterable[int]], found: dict[int, Stat]) -> None:
        """Add `root` and its living descendants to `found`."""
        found[root.pid] = root
        pending = [root]
        while pending:
            parent = pending.pop()
            for pid in children(parent):
                stat = None if pid in found or pid == self._pid else self._stat(pid, parent.pid)
                if stat is None or not stat.is_alive:
                    continue
                if stat.parent != parent.pid and stat.parent not in found and stat.parent != self._pid:
                    continue  # it ended, and another got its number
                found[pid] = stat
                pending.append(stat)

    def _scan(self, run: Run, record: _Record, found: dict[int, Stat]) -> None:
        """Add every process of the machine that the run can claim, and the descendants of those."""
        everyone = {pid: stat for pid in procfs.pids() if (stat := procfs.stat(pid)) is not None}
        below: dict[int, list[int]] = {}
        for stat in everyone.values():
            below.setdefault(stat.parent, []).append(stat.pid)
        for stat in everyone.values():
            if stat.pid in found or not stat.is_alive or self._is_check(stat):
                continue
            if self._claims(run, record, stat):
                self._walk(
                    stat, lambda each: (*below.get(each.pid, ()), *self._listed_children(each.pid)), found
                )

    def _is_check(self, stat: Stat) -> bool:
        return stat.session in self._known and self._known[stat.session] is None

    def _is_given_away(self, leader: Identity) -> bool:
        """Return whether the number of a dead leader is another process's by now, and with it its session."""
        stat = procfs.stat(leader.pid)
        return stat is not None and stat.started != leader.started

    def _stat(self, pid: int, parent: int) -> Stat | None:
        """Return what there is to know about a process that its parent lists, dead or alive."""
        return procfs.stat(pid) or procfs.hidden(pid, parent)

    def _children_of(self, parent: Stat) -> list[int]:
        """Return the children of a process that was seen just now, so that `/proc` shows it."""
        if self._lists_children and not parent.is_hidden:
            return procfs.children(parent.pid, parent.threads)
        return self._children(parent.pid)

    def _children(self, pid: int) -> list[int]:
        listed = self._listed_children(pid)
        if listed or (self._lists_children and not procfs.is_hidden(pid)):
            return listed
        seen = (procfs.stat(each) for each in procfs.pids())
        return [stat.pid for stat in seen if stat is not None and stat.parent == pid]

    def _listed_children(self, pid: int) -> list[int]:
        return procfs.children(pid) if self._lists_children else []


def _trace(stat: Stat) -> tuple[int, int]:
    """Return what a process is known by from look to look: a hidden one by its number, as parents change."""
    return stat.pid, max(-1, stat.started)
