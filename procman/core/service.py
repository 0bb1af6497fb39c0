"""What a manager tells the service manager that started it, and what both have to agree on."""

from __future__ import annotations

from collections.abc import Mapping

from procman.core.app import App, State
from procman.core.config import AppConfig
from procman.core.order import start_order

SERVICE_BUSY = 75  # exit code of a service whose project another manager has: EX_TEMPFAIL of sysexits.h
LOOK_EVERY = 10.0  # seconds between the looks of a manager with nothing due: it may wake 6 times a minute
AFTER_KILL = 5.0  # seconds from SIGKILL of an app's tree to the proof that it is gone, on a busy machine
FAREWELL = 10.0  # seconds for all else that a manager does before it ends: its history, its clients


def on_the_beat(now: float, every: float) -> float:
    """Return the next multiple of `every` seconds.

    What is due on the same beat is done in one wake of the loop: a heartbeat that falls on each second look
    at the files costs no wake of its own.
    """
    return (now // every + 1) * every


def heartbeat_every(watchdog: float) -> float:
    """Return the seconds between heartbeats, for a service manager that waits for `watchdog` seconds.

    A third of it, on the beat of the looks if that is possible: with 60 s each 20 s, at no wake. With less
    than 30 s the heartbeat has its own wakes: 36 a minute for 5 s.
    """
    third = watchdog / 3
    return third if third < LOOK_EVERY else third // LOOK_EVERY * LOOK_EVERY


def stop_budget(apps: Mapping[str, AppConfig]) -> float:
    """Return the seconds that a stop of all apps may take, if each ends only by SIGKILL.

    Dependents go first, so it is the longest chain of `depends_on` that counts.
    """
    dependencies = {name: [other for other, _ in app.depends_on] for name, app in apps.items()}
    longest: dict[str, float] = {}
    for name in start_order(dependencies):
        below = max((longest[other] for other in dependencies[name] if other in longest), default=0.0)
        longest[name] = below + apps[name].stop_timeout + AFTER_KILL
    return max(longest.values(), default=0.0) + FAREWELL


def summary(apps: Mapping[str, App]) -> str:
    """Return how all apps are, for one line: `3 apps running, 1 failed: api`; what is well goes unnamed."""
    running = [name for name, app in apps.items() if app.state is State.RUNNING]
    parts = [f"{len(running)} {'app' if len(running) == 1 else 'apps'} running"]
    for state in State:
        names = [name for name, app in apps.items() if app.state is state and state is not State.RUNNING]
        if names and state in _IN_ORDER:
            parts.append(f"{len(names)} {state.value}")
        elif names:
            shown = ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")
            parts.append(f"{len(names)} {state.value}: {shown}")
    return ", ".join(parts)


NAMED = 5  # apps of one state: a status line is read at a glance
_IN_ORDER = frozenset((State.STOPPED, State.COMPLETED))  # as their user wants them
