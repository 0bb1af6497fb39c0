"""Who listens where, and whose that is: every listener of the machine, managed or not.

What is an app's own is for its manager to say. So the machine is looked at first and the manager asked then:
a run that begins in between is in neither look's list of orphans.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from procman.core.frozen import Frozen
from procman.core.identity import Member
from procman.core.verdict import WILDCARDS, Listener
from procman.core.view import spell_time
from procman.engine.adoption import Found, leader_of
from procman.host.base import Host, Occupant, Run


class Whose(Enum):
    """Whose a listener is."""

    APP = "app"  # of a run that this project's manager has
    ORPHAN = "orphan"  # marked as this project's, and of no run that a manager has
    PROJECT = "project"  # marked as another project's
    STRANGER = "stranger"
    UNKNOWN = "unknown"  # can't be read, so most likely another user's


class Current(Frozen):
    """A run that a manager has, as it says so."""

    app: str
    marker: str
    pids: tuple[int, ...]


class Holding(Frozen):
    """One port in the hands of one process, or of nobody that can be seen."""

    port: int
    listeners: tuple[Listener, ...]
    whose: Whose
    occupant: Occupant | None = None
    app: str | None = None
    run: Run | None = None  # of an orphan: all that is left of its run
    age_s: float | None = None
    since: float | None = None  # of an orphan: seconds since the epoch


class Sight(Frozen):
    """One look at the machine."""

    listeners: tuple[Listener, ...]
    occupants: tuple[Occupant, ...]
    marked: Mapping[str, tuple[Member, ...]]  # the living processes of this project, by marker


def look(host: Host, project: str | None) -> Sight | None:
    """Return who listens, and what lives of the project; None where listeners can't be read.

    Args:
        host: the operating system.
        project: what the markers of the project's runs begin with, or None outside of any.
    """
    listeners = host.listeners()
    if listeners is None:
        return None
    marked = host.marked(project) if project is not None else {}
    return Sight(listeners, host.occupants(listeners), marked)


def last_sign(home: Path) -> float | None:
    """Return when the project's manager last wrote something, in seconds since the epoch."""
    times = []
    for path in (home / "lock", home / "manager.log", *home.glob("run/*.json")):
        try:
            times.append(os.stat(path).st_mtime)
        except OSError:
            continue
    return max(times, default=None)


def orphans(
    host: Host, marked: Mapping[str, tuple[Member, ...]], current: Iterable[Current]
) -> tuple[tuple[str, Run, tuple[Member, ...]], ...]:
    """Return each run of which something lives and that no manager has: its app, itself, its processes.

    The processes include descendants without a marker, which an app has started with a bare environment.
    """
    known = {each.marker for each in current}
    found = []
    for marker, members in marked.items():
        name, _, number = marker.partition(":")[2].rpartition(":")
        if marker in known or not name or not number.isdecimal():
            continue
        run = Run(leader_of(Found(name, int(number), marker, members), None, host.is_stranger), marker)
        found.append((name, run, host.tree(run)))
    return tuple(found)


def tell_apart(
    host: Host, sight: Sight, current: Sequence[Current] | None, sign: float | None
) -> tuple[Holding, ...]:
    """Return whose each listener is, by port and pid.

    Args:
        host: the operating system.
        sight: what a look has seen.
        current: the runs that the manager has, asked after that look; None: no manager runs.
        sign: the last sign of life of a manager, if none runs.
    """
    judge = _Judge(host, sight, current or (), sign if current is None else None)
    return tuple(sorted(judge.holdings(), key=_order))


class _Judge:
    """Says of each process whose it is; made for one look."""

    def __init__(self, host: Host, sight: Sight, current: Sequence[Current], sign: float | None) -> None:
        self._host = host
        self._sight = sight
        self._sign = sign
        self._apps = {pid: run.app for run in current for pid in run.pids}
        self._markers = {run.marker: run.app for run in current}
        self._orphans = {
            member.identity: (name, run)
            for name, run, members in orphans(host, sight.marked, current)
            for member in members
        }

    def holdings(self) -> Iterator[Holding]:
        """Yield one holding for each port and process, and one for each port that nobody seen holds."""
        seen: set[int] = set()
        for occupant in self._sight.occupants:
            for port, listeners in _by_port(self._sight.listeners, occupant.inodes).items():
                yield self._of(occupant, port, listeners)
            seen |= occupant.inodes
        hidden = {each.inode for each in self._sight.listeners} - seen
        for port, listeners in _by_port(self._sight.listeners, hidden).items():
            yield Holding(port, listeners, Whose.UNKNOWN)

    def _of(self, occupant: Occupant, port: int, listeners: tuple[Listener, ...]) -> Holding:
        age = max(0.0, self._host.now() - occupant.member.born)

        def holding(
            whose: Whose, app: str | None = None, run: Run | None = None, since: float | None = None
        ) -> Holding:
            return Holding(port, listeners, whose, occupant, app, run, age, since)

        marker = occupant.marker or ""
        app = self._apps.get(occupant.pid) or self._markers.get(marker)
        if app is not None:
            return holding(Whose.APP, app)
        orphan = self._orphans.get(occupant.member.identity)
        if orphan is not None:
            since = max(self._host.wall() - age, self._sign or 0.0)
            return holding(Whose.ORPHAN, *orphan, since)
        name = marker.partition(":")[2].rpartition(":")[0]
        return holding(Whose.PROJECT, name) if name else holding(Whose.STRANGER)


def _by_port(listeners: Iterable[Listener], inodes: Iterable[int]) -> dict[int, tuple[Listener, ...]]:
    wanted = frozenset(inodes)
    found: dict[int, tuple[Listener, ...]] = {}
    for each in listeners:
        if each.inode in wanted:
            found[each.port] = (*found.get(each.port, ()), each)
    return found


def _order(holding: Holding) -> tuple[int, bool, int]:
    pid = holding.occupant.pid if holding.occupant is not None else 0
    return holding.port, holding.occupant is None, pid


def rows(holdings: Iterable[Holding]) -> list[dict[str, Any]]:
    """Return the elements of `listeners` in `procman ports --json`."""
    return [_row(each) for each in holdings]


def _row(holding: Holding) -> dict[str, Any]:
    occupant = holding.occupant
    return {
        "port": holding.port,
        "families": _families(holding.listeners),
        "addresses": sorted(
            {each.address for each in holding.listeners}, key=lambda each: (":" in each, each)
        ),
        "pid": None if occupant is None else occupant.pid,
        "command": None if occupant is None else occupant.command,
        "cwd": None if occupant is None else occupant.cwd,
        "age_s": None if holding.age_s is None else round(holding.age_s, 3),
        "whose": holding.whose.value,
        "app": holding.app,
        "since": None if holding.since is None else spell_time(holding.since),
    }


def _families(listeners: Iterable[Listener]) -> list[str]:
    """Return the families that are answered: the wildcard of IPv6 answers both unless it was asked not to."""
    families = set()
    for each in listeners:
        if ":" in each.address:
            families.add("IPv6")
        if ":" not in each.address or (each.address in WILDCARDS and not each.ipv6_only):
            families.add("IPv4")
    return sorted(families)
