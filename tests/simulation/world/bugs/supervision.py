"""Mistakes in the supervision of apps: decisions, trees, succession, checks, order, the file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from procman.core import actions, events
from procman.core.app import App, Ending, Outcome, State
from procman.core.config import AppConfig, GiveUp
from procman.core.events import Event, Moment
from procman.core.gate import blocker
from procman.core.identity import Identity, Member
from procman.core.machine import step
from procman.core.plan import Plan, Verb, make_plan
from procman.core.transitions import Step
from procman.core.verdict import Judgement, Verdict, judge
from procman.engine.circle import Circle
from procman.engine.context import Context
from procman.engine.engine import Engine
from procman.engine.listening import Listening
from procman.engine.stopping import OrderedStop
from procman.engine.supervised import Supervised
from procman.host.base import Run
from tests.fakes.host import FakeHost
from tests.fakes.machine import Process
from tests.simulation.world.bugs.planting import BUGS, Bug, decides, replaces

# decisions


@decides("Unitech/pm2#6084: the old tree still holds the port when the next one starts")
def starts_the_next_run_while_the_old_tree_lives(
    app: App, event: Event, moment: Moment, config: AppConfig
) -> Step:
    ended = isinstance(event, events.Exited) and event.generation == app.generation
    if ended and app.state is State.RUNNING:
        waiting = replace(app, state=State.WAITING, probe_at=None, deadline=moment.now + 1, verdict=None)
        return replace(waiting, listening=()), (actions.Look(),)
    return step(app, event, moment, config)


@decides("a restart that can't help: sonichi/sutando#4019")
def restarts_for_a_stranger(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    if isinstance(event, events.Probed) and event.port_taken:
        event = replace(event, port_taken=False)
    return step(app, event, moment, config)


@decides("openclaw#32613: every restart timed out where `lsof` was missing")
def counts_could_not_tell_as_down(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    if isinstance(event, events.Probed) and event.outcome is Outcome.UNKNOWN:
        event = replace(event, outcome=Outcome.DOWN)
    return step(app, event, moment, config)


@decides("Unitech/pm2#2584: 40,000 restarts without a delay")
def forgets_its_backoff(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    return step(replace(app, attempts=0), event, moment, config)


@decides("cachix/devenv: an app that dies every 3 s is started for ever")
def never_gives_up(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    return step(app, event, moment, replace(config, give_up=GiveUp(starts=0)))


@decides("monit #546: the counter survives the restart")
def counts_failures_over_restarts(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    after, done = step(app, event, moment, config)
    return (after if after.generation == app.generation else replace(after, failures=app.failures)), done


@decides("circus-tent/circus#1044: what ignores SIGTERM never gets SIGKILL")
def never_forces(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    after, done = step(app, event, moment, config)
    if isinstance(event, events.Due) and any(isinstance(each, actions.Kill) for each in done):
        return replace(app, deadline=moment.now + 1), ()
    return after, done


@decides("Supervisor: a stop in BACKOFF is overtaken by the next start")
def starts_again_what_was_stopped_in_its_backoff(
    app: App, event: Event, moment: Moment, config: AppConfig
) -> Step:
    if isinstance(event, events.Stop) and app.state is State.BACKOFF:
        return replace(app, wanted=False), ()
    return step(app, event, moment, config)


@decides("a stop during a restart is forgotten; the last wish has to win")
def forgets_a_stop_during_a_restart(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    if isinstance(event, events.Stop) and app.state is State.STOPPING and app.ending is Ending.RESTART:
        return replace(app, wanted=False), ()
    return step(app, event, moment, config)


@decides("pm2 `restart` brings back what its user has stopped meanwhile")
def restarts_although_it_is_not_wanted(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    if isinstance(event, events.Gone) and app.ending is Ending.STOP:
        app = replace(app, ending=Ending.RESTART)
    return step(app, event, moment, config)


@decides("the state of a task is not believed: a clean end is a crash")
def restarts_what_has_completed(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    if isinstance(event, events.Exited) and event.code == 0 and app.ending is None:
        event = replace(event, code=1)
    return step(app, event, moment, config)


@decides("willfarrell/docker-autoheal#53, turned around: an adopted run is judged by the age of its process")
def judges_an_adopted_start_by_its_age(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    after, done = step(app, event, moment, config)
    if isinstance(event, events.Adopted) and after.state is State.STARTING and after.spawned_at is not None:
        after = replace(after, deadline=after.spawned_at + config.start_timeout)
    return after, done


def _due_already(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    if isinstance(event, events.Due):
        early = [None if at is None else min(at, moment.now) for at in (app.deadline, app.probe_at)]
        app = replace(app, deadline=early[0], probe_at=early[1])
    return step(app, event, moment, config)


@contextmanager
def _late_timers() -> Iterator[None]:
    """Let every timer come that was ever armed, until the manager ends, and take it for one of now."""
    release, armed = Circle.release, []

    def arm(circle: Circle, supervised: Supervised) -> None:
        at = supervised.app.wake_at
        if at != supervised.timer_at:
            supervised.timer_at = at
            supervised.timer = (
                None if at is None else circle._host.call_at(at, lambda: circle._due(supervised))
            )
            armed.append(supervised.timer)

    def release_all(circle: Circle) -> None:
        for timer in armed:
            if timer is not None:
                timer.cancel()
        release(circle)

    with (
        patch("procman.engine.circle.step", _due_already),
        patch.object(Circle, "_arm", arm),
        patch.object(Circle, "release", release_all),
    ):
        yield


BUGS.append(
    Bug(
        "honours_a_timer_of_a_state_that_is_over",
        "a timeout from an earlier state: what mprocs has its epochs for",
        _late_timers,
    )
)


# trees and identities


@replaces(FakeHost, "tree", "ddollar/foreman#618: `sh -c` is ended, what it started lives on")
def takes_the_leader_for_the_tree(host: FakeHost, run: Run) -> tuple[Member, ...]:
    process = host._find(run.leader)
    return () if process is None else (process.member(),)


@replaces(FakeHost, "_find", "jdx/pitchfork#878: after a reboot the pid was somebody else's")
def believes_a_pid_alone(host: FakeHost, identity: Identity) -> Process | None:
    return host.machine.processes.get(identity.pid)


# succession


@replaces("procman.engine.succession", "newest_runs", "Supervisor PR#199: the next one starts duplicates")
def takes_nothing_back(
    marked: Mapping[str, Any], renamed: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Any]]:
    return {}, []


@replaces("procman.engine.succession", "fingerprint", "Unitech/pm2#3742: `update` restarts every app")
def sees_a_change_in_every_run_taken_back(config: AppConfig) -> str:
    return f"another one each time: {config.command}"


# health


@replaces("procman.engine.prober", "judge", "different-ai/openwork#1698: port open, so it is ours")
def believes_whoever_answers(
    listeners: Any,
    own_inodes: Collection[int] | None,
    port: int,
    addresses: tuple[str, ...],
) -> Judgement:
    found = judge(listeners, own_inodes, port, addresses)
    return Judgement(Verdict.OWN, own_addresses=addresses) if found.verdict is Verdict.STRANGER else found


@replaces(Listening, "in_the_way", "vitejs/vite: starts where somebody else listens already")
def starts_on_a_port_that_is_taken(listening: Listening, port: int) -> None:
    return None


@replaces(Context, "overslept", "a closed lid is a crash")
def forgets_that_time_stood_still(context: Context, supervised: Supervised) -> None:
    return None


# order


@replaces(
    "procman.engine.circle", "blocker", "F1bonacc1/process-compose#544: an order for the first start only"
)
def forgets_dependencies_at_a_restart(config: AppConfig, apps: Mapping[str, App]) -> str | None:
    return blocker(config, apps) if apps[config.name].generation == 0 else None


@replaces(OrderedStop, "ready", "Supervisor#520: the order of stops is not waited for")
def stops_everything_at_once(
    stops: OrderedStop, apps: Mapping[str, App], configs: Mapping[str, AppConfig]
) -> list[tuple[str, events.Stop]]:
    waiting, stops._waiting = stops._waiting, {}
    return list(waiting.items())


# the file


_apply_an_edit = Engine._on_file


@replaces(Engine, "_on_file", "Supervisor#1637: `update` starts what its user has stopped")
def starts_everything_after_an_edit(engine: Engine, read: Any) -> Any:
    notice = _apply_an_edit(engine, read)
    if notice.error is None and not engine.closing:
        engine.start(tuple(engine.config.enabled_apps()))
    return notice


@replaces("procman.engine.engine", "make_plan", "Supervisor#720: changed is changed, whatever the field")
def restarts_an_app_for_any_key(old: Any, new: Any) -> Plan:
    plan = make_plan(old, new)
    changes = tuple(
        replace(change, verb=Verb.RESTART) if change.verb is Verb.LIVE else change for change in plan.changes
    )
    return replace(plan, changes=changes)


@replaces(Engine, "_staying", "a table that has left the file comes back by `start`")
def resurrects_what_has_left_the_file(engine: Engine, names: Collection[str]) -> tuple[str, ...]:
    return tuple(names)


@replaces("procman.engine.reload.Reloader", "_changed", "an editor was caught between two writes, once")
def looks_once_at_a_torn_file(reloader: Any) -> None:
    read = reloader.read()
    if not isinstance(read, Exception):
        reloader._on_read(read)


# what is left behind


@replaces(Circle, "_arm", "timers of states that are over stay armed")
def never_calls_a_timer_off(circle: Circle, supervised: Supervised) -> None:
    at = supervised.app.wake_at
    if at != supervised.timer_at:
        supervised.timer_at = at
        supervised.timer = None if at is None else circle._host.call_at(at, lambda: circle._due(supervised))


@replaces("procman.logs.capture.Capture", "release", "a descriptor for each start: circus-tent/circus")
def keeps_the_ends_of_its_children_open(capture: Any) -> None:
    return None
