"""Time, and what is due in it."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from procman.host.posix.host import local_zone
from tests.contract.conftest import Stage


def test_what_is_due_is_called_once_in_order_and_not_before_its_time(stage: Stage) -> None:
    called: list[tuple[str, float]] = []
    begun = stage.host.now()

    def call(name: str) -> None:
        called.append((name, stage.host.now() - begun))

    for name, delay in (("late", 0.10), ("soon", 0.05), ("now", 0.0), ("past", -1.0)):
        stage.host.call_at(begun + delay, partial(call, name))
    assert called == []
    stage.until(lambda: len(called) == 4)
    stage.world.pass_time(0.1)
    assert [name for name, _at in called][-2:] == ["soon", "late"]
    assert {name for name, _at in called[:2]} == {"now", "past"}
    assert all(at >= {"late": 0.099, "soon": 0.049}.get(name, 0.0) for name, at in called)


def test_what_was_called_off_is_not_called(stage: Stage) -> None:
    called: list[bool] = []
    timer = stage.host.call_at(stage.host.now() + 0.02, lambda: called.append(True))
    timer.cancel()
    timer.cancel()
    stage.world.pass_time(0.05)
    assert called == []


def test_chance_is_a_share_of_one(stage: Stage) -> None:
    assert all(0.0 <= stage.host.chance() < 1.0 for _ in range(100))


def test_localhost_is_both_loopbacks_and_an_address_is_itself(stage: Stage) -> None:
    assert stage.host.addresses("localhost") == ("127.0.0.1", "::1")
    assert stage.host.addresses("127.0.0.1") == ("127.0.0.1",)
    assert stage.host.addresses("::1") == ("::1",)


def test_the_zone_of_the_wall_changes_to_summer_time_where_it_has_a_table() -> None:
    def offsets(name: str) -> list[float]:
        days = [datetime(2026, month, 1, tzinfo=local_zone(name)) for month in (1, 7)]
        return [day.utcoffset().total_seconds() / 3600 for day in days]  # type: ignore[union-attr]

    for name in ("Europe/Berlin", ":Europe/Berlin"):
        assert offsets(name) == [1, 2]
    assert len(offsets("")) == 2, "that of the machine"
    assert len(set(offsets("CET-1CEST"))) == 1, "no table: the offset of now"
