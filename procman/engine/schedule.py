"""`schedule`: apps that run at certain times, and wait in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from procman.core.app import Ending, State
from procman.core.events import Event, Held, Reconfigured, Restarted, Start
from procman.core.schedules import next_time, spell
from procman.engine.events import Problem
from procman.engine.supervised import Supervised
from procman.host.base import Cancellable, Host

SLEEP = 60.0  # s at most: the clock may be set, and a machine that was suspended has timers that slept too
LATE = 300.0  # s after its time at which a run is begun still
BACK = 3 * 3600.0  # s: a clock that was set back by less does not run again what has run (cron(8) of Debian)
RUNS = frozenset({State.STARTING, State.RUNNING, State.UNHEALTHY})
BEGINS = frozenset({State.PREPARING, State.BACKOFF})  # of which the run itself is still to come
RESTS = frozenset({State.WAITING, State.COMPLETED, State.FAILED})


@dataclass(slots=True)
class _Planned:
    """An app that is wanted and has a schedule."""

    supervised: Supervised
    expression: str
    next: float  # seconds since the epoch
    due: bool = False  # it may start: its time has come, or somebody wants it now


class Schedules:
    """The schedules of all apps; owned by the event loop's thread. One timer for all of them.

    Args:
        host: the operating system, or a simulated one.
        post: called with what has happened to an app.
        tell: called with what somebody should know.
    """

    def __init__(
        self, host: Host, post: Callable[[str, Event], None], tell: Callable[[Problem], None]
    ) -> None:
        self._host = host
        self._post = post
        self._tell = tell
        self._planned: dict[str, _Planned] = {}
        self._timer: Cancellable | None = None
        self._seen = 0.0  # the clock on the wall, as it was last looked at

    def why_wait(self, supervised: Supervised) -> Held | None:
        """Return until when a waiting app is to wait, or None: it has no schedule, or its time has come."""
        planned = self._plan(supervised)
        if planned is None or planned.due:
            return None
        return Held(f"next run at {spell(planned.next, self._host.zone())}", starts_at=planned.next)

    def run_now(self, supervised: Supervised) -> None:
        """Let an app start that somebody wants now; what it waits for then is not its time."""
        planned = self._plan(supervised)
        if planned is not None and supervised.app.state not in RUNS:
            planned.due = True

    def take_back(self, supervised: Supervised) -> None:
        """Go on with an app of a former manager: a run that was about to begin is not forgotten."""
        app = supervised.app
        was_cleared = app.state is State.WAITING and app.starts_at is None
        if app.wanted and (was_cleared or app.state in BEGINS or app.ending is Ending.RESTART):
            self.run_now(supervised)

    def rename(self, old: str, new: str) -> None:
        """Go on with an app under another name."""
        if old in self._planned:
            self._planned[new] = self._planned.pop(old)

    def tend(self, supervised: Supervised) -> None:
        """Do what an app's state and its configuration ask for now."""
        app, name = supervised.app, supervised.name
        if supervised.config.schedule is None or not app.wanted or supervised.leaving:
            self.forget(name)
            return
        is_new = name not in self._planned
        planned = self._plan(supervised)
        assert planned is not None, "it has a schedule"
        if app.state is State.FAILED or (app.state in RUNS and supervised.run is not None):
            self._use_up(planned)  # not where no process could be made: it is tried again
        elif app.ending is Ending.RESTART and not is_new:
            planned.due = True  # what is ended for a new run is not left half done until its next time
        if app.state is State.COMPLETED:
            self._post(name, Start("waits for its next run"))

    def forget(self, name: str) -> None:
        """Plan no run of an app any more."""
        if self._planned.pop(name, None) is not None and not self._planned:
            self.release()

    def release(self) -> None:
        """Plan nothing any more."""
        self._planned.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _plan(self, supervised: Supervised) -> _Planned | None:
        name, expression = supervised.name, supervised.config.schedule
        known = self._planned.get(name)
        if expression is None:
            return None
        if known is None or known.expression != expression:
            at = next_time(expression, self._since(supervised), self._host.zone())
            known = self._planned[name] = _Planned(supervised, expression, at)
            self._arm()
        return known

    def _use_up(self, planned: _Planned) -> None:
        """Let a run that was made, or given up, be that of all times which have come, seen or not yet."""
        if planned.due:
            planned.due = False
            after = next_time(planned.expression, self._host.wall(), self._host.zone())
            planned.next = max(planned.next, after)

    def _since(self, supervised: Supervised) -> float:
        """Return since when its times count: one that came while no manager ran is not passed over."""
        wall, app = self._host.wall(), supervised.app
        since = wall
        if app.starts_at is not None:
            since = app.starts_at - 1.0
        elif app.state is State.FAILED:  # its times until then are over; 1 s, for two clocks are compared
            since = wall - (self._host.now() - app.since) + 1.0
        return min(wall, since)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._planned:
            self._seen = self._host.wall()
            left = min(each.next for each in self._planned.values()) - self._seen
            self._timer = self._host.call_at(self._host.now() + min(max(left, 0.0), SLEEP), self._look)

    def _look(self) -> None:
        self._timer = None
        wall, zone = self._host.wall(), self._host.zone()
        was_set_back = wall < self._seen - BACK
        for name, planned in list(self._planned.items()):
            due = planned.next
            if was_set_back or wall >= due:
                planned.next = next_time(planned.expression, wall, zone)
            if was_set_back:
                self._post(name, Reconfigured())
            elif wall >= due:
                self._on_time(name, planned, due)
        self._arm()

    def _on_time(self, name: str, planned: _Planned, due: float) -> None:
        """Begin a run whose time has come, or say why not."""
        state = planned.supervised.app.state
        why = None
        if state not in RESTS or planned.due:
            why = "the one before is not over"
        elif self._host.wall() - due > LATE:
            why = "the machine was suspended, or its clock was set"
        if why is None:
            planned.due = True
            self._post(name, Restarted(f"started by its schedule, `{planned.expression}`"))
            return
        at, then = (spell(each, self._host.zone()) for each in (due, planned.next))
        self._tell(
            Problem(
                name, self._host.wall(), f"its run of {at} was left out: {why}; the next one is at {then}"
            )
        )
        self._post(name, Reconfigured())  # a waiting app shows its new time
