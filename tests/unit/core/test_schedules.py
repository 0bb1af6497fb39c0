"""Cron expressions."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from procman.core.fields import APP
from procman.core.schedules import check, next_time, spell
from procman.core.values import Bad

BERLIN = ZoneInfo("Europe/Berlin")


def times(expression: str, begin: str, count: int = 3) -> list[str]:
    at, found = datetime.fromisoformat(begin).replace(tzinfo=BERLIN).timestamp(), []
    for _ in range(count):
        at = next_time(expression, at, BERLIN)
        found.append(spell(at, BERLIN))
    return found


def test_a_time_is_one_of_the_clock_on_the_wall() -> None:
    assert times("0 3 * * *", "2026-11-23 10:00", 2) == ["2026-11-24 03:00", "2026-11-25 03:00"]
    assert times("*/20 9-10 * * mon", "2026-11-23 09:50") == [
        "2026-11-23 10:00", "2026-11-23 10:20", "2026-11-23 10:40",
    ]  # fmt: skip


def test_a_night_with_a_change_of_the_clock_has_each_time_once() -> None:
    assert times("30 2 * * *", "2026-03-28 12:00", 2) == ["2026-03-29 03:00", "2026-03-30 02:30"]
    assert times("30 2 * * *", "2026-10-24 12:00", 2) == ["2026-10-25 02:30", "2026-10-26 02:30"]


def test_in_the_second_hour_of_a_night_that_has_two_the_next_time_lies_ahead() -> None:
    at = datetime.fromisoformat("2026-10-25 02:05").replace(tzinfo=BERLIN, fold=1).timestamp()
    assert spell(next_time("30 2 * * *", at, BERLIN), BERLIN) == "2026-10-26 02:30"
    assert next_time("*/30 * * * *", at, BERLIN) == at + 25 * 60


@pytest.mark.parametrize("name", ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly"])
def test_a_name_is_an_expression(name: str) -> None:
    check(name)
    (at,) = times(name, "2026-11-23 10:00", 1)
    assert at.endswith(":00")


@pytest.mark.parametrize(
    ("written", "message", "part"),
    [
        ("0 3 * *", "it has five fields: minute, hour, day-of-month, month, day-of-week", None),
        ("* * * * * *", "it has five fields: minute, hour, day-of-month, month, day-of-week", None),
        ("0  25 * * *", "`25` is no hour", (3, 5)),
        ("60 3 * * *", "`60` is no minute", (0, 2)),
        ("0 0 30 feb *", "`30` is no day-of-month", (4, 6)),
        ("0 0 * * fry", "`fry` is no day-of-week", (8, 11)),
    ],
)
def test_what_is_no_schedule_says_which_field_is_wrong(
    written: str, message: str, part: tuple[int, int] | None
) -> None:
    with pytest.raises(Bad) as raised:
        APP["schedule"].parse(written)
    assert raised.value.message == f'expected a cron expression such as "0 3 * * *": {message}'
    assert raised.value.part == part


def test_an_unknown_name_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(Bad, match="known names are `@hourly`"):
        APP["schedule"].parse("@reboot")
    assert APP["schedule"].parse(" 0   3 * * * ") == "0 3 * * *"
