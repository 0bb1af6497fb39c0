"""What has to hold in every world: after everything that happens, at each decision, and at the end.

A promise compares what the manager does with `truth`, never with what the manager believes alone.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from procman.core.app import ALIVE, App, State
from procman.core.config import CheckKind, Condition, PortPolicy, Reload, Restart
from procman.core.health import CONFIRM
from procman.core.identity import MARKER
from procman.core.verdict import Verdict
from procman.engine.events import Problem, Transition
from procman.engine.listening import BEFORE_START
from procman.engine.supervised import Supervised
from tests.simulation.world.bounds import SLACK, end_budget
from tests.simulation.world.truth import AT_ONCE, Tries
from tests.simulation.world.upkeep import TOO_MUCH, Upkeep
from tests.simulation.world.watched import Broken

if TYPE_CHECKING:
    from tests.simulation.world.play import World

MOST_TIMERS = 8  # of an app: its deadline, its check, its readers, its ending
GIVES_UP = "gave up after"
STATES = {state.value for state in State}
RESTS = frozenset(State) - ALIVE - {State.STOPPED}  # states that an app leaves as soon as it is not wanted
VERDICTS = {verdict.value for verdict in Verdict} | {None}


class Promises:
    """The promises of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stopping: dict[str, tuple[float, float]] = {}  # since when, and the budget
        self._unwanted: dict[str, float] = {}  # since when, of what lives
        self._seen: tuple[int, int] = (-1, -1)
        self.upkeep = Upkeep(world)
        self.closes_down = False  # in good order, everything

    @property
    def _now(self) -> float:
        return self._world.machine.now

    def everyone(self) -> dict[str, Supervised]:
        """Return every app, as the manager has it."""
        assert self._world.manager is not None, "there is a manager"
        return self._world.manager._circle.supervised

    # after everything that happens

    def always(self) -> None:
        """Look at what has to hold at any time; most of it only if something has changed."""
        seen = (self._world.machine.changes, self._world.story.length)
        if seen != self._seen:
            self._seen = seen
            self._everything_alive_is_accounted_for()
            self._words_agree()
            self._wishes_are_kept()
        self._stops_end_in_time()
        self.upkeep.always()

    def _everything_alive_is_accounted_for(self) -> None:
        assert self._world.manager is not None, "there is a manager"
        circle = self._world.manager._circle
        known = {each.run.marker for each in circle.supervised.values() if each.run is not None}
        known |= set(circle.reclaimer._endings)
        for process in self._world.ours():
            if process.environment[MARKER] not in known:
                app = self._world.truth.home.get(process.environment[MARKER])
                seen = f"`{process.command}` {process.pid} of {app}"
                raise Broken("nothing is alive that is not accounted for", seen)

    def _words_agree(self) -> None:
        assert self._world.manager is not None, "there is a manager"
        circle = self._world.manager._circle
        for name, supervised in self.everyone().items():
            app = supervised.app
            problem = _contradiction(app, supervised)
            if problem is None and not app.wanted and app.state in RESTS and not circle.stops.holds(name):
                problem = "is not wanted"
            if problem is not None:
                raise Broken("state and words agree", f"{name} is {app.state.value} and {problem}")

    def _wishes_are_kept(self) -> None:
        engine, truth = self._world.manager, self._world.truth
        assert engine is not None, "there is a manager"
        for name, supervised in self.everyone().items():
            wanted = truth.wish.get(name, False) and not supervised.leaving
            if supervised.app.wanted != wanted:
                was = "wanted" if wanted else "not wanted"
                raise Broken("what is wanted is what was asked", f"{name} is {was} by all that was asked")

    def _stops_end_in_time(self) -> None:
        now, world = self._now, self._world
        excused = bool(world.machine.uninterruptible) or world.truth.stands_until + SLACK > now
        for name, supervised in self.everyone().items():
            self._goes(name, supervised.app, excused)
            if supervised.app.state is not State.STOPPING:
                self._stopping.pop(name, None)
                continue
            since, budget = self._stopping.get(name, (now, end_budget(supervised.config)))
            budget = max(budget, end_budget(supervised.config))
            self._stopping[name] = (now if excused else since, budget)
            if not excused and now - since > budget:
                seen = f"{name} is being stopped for {now - since:.3f}s, and {budget:g}s are allowed"
                raise Broken("every stop ends within its budget", seen)

    def _goes(self, name: str, app: App, excused: bool) -> None:
        """Look whether what nobody wants is gone in time, what depends on it having gone first."""
        if app.wanted or app.state not in ALIVE:
            self._unwanted.pop(name, None)
            return
        since = self._unwanted.setdefault(name, self._now)
        if excused:
            self._unwanted[name] = self._now
        elif self._now - since > sum(end_budget(each.config) for each in self.everyone().values()):
            seen = f"{name} was stopped {self._now - since:.3f}s ago, and is {app.state.value}"
            raise Broken("every stop ends within its budget", seen)

    def a_manager_went(self) -> None:
        """Forget what only that one was bound to."""
        self._stopping.clear()
        self._unwanted.clear()
        self.upkeep.a_manager_went(self.everyone())

    # when a decision is told

    def on_transition(self, told: Transition) -> None:
        """Look whether there was a reason for it."""
        self.upkeep.on_transition(told)
        if told.new == State.STOPPING.value:
            self._an_end_has_its_cause(told)
            self._is_in_order(told)
        elif told.new == State.RUNNING.value and told.old == State.STARTING.value:
            self._has_come_up(told.app)
        elif told.old == State.FAILED.value and told.new != State.STOPPED.value:
            self._is_asked_for_again(told)
        elif told.new == State.FAILED.value:
            self._is_given_up_with_reason(told)
        elif told.new == State.COMPLETED.value:
            self._has_completed(told)

    def _an_end_has_its_cause(self, told: Transition) -> None:
        supervised, truth = self.everyone()[told.app], self._world.truth
        match told.ending:
            case "exited" | "prepared" | "not prepared":
                run = supervised.run
                found = None if run is None else self._world.machine.processes.get(run.leader.pid)
                if found is not None and run is not None and found.identity == run.leader:
                    raise Broken("an end has its cause", f"{told.app} is said to have ended, and lives")
                if told.ending == "exited":
                    self._ended_as_told(told.app, supervised)
            case "stop":
                if truth.wish.get(told.app, False) and not supervised.leaving:
                    raise Broken("an end has its cause", f"nobody has stopped {told.app}: {told.reason}")
            case "restart":
                born = supervised.app.spawned_at or 0.0
                if truth.excused.get(told.app, -1.0) < born - AT_ONCE:
                    raise Broken(
                        "an end has its cause", f"nothing asked for a restart of {told.app}: {told.reason}"
                    )
            case "unhealthy" if not told.reason.startswith(TOO_MUCH):
                self._was_really_bad(told, supervised)

    def _ended_as_told(self, app: str, supervised: Supervised) -> None:
        """Look whether the exit that is told is the one that was; unseen, it is none."""
        assert supervised.run is not None, "what has ended is a run"
        leader, told = self._world.truth.leaders.get(supervised.run.marker), supervised.app.last_exit
        if leader is None or leader.end is None or told is None or (told.code, told.signal) == (None, None):
            return
        if (told.code, told.signal) != (leader.end.code, leader.end.signal):
            raise Broken("an end has its cause", f"{app} is said to have {told.words}, not {leader.end}")

    def _was_really_bad(self, told: Transition, supervised: Supervised) -> None:
        """Look whether failed checks can have failed: for a stranger, and what can't be told, none does."""
        assert supervised.run is not None, "what is ended is a run"
        now, condition = self._now, self._world.truth.conditions[supervised.run.marker]
        patience = 2 * supervised.config.check.timeout + SLACK
        if told.old == State.STARTING.value:
            good = condition.good_since is not None and now - condition.good_since > patience
            elsewhere = condition.now in ("stranger", "blind") and now - condition.since > patience
            if good or elsewhere:
                seen = f"{told.app} was {condition.now} for {now - condition.since:.3f}s: {told.reason}"
                raise Broken("a start that works is not given up", seen)
        elif now - condition.bad_at > patience:
            ago = now - condition.bad_at
            seen = f"{told.app} was last bad {ago:.3f}s ago, now {condition.now}: {told.reason}"
            raise Broken("no restart because of a stranger, or of what could not be told", seen)

    def _is_in_order(self, told: Transition) -> None:
        """Look, once everything is being stopped, whether what depends on an app is gone before it."""
        if not self.closes_down or told.ending != "stop":
            return
        for name, supervised in self.everyone().items():
            depends = told.app in [other for other, _ in supervised.config.depends_on]
            if depends and self._world.processes(name):
                raise Broken("no stop before its dependents", f"{told.app} is stopped, and {name} lives")

    def _has_come_up(self, app: str) -> None:
        """Look whether an app that is called up was ever well."""
        marker, check = self._world.truth.marker(app), self.everyone()[app].config.check
        if check.kind is CheckKind.NONE or marker is None:
            return
        condition, reason = self._world.truth.conditions[marker], self.everyone()[app].app.reason
        if not condition.was_good:
            raise Broken("nothing is called up that never was", f"{app}: {reason}")
        assert self._world.manager is not None, "there is a manager"
        long = self._now - condition.steady_since
        at_once = check.kind is CheckKind.LOG or self._world.manager._began > condition.bad_at
        if not at_once and long < CONFIRM * (check.successes - 1) - AT_ONCE:
            raise Broken("nothing is called up before its `successes`", f"{app} after {long:.3f}s: {reason}")

    def _is_given_up_with_reason(self, told: Transition) -> None:
        truth = self._world.truth
        limit = self.everyone()[told.app].config.give_up
        if told.reason.startswith(GIVES_UP):
            counted = len([at for at in truth.every_try.get(told.app, ()) if self._now - at < limit.within])
            if not limit.starts or counted < limit.starts:
                seen = f"{told.app} was given up after {counted} starts, and {limit.starts} are allowed"
                raise Broken("no app is given up too early", seen)
        elif told.app not in truth.refused and "prepare" not in told.reason:
            raise Broken("no app is given up too early", f"{told.app}: {told.reason}")

    def _is_asked_for_again(self, told: Transition) -> None:
        if self._world.truth.excused.get(told.app, -1.0) < self._now - AT_ONCE:
            raise Broken("what was given up is left alone", f"{told.app}: {told.reason}")

    def _has_completed(self, told: Transition) -> None:
        supervised, leader = self.everyone()[told.app], self._world.truth.newest_leader(told.app)
        policy, end = supervised.config.restart, None if leader is None else leader.end
        failed = end is not None and end.code != 0
        if policy is Restart.ALWAYS or (policy is Restart.ON_FAILURE and failed):
            raise Broken("what is to run on is not left alone", f"{told.app} has completed: {told.reason}")

    # before a process is made

    def before_spawn(self, app: str, marker: str, command: str) -> None:
        """Look whether a run may begin now."""
        supervised = self.everyone()[app]
        wish = self._world.truth.wish.get(app, False) and not supervised.leaving
        if not wish:
            raise Broken("nothing is started that nobody wants", f"{app} is started")
        self.upkeep.before_spawn(app, supervised)
        port, machine = supervised.config.port, self._world.machine
        taken = [
            each.owner
            for each in machine.sockets
            if each.listener.port == port and self._now - each.since > BEFORE_START
        ]
        if taken and machine.readable and supervised.config.port_policy is not PortPolicy.FOLLOW:
            seen = f"{app} is started, and `{taken[0].command}` {taken[0].pid} listens on {port}"
            raise Broken("no start on a port that somebody else holds", seen)
        for name, condition in supervised.config.depends_on:
            why = self._why_not_ready(name, condition)
            if why is not None:
                raise Broken("no start before its dependencies", f"{app} is started, and {name} {why}")
        if command != "prepare":
            self._is_not_too_soon(app, marker)

    def _why_not_ready(self, name: str, condition: Condition) -> str | None:
        found, truth = self.everyone().get(name), self._world.truth
        if found is None:
            return "is not there"
        leader = truth.newest_leader(name)
        if condition is Condition.COMPLETED:
            well = leader is not None and leader.end is not None and leader.end.code == 0
            return None if well and found.app.state is State.COMPLETED else "has not completed well"
        if leader is None:
            return "was never started"
        if leader.end is not None and found.app.state is State.COMPLETED and condition is Condition.STARTED:
            return None
        if not self._world.processes(name) and not self._died_just_now(name):
            return "does not live"
        marker = truth.marker(name)
        if condition is Condition.HEALTHY and marker is not None and not truth.conditions[marker].was_good:
            return "was not up yet"
        return None

    def _died_just_now(self, name: str) -> bool:
        """Return whether a process is gone that the manager can't know of yet."""
        marker = self._world.truth.marker(name)
        if self._world.truth.stands_until + AT_ONCE >= self._now or marker is None:
            return marker is not None
        ended_at = self._world.machine.ended_at.get(marker, -math.inf)
        return self._now - ended_at <= AT_ONCE or self._world.truth.conditions[marker].now == "good"

    def _is_not_too_soon(self, app: str, marker: str) -> None:
        """Look whether a restart that nobody asked for keeps to the backoff and to the limit of starts."""
        truth, config, now = self._world.truth, self.everyone()[app].config, self._now
        tries = truth.tries.setdefault(app, Tries())
        before = truth.conditions.get(tries.marker)
        healthy = before is not None and before.was_good
        if before is not None and before.good_for(now) >= config.backoff.reset_after:
            tries.proven = len(tries.at)
        at_once = healthy and len(tries.at) - tries.proven <= (0 if tries.proven else 1)
        shortest = config.backoff.initial * (1 - config.backoff.jitter) - AT_ONCE
        if tries.at and not at_once and not tries.lenient and now - tries.at[-1] < shortest:
            seen = (
                f"{app} is started {now - tries.at[-1]:.3f}s after its last start, number {len(tries.at) + 1}"
            )
            raise Broken("no restart before its backoff", seen)
        counted = [at for at in (*tries.counted, now) if now - at < config.give_up.within]
        if config.give_up.starts and len(counted) > config.give_up.starts and not tries.lenient:
            raise Broken("no restart beyond the limit", f"{app} is started {len(counted)} times")
        tries.at.append(now)
        tries.counted.append(now)
        tries.marker, tries.lenient = marker, False
        truth.every_try.setdefault(app, []).append(now)
        truth.refused.pop(app, None)

    def on_problem(self, told: Problem) -> None:
        """Know what somebody was told."""
        self.upkeep.on_problem(told)

    # after a step

    def after_step(self) -> None:
        """Look at what others see of it."""
        engine = self._world.manager
        if engine is None:
            return
        status = json.loads(json.dumps(engine.status()))
        for seen in status["apps"]:
            name, alive = seen["name"], {state.value for state in ALIVE}
            fits = seen["state"] in STATES and seen["verdict"] in VERDICTS
            if not fits or (seen["pid"] is not None and seen["state"] not in alive):
                raise Broken("status says what is so", f"{name}: {seen}")
            living = {process.pid for process in self._world.processes(name)}
            if set(seen["pids"]) != living and seen["state"] in alive:
                raise Broken(
                    "status says what is so", f"{name} has {sorted(living)} and shows {seen['pids']}"
                )
        assert self._world.host is not None, "it has a host"
        most = MOST_TIMERS * (len(engine.apps) + 2)
        timers = len(self._world.host.timers())
        if timers > most:
            raise Broken("no timer is left behind", f"{timers} timers of {len(engine.apps)} apps")

    def an_edit_is_followed(self, saves: int) -> None:
        """Look, a while after a save, whether the manager goes by it."""
        world, engine = self._world, self._world.manager
        stood = world.truth.stands_until > self._now - 2 * SLACK
        if engine is None or engine.closing or world.saves != saves or stood:
            return
        read, state = world.read(), engine.status()["manager"]["config"]["state"]
        reload = engine.config.manager.reload
        if reload is Reload.OFF:
            return
        same = read is not None and dict(read.apps) == dict(engine.config.apps)
        word = "rejected" if read is None else "edited" if reload is Reload.ASK and not same else "applied"
        if state != word or (word == "applied" and not same):
            raise Broken("an edit is followed within a second", f"the file is {state}, and should be {word}")


def _contradiction(app: App, supervised: Supervised) -> str | None:
    """Return what does not fit the state of an app, or None."""
    alive = app.state in ALIVE
    checked = app.state in (State.STARTING, State.RUNNING, State.UNHEALTHY)
    if alive != (supervised.run is not None):
        return "has a run" if supervised.run is not None else "has no run"
    if (app.ending is not None) != (app.state is State.STOPPING):
        return f"has the ending {app.ending}"
    if app.listening and not checked:
        return f"listens on {app.listening}"
    if app.verdict is not None and not checked and app.state is not State.WAITING:
        return f"has the verdict {app.verdict}"
    if app.failures and app.state in (State.STARTING, State.RUNNING):
        return f"has {app.failures} failures"
    if app.wanted and app.state is State.STOPPED:
        return "is wanted"
    if supervised.timer_at != app.wake_at or (supervised.timer is None) != (app.wake_at is None):
        return f"its timer is armed for {supervised.timer_at} instead of {app.wake_at}"
    return None
