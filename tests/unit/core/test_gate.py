"""What holds a waiting app: every condition against every state, and the words for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from procman.core.app import App, Exit, State
from procman.core.config import AppConfig, Command, Condition
from procman.core.gate import blocker, meets

API = AppConfig("api", Command(("node",)), depends_on=(("db", Condition.HEALTHY),))
CLEAN, DIRTY = Exit(0, None, 0.0, "ended by itself"), Exit(1, None, 0.0, "ended by itself")

MET = {
    Condition.STARTED: {State.STARTING, State.RUNNING, State.UNHEALTHY, State.COMPLETED},
    Condition.HEALTHY: {State.RUNNING},
    Condition.COMPLETED: {State.COMPLETED},
}


@pytest.mark.parametrize("condition", Condition)
@pytest.mark.parametrize("state", State)
def test_a_condition_is_met_in_exactly_these_states(condition: Condition, state: State) -> None:
    assert meets(App(state=state, last_exit=CLEAN), condition) == (state in MET[condition])


@pytest.mark.parametrize("end", [DIRTY, Exit(None, "SIGKILL", 0.0, "ended by itself"), None])
def test_only_an_end_without_an_error_completes(end: Exit | None) -> None:
    assert not meets(App(state=State.COMPLETED, last_exit=end), Condition.COMPLETED)


def test_an_app_without_dependencies_waits_for_nothing() -> None:
    assert blocker(replace(API, depends_on=()), {}) is None


def test_the_first_dependency_that_is_not_ready_is_named() -> None:
    config = replace(
        API,
        depends_on=(("db", Condition.HEALTHY), ("mq", Condition.HEALTHY), ("seed", Condition.COMPLETED)),
    )
    apps = {"db": App(state=State.RUNNING), "mq": App(state=State.STARTING), "seed": App()}
    assert blocker(config, apps) == "waits for `mq` to be healthy; it is starting"
    apps["mq"] = App(state=State.RUNNING)
    assert blocker(config, apps) == "waits for `seed` to be completed without an error; it is stopped"
    apps["seed"] = App(state=State.COMPLETED, last_exit=CLEAN)
    assert blocker(config, apps) is None


def test_a_dependency_that_is_not_enabled_is_said_to_be_so() -> None:
    assert blocker(API, {}) == "waits for `db`, which is not enabled"


@pytest.mark.parametrize(
    ("dependency", "words"),
    [
        (App(state=State.FAILED, reason="gave up"), "it has failed (gave up)"),
        (App(state=State.COMPLETED, reason="exited with code 1"), "it has completed (exited with code 1)"),
        (App(state=State.BACKOFF, reason="exited with code 1"), "it is in backoff (exited with code 1)"),
        (App(state=State.WAITING, reason="waits for `x`"), "it is waiting"),
    ],
)
def test_the_state_of_a_dependency_comes_with_its_reason_where_it_went_wrong(
    dependency: App, words: str
) -> None:
    assert blocker(API, {"db": dependency}) == f"waits for `db` to be healthy; {words}"
