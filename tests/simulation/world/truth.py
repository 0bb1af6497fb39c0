"""What is really so, whatever the engine believes: from the machine, and from what was asked.

All that is known of a run is kept under its marker, which its processes carry for as long as they live.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from procman.core.app import State
from procman.core.config import AppConfig, CheckKind, Config, PortPolicy, Reload
from procman.core.health import CONFIRM
from procman.core.identity import MARKER
from procman.core.order import with_dependencies
from procman.core.plan import make_plan
from procman.host.base import SpawnError
from tests.fakes.machine import Process, Socket
from tests.simulation.world.table import is_of
from tests.simulation.world.watched import Broken

if TYPE_CHECKING:
    from tests.simulation.world.play import World

LOOPBACKS = ("127.0.0.1", "::1")
AT_ONCE = 0.02  # s: what happens at the same time, as far as anybody can tell
# What a running app can't take over; every other key leaves its process alone.
STARTED_WITH = ("command", "cwd", "port", "env", "env_file", "inherit_env", "tty")


@dataclass(slots=True)
class Condition:
    """How a run really was: the newest time at which it was bad, and since when it is good."""

    now: str = "bad"  # good, bad, stranger, blind
    bad_at: float = -math.inf
    good_since: float | None = None
    was_good: bool = False  # or may have been: nobody could tell
    since: float = -math.inf  # when it became as it is now
    steady_since: float = math.inf  # not bad since, but for moments that no two checks need have met

    def good_for(self, now: float) -> float:
        """Return for how many seconds it has been good by now, without a break."""
        return 0.0 if self.good_since is None else now - self.good_since


@dataclass(slots=True)
class Tries:
    """The starts of an app since somebody last asked for something that forgets them."""

    at: list[float] = field(default_factory=list)
    counted: list[float] = field(default_factory=list)  # those that the machine could make: reason to give up
    marker: str = ""  # of the newest
    proven: int = 0  # of them before an app proved itself
    lenient: bool = False  # its limits have just changed


class Truth:
    """What is really so in one world.

    Attributes:
        home: the app that each marker belongs to.
        wish: whether each app of the file is wanted up, by all that was asked.
        asked_to_apply: somebody wants the file to be applied, whatever its `reload` says.
        trouble: no check can be made.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.home: dict[str, str] = {}
        self.wish: dict[str, bool] = {}
        self.asked_to_apply = False
        self.trouble = False
        self.stands_until = -math.inf  # the manager, or just now did
        self.conditions: dict[str, Condition] = {}
        self.tries: dict[str, Tries] = {}
        self.every_try: dict[str, list[float]] = {}  # when an app was started, whoever wanted it
        self.refused: dict[str, SpawnError] = {}  # why its newest run could not be made
        self.excused: dict[str, float] = {}  # when an app last had a reason to get a new run
        self.leaders: dict[str, Process] = {}
        self.in_force: Config | None = None
        self._lossy = False
        self._preparing: set[str] = set()
        self._failed: set[str] = set()
        self._seen: tuple[int, int] = (-1, -1)
        self._is_beginning = False

    # what is told by the host

    def on_spawn(self, marker: str, command: str) -> None:
        """Look whether this process may be made now."""
        app = self._app_in(marker)
        self.home[marker] = app
        others = {
            process.environment[MARKER]
            for process in self._world.ours()
            if process.environment[MARKER] != marker and self.home[process.environment[MARKER]] == app
        }
        if others:
            living = [f"{each.command} {each.pid}" for each in self._world.processes(app)]
            raise Broken("never two live copies of an app", f"{app} is started and has {', '.join(living)}")
        self._world.promises.before_spawn(app, marker, command)

    def on_spawned(self, marker: str, process: Process) -> None:
        """Know the first process of a run."""
        self.leaders.pop(marker, None)  # an app without a log counts its runs anew after `down`
        self.leaders[marker] = process
        self.conditions[marker] = Condition(bad_at=self._now, since=self._now)
        if process.command != "prepare":
            self._world.promises.upkeep.timetable.begun(self._app_in(marker))
        self._seen = (-1, -1)

    def on_refused(self, marker: str, error: SpawnError) -> None:
        """Know that there is none, which is no start of its app."""
        app = self._app_in(marker)
        self.refused[app] = error
        if app in self.tries and self.tries[app].marker == marker:  # else it was its `prepare`
            self.tries[app].counted.pop()
            self.every_try[app].pop()

    def on_signal(self, process: Process, name: str) -> None:
        """Look whether this process may be signalled."""
        if not process.environment.get(MARKER, "").startswith(self._world.project):
            raise Broken("nobody else is signalled", f"{name} for `{process.command}` {process.pid}")
        self._world.promises.upkeep.on_signal(process, name)

    def _app_in(self, marker: str) -> str:
        """Return the app that a marker names: at its birth it is right."""
        return marker.removeprefix(self._world.project).rpartition(":")[0]

    @property
    def _now(self) -> float:
        return self._world.machine.now

    def newest_leader(self, app: str) -> Process | None:
        """Return the first process of the newest run of an app, or of any instance of a table."""
        found = [process for marker, process in self.leaders.items() if is_of(self.home[marker], app)]
        return found[-1] if found else None

    def marker(self, app: str) -> str | None:
        """Return the marker of the run that the manager says an app has."""
        assert self._world.manager is not None, "there is a manager"
        run = self._world.manager._circle.supervised[app].run
        return None if run is None else run.marker

    # what was asked

    def _staying(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if name in self.wish)

    def asked_up(self, names: tuple[str, ...], explicit: bool) -> None:
        """Note `procman up`."""
        assert self._world.manager is not None, "there is a manager"
        configs = self._world.manager.configs
        chosen = tuple(each for each in self._staying(names) if explicit or configs[each].autostart)
        self._asked_start(chosen, ())

    def asked_start(self, names: tuple[str, ...]) -> None:
        """Note `procman start`."""
        staying = self._staying(names)
        self._asked_start(staying, staying)

    def _asked_start(self, names: tuple[str, ...], also_completed: tuple[str, ...]) -> None:
        engine = self._world.manager
        assert engine is not None, "there is a manager"
        needs = {name: [other for other, _ in each.depends_on] for name, each in engine.configs.items()}
        for name in self._staying(with_dependencies(names, needs)):
            if name in also_completed or engine.apps[name].state is not State.COMPLETED:
                self.wish[name] = True
                self.excuse(name)

    def asked_restart(self, names: tuple[str, ...]) -> None:
        """Note `procman restart`."""
        for name in self._staying(names):
            self.wish[name] = True
            self.excuse(name)

    def asked_down(self, names: tuple[str, ...]) -> None:
        """Note `procman stop` and `procman down`."""
        for name in self._staying(names):
            self.wish[name] = False

    def excuse(self, name: str) -> None:
        """Note that an app may get a new run now, and that its starts are counted anew."""
        self.excused[name] = self._now
        self.tries.pop(name, None)

    # managers

    def records_were_lost(self) -> None:
        """Note that the next manager will find no records that it can read."""
        self._lossy = True
        self._world.promises.upkeep.timetable.records_were_lost()

    def a_manager_came(self, config: Config, upgraded: bool) -> None:
        """Take note of what a new manager finds, before it does anything; `upgraded`: in the same process."""
        before = self.in_force
        self._world.promises.upkeep.timetable.a_manager_came()
        self.trouble, self.in_force, self._is_beginning = False, config, True
        old = before.enabled_apps() if before is not None else {}
        if self._lossy:  # only the markers tell then, and they have the names of long ago
            self._believe_what_lives()
            self.tries.clear()
        for name, app in config.enabled_apps().items():
            is_new = self._lossy or name not in old or name in self._preparing
            lost_its_terminal = app.tty and not upgraded
            if is_new or lost_its_terminal:
                self.excuse(name)
            elif old[name] != app:
                self._changed(old[name], app)

    def _believe_what_lives(self) -> None:
        """Take a run for what its processes show: its name, and the oldest of them for its first one."""
        seen = set()
        for process in self._world.ours():
            marker = process.environment[MARKER]
            self.home[marker] = self._app_in(marker)
            if marker not in seen and self.leaders[marker].end is not None:
                self.leaders[marker] = process
            seen.add(marker)

    def it_has_begun(self) -> None:
        """Take note of what a new manager has made of it."""
        engine = self._world.manager
        assert engine is not None, "it is there"
        self._is_beginning = False
        lossy, self._lossy = self._lossy, False
        known, self.wish = self.wish, {}
        for name in engine.config.enabled_apps():
            believed = engine.apps[name].wanted
            self.wish[name] = believed if lossy or name not in known else known[name]
        self._seen = (-1, -1)
        self.update()

    def the_manager_went(self) -> None:
        """Take note of what the next one has to know."""
        engine = self._world.manager
        assert engine is not None, "it was there"
        self.update()
        self._world.promises.a_manager_went()
        self._preparing = {
            name for name, app in engine.apps.items() if app.state in (State.PREPARING, State.STOPPING)
        }

    # how it is

    def update(self) -> None:
        """Follow what has changed since the last time."""
        engine = self._world.manager
        if engine is None or self._is_beginning:
            return
        if engine.config is not self.in_force:
            self._follow(engine.config)
        seen = (self._world.machine.changes, self._world.story.length)
        if seen == self._seen:
            return
        self._seen = seen
        self._failed = {name for name, app in engine.apps.items() if app.state is State.FAILED}
        for name, supervised in engine._circle.supervised.items():
            if supervised.run is None:
                continue
            marker = supervised.run.marker
            self.home[marker] = name
            condition = self.conditions.setdefault(marker, Condition(was_good=True))
            self._see(condition, self._condition(supervised.config, marker))
            if supervised.config.check.kind is CheckKind.LOG:
                condition.was_good |= marker in self._world.machine.printed

    def _see(self, condition: Condition, seen: str) -> None:
        now = self._now
        recovers = condition.now == "bad" and seen != "bad"
        if recovers and (condition.steady_since == math.inf or now - condition.since > CONFIRM):
            condition.steady_since = now
        if condition.now == "bad" or seen == "bad":
            condition.bad_at = now
        if seen == "good":
            condition.good_since = now if condition.good_since is None else condition.good_since
        else:
            condition.good_since = None
        condition.was_good |= seen in ("good", "blind") or not self._world.machine.readable
        if condition.now != seen:
            condition.now, condition.since = seen, now

    def _condition(self, config: AppConfig, marker: str) -> str:
        """Return how a run is: good, bad, a stranger in its place, or nobody can tell."""
        if config.check.kind is CheckKind.EXEC:
            return "blind" if self.trouble else "bad" if config.table in self._world.failing else "good"
        if config.check.kind is CheckKind.LOG and marker not in self._world.machine.printed:
            return "bad"
        if config.port is None:
            leader = self.leaders.get(marker)
            return "good" if leader is not None and leader.end is None else "bad"
        machine = self._world.machine
        found = (machine.answering(address, config.port) for address in LOOPBACKS)
        answering = [each for each in found if each is not None]
        own = [each for each in answering if _owner(each) == marker]
        if config.port_policy is PortPolicy.FOLLOW:
            own += [each for each in machine.sockets if _owner(each) == marker]
        if any(_answers(each, config) for each in own):
            return "good"
        if answering and not own:
            return "stranger"
        unseen = self.trouble and (own or not machine.readable)  # to see a list takes no connection
        return "blind" if unseen else "bad"

    def _follow(self, config: Config) -> None:
        """Take note of an edit that the manager has applied."""
        engine = self._world.manager
        assert engine is not None, "somebody has applied it"
        assert self.in_force is not None, "something was in force before"
        was, self.in_force = self.in_force, config
        before, after = was.enabled_apps(), config.enabled_apps()
        if engine.closing:
            return
        asked = self.asked_to_apply or Reload.AUTO in (was.manager.reload, config.manager.reload)
        if before != after and not asked:
            raise Broken(
                "no edit is applied before somebody asks for it", f"reload is {config.manager.reload.value}"
            )
        renamed = {each.name: each.was for each in make_plan(was, config).changes if each.was is not None}
        for name, app in after.items():
            if name in renamed:
                self._renamed(renamed[name], name)
            elif name not in before:
                self.wish[name] = app.autostart or self.wish.get(name, False)
                self.excuse(name)
            elif before[name] != app:
                self._changed(before[name], app)
        for name in before:
            if name not in after:
                self.wish.pop(name, None)

    def _renamed(self, old: str, new: str) -> None:
        """Know what an app has done under another name; what lives of it is seen at its run."""
        self.wish[new] = self.wish.get(old, False)
        self.excuse(new)
        self.every_try[new] = self.every_try.pop(old, [])
        self._world.promises.upkeep.timetable.renamed(old, new)
        for marker, leader in self.leaders.items():
            if self.home[marker] == old and leader.end is not None:
                self.home[marker] = new

    def _changed(self, old: AppConfig, new: AppConfig) -> None:
        name = new.name
        if is_started_anew(old, new) or name in self._failed:  # which is started again by any edit
            self.excuse(name)
        elif name in self.tries:
            self.tries[name].lenient = True
            if not old.give_up.starts:  # nobody counts them without a limit
                self.tries[name].counted.clear()


def is_started_anew(old: AppConfig, new: AppConfig) -> bool:
    """Return whether an app that runs as `old` says has to be started again to run as `new` says."""
    return any(getattr(old, key) != getattr(new, key) for key in STARTED_WITH)


def _owner(socket: Socket) -> str | None:
    return socket.owner.environment.get(MARKER)


def _answers(socket: Socket, config: AppConfig) -> bool:
    if socket.owner.is_held_up:
        return False
    status = socket.spec.status
    if config.check.kind is not CheckKind.HTTP:
        return True
    return status is not None and any(low <= status <= high for low, high in config.check.status)
