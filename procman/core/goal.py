"""What a command waits for, and when it is known that it will not come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, assert_never

from procman.core.app import App, State
from procman.core.config import AppConfig, Condition, Restart
from procman.core.gate import meets
from procman.core.order import start_order

HOPELESS_WAIT = 5.0  # seconds to the next start that nobody should have to sit through
HOPELESS_ATTEMPTS = 3  # runs that failed one after the other until `up` reports that an app does not come up
RESTS = frozenset({State.STOPPED, State.COMPLETED, State.FAILED})  # it stays so until somebody acts


class Goal(Enum):
    """What somebody waits for an app to be."""

    UP = "up"  # running, or completed without an error; told early when it keeps failing
    HEALTHY = "healthy"
    STOPPED = "stopped"
    COMPLETED = "completed"


def reached(app: App, goal: Goal) -> bool | None:
    """Return whether the app has reached `goal`; None while it still may."""
    match goal:
        case Goal.UP:
            return _up(app)
        case Goal.HEALTHY:
            up = app.state is State.RUNNING or app.starts_at is not None
            return True if up else _never(app, State.COMPLETED)
        case Goal.STOPPED:
            return True if app.state in RESTS else None
        case Goal.COMPLETED:
            if app.state is State.COMPLETED:
                return app.last_exit is not None and app.last_exit.clean
            return _never(app)
        case _ as unreachable:
            assert_never(unreachable)


def progress(
    names: Iterable[str], apps: Mapping[str, App], configs: Mapping[str, AppConfig], goal: Goal
) -> dict[str, bool | None]:
    """Return for each of `names` whether it has reached `goal`; an app that waits in vain has not.

    What waits for a dependency that does not come up does not come up either.
    """
    dependencies = {name: [other for other, _ in config.depends_on] for name, config in configs.items()}
    answers: dict[str, bool | None] = {}
    for name in start_order(dependencies):  # so that a dependency is answered before what waits for it
        app, config = apps.get(name), configs[name]
        if app is None:  # disabled, or gone
            answers[name] = goal is Goal.STOPPED
            continue
        answer = reached(app, goal)
        if answer is None and goal is not Goal.STOPPED:
            stuck = app.state is State.WAITING and _waits_in_vain(config, apps, answers)
            answer = False if stuck or (goal is Goal.UP and _stays_unhealthy(app, config)) else None
        answers[name] = answer
    return {name: answers[name] if name in answers else _leaving(apps.get(name), goal) for name in names}


def _waits_in_vain(config: AppConfig, apps: Mapping[str, App], answers: Mapping[str, bool | None]) -> bool:
    """Return whether a dependency is not what is asked of it, and will not be until somebody acts."""
    for name, condition in config.depends_on:
        dependency = apps.get(name)
        if dependency is None:
            return True
        hopeless = answers.get(name) is False or dependency.state in RESTS
        if hopeless and not meets(dependency, condition):
            return True
    return False


def _stays_unhealthy(app: App, config: AppConfig) -> bool:
    """Return whether checks failed often enough for a restart that will not be made."""
    lasting = app.state is State.UNHEALTHY and app.failures >= config.check.failures
    hopeless = app.diagnosis is not None and app.diagnosis.hopeless
    return lasting and (hopeless or config.restart is Restart.NEVER)


def _leaving(app: App | None, goal: Goal) -> bool | None:
    """Return what is reached by an app that has left the file: nothing but its end."""
    if goal is not Goal.STOPPED:
        return False
    return True if app is None else reached(app, goal)


def _never(app: App, *ends: State) -> bool | None:
    """Return False for an app that stays as it is until somebody acts."""
    return False if app.state in (State.FAILED, State.STOPPED, *ends) else None


def _up(app: App) -> bool | None:
    match app.state:
        case State.RUNNING:
            return True
        case State.COMPLETED:
            return app.last_exit is not None and app.last_exit.clean
        case State.FAILED | State.STOPPED:
            return False
        case State.WAITING if app.starts_at is not None:  # by its schedule: there is nothing more to wait for
            return True
        case State.WAITING | State.UNHEALTHY:
            return False if app.port_taken else None
        case State.BACKOFF:
            wait = (app.deadline or 0.0) - app.since
            return False if app.attempts >= HOPELESS_ATTEMPTS or wait > HOPELESS_WAIT else None
        case State.PREPARING | State.STARTING | State.STOPPING:
            return None
        case _ as unreachable:
            assert_never(unreachable)


class ResultOfAll(Enum):
    """What has become of all apps together, for somebody who stays as long as they have something to do."""

    GOES_ON = "goes on"
    GOOD = "all have completed"
    BAD = "not all have completed without an error"

    @property
    def code(self) -> int:
        """The exit code that it is worth: 1 where an app has failed."""
        return int(self is ResultOfAll.BAD)


def result_of_all(
    apps: Iterable[Mapping[str, Any]], waits: Mapping[str, Iterable[tuple[str, Condition]]]
) -> ResultOfAll:
    """Return whether any app will still do something by itself, and if none will, how it went.

    What waits for a dependency that has failed waits in vain. A stopped app is its user's business: it is
    not bad, and where all are stopped nothing is over.

    Args:
        apps: what the status says of each.
        waits: what each depends on, as far as it is known.
    """
    known = {app["name"]: app for app in apps}
    rests = {state.value for state in RESTS}

    def in_vain(name: str, seen: frozenset[str]) -> bool:
        app = known.get(name)
        if app is None or app["state"] != State.WAITING.value or name in seen:
            return False
        return any(_never_meets(known.get(other), condition) or in_vain(other, seen | {name})
                   for other, condition in waits.get(name, ()))  # fmt: skip

    vain = {name for name in known if in_vain(name, frozenset())}
    goes_on = any(app["state"] not in rests and name not in vain for name, app in known.items())
    if goes_on or all(app["state"] == State.STOPPED.value for app in known.values()):
        return ResultOfAll.GOES_ON
    good = all(app["state"] == State.STOPPED.value or _is_clean(app) for app in known.values())
    return ResultOfAll.GOOD if good else ResultOfAll.BAD


def _is_clean(app: Mapping[str, Any]) -> bool:
    """Return whether an app has completed without an error."""
    exited = app["last_exit"]
    return app["state"] == State.COMPLETED.value and exited is not None and exited["code"] == 0


def _never_meets(dependency: Mapping[str, Any] | None, condition: Condition) -> bool:
    """Return whether a dependency has ended by itself, and not as its dependent needs it."""
    if dependency is None or dependency["state"] == State.FAILED.value:
        return dependency is not None
    if dependency["state"] != State.COMPLETED.value or condition is Condition.STARTED:
        return False
    return condition is Condition.HEALTHY or not _is_clean(dependency)
