"""What holds an app that is wanted up: its dependencies, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from procman.core.app import App, State
from procman.core.config import AppConfig, Condition

STARTED = frozenset({State.STARTING, State.RUNNING, State.UNHEALTHY, State.COMPLETED})


def blocker(config: AppConfig, apps: Mapping[str, App]) -> str | None:
    """Return why the app of `config` can't start yet, or None when every dependency is ready."""
    for name, condition in config.depends_on:
        dependency = apps.get(name)
        if dependency is None:
            return f"waits for `{name}`, which is not enabled"
        if not meets(dependency, condition):
            return f"waits for `{name}` to be {_asked(condition)}; it {_as_it_is(dependency)}"
    return None


def meets(dependency: App, condition: Condition) -> bool:
    """Return whether a dependency has reached what its dependent asks for."""
    match condition:
        case Condition.STARTED:
            return dependency.state in STARTED
        case Condition.HEALTHY:
            return dependency.state is State.RUNNING
        case Condition.COMPLETED:
            return (
                dependency.state is State.COMPLETED
                and dependency.last_exit is not None
                and dependency.last_exit.clean
            )
        case _ as unreachable:
            assert_never(unreachable)


def _asked(condition: Condition) -> str:
    return "completed without an error" if condition is Condition.COMPLETED else condition.value


def _as_it_is(dependency: App) -> str:
    if dependency.state in (State.COMPLETED, State.FAILED):
        return f"has {dependency.state.value} ({dependency.reason})"
    if dependency.state is State.BACKOFF:
        return f"is in backoff ({dependency.reason})"
    return f"is {dependency.state.value}"
