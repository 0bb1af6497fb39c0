"""The life of one app: `step(app, event, moment, config)` returns the app after the event, and what to do.

Two values per app: what is *wanted* (up or not) and what *is* (its state). Every event moves the second
toward the first. The table of states is in docs/ARCHITECTURE.md; here each event has a function, and each
function names every state: the type checker refuses a new state until every decision about it is taken.

Each run (a spawn, or a `prepare`) has a generation. An event that is about another run dies in one line.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from procman.core import policy
from procman.core.actions import Kill, Look, Prepare, Probe, Spawn
from procman.core.app import App, Ending, State
from procman.core.config import AppConfig, CheckKind, Restart
from procman.core.ends import on_exited, on_gone
from procman.core.events import (
    Adopted,
    Cleared,
    Due,
    Event,
    Exceeded,
    Exited,
    Gone,
    Held,
    Moment,
    Probed,
    Reconfigured,
    Remedied,
    Restarted,
    Spawned,
    SpawnFailed,
    Start,
    Stop,
    Suspected,
    Unchanged,
    Unwanted,
)
from procman.core.health import ALIVE_ALONE, healthy, on_probed
from procman.core.renewal import on_adopted, on_reconfigured, on_remedied
from procman.core.secrets import show_command
from procman.core.transitions import KILL_AGAIN, Step, afresh, again, end, enter, is_hopeless, wait
from procman.core.verdict import Verdict

RECHECK = 1.0  # seconds between looks at a port that somebody else holds
SETTLE = 1.0  # until an app without a check is up: a mistake in its command ends it sooner (npm takes 0.5 s)


def step(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    """Return the app after `event`, and the actions that make it true, in order."""
    generation = getattr(event, "generation", app.generation)
    if generation != app.generation:
        return app, ()
    match event:
        case Start():
            return _on_start(app, event, moment)
        case Stop():
            return _on_stop(app, event, moment, config)
        case Unwanted():
            return replace(app, wanted=False), ()
        case Restarted():
            return _on_restarted(app, event, moment, config)
        case Cleared():
            return _on_cleared(app, event, moment, config)
        case Held():
            return _on_held(app, event, moment)
        case Spawned():
            return _on_spawned(app, moment, config)
        case SpawnFailed():
            return _on_spawn_failed(app, event, moment, config)
        case Probed():
            return on_probed(app, event, moment, config)
        case Unchanged():
            return _on_unchanged(app, moment, config)
        case Suspected():
            return _on_suspected(app, config)
        case Exceeded():
            return _on_exceeded(app, event, moment, config)
        case Exited():
            return on_exited(app, event, moment, config)
        case Gone():
            return on_gone(app, moment, config)
        case Due():
            return _on_due(app, moment, config)
        case Reconfigured():
            return on_reconfigured(app, moment, config)
        case Remedied():
            return on_remedied(app, event, moment, config)
        case Adopted():
            return on_adopted(app, moment, config)
        case _ as unreachable:
            assert_never(unreachable)


def _on_start(app: App, event: Start, moment: Moment) -> Step:
    match app.state:
        case State.STOPPED | State.BACKOFF | State.COMPLETED | State.FAILED:
            return wait(afresh(app), event.reason, moment.now)
        case State.WAITING if app.starts_at is not None:
            return wait(afresh(app), event.reason, moment.now)
        case State.WAITING:
            return afresh(app), (Look(),)
        case State.PREPARING | State.STARTING | State.RUNNING | State.UNHEALTHY:
            return replace(app, wanted=True), ()
        case State.STOPPING:
            ending = Ending.RESTART if app.ending is Ending.STOP else app.ending
            return replace(app, wanted=True, ending=ending), ()
        case _ as unreachable:
            assert_never(unreachable)


def _on_stop(app: App, event: Stop, moment: Moment, config: AppConfig) -> Step:
    app = replace(app, wanted=False)
    match app.state:
        case State.STOPPED:
            return app, ()
        case State.WAITING | State.BACKOFF | State.COMPLETED | State.FAILED:
            return enter(app, State.STOPPED, event.reason, moment.now), ()
        case State.PREPARING | State.STARTING | State.RUNNING | State.UNHEALTHY:
            return end(app, Ending.STOP, event.reason, moment.now, config, event.force)
        case State.STOPPING:
            app = replace(app, ending=Ending.STOP, reason=event.reason)
            if event.force and not app.forced:
                return end(app, Ending.STOP, event.reason, moment.now, config, force=True)
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _on_restarted(app: App, event: Restarted, moment: Moment, config: AppConfig) -> Step:
    app = afresh(app)
    match app.state:
        case State.STOPPED | State.WAITING | State.BACKOFF | State.COMPLETED | State.FAILED:
            return wait(app, event.reason, moment.now)
        case State.PREPARING | State.STARTING | State.RUNNING | State.UNHEALTHY:
            return end(app, Ending.RESTART, event.reason, moment.now, config)
        case State.STOPPING:
            return replace(app, ending=Ending.RESTART, reason=event.reason), ()
        case _ as unreachable:
            assert_never(unreachable)


def _on_cleared(app: App, event: Cleared, moment: Moment, config: AppConfig) -> Step:
    match app.state:
        case State.WAITING:
            return _run(app, event.prepare, moment, config)
        case (
            State.STOPPED
            | State.PREPARING
            | State.STARTING
            | State.RUNNING
            | State.UNHEALTHY
            | State.STOPPING
            | State.BACKOFF
            | State.COMPLETED
            | State.FAILED
        ):
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _run(app: App, prepare: bool, moment: Moment, config: AppConfig) -> Step:
    """Begin a new run: of `prepare`, or of the app itself."""
    generation = app.generation + 1
    fresh = replace(
        app,
        generation=generation,
        spawned_at=moment.now,
        healthy_since=None,
        failing_since=None,
        passes=0,
        failures=0,
        last_check=None,
        last_outcome=None,
        diagnosis=None,
        probe_at=None,
        probing=False,
        suspected=False,
    )
    if prepare:
        assert config.prepare is not None, "a prepare is due only where one is declared"
        text = f"runs `{show_command([config.prepare.text])}`"
        return enter(fresh, State.PREPARING, text, moment.now), (Prepare(generation),)
    starting = enter(fresh, State.STARTING, app.cause, moment.now)
    window = policy.starts_within(app.starts, moment.now, config.give_up)
    return replace(starting, starts=(*window, moment.now)), (Spawn(generation),)


def _on_held(app: App, event: Held, moment: Moment) -> Step:
    match app.state:
        case State.WAITING:
            deadline = moment.now + RECHECK if event.recheck else None
            taken = event.verdict is Verdict.STRANGER
            held = replace(app, reason=event.reason, verdict=event.verdict, port_taken=taken)
            held = replace(held, starts_at=event.starts_at)
            return replace(held, deadline=deadline, held=event.reason if event.paused else None), ()
        case (
            State.STOPPED
            | State.PREPARING
            | State.STARTING
            | State.RUNNING
            | State.UNHEALTHY
            | State.STOPPING
            | State.BACKOFF
            | State.COMPLETED
            | State.FAILED
        ):
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _on_spawned(app: App, moment: Moment, config: AppConfig) -> Step:
    match app.state:
        case State.STARTING:
            if config.check.kind is CheckKind.NONE:
                return replace(app, deadline=moment.now + SETTLE), ()
            deadline = moment.now + config.start_timeout
            first = moment.now + policy.quick_interval(0.0)
            return replace(app, deadline=deadline, probe_at=first), ()
        case (
            State.STOPPED
            | State.WAITING
            | State.PREPARING
            | State.RUNNING
            | State.UNHEALTHY
            | State.STOPPING
            | State.BACKOFF
            | State.COMPLETED
            | State.FAILED
        ):
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _on_spawn_failed(app: App, event: SpawnFailed, moment: Moment, config: AppConfig) -> Step:
    match app.state:
        case State.STARTING | State.PREPARING:
            app = replace(app, diagnosis=event.cause)
            if event.permanent:
                reason = policy.with_cause(event.reason, event.cause)
                return enter(app, State.FAILED, reason, moment.now), ()
            if app.state is State.STARTING:
                app = replace(app, starts=app.starts[:-1])  # the machine's trouble: the app did not start
            return again(app, event.reason, moment, config)
        case (
            State.STOPPED
            | State.WAITING
            | State.RUNNING
            | State.UNHEALTHY
            | State.STOPPING
            | State.BACKOFF
            | State.COMPLETED
            | State.FAILED
        ):
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _on_unchanged(app: App, moment: Moment, config: AppConfig) -> Step:
    match app.state:
        case State.RUNNING if not app.probing:
            steady = policy.steady_interval(config)
            return replace(app, probe_at=None if steady is None else moment.now + steady), ()
        case (
            State.STOPPED
            | State.WAITING
            | State.PREPARING
            | State.STARTING
            | State.RUNNING
            | State.UNHEALTHY
            | State.STOPPING
            | State.BACKOFF
            | State.COMPLETED
            | State.FAILED
        ):
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _on_suspected(app: App, config: AppConfig) -> Step:
    match app.state:
        case State.RUNNING:
            if policy.steady_interval(config) is None:  # there is nothing to look at
                return app, ()
            if app.probing:
                return replace(app, suspected=True), ()
            return replace(app, probe_at=None, probing=True), (Probe(app.generation),)
        case (
            State.STOPPED
            | State.WAITING
            | State.PREPARING
            | State.STARTING
            | State.UNHEALTHY
            | State.STOPPING
            | State.BACKOFF
            | State.COMPLETED
            | State.FAILED
        ):
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _on_exceeded(app: App, event: Exceeded, moment: Moment, config: AppConfig) -> Step:
    match app.state:
        case State.RUNNING | State.UNHEALTHY if config.restart is not Restart.NEVER:
            return end(app, Ending.UNHEALTHY, event.reason, moment.now, config)
        case (
            State.STOPPED
            | State.WAITING
            | State.PREPARING
            | State.STARTING
            | State.RUNNING
            | State.UNHEALTHY
            | State.STOPPING
            | State.BACKOFF
            | State.COMPLETED
            | State.FAILED
        ):
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _on_due(app: App, moment: Moment, config: AppConfig) -> Step:
    late = app.deadline is not None and app.deadline <= moment.now
    match app.state:
        case State.WAITING:
            return (replace(app, deadline=None), (Look(),)) if late else (app, ())
        case State.STARTING:
            return _start_timed_out(app, moment, config) if late else _probe(app, moment)
        case State.RUNNING | State.UNHEALTHY:
            return _probe(app, moment)
        case State.STOPPING:
            return _stop_timed_out(app, moment) if late else (app, ())
        case State.BACKOFF:
            return wait(app, f"restarted: {app.reason}", moment.now) if late else (app, ())
        case State.STOPPED | State.PREPARING | State.COMPLETED | State.FAILED:
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _probe(app: App, moment: Moment) -> Step:
    if app.probing or app.probe_at is None or app.probe_at > moment.now:
        return app, ()
    return replace(app, probe_at=None, probing=True), (Probe(app.generation),)


def _start_timed_out(app: App, moment: Moment, config: AppConfig) -> Step:
    if config.check.kind is CheckKind.NONE:
        return healthy(app, ALIVE_ALONE, moment, config), ()
    reason = policy.with_cause(policy.start_timed_out(app.last_check, config), app.diagnosis)
    if app.port_taken or config.restart is Restart.NEVER or is_hopeless(app):
        app = replace(enter(app, State.UNHEALTHY, reason, moment.now), failing_since=moment.now)
        return replace(app, probe_at=moment.now + config.check.retry_interval), ()
    return end(app, Ending.UNHEALTHY, reason, moment.now, config)


def _stop_timed_out(app: App, moment: Moment) -> Step:
    return replace(app, forced=True, deadline=moment.now + KILL_AGAIN), (Kill(app.generation),)
