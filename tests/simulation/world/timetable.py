"""Schedules as they really are: their times, counted apart from the engine, and what becomes of each.

A time that comes is due until a run has begun, or until somebody was told that it is left out.
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


@dataclass(slots=True)
class _Planned:
    """A schedule that somebody wants to be kept."""

    expression: str
    seen: float  # until when on the wall its times were looked at
    owed: float | None = None  # the first of its times that has come, and of which nothing was heard yet
    since: float = 0.0  # of the machine, when that came
    due: bool = False  # a run may begin


class Timetable:
    """The schedules of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._planned: dict[str, _Planned] = {}
        self.began: dict[str, float] = {}  # when the newest run of each app did
        self._wall = 0.0
        self._vague_until = 0.0  # the clock was set far back: times until then may be passed over

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
        wall, now = self._wall_now(), self._world.machine.now
        if wall < self._wall - BACK:
            self._vague_until = now + SLEEP + SLACK
        self._wall = wall
        for name in [each for each in self._planned if each not in timed]:
            del self._planned[name]
        for name, expression in timed.items():
            planned = self._planned.get(name)
            if planned is None or planned.expression != expression:
                planned = self._planned[name] = _Planned(expression, wall)
            self._note(planned, wall, now)

    def _wall_now(self) -> float:
        machine = self._world.machine
        return EPOCH + machine.now + machine.suspended + machine.set_by

    def _note(self, planned: _Planned, wall: float, now: float) -> None:
        if wall < planned.seen - BACK:
            planned.seen = wall
        vague = now < self._vague_until
        if vague:
            planned.owed = None
        if wall <= planned.seen:
            return
        found = newest_time(planned.expression, planned.seen, wall, self._world.machine)
        planned.seen = wall
        if found is not None:
            planned.due = True
            if planned.owed is None and not vague:
                planned.owed, planned.since = found, now

    def _is_kept(self, name: str, app: App, planned: _Planned) -> None:
        """Look whether a time that has come was forgotten."""
        now = self._world.machine.now
        if self._world.truth.stands_until + SLEEP + SLACK > now:
            planned.since = max(planned.since, now)
        if planned.owed is None or now - planned.since <= SLACK:
            return
        passed_over = app.starts_at is not None and app.starts_at > planned.owed + SLACK
        if passed_over or (now - planned.since > SLEEP + SLACK and app.state is not State.WAITING):
            at = datetime.fromtimestamp(planned.owed, self._world.machine.zone)
            seen = f"{name} of {at:%H:%M} is {app.state.value}: {app.reason}"
            raise Broken("a scheduled run begins on time, or is said to be left out", seen)

    def is_due(self, name: str) -> bool:
        """Return whether a run of this app may begin by its schedule."""
        self._follow(self._world.promises.everyone())
        planned = self._planned.get(name)
        return planned is None or planned.due

    def begun(self, name: str) -> None:
        """Know that a run has begun."""
        self.began[name] = self._world.machine.now
        if name in self._planned:
            self._planned[name].owed, self._planned[name].due = None, False

    def left_out(self, name: str, waits: bool) -> None:
        """Know that somebody was told what is left out: all until now, if the app `waits` then."""
        self._follow(self._world.promises.everyone())
        if name in self._planned:
            self._planned[name].owed = None
            self._planned[name].due &= not waits

    def renamed(self, old: str, new: str) -> None:
        """Know that an app has another name."""
        self.began[new] = self.began.pop(old, -math.inf)
        if old in self._planned:
            self._planned[new] = self._planned.pop(old)

    def records_were_lost(self) -> None:
        """Know that nobody can tell what was planned."""
        self._planned.clear()

    def a_manager_came(self) -> None:
        """Know that it can't tell whether the clock was set back before."""
        for planned in self._planned.values():
            planned.seen = min(planned.seen, self._wall_now())

    def a_manager_went(self, waiting: set[str]) -> None:
        """Know that what did not wait for its time, or for what it needs, is asked anew by the next one."""
        self._planned = {name: each for name, each in self._planned.items() if name in waiting}
