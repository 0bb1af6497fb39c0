"""What the end of a run means: how it ended, and what follows once its whole tree is gone."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from procman.core import policy
from procman.core.actions import Look, RecordPrepared
from procman.core.app import App, Ending, Exit, State
from procman.core.config import AppConfig, Restart
from procman.core.events import Exited, Moment
from procman.core.secrets import show_command
from procman.core.transitions import Step, again, end, enter, wait


def on_exited(app: App, event: Exited, moment: Moment, config: AppConfig) -> Step:
    """Return the app after the end of its run's first process."""
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


def on_gone(app: App, moment: Moment, config: AppConfig) -> Step:
    """Return the app after the proof that no process of its run is left."""
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
