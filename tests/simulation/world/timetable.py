"""Schedules as they really are: their times, counted apart from the engine, and what becomes of each.

A time that comes is due until a run has begun, or until somebody was told that it was given up or left out.
The manager looks at the clock once a minute. Of a time that it may have seen or not, for the clock was set in
between, a run may begin and need not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from procman.core.app import App, State
from procman.engine.schedule import BACK, SLEEP
from procman.engine.supervised import Supervised
from tests.fakes.machine import EPOCH, Machine
from tests.simulation.world.bounds import SLACK
from tests.simulation.world.watched import Broken

if TYPE_CHECKING:
    from tests.simulation.world.play import World

DAILY = "30 2 * * *"  # in spring there is no such time, in autumn there are two
EVERY = {"* * * * *": 60, "*/2 * * * *": 120}  # seconds; the same on every clock that is whole hours off
BERLIN = ZoneInfo("Europe/Berlin")
BEGINS = {  # 20 s before a time of each schedule
    "spring": datetime(2026, 3, 29, 0, 59, 40, tzinfo=UTC),  # 2:00 becomes 3:00 then
    "autumn": datetime(2026, 10, 25, 0, 29, 40, tzinfo=UTC),  # 3:00 becomes 2:00 half an hour later
    "autumn again": datetime(2026, 10, 25, 1, 29, 40, tzinfo=UTC),  # which is 2:29 once more
}
TO_COME = frozenset({State.WAITING, State.PREPARING, State.BACKOFF})  # for what it needs, if not for its time
ON_TIME = "started by its schedule"
WAITS_AGAIN = "waits for its next run"
LEFT_OUT = "was left out"


def begin(machine: Machine, how: str) -> None:
    """Set the clock on the wall, before anything happens."""
    if how in BEGINS:
        machine.zone = BERLIN
        machine.set_by = BEGINS[how].timestamp() - EPOCH - machine.now


def newest_time(expression: str, after: float, until: float, machine: Machine) -> float | None:
    """Return the newest time of a schedule between two others, if there is one, since the epoch."""
    if expression == DAILY:
        today = datetime.fromtimestamp(until, machine.zone).date()
        found = max(at for day in (0, 1) if (at := _half_past_two(today - timedelta(day), machine)) <= until)
    else:
        found = until // EVERY[expression] * EVERY[expression]
    return found if found > after else None


def _half_past_two(day: date, machine: Machine) -> float:
    """Return when it is half past two for the first time; where it never is, the first moment after it."""
    at = datetime(day.year, day.month, day.day, 2, 30, tzinfo=machine.zone)
    exists = datetime.fromtimestamp(at.timestamp(), machine.zone).replace(tzinfo=None) == at.replace(
        tzinfo=None
    )
    return at.timestamp() if exists else at.timestamp() - 30 * 60


def _stands(world: World) -> bool:
    """Return whether the manager looks at nothing now, or did not until just now."""
    return world.truth.stands_until + SLACK > world.machine.now


class _Wall:
    """The clock on the wall, and where the manager may have seen it last: it looks once a minute.

    Attributes:
        now: what it shows, in seconds since the epoch.
        highest: what it has shown at most since the manager's newest look, whenever that was.
        is_set_back: the manager may see now that it is so far behind that schedules begin anew.
        is_seen: the manager has seen so by now.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.now = self.highest = 0.0
        self.is_set_back = self.is_seen = False
        self._ahead: dict[float, float] = {}  # how far it was ahead of the machine's own, until when

    def look(self) -> None:
        """Look at it."""
        machine = self._world.machine
        ahead = EPOCH + machine.suspended + machine.set_by
        self.now = machine.now + ahead
        self._ahead[ahead] = machine.now
        self.is_set_back = ahead < max(self._ahead) - BACK
        if not _stands(self._world):
            fresh = machine.now - SLEEP - SLACK
            self._ahead = {each: until for each, until in self._ahead.items() if until >= fresh}
        self.highest = max(each + until for each, until in self._ahead.items())
        self.is_seen = self.is_set_back and ahead >= max(self._ahead) - BACK

    def nobody_looked(self) -> None:
        """Know that a new manager has seen nothing of it."""
        self._ahead.clear()
        self.look()


@dataclass(slots=True)
class _Planned:
    """A schedule that somebody wants to be kept."""

    expression: str
    may_after: float  # on the wall: a run may begin for a time that comes later
    must_after: float  # and it has to, or somebody is told, for one later than this
    since: float | None = None  # of the machine, when one came for which it has to
    due: bool = False  # a run may begin


