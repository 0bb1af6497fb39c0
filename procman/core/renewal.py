"""What an app becomes with another configuration, with a file that was mended, and under another manager."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from procman.core import policy
from procman.core.actions import Look
from procman.core.app import App, Ending, State
from procman.core.config import AppConfig, CheckKind
from procman.core.events import Moment, Remedied
from procman.core.health import ALIVE_ALONE, CONFIRM, healthy
from procman.core.transitions import Step, afresh, end, wait


def on_reconfigured(app: App, moment: Moment, config: AppConfig) -> Step:
    """Return the app after an edit of keys that it need not be restarted for."""
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

    What has passed once is not asked again at once: a listener that is closed again is not up.
    One that starts has its time from its spawn on; from now on if it was held just now, so that an edit does
    not end at once what an install has delayed.
    """
    steady = policy.steady_interval(config)
    if app.state is State.RUNNING:
        return replace(app, probe_at=None if steady is None or app.probing else moment.now + steady)
    if config.check.kind is CheckKind.NONE:
        return healthy(app, ALIVE_ALONE, moment, config)
    soon = moment.now + (CONFIRM if app.passes else 0.0)
    app = replace(app, probe_at=None if app.probing else soon)
    if app.state is State.STARTING:
        assert app.spawned_at is not None, "a starting app was spawned"
        began = app.spawned_at if app.held is None else moment.now
        return replace(app, deadline=began + config.start_timeout)
    return app


def on_remedied(app: App, event: Remedied, moment: Moment, config: AppConfig) -> Step:
    """Return the app after a change of a file that kept it down."""
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


def on_adopted(app: App, moment: Moment, config: AppConfig) -> Step:
    """Return the app after a new manager has found its processes alive."""
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
