"""The moves of an app from state to state, whatever led to them."""

from __future__ import annotations

from dataclasses import replace

from procman.core import policy
from procman.core.actions import Action, Kill, Look, Terminate
from procman.core.app import ALIVE, App, Ending, State
from procman.core.config import AppConfig
from procman.core.events import Moment

Step = tuple[App, tuple[Action, ...]]

KILL_AGAIN = 1.0  # between SIGKILLs to what survives one


def enter(app: App, state: State, reason: str, now: float) -> App:
    """Return `app` in `state`, with everything dropped that the new state has no right to."""
    checked = state in (State.STARTING, State.RUNNING, State.UNHEALTHY)
    return replace(
        app,
        state=state,
        reason=reason,
        since=now,
        deadline=None,
        probe_at=app.probe_at if checked else None,
        ending=app.ending if state is State.STOPPING else None,
        forced=app.forced and state is State.STOPPING,
        verdict=app.verdict if checked else None,
        port_taken=app.port_taken and checked,
        listening=app.listening if checked else (),
        held=app.held if checked else None,
        starts_at=None,
        spawned_at=app.spawned_at if state in ALIVE else None,
    )


def wait(app: App, reason: str, now: float) -> Step:
    """Put the app in line for a run."""
    return replace(enter(app, State.WAITING, reason, now), cause=reason), (Look(),)


def afresh(app: App) -> App:
    """Return `app` wanted up, with the counts of earlier failures forgotten."""
    return replace(app, wanted=True, attempts=0, delays=0, starts=())


def end(app: App, ending: Ending, reason: str, now: float, config: AppConfig, force: bool = False) -> Step:
    """Begin to end the present run."""
    gone = enter(replace(app, ending=ending), State.STOPPING, reason, now)
    if force:
        return replace(gone, forced=True, deadline=now + KILL_AGAIN), (Kill(app.generation),)
    return replace(gone, deadline=now + config.stop_timeout), (Terminate(app.generation, config.stop_signal),)


def again(app: App, reason: str, moment: Moment, config: AppConfig) -> Step:
    """Restart a failed run: at once, after a while, or not at all."""
    if not app.wanted:
        return enter(app, State.STOPPED, reason, moment.now), ()
    if is_hopeless(app):
        return enter(app, State.FAILED, reason, moment.now), ()
    starts = policy.starts_within(app.starts, moment.now, config.give_up)
    if policy.is_hopeless(starts, config.give_up):
        text = policy.gave_up(len(starts), config.give_up, reason)
        return enter(app, State.FAILED, text, moment.now), ()
    if policy.proved_itself(app.healthy_since, moment.now, config.backoff):
        app = replace(app, attempts=0, delays=0)
    at_once = app.attempts == 0 and app.healthy_since is not None
    app = replace(app, attempts=app.attempts + 1, restarts=app.restarts + 1, starts=starts)
    if at_once:
        return wait(app, f"restarted at once: {reason}", moment.now)
    delay = policy.delay(app.delays, config.backoff, moment.chance)
    backoff = enter(replace(app, delays=app.delays + 1), State.BACKOFF, reason, moment.now)
    return replace(backoff, deadline=moment.now + delay), ()


def is_hopeless(app: App) -> bool:
    """Return whether a restart can't help before a file has changed."""
    return app.diagnosis is not None and app.diagnosis.hopeless
