"""What the answer of a check means for an app, by the health rule of docs/ARCHITECTURE.md."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from procman.core import policy
from procman.core.app import App, Ending, Outcome, State
from procman.core.config import AppConfig
from procman.core.events import Moment, Probed
from procman.core.transitions import Step, end, enter, is_hopeless

ALIVE_ALONE = "alive, and no check is declared"
CONFIRM = 0.1  # between the passes of a start: a listener that is closed again at once is not up


def on_probed(app: App, event: Probed, moment: Moment, config: AppConfig) -> Step:
    """Return the app after a check of its living run, and what is to be done about it."""
    match app.state:
        case State.STARTING | State.RUNNING | State.UNHEALTHY:
            seen = replace(
                app,
                probing=False,
                suspected=False,
                verdict=event.verdict,
                port_taken=event.port_taken,
                listening=event.listening,
                last_check=event.detail,
                last_outcome=event.outcome,
                held=event.detail if event.outcome is Outcome.HELD else None,
            )
            if event.outcome is Outcome.DOWN:
                return _failed_check(seen, event, moment, config)
            if event.outcome is Outcome.HELD:
                return _held_check(seen, event, moment, config), ()
            passed = _passed_check(seen, event, moment, config)
            if app.suspected and passed.probe_at is not None:
                return replace(passed, probe_at=moment.now), ()
            return passed, ()
        case (
            State.STOPPED
            | State.WAITING
            | State.PREPARING
            | State.STOPPING
            | State.BACKOFF
            | State.COMPLETED
            | State.FAILED
        ):
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _passed_check(app: App, event: Probed, moment: Moment, config: AppConfig) -> App:
    same = app.state is not State.STARTING or event.sockets == app.sockets
    app = replace(app, passes=app.passes + 1 if same else 1, sockets=event.sockets)
    needed = policy.passes_needed(config.check, starting=app.state is State.STARTING)
    if app.state is State.RUNNING or app.passes >= needed:
        return healthy(app, event.detail, moment, config)
    soon = CONFIRM if app.state is State.STARTING else config.check.retry_interval
    return replace(app, probe_at=moment.now + soon)


def healthy(app: App, reason: str, moment: Moment, config: AppConfig) -> App:
    """Return `app` running, its next check at the steady rhythm."""
    if app.state is not State.RUNNING:
        app = enter(app, State.RUNNING, reason, moment.now)
    app = replace(app, reason=reason)
    steady = policy.steady_interval(config)
    return replace(
        app,
        healthy_since=moment.now if app.healthy_since is None else app.healthy_since,
        failures=0,
        failing_since=None,
        diagnosis=None,
        probe_at=None if steady is None else moment.now + steady,
    )


def _failed_check(app: App, event: Probed, moment: Moment, config: AppConfig) -> Step:
    now, cause = moment.now, event.cause
    app = replace(app, passes=0, diagnosis=cause)
    if app.state is State.STARTING:
        return _failed_start(app, event, moment, config), ()
    since = now if app.failing_since is None else app.failing_since
    app = replace(app, failures=app.failures + 1, failing_since=since)
    hold = policy.why_hold(event.port_taken, since, _renewed_at(app, event), now, config, cause)
    detail = policy.with_cause(event.detail, cause)
    if hold is None and policy.is_down(app.failures, now - since, config.check):
        return end(app, Ending.UNHEALTHY, policy.failed_checks(app.failures, detail), now, config)
    reason = f"{detail}; {hold}" if hold else detail
    if app.state is State.RUNNING:
        app = enter(app, State.UNHEALTHY, reason, now)
    return replace(app, reason=reason, probe_at=now + config.check.retry_interval), ()


def _failed_start(app: App, event: Probed, moment: Moment, config: AppConfig) -> App:
    """Return a starting app after a failed check, which does not count before the first pass.

    With a hopeless cause nobody is to wait for `start_timeout`: once that has lasted for as long as it takes
    to be down, the app counts as failing, and is left alone.
    """
    now, allowed = moment.now, config.check.failures
    assert app.spawned_at is not None, "a starting app was spawned"
    soon = replace(app, probe_at=now + policy.quick_interval(now - app.spawned_at), failing_since=None)
    if not is_hopeless(app):
        return soon
    since = now if app.failing_since is None else app.failing_since
    if now - since < allowed * config.check.retry_interval:
        return replace(soon, failing_since=since)
    detail = policy.with_cause(event.detail, app.diagnosis)
    hold = policy.why_hold(app.port_taken, since, None, now, config, app.diagnosis)
    failing = enter(app, State.UNHEALTHY, f"{detail}; {hold}", now)
    return replace(failing, failures=allowed, failing_since=since, probe_at=now + config.check.retry_interval)


def _held_check(app: App, event: Probed, moment: Moment, config: AppConfig) -> App:
    """Return the app unjudged: failures until now are forgotten, and the time to come up begins anew.

    It begins with the next check: with a `start_timeout` that is no longer than `retry_interval` there would
    be none before it is over.
    """
    app = replace(app, reason=event.detail, passes=0, failures=0, failing_since=None)
    again = moment.now + config.check.retry_interval
    app = replace(app, probe_at=again)
    if app.state is State.STARTING:
        return replace(app, deadline=again + config.start_timeout)
    return app


def _renewed_at(app: App, event: Probed) -> float | None:
    """Return when the tree got its youngest process, unless that was there when the run became healthy."""
    born, healthy = event.newest_birth, app.healthy_since
    return None if born is not None and healthy is not None and born <= healthy else born
