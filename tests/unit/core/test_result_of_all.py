"""Whether any app will do something more by itself, as somebody asks who stays only for that."""

from __future__ import annotations

from typing import Any

import pytest

from procman.core.config import Condition
from procman.core.goal import ResultOfAll, result_of_all

GOES_ON, GOOD, BAD = ResultOfAll


def app(name: str, state: str, code: int | None = None) -> dict[str, Any]:
    """Return what the status says of an app, as far as it matters."""
    return {"name": name, "state": state, "last_exit": None if code is None else {"code": code}}


@pytest.mark.parametrize(
    ("apps", "result"),
    [
        ([app("a", "completed", 0)], GOOD),
        ([app("a", "completed", 3)], BAD),
        ([app("a", "completed")], BAD),
        ([app("a", "failed", 1)], BAD),
        ([app("a", "completed", 0), app("b", "failed", 1)], BAD),
        ([app("a", "completed", 0), app("b", "stopped", 1)], GOOD),
        ([app("a", "completed", 0), app("b", "running")], GOES_ON),
        ([app("a", "stopped"), app("b", "stopped", 0)], GOES_ON),
        ([app("a", "failed", 1), app("b", "backoff", 1)], GOES_ON),
        ([app("a", "failed", 1), app("b", "waiting")], GOES_ON),  # by its schedule, or for its port
    ],
)
def test_it_is_over_when_every_app_rests(apps: list[dict[str, Any]], result: ResultOfAll) -> None:
    assert result_of_all(apps, {}) is result


@pytest.mark.parametrize(
    ("dependency", "condition", "result"),
    [
        (app("db", "failed", 1), Condition.STARTED, BAD),
        (app("db", "failed", 1), Condition.HEALTHY, BAD),
        (app("db", "completed", 0), Condition.HEALTHY, BAD),
        (app("db", "completed", 0), Condition.STARTED, GOES_ON),
        (app("db", "completed", 0), Condition.COMPLETED, GOES_ON),
        (app("db", "completed", 2), Condition.COMPLETED, BAD),
        (app("db", "stopped"), Condition.HEALTHY, GOES_ON),  # its user may start it
        (app("db", "running"), Condition.HEALTHY, GOES_ON),
    ],
)
def test_what_waits_in_vain_keeps_nobody(
    dependency: dict[str, Any], condition: Condition, result: ResultOfAll
) -> None:
    waits = {"web": [("db", condition)], "top": [("web", Condition.HEALTHY)]}
    apps = [dependency, app("web", "waiting"), app("top", "waiting")]
    assert result_of_all(apps, waits) is result


def test_a_dependency_that_is_not_there_and_a_circle_are_nothing_to_judge() -> None:
    waits = {
        "web": [("gone", Condition.HEALTHY)],
        "a": [("b", Condition.HEALTHY)],
        "b": [("a", Condition.HEALTHY)],
    }
    apps = [app("web", "waiting"), app("a", "waiting"), app("b", "waiting")]
    assert result_of_all(apps, waits) is GOES_ON


def test_only_bad_is_worth_an_exit_code() -> None:
    assert [each.code for each in ResultOfAll] == [0, 0, 1]
