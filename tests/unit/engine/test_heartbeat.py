"""A manager tells its service manager how it is, on a clock that moves when it is told to."""

from __future__ import annotations

from typing import Any

import pytest

from procman.core.app import App, State
from procman.core.config import AppConfig, Command
from procman.engine.events import Problem
from procman.engine.heartbeat import SETTLE, Heartbeat
from procman.host.notify import Notifier
from tests.fakes.host import FakeHost

NEWS = Problem(None, 0.0, "something has happened")


class Ear(Notifier):
    """Hears all that is said; deaf when told to be."""

    def __init__(self, *, hears: bool = True) -> None:
        super().__init__({"NOTIFY_SOCKET": "/nowhere"} if hears else {})
        self.heard: list[dict[str, Any]] = []
        self.takes = True

    def tell(self, **fields: object) -> bool:
        """Note it."""
        if self.takes:
            self.heard.append(fields)
        return self.takes

    def insist(self, **fields: object) -> bool:
        """Note it too."""
        return self.tell(**fields)


class Told:
    """A heartbeat, its clock, its apps and who hears it."""

    def __init__(self, *, hears: bool = True, watchdog: float | None = 60.0) -> None:
        self.host = FakeHost()
        self.ear = Ear(hears=hears)
        self.apps = {"web": App(state=State.STARTING)}
        self.configs = {"web": AppConfig("web", Command(("run",)), stop_timeout=10.0)}
        self.closing = False
        self.heartbeat = Heartbeat(
            self.host, self.ear, watchdog, lambda: self.apps, lambda: self.configs, lambda: self.closing
        )

    def heard(self, seconds: float = 0.0) -> list[dict[str, Any]]:
        """Return what is said from now on for so long."""
        self.ear.heard.clear()
        self.host.advance(seconds)
        return list(self.ear.heard)

    def becomes(self, state: State) -> None:
        """Let the app change, and the engine tell it."""
        self.apps["web"] = App(state=state)
        self.heartbeat.on_notice(NEWS)


@pytest.fixture
def told() -> Told:
    """A manager whose service manager hears it, and which has said that it is ready."""
    told = Told()
    told.heartbeat.begin()
    return told


def test_it_is_ready_though_no_app_is_up_yet() -> None:
    told = Told()
    told.heartbeat.begin()
    ready, beat = told.ear.heard
    assert (ready["READY"], ready["STATUS"]) == (1, "0 apps running, 1 starting: web")
    assert beat == {"WATCHDOG": 1}


def test_three_heartbeats_a_minute_and_nothing_else_while_nothing_happens(told: Told) -> None:
    assert told.heard(600) == [{"WATCHDOG": 1}] * 30


def test_a_burst_of_changes_is_told_once(told: Told) -> None:
    for state in (State.UNHEALTHY, State.STOPPING, State.RUNNING):
        told.becomes(state)
    assert told.heard(SETTLE) == [{"STATUS": "1 app running"}]
    told.becomes(State.RUNNING)
    assert told.heard(SETTLE) == []


def test_what_was_not_taken_is_said_again_with_the_next_change(told: Told) -> None:
    told.ear.takes = False
    told.becomes(State.RUNNING)
    assert told.heard(SETTLE) == []
    told.ear.takes = True
    told.heartbeat.on_notice(NEWS)
    assert told.heard(SETTLE) == [{"STATUS": "1 app running"}]


def test_a_stop_is_announced_once_with_the_time_that_it_may_take(told: Told) -> None:
    told.closing = True
    told.ear.heard.clear()
    told.becomes(State.STOPPING)
    told.heartbeat.stopping()
    stopping = {"STOPPING": 1, "EXTEND_TIMEOUT_USEC": 25_000_000, "STATUS": "stopping every app"}
    assert told.ear.heard == [stopping]
    assert told.heard(SETTLE) == [], "how the apps are is no news now"


def test_a_reload_is_announced_and_ended_also_if_it_fails(told: Told) -> None:
    told.ear.heard.clear()
    told.heartbeat.reload(lambda: None)
    with pytest.raises(ZeroDivisionError):
        told.heartbeat.reload(lambda: 1 / 0)
    assert [list(each) for each in told.ear.heard] == [["RELOADING", "MONOTONIC_USEC"], ["READY"]] * 2


def test_before_an_upgrade_it_is_reloading_and_says_no_more(told: Told) -> None:
    told.becomes(State.RUNNING)
    told.ear.heard.clear()
    told.heartbeat.replaced()
    assert [each["RELOADING"] for each in told.ear.heard] == [1]
    assert told.heard(600) == []


def test_nobody_who_listens_costs_no_timer() -> None:
    told = Told(hears=False)
    told.heartbeat.begin()
    told.becomes(State.RUNNING)
    told.heartbeat.stopping()
    assert told.heartbeat._beat is None
    assert told.heartbeat._due is None
    assert Told(watchdog=None).heartbeat._every is None
