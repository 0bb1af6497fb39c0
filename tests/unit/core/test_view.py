"""One app in `procman status --json`: the keys of the contract, from the machine's own values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from procman.core.app import ALIVE, App, Exit, State
from procman.core.causes import Cause
from procman.core.config import AppConfig, Check, CheckKind, Command
from procman.core.verdict import Verdict
from procman.core.view import message, spell_time, view

WEB = AppConfig("web", Command(("npm", "start")), port=5173, check=Check(CheckKind.TCP), tags=("front",))
RUNNING = App(
    state=State.RUNNING,
    wanted=True,
    reason="answers",
    cause="started by its user",
    since=101.0,
    spawned_at=100.0,
    verdict=Verdict.OWN,
    listening=("[::1]:5173",),
    last_check="answers",
    restarts=2,
    last_exit=Exit(1, None, 1_763_888_400.0, "ended by itself"),
)


def test_a_running_app_has_every_key_of_the_contract() -> None:
    seen = view(
        RUNNING, WEB, now=103.5004, wall=1_763_888_403.0, pids=[11, 12], leader=11, stale=["`command`"]
    )
    assert seen == {
        "name": "web",
        "state": "running",
        "message": None,
        "pid": 11,
        "pids": [11, 12],
        "port": 5173,
        "verdict": "own",
        "listening": ["[::1]:5173"],
        "uptime_s": 3.5,
        "restarts": 2,
        "last_exit": {
            "code": 1,
            "signal": None,
            "at": "2025-11-23T09:00:00.000Z",
            "reason": "ended by itself",
        },
        "next_start_at": None,
        "stale": ["`command`"],
        "since_s": 2.5,
        "last_event": "started by its user",
        "wanted": "up",
        "held": None,
        "cause": None,
        "check": {"kind": "tcp", "last": "answers", "failures": 0},
        "tags": ["front"],
        "family": None,
        "log_problem": None,
    }


def test_a_recognised_cause_is_shown_with_its_remedy() -> None:
    missing = Cause("missing script", "there is no script `dve`", "did you mean `dev`?", hopeless=True)
    failed = App(state=State.FAILED, wanted=True, reason="exited with code 1", diagnosis=missing)
    seen = view(failed, WEB, now=1.0, wall=1.0)
    assert seen["cause"] == {
        "kind": "missing script",
        "sentence": "there is no script `dve`",
        "remedy": "did you mean `dev`?",
    }


def test_an_app_that_never_ran_has_no_pid_no_uptime_and_no_exit() -> None:
    seen = view(App(), WEB, now=5.0, wall=0.0, leader=11)
    absent = ("pid", "uptime_s", "last_exit", "next_start_at", "verdict")
    assert {key: seen[key] for key in absent} == dict.fromkeys(absent)
    assert (seen["wanted"], seen["message"]) == ("down", "not started yet")


def test_the_next_start_is_told_in_the_time_of_the_wall_and_only_during_backoff() -> None:
    waiting = App(state=State.BACKOFF, deadline=104.0)
    assert view(waiting, WEB, now=100.0, wall=0.0)["next_start_at"] == "1970-01-01T00:00:04.000Z"
    starting = replace(waiting, state=State.STARTING)
    assert view(starting, WEB, now=100.0, wall=0.0)["next_start_at"] is None


@pytest.mark.parametrize("state", State)
def test_only_what_lives_has_a_pid_and_an_uptime(state: State) -> None:
    seen = view(replace(RUNNING, state=state), WEB, now=103.0, wall=0.0, leader=11)
    assert (seen["pid"] == 11) == (seen["uptime_s"] == 3.0) == (state in ALIVE)


@pytest.mark.parametrize("verdict", [*Verdict, None])
def test_a_running_app_says_something_only_when_its_port_is_not_as_it_should_be(
    verdict: Verdict | None,
) -> None:
    told = message(replace(RUNNING, verdict=verdict))
    unremarkable = verdict in (Verdict.OWN, Verdict.UNKNOWN, None)
    assert told == (None if unremarkable else "answers")


@pytest.mark.parametrize("verdict", [Verdict.OWN, None])
def test_a_running_app_whose_check_is_held_says_so(verdict: Verdict | None) -> None:
    app = replace(
        RUNNING, verdict=verdict, reason="held: `npm install` is running", held="held: `npm install`"
    )
    assert message(app) == "held: `npm install` is running"


def test_the_last_event_of_a_running_app_is_why_it_was_started_and_else_why_it_is_so() -> None:
    unhealthy = replace(RUNNING, state=State.UNHEALTHY, reason="refused")
    seen = [view(app, WEB, now=0.0, wall=0.0)["last_event"] for app in (RUNNING, unhealthy)]
    assert seen == ["started by its user", "refused"]


def test_what_keeps_its_output_from_being_stored_is_told_beside_the_rest() -> None:
    seen = view(RUNNING, WEB, now=0.0, wall=0.0, log_problem="no space left on device")
    assert (seen["log_problem"], seen["message"]) == ("no space left on device", None)


def test_any_other_state_says_why() -> None:
    assert message(replace(RUNNING, state=State.UNHEALTHY, reason="refused")) == "refused"


def test_a_time_has_milliseconds_and_is_in_utc() -> None:
    assert spell_time(1_763_888_400.25) == "2025-11-23T09:00:00.250Z"
