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
from procman.core.actions import Kill, Look, Prepare, Probe, RecordPrepared, Spawn
from procman.core.app import App, Ending, Exit, State
from procman.core.config import AppConfig, CheckKind, Restart
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
from procman.core.health import healthy, on_probed
from procman.core.secrets import show_command
from procman.core.transitions import KILL_AGAIN, Step, afresh, again, end, enter, is_hopeless, wait
from procman.core.verdict import Verdict

RECHECK = 1.0  # seconds between looks at a port that somebody else holds
SETTLE = 1.0  # until an app without a check is up: a mistake in its command ends it sooner (npm takes 0.5 s)
ALIVE_ALONE = "alive, and no check is declared"


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
            return _on_exited(app, event, moment, config)
        case Gone():
            return _on_gone(app, moment, config)
        case Due():
            return _on_due(app, moment, config)
        case Reconfigured():
            return _on_reconfigured(app, moment, config)
        case Remedied():
            return _on_remedied(app, event, moment, config)
        case Adopted():
            return _on_adopted(app, moment, config)
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


def _on_exited(app: App, event: Exited, moment: Moment, config: AppConfig) -> Step:
    match app.state:
        case State.PREPARING:
            assert config.prepare is not None, "what runs was declared"
            ended = Exit(event.code, event.signal, event.at, "`prepare` ended")
            if ended.clean:
                return end(app, Ending.PREPARED, "`prepare` succeeded", moment.now, config)
            shown = show_command([config.prepare.text])
            why = policy.with_cause(f"`prepare` failed: `{shown}` {ended.words}", event.cause)
            app = replace(app, last_exit=ended, diagnosis=event.cause)
            return end(app, Ending.NOT_PREPARED, why, moment.now, config)
        case State.STARTING | State.RUNNING | State.UNHEALTHY:
            cause = event.cause or app.diagnosis
            ended = Exit(event.code, event.signal, event.at, "ended by itself")
            app = replace(app, last_exit=ended, diagnosis=cause)
            return end(app, Ending.EXITED, policy.with_cause(ended.words, cause), moment.now, config)
        case State.STOPPING:
            if app.ending in (Ending.EXITED, Ending.PREPARED, Ending.NOT_PREPARED):
                return app, ()
            return replace(app, last_exit=Exit(event.code, event.signal, event.at, app.reason)), ()
        case State.STOPPED | State.WAITING | State.BACKOFF | State.COMPLETED | State.FAILED:
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _on_gone(app: App, moment: Moment, config: AppConfig) -> Step:
    match app.state:
        case State.STOPPING:
            return _after(app, moment, config)
        case (
            State.STOPPED
            | State.WAITING
            | State.PREPARING
            | State.STARTING
            | State.RUNNING
            | State.UNHEALTHY
            | State.BACKOFF
            | State.COMPLETED
            | State.FAILED
        ):
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _after(app: App, moment: Moment, config: AppConfig) -> Step:
    """Decide what follows a run that is proven gone."""
    match app.ending:
        case Ending.STOP:
            return enter(app, State.STOPPED, app.reason, moment.now), ()
        case Ending.RESTART:
            return wait(app, app.reason, moment.now)
        case Ending.PREPARED:
            waiting = enter(app, State.WAITING, app.reason, moment.now)  # for the same cause as before
            return waiting, (RecordPrepared(app.generation), Look())
        case Ending.NOT_PREPARED:
            return enter(app, State.FAILED, app.reason, moment.now), ()
        case Ending.UNHEALTHY:
            return again(app, app.reason, moment, config)
        case Ending.EXITED:
            assert app.last_exit is not None, "an app that exited has an exit"
            failed = not app.last_exit.clean or app.diagnosis is not None  # some tools fail with code 0
            if config.restart is Restart.NEVER or (config.restart is Restart.ON_FAILURE and not failed):
                reason = f'{app.reason}; not restarted, `restart = "{config.restart.value}"`'
                return enter(app, State.COMPLETED, reason, moment.now), ()
            return again(app, app.reason, moment, config)
        case None:
            raise AssertionError("a stopping app has an ending")
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


def _on_reconfigured(app: App, moment: Moment, config: AppConfig) -> Step:
    match app.state:
        case State.WAITING:
            return app, (Look(),)
        case State.STARTING | State.RUNNING | State.UNHEALTHY:
            return _take_over(app, moment, config), ()
        case (
            State.STOPPED | State.PREPARING | State.STOPPING | State.BACKOFF | State.COMPLETED | State.FAILED
        ):
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _take_over(app: App, moment: Moment, config: AppConfig) -> App:
    """Return a living app with its timers as the new configuration wants them.

    One that starts has its time from its spawn on; from now on if it was held just now, so that an edit does
    not end at once what an install has delayed.
    """
    steady = policy.steady_interval(config)
    if app.state is State.RUNNING:
        return replace(app, probe_at=None if steady is None or app.probing else moment.now + steady)
    if config.check.kind is CheckKind.NONE:
        return healthy(app, ALIVE_ALONE, moment, config)
    app = replace(app, probe_at=None if app.probing else moment.now)
    if app.state is State.STARTING:
        assert app.spawned_at is not None, "a starting app was spawned"
        began = app.spawned_at if app.held is None else moment.now
        return replace(app, deadline=began + config.start_timeout)
    return app


def _on_remedied(app: App, event: Remedied, moment: Moment, config: AppConfig) -> Step:
    reason = f"restarted: `{event.file}` has changed"
    match app.state:
        case State.FAILED if app.wanted and app.diagnosis is not None:
            return wait(afresh(app), reason, moment.now)
        case State.UNHEALTHY if app.wanted and app.diagnosis is not None:
            return end(afresh(app), Ending.RESTART, reason, moment.now, config)
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


def _on_adopted(app: App, moment: Moment, config: AppConfig) -> Step:
    match app.state:
        case State.STARTING | State.RUNNING | State.UNHEALTHY:
            taken = _take_over(replace(app, probing=False, suspected=False), moment, config)
            taken = replace(taken, probe_at=None if taken.probe_at is None else moment.now)
            if taken.state is State.STARTING:  # it may have come up since, for days: without a record
                taken = replace(taken, deadline=moment.now + config.start_timeout)
            return taken, ()
        case State.PREPARING:  # nobody saw how it ended, or will
            return end(app, Ending.RESTART, "`prepare` is run again by a new manager", moment.now, config)
        case State.STOPPING:
            assert app.ending is not None, "a stopping app has an ending"
            return end(app, app.ending, app.reason, moment.now, config, force=app.forced)
        case State.STOPPED | State.WAITING | State.BACKOFF | State.COMPLETED | State.FAILED:
            reason = "it lived although it was not known to run"
            ending = Ending.RESTART if app.wanted else Ending.STOP
            return end(app, ending, reason, moment.now, config)
        case _ as unreachable:
            assert_never(unreachable)
