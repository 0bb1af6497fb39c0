"""What a command waits for: reached, still possible, or known not to come."""

from __future__ import annotations

from dataclasses import replace

import pytest

from procman.core.app import App, Exit, State
from procman.core.config import AppConfig, Check, Command, Condition, Restart
from procman.core.goal import HOPELESS_ATTEMPTS, Goal, progress, reached
from procman.core.verdict import Verdict

CLEAN, DIRTY = Exit(0, None, 0.0, "ended by itself"), Exit(1, None, 0.0, "ended by itself")
ANSWERS = {
    Goal.UP: {
        State.RUNNING: True,
        State.COMPLETED: True,
        State.FAILED: False,
        State.STOPPED: False,
    },
    Goal.HEALTHY: {
        State.RUNNING: True,
        State.COMPLETED: False,
        State.FAILED: False,
        State.STOPPED: False,
    },
    Goal.STOPPED: {State.STOPPED: True, State.COMPLETED: True, State.FAILED: True},
    Goal.COMPLETED: {State.COMPLETED: True, State.FAILED: False, State.STOPPED: False},
}


@pytest.mark.parametrize("goal", Goal)
@pytest.mark.parametrize("state", State)
def test_each_state_reaches_a_goal_or_rules_it_out_or_leaves_it_open(goal: Goal, state: State) -> None:
    assert reached(App(state=state, last_exit=CLEAN), goal) is ANSWERS[goal].get(state)


@pytest.mark.parametrize("goal", [Goal.UP, Goal.COMPLETED])
@pytest.mark.parametrize("end", [DIRTY, None])
def test_an_end_with_an_error_is_not_what_was_waited_for(goal: Goal, end: Exit | None) -> None:
    assert reached(App(state=State.COMPLETED, last_exit=end), goal) is False


def test_an_app_that_failed_again_and_again_does_not_come_up() -> None:
    assert reached(App(state=State.BACKOFF, attempts=HOPELESS_ATTEMPTS - 1), Goal.UP) is None
    assert reached(App(state=State.BACKOFF, attempts=HOPELESS_ATTEMPTS), Goal.UP) is False
    assert reached(App(state=State.BACKOFF, attempts=HOPELESS_ATTEMPTS), Goal.HEALTHY) is None


@pytest.mark.parametrize("state", [State.WAITING, State.UNHEALTHY])
def test_an_app_whose_port_a_stranger_holds_does_not_come_up(state: State) -> None:
    assert reached(App(state=state, verdict=Verdict.STRANGER, port_taken=True), Goal.UP) is False


def app(name: str, **depends_on: Condition) -> AppConfig:
    return AppConfig(name, Command(("node",)), depends_on=tuple(depends_on.items()))


DB, MIGRATE = app("db"), app("migrate")
API = app("api", db=Condition.HEALTHY, migrate=Condition.COMPLETED)
WEB = app("web", api=Condition.HEALTHY)
CONFIGS = {each.name: each for each in (WEB, API, DB, MIGRATE)}  # dependents first, as a file may have them
RUNNING, WAITING, STARTING = App(state=State.RUNNING), App(state=State.WAITING), App(state=State.STARTING)
FAILED, COMPLETED = App(state=State.FAILED), App(state=State.COMPLETED, last_exit=CLEAN)
LAUNCHING = {"web": WAITING, "api": WAITING, "db": STARTING, "migrate": COMPLETED}


def web(goal: Goal = Goal.UP, **changes: App) -> bool | None:
    return progress(["web"], {**LAUNCHING, **changes}, CONFIGS, goal)["web"]


@pytest.mark.parametrize("goal", [Goal.UP, Goal.HEALTHY])
def test_what_waits_for_an_app_that_still_starts_may_come_up_yet(goal: Goal) -> None:
    assert web(goal) is None, "a migration that is completed holds nobody, healthy or not"


@pytest.mark.parametrize("goal", [Goal.UP, Goal.HEALTHY, Goal.COMPLETED])
@pytest.mark.parametrize("state", [State.FAILED, State.STOPPED])
def test_what_waits_for_an_app_that_will_not_come_up_does_not_either(goal: Goal, state: State) -> None:
    assert web(goal, db=App(state=state)) is False, "nor through another"


def test_what_waits_for_an_app_that_keeps_failing_does_not_come_up() -> None:
    assert web(db=App(state=State.BACKOFF, attempts=HOPELESS_ATTEMPTS)) is False


@pytest.mark.parametrize("goal", [Goal.UP, Goal.HEALTHY])
def test_an_app_that_ended_without_an_error_will_not_be_healthy_for_those_who_wait_for_that(
    goal: Goal,
) -> None:
    assert web(goal, db=COMPLETED) is False


def test_a_dependency_that_had_only_to_be_started_may_have_failed_since() -> None:
    configs = {"seed": app("seed"), "api": app("api", seed=Condition.STARTED)}
    apps = {"seed": App(state=State.COMPLETED, last_exit=DIRTY), "api": WAITING}
    assert progress(["api"], apps, configs, Goal.UP) == {"api": None}


def test_what_depends_on_an_app_that_is_not_enabled_waits_in_vain() -> None:
    apps = {name: state for name, state in LAUNCHING.items() if name != "db"}
    assert progress(["web", "db"], apps, CONFIGS, Goal.UP) == {"web": False, "db": False}


def test_a_stop_is_not_reached_by_what_waits() -> None:
    assert web(Goal.STOPPED, db=FAILED) is None


def test_an_app_whose_checks_fail_and_that_is_never_restarted_does_not_come_up() -> None:
    never = {"db": replace(DB, restart=Restart.NEVER, check=Check(failures=3))}
    once, often = App(state=State.UNHEALTHY, failures=1), App(state=State.UNHEALTHY, failures=3)
    assert progress(["db"], {"db": once}, never, Goal.UP) == {"db": None}
    assert progress(["db"], {"db": often}, never, Goal.UP) == {"db": False}
    assert progress(["db"], {"db": often}, never, Goal.HEALTHY) == {"db": None}
    assert progress(["db"], {"db": often}, {"db": DB}, Goal.UP) == {"db": None}


def test_an_app_that_has_left_the_file_is_stopped_only_once_it_is_gone() -> None:
    going = {"old": App(state=State.STOPPING)}
    assert progress(["old"], going, {}, Goal.STOPPED) == {"old": None}
    assert progress(["old"], {}, {}, Goal.STOPPED) == {"old": True}
    assert progress(["old"], going, {}, Goal.UP) == {"old": False}


def test_answers_come_for_the_names_asked_about_and_in_their_order() -> None:
    assert list(progress(["migrate", "web"], LAUNCHING, CONFIGS, Goal.UP).items()) == [
        ("migrate", True),
        ("web", None),
    ]


def test_a_long_chain_and_a_dense_net_of_dependencies_are_judged_at_once() -> None:
    chain = {"0": app("0")} | {
        f"{n}": app(f"{n}", **{f"{n - 1}": Condition.HEALTHY, f"{max(0, n - 2)}": Condition.HEALTHY})
        for n in range(1, 3000)
    }
    apps: dict[str, App] = dict.fromkeys(chain, WAITING) | {"0": FAILED}
    assert progress(["2999"], apps, chain, Goal.UP) == {"2999": False}
