"""The figures of a report by example; that they add up is for the property tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from procman.core.config import AppConfig, Check, CheckKind, Command, GiveUp
from procman.core.events import Held, Restarted, Start, Stop
from procman.core.journal import Kind, Record
from procman.core.report import Figures, report, total
from procman.core.verdict import Verdict
from tests.fakes.chronicle import START, Chronicle

CONFIG = AppConfig(
    "web", Command(("npm", "start")), port=3000, check=Check(CheckKind.TCP), check_interval=10.0
)


def running(**more: Any) -> Chronicle:
    """Return the chronicle of an app that is up from 0.12 s on."""
    life = Chronicle(replace(CONFIG, **more))
    life.send(Start())
    life.advance(1.0)
    return life


def figures(life: Chronicle, since: float = 0.0, until: float | None = None) -> Figures:
    end = life.wall if until is None else START + until
    return report(life.records, START + since, end, life.wall)["web"]


def milestone(life: Chronicle, event: str) -> None:
    life.records.append(Record(life.wall, Kind.MANAGER, event, data={"event": event}))


def test_a_start_is_neither_up_nor_down() -> None:
    found = figures(running())
    assert (found.up_s, found.down_s, found.other_s) == pytest.approx((0.88, 0.0, 0.12))
    assert found.availability == 1.0


def test_a_crash_costs_the_time_until_the_app_runs_again() -> None:
    life = running()
    life.die(1)
    life.advance(99.0)
    found = figures(life)
    assert found.down_s == pytest.approx(0.12)
    assert found.availability == pytest.approx(1 - 0.12 / (100 - 0.12))
    assert (found.incidents, found.restarts, found.repairs) == (1, 1, 1)
    assert found.to_repair_s == found.longest_outage_s == pytest.approx(0.12)
    assert found.between_failures_s == found.up_s


def test_what_is_given_up_is_down_until_its_user_has_it_running_again() -> None:
    life = running(give_up=GiveUp(starts=1, within=60.0))
    life.die(1)
    life.advance(100.0)
    assert figures(life).down_s == pytest.approx(100.0)
    assert figures(life).to_repair_s is None
    life.send(Start())
    life.advance(10.0)
    found = figures(life)
    assert found.to_repair_s == pytest.approx(100.12)
    assert found.restarts == 0, "that was its user"


def test_what_is_given_up_and_stopped_is_not_missed_any_more() -> None:
    life = running(give_up=GiveUp(starts=1, within=60.0))
    life.die(1)
    life.advance(10.0)
    life.send(Stop())
    life.advance(100.0)
    found = figures(life)
    assert found.down_s == pytest.approx(10.0)
    assert found.repairs == 0


@pytest.mark.parametrize("asked", [Restarted(), Stop()])
def test_what_a_user_asks_for_costs_nothing(asked: Restarted | Stop) -> None:
    life = running()
    life.stubborn = True
    life.send(asked)
    life.advance(5.0)
    assert figures(life).availability == 1.0
    assert figures(life).down_s == 0.0


def test_a_stranger_on_the_port_costs_the_time_that_the_app_can_not_start() -> None:
    life = Chronicle(CONFIG)
    life.blocked = Held("waits for port 3000", recheck=True, verdict=Verdict.STRANGER)
    life.send(Start())
    life.advance(30.0)
    assert figures(life).down_s == pytest.approx(30.0)
    assert figures(life).availability == 0.0


def test_nobody_knows_how_an_app_did_while_no_manager_ran() -> None:
    life = running()
    life.advance(9.0)
    life.kill_manager(100.0)
    life.advance(10.0)
    found = figures(life)
    told = life.records[-3].at - START  # the last record of the manager that was killed
    assert found.unknown_s == pytest.approx(110.0 - told)
    assert found.up_s == pytest.approx(told - 0.12 + 10.0)
    assert found.availability == 1.0


def test_a_manager_that_says_goodbye_is_believed_until_then() -> None:
    life = running()
    life.advance(9.0)
    milestone(life, "replaced")
    life.now += 5.0
    life.manage()
    life.advance(10.0)
    found = figures(life)
    assert found.unknown_s == pytest.approx(5.0)
    assert found.up_s == pytest.approx(19.88)


def test_an_outage_goes_on_while_nobody_looks() -> None:
    life = running()
    life.check = life.down
    life.advance(10.0)
    life.kill_manager(100.0)
    life.check = life.up
    life.advance(10.0)
    found = figures(life)
    assert (found.incidents, found.repairs) == (1, 1)
    assert found.to_repair_s is not None
    assert found.to_repair_s < 15.0


def test_a_run_that_is_not_taken_back_is_not_known() -> None:
    life = running()
    life.reboot(10.0)
    life.advance(1000.0)
    assert figures(life).unknown_s > 1000.0
    assert figures(life).up_s < 1.0


def test_nothing_is_known_before_the_first_record_nor_after_the_last_of_a_dead_manager() -> None:
    life = running()
    life.advance(9.0)
    last = life.records[-1].at
    found = report(life.records, START - 100.0, START + 100.0, last)["web"]
    assert found.unknown_s == pytest.approx(100.0 + 100.0 - (last - START))
    milestone(life, "ended")
    found = report(life.records, START, START + 100.0, START + 100.0)["web"]
    assert found.unknown_s == pytest.approx(90.0)


def test_what_is_not_wanted_is_not_wanted_without_a_manager_either() -> None:
    life = running()
    life.send(Stop())
    milestone(life, "ended")
    life.now += 100.0
    assert figures(life).other_s == pytest.approx(100.12)


def test_an_outage_counts_where_it_ended_and_its_part_where_it_lay() -> None:
    life = running(give_up=GiveUp(starts=1, within=60.0))
    life.die(1)
    life.advance(100.0)
    life.send(Start())
    life.advance(10.0)
    first, second = figures(life, 0.0, 51.0), figures(life, 51.0)
    assert (first.incidents, first.repairs, first.longest_outage_s) == (1, 0, pytest.approx(50.0))
    assert (second.incidents, second.repairs, second.longest_outage_s) == (0, 1, pytest.approx(50.12))
    assert second.to_repair_s == pytest.approx(100.12)


def test_a_clock_that_is_set_back_loses_no_time_and_makes_none() -> None:
    life = running()
    life.advance(99.0)
    life.die(1)
    life.records[-1] = replace(life.records[-1], at=START + 20.0)
    life.advance(100.0)
    found = figures(life)
    assert found.up_s + found.down_s + found.unknown_s + found.other_s == pytest.approx(200.0)


def test_the_total_is_of_the_time_of_all() -> None:
    whole = Figures(up_s=90.0, down_s=0.0, longest_outage_s=0.0)
    half = Figures(
        up_s=5.0, down_s=5.0, incidents=2, restarts=3, repairs=1, repair_s=5.0, longest_outage_s=4.0
    )
    found = total([whole, half])
    assert found.availability == pytest.approx(0.95)
    assert found.between_failures_s == pytest.approx(47.5)
    assert (found.to_repair_s, found.longest_outage_s, found.restarts) == (5.0, 4.0, 3)
    assert total([]) == Figures()
    assert total([]).availability is None
