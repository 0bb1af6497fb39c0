"""One app's life under managers that come and go, and the records that they keep of it.

The machine is the real one, and what is kept of its steps is what the engine keeps; beside it stands the
truth, read from the app's own state.
"""

from __future__ import annotations

from dataclasses import replace

from procman.core.actions import Look, Spawn, Terminate
from procman.core.app import ALIVE, App, Ending, State
from procman.core.config import AppConfig
from procman.core.events import Adopted, Event, Exited, Moment
from procman.core.journal import Kind, Record
from procman.core.machine import step
from procman.core.transitions import Step
from procman.engine.events import Happening, Signalled, Spawned, TakenBack
from procman.engine.journal import observed, record_of, transition_of
from tests.fakes.world import World

START = 1_800_000_000.0  # seconds since the epoch, at the beginning of every life
FAULTS = (Ending.EXITED, Ending.UNHEALTHY, Ending.NOT_PREPARED)
TROUBLED = (State.UNHEALTHY, State.BACKOFF, State.FAILED)


class Chronicle(World):
    """The records of one app, and how long it was in truth up and down.

    `seconds` has the time by `up`, `down`, `unknown` and `other`, as `core.report` defines them.
    """

    def __init__(self, config: AppConfig) -> None:
        super().__init__(config, self._kept_step)
        self.records: list[Record] = []
        self.seconds = dict.fromkeys(("up", "down", "unknown", "other"), 0.0)
        self.outages: list[float] = []  # the lengths of those that were repaired
        self._outage: float | None = None  # the length of the present one, up to now
        self._is_fresh = True  # nothing is known of what the app did before
        self._phase = "unknown"
        self._told_at = START
        self.manage()

    @property
    def wall(self) -> float:
        """The time, in seconds since the epoch."""
        return START + self.now

    # Managers

    def manage(self) -> None:
        """Begin a manager: it takes back what lives, and tells of what has died unseen."""
        self._keep(Record(self.wall, Kind.MANAGER, "a manager began", data={"event": "began", "pid": 1}))
        if self.app.state not in ALIVE:
            self.send_all(Look())
            return
        generation = self.app.generation
        self._tell(TakenBack(self.config.name, self.wall, generation, (1,) if self.alive else ()))
        self.send(Adopted(generation))
        if generation not in self.alive:
            self.send(Exited(generation, None, None, self.wall))

    def kill_manager(self, seconds: float, *, app_dies: bool = False) -> None:
        """Let nobody look for a while."""
        self._account(self.wall, "unknown")
        self.now += seconds
        if app_dies:
            self.alive.clear()
        self._account(self.wall, "unknown")
        self.manage()

    def reboot(self, seconds: float) -> None:
        """Lose everything but the history."""
        self._account(self.wall, "unknown")
        self.now += seconds
        self._account(self.wall, "unknown")
        self.alive.clear()
        if self.app.state in ALIVE:
            self._phase = "unknown"
        self._is_fresh = True
        self.app = App(generation=self.app.generation)
        self.manage()

    def finish(self) -> float:
        """Account for all time up to now, and return it."""
        self._account(self.wall, self._phase)
        return self.wall

    def send_all(self, action: Look) -> None:
        """Look again at what a waiting app waits for, as a new manager does."""
        if self.app.state is State.WAITING:
            for event in self._perform(action):
                self.send(event)

    # What is told

    def _kept_step(self, app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
        after, actions = step(app, event, moment, config)
        seen = observed(config.name, event, app, after, self.wall, config.check.failures)
        if seen is not None:
            self._tell(replace(seen, at=self.wall))
        if after.state is not app.state:
            self._tell(transition_of(config.name, app, after, self.wall))
        if seen is not None or after.state is not app.state:
            self._judge(after)
        return after, actions

    def _perform(self, action: object) -> list[Event]:
        events = super()._perform(action)
        name, run = self.config.name, self.app.generation
        match action:
            case Spawn():
                text = self.config.command.text
                self._tell(Spawned(name, self.wall, run, 1, text, "/srv", self.app.cause, prepare=False))
            case Terminate(_, signal) if any(isinstance(event, Exited) for event in events):
                self._tell(Signalled(name, self.wall, run, signal, ("node 1",)))
        return events

    def _tell(self, happening: Happening) -> None:
        self._keep(record_of(happening))

    def _keep(self, record: Record) -> None:
        self._account(record.at, self._phase)
        self.records.append(replace(record, number=len(self.records) + 1))

    # The truth

    def _judge(self, app: App) -> None:
        """Note what counts from now on: read from the app, where the report has its records alone."""
        was_down, self._is_fresh = self._phase == "down" and not self._is_fresh, False
        blocked = app.state is State.WAITING and app.port_taken
        if app.state is State.RUNNING:
            self._phase = "up"
        elif not app.wanted or app.state in (State.STOPPED, State.COMPLETED):
            self._phase = "other"
        elif was_down or blocked or app.state in TROUBLED or app.ending in FAULTS:
            self._phase = "down"
        else:
            self._phase = "other"
        if self._phase == "down":
            self._outage = self._outage or 0.0
            return
        if self._phase == "up" and self._outage is not None:
            self.outages.append(self._outage)
        self._outage = None

    def _account(self, at: float, phase: str) -> None:
        """Add the time since the last record to what it counts as; what is `other` is so also unseen."""
        passed, self._told_at = at - self._told_at, at
        if phase == "unknown" and self._phase == "other":
            phase = "other"
        self.seconds[phase] += passed
        if phase == "down":
            assert self._outage is not None, "an app that is down has an outage"
            self._outage += passed
