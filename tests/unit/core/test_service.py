"""What a manager says to its service manager, and for how long it may stop."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from procman.core.app import App, State
from procman.core.config import AppConfig, Command, Condition
from procman.core.service import (
    AFTER_KILL,
    FAREWELL,
    LOOK_EVERY,
    heartbeat_every,
    on_the_beat,
    stop_budget,
    summary,
)


def app(name: str, stop: float, *needs: str) -> AppConfig:
    """Return an app that takes so long to stop."""
    config = AppConfig(name, Command(("run",)), stop_timeout=stop)
    return replace(config, depends_on=tuple((each, Condition.HEALTHY) for each in needs))


def test_the_longest_chain_of_dependents_counts() -> None:
    apps = {
        each.name: each for each in (app("db", 30, "gone"), app("api", 10, "db"), app("web", 5), app("x", 60))
    }
    assert stop_budget(apps) == 60 + AFTER_KILL + FAREWELL
    apps["x"] = app("x", 1)
    assert stop_budget(apps) == 30 + 10 + 2 * AFTER_KILL + FAREWELL
    assert stop_budget({}) == FAREWELL


def test_what_is_well_is_counted_and_what_is_not_is_named() -> None:
    assert summary({}) == "0 apps running"
    apps = {name: App(state=State.RUNNING) for name in "abc"}
    assert summary(apps) == "3 apps running"
    apps["a"], apps["b"] = App(state=State.FAILED), App(state=State.STOPPED)
    assert summary(apps) == "1 app running, 1 stopped, 1 failed: a"
    many = {f"app-{number}": App(state=State.BACKOFF) for number in range(7)}
    assert summary(many) == "0 apps running, 7 backoff: app-0, app-1, app-2, app-3, app-4, …"


@given(st.floats(0.5, 1000.0))
def test_a_heartbeat_comes_twice_in_time_and_from_30_s_on_with_the_looks(watchdog: float) -> None:
    every = heartbeat_every(watchdog)
    assert 0 < every <= watchdog / 3
    assert watchdog < 30 or math.isclose(every % LOOK_EVERY, 0)


@given(st.floats(0.0, 1e7), st.sampled_from([0.5, 10.0, 20.0]))
def test_the_beat_is_ahead_and_the_same_for_all(now: float, every: float) -> None:
    due = on_the_beat(now, every)
    assert now < due <= now + every
    assert due % every == 0
    assert on_the_beat(due, every) == due + every
