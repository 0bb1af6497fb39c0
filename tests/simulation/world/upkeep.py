"""What has to hold around a run, beside its checks: memory, watched files, schedules, signals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from procman.core.app import ALIVE, State
from procman.core.config import AppConfig, Restart
from procman.core.identity import MARKER
from procman.engine.engine import Engine
from procman.engine.events import Problem, Transition
from procman.engine.memory import LOOK_EVERY, LOOKS
from procman.engine.supervised import Supervised
from procman.engine.watching import SETTLE
from tests.fakes.host import NOTICED_AFTER, PROCESS_SIZE
from tests.fakes.machine import Process
from tests.simulation.world.bounds import MEMORY_BOUND, SLACK
from tests.simulation.world.timetable import LEFT_OUT, ON_TIME, WAITS_AGAIN, Timetable
from tests.simulation.world.watched import Broken

if TYPE_CHECKING:
    from tests.simulation.world.play import World

FOLLOWED = 3.0  # s in which an app whose file was saved is restarted: after 2 s, if saves have no end
CHANGED = "restarted: `src/"
TOO_MUCH = "uses "
RUNS = frozenset({State.RUNNING, State.UNHEALTHY})


@dataclass(slots=True)
class _Over:
    """A run that has too much memory."""

    marker: str
    most: int
    since: float
    first: float  # the same, but for rests that are shorter than the time between two looks
    newest: float


@dataclass(frozen=True, slots=True)
class _Before:
    """An app when its file was saved."""

    manager: Engine
    supervised: Supervised
    config: AppConfig
    generation: int


class Upkeep:
    """The promises about what goes on around the runs of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.timetable = Timetable(world)
        self._over: dict[str, _Over] = {}
        self._saved: dict[str, float] = {}  # when each watched file was saved
        self._ending: dict[str, float] = {}  # when each app was last begun to be ended
        self._loops: set[str] = set()  # apps that changes restart no more

    @property
    def _now(self) -> float:
        return self._world.machine.now

    def _everyone(self) -> dict[str, Supervised]:
        return self._world.promises.everyone()

    def always(self) -> None:
        """Look at what has to hold at any time."""
        everyone = self._everyone()
        self.timetable.look(everyone)
        for name, supervised in everyone.items():
            if supervised.config.max_memory is not None:
                self._keeps_to_its_memory(name, supervised, supervised.config.max_memory)

    # memory

    def is_over(self, supervised: Supervised) -> bool:
        """Return whether a run has more than it may have, and is going to be replaced for it."""
        config, run = supervised.config, supervised.run
        if config.max_memory is None or run is None or config.restart is Restart.NEVER:
            return False
        tree = [each for each in self._world.ours() if each.environment[MARKER] == run.marker]
        return sum(PROCESS_SIZE + each.program.memory for each in tree) > config.max_memory

    def _keeps_to_its_memory(self, name: str, supervised: Supervised, most: int) -> None:
        known, now = self._over.get(name), self._now
        if supervised.app.state not in RUNS or supervised.run is None:
            self._over.pop(name, None)
            return
        marker = supervised.run.marker
        if not self.is_over(supervised):
            if known is not None and now - known.newest > LOOK_EVERY + SLACK:
                del self._over[name]
            elif known is not None:
                known.since = math.inf
            return
        if known is None or (known.marker, known.most) != (marker, most):
            known = self._over[name] = _Over(marker, most, now, now, now)
        known.newest = now
        if known.since == math.inf or self._world.truth.stands_until + SLACK > now:
            known.since = now
        if now - known.since > MEMORY_BOUND:
            seen = f"{name} has too much for {now - known.since:.3f}s"
            raise Broken("a run over its `max_memory` is replaced within its bound", seen)

    def _had_too_much(self, told: Transition) -> None:
        known = self._over.get(told.app)
        if known is None or self._now - known.first < (LOOKS - 1) * LOOK_EVERY - SLACK:
            raise Broken("no restart for memory that it has not", f"{told.app}: {told.reason}")

    # watched files

    def a_watched_file_is_saved(self, file: str) -> None:
        """Know that a file was saved; look, a while after, whether its apps have followed."""
        world, manager = self._world, self._world.manager
        self._saved[file] = self._now
        if manager is None or manager.closing:
            return
        for name, each in self._everyone().items():
            if each.config.watch == (f"src/{file}",) and each.app.state in RUNS and each.app.wanted:
                before = _Before(manager, each, each.config, each.app.generation)
                world.machine.after(FOLLOWED, partial(self._has_followed, name, before))

    def _has_followed(self, name: str, before: _Before) -> None:
        supervised, app = before.supervised, before.supervised.app
        stood = self._world.truth.stands_until > self._now - FOLLOWED - SLACK
        is_other = self._world.manager is not before.manager or supervised.config is not before.config
        if stood or is_other or name in self._loops or supervised.leaving or not app.wanted:
            return
        if app.generation == before.generation and app.state in RUNS:
            raise Broken("a change of a watched file restarts its app", f"{name} is {app.state.value} still")

    def _file_has_changed(self, told: Transition) -> None:
        (watched,) = self._everyone()[told.app].config.watch or ("",)
        saved = self._saved.get(watched.removeprefix("src/"), -math.inf)
        late = max(self._world.truth.stands_until, saved)
        decided = self._ending[told.app] if told.old == State.STOPPING.value else self._now
        if decided - late > NOTICED_AFTER + SETTLE + SLACK:
            raise Broken("no restart for a file that has not changed", f"{told.app}: {told.reason}")

    # what is told

    def on_transition(self, told: Transition) -> None:
        """Look at a decision for which something around the run was the reason; it may excuse a new run."""
        truth = self._world.truth
        if told.new == State.STOPPING.value:
            self._ending[told.app] = self._now
        if told.reason.startswith(CHANGED) and told.new in (State.STOPPING.value, State.WAITING.value):
            self._file_has_changed(told)
            truth.excuse(told.app)
        elif told.reason.startswith(TOO_MUCH) and told.new == State.STOPPING.value:
            self._had_too_much(told)
        elif told.reason.startswith(ON_TIME):
            if not self.timetable.is_due(told.app):
                raise Broken("a scheduled run has its time", f"{told.app}: {told.reason}")
            truth.excuse(told.app)
        elif told.new == State.FAILED.value:
            self.timetable.begun(told.app)
        elif told.reason == WAITS_AGAIN:
            truth.tries.pop(told.app, None)

    def on_problem(self, told: Problem) -> None:
        """Know what somebody was told."""
        if told.app is None:
            return
        if LEFT_OUT in told.text:
            self.timetable.left_out(told.app, self._everyone()[told.app].app.starts_at is not None)
        elif "changes right after each restart" in told.text:
            self._loops.add(told.app)

    def before_spawn(self, name: str, supervised: Supervised) -> None:
        """Look whether a scheduled run begins at its time, or because somebody wants it now."""
        if supervised.config.schedule is None:
            return
        began = self.timetable.began.get(name, -math.inf)
        wanted_now = self._world.truth.excused.get(name, -math.inf) >= began
        if not wanted_now and not self.timetable.is_due(name):
            raise Broken("a scheduled run has its time", f"{name} is started: {supervised.app.cause}")

    def on_signal(self, process: Process, name: str) -> None:
        """Look whether a stop asks as its app wants it to."""
        marker = process.environment[MARKER]
        for supervised in self._everyone().values():
            app, config = supervised.app, supervised.config
            if supervised.run is None or supervised.run.marker != marker or app.state is not State.STOPPING:
                continue
            if name not in (config.stop_signal, "SIGKILL"):
                raise Broken("a stop asks by `stop_signal`", f"{supervised.name} gets {name}")

    def a_manager_went(self, everyone: dict[str, Supervised]) -> None:
        """Forget what only that one was bound to."""
        self._over.clear()
        self._loops.clear()
        waiting = {name for name, each in everyone.items() if each.app.state not in ALIVE and each.app.wanted}
        self.timetable.a_manager_went(waiting)