class Timetable:
    """The schedules of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._wall = _Wall(world)
        self._planned: dict[str, _Planned] = {}
        self.began: dict[str, float] = {}  # when the newest run of each app did, or was given up

    def look(self, everyone: dict[str, Supervised]) -> None:
        """Look at what has become of the times that have come."""
        self._follow(everyone)
        for name, planned in self._planned.items():
            self._is_kept(name, everyone[name].app, planned)

    def _follow(self, everyone: dict[str, Supervised]) -> None:
        """Take note of every time that has come."""
        timed = {
            name: expression
            for name, each in everyone.items()
            if (expression := each.config.schedule) is not None and each.app.wanted and not each.leaving
        }
        if not timed and not self._planned:
            return
        self._wall.look()
        for name in [each for each in self._planned if each not in timed]:
            del self._planned[name]
        for name, expression in timed.items():
            planned = self._planned.get(name)
            if planned is None or planned.expression != expression:
                planned = self._planned[name] = _Planned(expression, self._wall.now, self._wall.now)
            self._note(planned)

    def _note(self, planned: _Planned) -> None:
        """Take note of the times of one schedule that have come."""
        wall, machine = self._wall, self._world.machine
        if wall.is_set_back:
            planned.may_after = min(planned.may_after, wall.now)
        if wall.is_seen:
            planned.must_after = min(planned.must_after, wall.highest)
        found = newest_time(planned.expression, planned.may_after, wall.now, machine)
        planned.due |= found is not None
        if found is None or found <= planned.must_after:  # or the clock was set to before it
            planned.since = None
        elif planned.since is None:
            planned.since = machine.now

    def _is_kept(self, name: str, app: App, planned: _Planned) -> None:
        """Look whether a time that has come was forgotten."""
        if planned.since is None:
            return
        machine = self._world.machine
        if _stands(self._world):
            planned.since = machine.now
        late = machine.now - planned.since
        if late <= SLACK:
            return
        at = newest_time(planned.expression, planned.must_after, self._wall.now, machine)
        assert at is not None, "it has come"
        passed_over = app.starts_at is not None and app.starts_at > at
        is_to_come = app.state in TO_COME and app.starts_at is None
        if passed_over or (late > SLEEP + SLACK and not is_to_come):
            clock = f"{datetime.fromtimestamp(at, machine.zone):%H:%M}"
            seen = f"{name} of {clock} is {app.state.value}: {app.reason}"
            raise Broken("a scheduled run begins on time, or is said to be left out", seen)

    def is_due(self, name: str) -> bool:
        """Return whether a run of this app may begin by its schedule."""
        self._follow(self._world.promises.everyone())
        planned = self._planned.get(name)
        return planned is None or planned.due

    def begun(self, name: str) -> None:
        """Know that a run has begun, or that it was given up, which somebody was told."""
        self.began[name] = self._world.machine.now
        self._use_up(name, due=False)

    def left_out(self, name: str, waits: bool) -> None:
        """Know that somebody was told what is left out; what `waits` then waits for its next time."""
        self._use_up(name, due=not waits)

    def _use_up(self, name: str, due: bool) -> None:
        """Know what became of all times until now, and whether a run is `due` still if it was."""
        self._follow(self._world.promises.everyone())
        planned = self._planned.get(name)
        if planned is not None:
            planned.may_after = max(planned.may_after, self._wall.now)
            planned.must_after = max(planned.must_after, self._wall.now)
            planned.since, planned.due = None, planned.due and due

    def renamed(self, old: str, new: str) -> None:
        """Know that an app has another name."""
        self.began[new] = self.began.pop(old, -math.inf)
        if old in self._planned:
            self._planned[new] = self._planned.pop(old)

    def records_were_lost(self) -> None:
        """Know that nobody can tell what was planned."""
        self._planned.clear()

    def a_manager_came(self) -> None:
        """Know that this one can't tell whether the clock was set back before, and owes nothing yet."""
        self._wall.nobody_looked()
        for planned in self._planned.values():
            planned.may_after = min(planned.may_after, self._wall.now)
            planned.must_after = min(planned.must_after, self._wall.now)
            planned.since = None

    def a_manager_went(self, waiting: set[str]) -> None:
        """Know that what did not wait for its time, or for what it needs, is asked anew by the next one."""
        self._planned = {name: each for name, each in self._planned.items() if name in waiting}
