"""`schedule` on the simulated machine, which begins at 2026-11-23 09:16:40 UTC."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from procman.core.goal import Goal, progress
from procman.engine.events import Problem
from procman.host.base import Stage
from tests.fakes.programs import Program, server
from tests.simulation.village import Village

BACKUP = """
[apps.backup]
command = "node backup.js"
schedule = "0 * * * *"
"""


def begin(folder: Path, text: str, program: Program) -> Village:
    village = Village(folder, text)
    village.machine.programs["node backup.js"] = program
    return village


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    village = begin(tmp_path, BACKUP, Program(exits_after=30.0))
    yield village
    village.end()


def clock(village: Village) -> str:
    return f"{datetime.fromtimestamp(village.host.wall(), UTC):%Y-%m-%d %H:%M}"


def state(village: Village) -> str:
    return village.states()["backup"]


def runs(village: Village) -> int:
    return village.starts("node backup.js")


def seen(village: Village) -> dict[str, object]:
    (app,) = village.engine.status()["apps"]
    return dict(app)


def problems(village: Village) -> list[str]:
    return [each.text for each in village.notices if isinstance(each, Problem)]


def test_an_app_waits_for_its_time_and_says_when_that_is(village: Village) -> None:
    village.up()
    app = seen(village)
    assert (app["state"], app["message"]) == ("waiting", "next run at 2026-11-23 10:00")
    assert app["next_start_at"] == "2026-11-23T10:00:00.000Z"
    assert runs(village) == 0


def test_it_runs_on_time_and_waits_for_the_next(village: Village) -> None:
    village.up()
    village.until(lambda: runs(village) == 1, within=4000, step=0.5)
    assert clock(village) == "2026-11-23 10:00"
    assert village.engine.apps["backup"].cause == "started by its schedule, `0 * * * *`"
    village.until(lambda: state(village) == "waiting")
    assert village.transitions("backup")[-4:] == ["running", "stopping", "completed", "waiting"]
    app = seen(village)
    assert app["message"] == "next run at 2026-11-23 11:00"
    assert app["last_exit"]["code"] == 0  # type: ignore[index]
    assert app["restarts"] == 0
    village.until(lambda: runs(village) == 2, within=4000, step=0.5)
    assert clock(village) == "2026-11-23 11:00"


def test_a_run_that_fails_is_not_repeated_before_its_time(tmp_path: Path) -> None:
    village = begin(tmp_path, BACKUP, Program(exits_after=5.0, code=1))
    village.up()
    village.until(lambda: runs(village) == 1, within=4000, step=0.5)
    village.advance(1800)
    assert (runs(village), state(village)) == (1, "waiting")
    assert seen(village)["last_exit"]["code"] == 1  # type: ignore[index]
    village.end()


def test_a_waiting_app_is_up_for_who_waits_for_it(village: Village) -> None:
    village.up()
    for goal in (Goal.UP, Goal.HEALTHY):
        assert progress(["backup"], village.engine.apps, village.engine.configs, goal) == {"backup": True}


def test_a_run_that_takes_too_long_is_left_alone_and_the_time_is_told_as_left_out(tmp_path: Path) -> None:
    village = begin(tmp_path, BACKUP, Program(exits_after=5000.0))
    village.up()
    village.until(lambda: runs(village) == 1, within=4000, step=0.5)
    village.advance(3700)
    assert (runs(village), state(village)) == (1, "running")
    assert problems(village) == [
        "its run of 2026-11-23 11:00 was left out: the one before is not over; the next one is at "
        "2026-11-23 12:00"
    ]
    village.until(lambda: runs(village) == 2, within=4000, step=0.5)
    assert clock(village) == "2026-11-23 12:00"
    village.end()


def test_start_runs_it_now_and_stop_takes_it_out_of_the_schedule(village: Village) -> None:
    village.up()
    village.engine.start(["backup"])
    village.until(lambda: runs(village) == 1, within=1)
    assert village.engine.apps["backup"].cause == "started by its user"
    village.until(lambda: state(village) == "waiting")
    assert seen(village)["message"] == "next run at 2026-11-23 10:00"
    village.engine.stop(["backup"])
    village.advance(2 * 3600)
    assert (runs(village), state(village)) == (1, "stopped")
    village.engine.start(["backup"])
    village.until(lambda: runs(village) == 2, within=1)
    village.engine.stop(["backup"], force=True)


def test_a_restart_while_it_waits_runs_it_now(village: Village) -> None:
    village.up()
    village.engine.restart(["backup"])
    village.until(lambda: runs(village) == 1, within=1)


def test_another_expression_counts_at_once(village: Village) -> None:
    village.up()
    village.edit("0 * * * *", "30 9 * * *")
    village.engine.reload()
    assert seen(village)["message"] == "next run at 2026-11-23 09:30"
    village.until(lambda: runs(village) == 1, within=1000, step=0.5)


def test_a_time_at_which_the_machine_slept_is_left_out(village: Village) -> None:
    village.up()
    village.machine.suspended += 3 * 3600 + 1200
    village.advance(61)
    assert runs(village) == 0
    (told,) = problems(village)
    assert told.startswith("its run of 2026-11-23 10:00 was left out: the machine was suspended")
    assert seen(village)["message"] == "next run at 2026-11-23 13:00"


def test_a_time_just_missed_is_made_up_for(village: Village) -> None:
    village.up()
    village.machine.suspended += 2640  # until 10:00:40
    village.advance(61)
    assert runs(village) == 1


def test_a_time_just_missed_is_not_made_up_for_after_a_run_that_somebody_wanted(village: Village) -> None:
    village.up()
    village.machine.suspended += 2640  # until 10:00:40, which the manager sees within a minute
    village.engine.start(["backup"])
    village.advance(31)
    assert seen(village)["message"] == "next run at 2026-11-23 11:00"
    village.advance(1800)
    assert (runs(village), problems(village)) == (1, [])


def test_a_time_just_missed_by_a_run_is_told_though_somebody_wants_what_runs(tmp_path: Path) -> None:
    village = begin(tmp_path, BACKUP, Program(exits_after=5000.0))
    village.up()
    village.engine.start(["backup"])
    village.advance(5)
    village.machine.suspended += 2640
    village.engine.start(["backup"])
    village.advance(61)
    (told,) = problems(village)
    assert told.startswith("its run of 2026-11-23 10:00 was left out: the one before is not over")
    village.end()


def test_a_clock_that_is_set_back_by_a_day_is_believed(village: Village) -> None:
    village.up()
    village.machine.suspended -= 86400
    village.advance(61)
    assert seen(village)["message"] == "next run at 2026-11-22 10:00"


def test_times_are_those_of_the_clock_on_the_wall(village: Village) -> None:
    village.machine.zone = timezone(timedelta(hours=5, minutes=30))
    village.up()
    assert seen(village)["message"] == "next run at 2026-11-23 15:00"
    assert seen(village)["next_start_at"] == "2026-11-23T09:30:00.000Z"


def test_a_wait_of_days_wakes_once_a_minute(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    village.edit("0 * * * *", "0 3 1 * *")
    village.engine.reload()
    village.up()
    schedules = village.engine._circle.upkeep.schedules
    looks = []
    look = schedules._look
    monkeypatch.setattr(schedules, "_look", lambda: (looks.append(1), look()))
    village.advance(600)
    assert len(looks) <= 11


def test_the_next_manager_goes_on_with_the_schedule(village: Village) -> None:
    village.up()
    village.kill_manager()
    village.manage()
    village.advance(0.1)
    assert seen(village)["message"] == "next run at 2026-11-23 10:00"
    village.until(lambda: runs(village) == 1, within=4000, step=0.5)


def test_a_dependency_is_waited_for_when_the_time_has_come(tmp_path: Path) -> None:
    text = BACKUP + 'depends_on = ["db"]\n[apps.db]\ncommand = "db"\nport = 5432\nautostart = false\n'
    village = begin(tmp_path, text, Program(exits_after=1.0))
    village.machine.programs["db"] = server()
    village.engine.up(["backup"], explicit=False)
    village.engine.stop(["db"])
    village.until(lambda: village.states()["db"] == "stopped")
    assert village.states()["backup"] == "waiting"
    village.advance(3000)
    assert (runs(village), "waits for `db`" in str(village.engine.apps["backup"].reason)) == (0, True)
    village.engine.start(["db"])
    village.until(lambda: runs(village) == 1)
    village.end()


def waits_for_its_dependency(folder: Path) -> Village:
    """Return a project in which the time of a run has come, and what it depends on is down."""
    text = BACKUP + 'depends_on = ["db"]\n[apps.db]\ncommand = "db"\nport = 5432\nautostart = false\n'
    village = begin(folder, text, Program(exits_after=1.0))
    village.machine.programs["db"] = server()
    village.engine.up(["backup"], explicit=False)
    village.engine.stop(["db"])
    village.advance(3000)
    assert "waits for `db`" in village.engine.apps["backup"].reason
    return village


def test_a_run_that_waits_for_a_dependency_is_not_forgotten_by_the_next_manager(tmp_path: Path) -> None:
    village = waits_for_its_dependency(tmp_path)
    village.kill_manager()
    village.manage()
    village.advance(1)
    assert "waits for `db`" in village.engine.apps["backup"].reason
    village.engine.start(["db"])
    village.until(lambda: runs(village) == 1)
    village.end()


def test_a_run_that_waits_for_a_dependency_is_not_forgotten_under_another_name(tmp_path: Path) -> None:
    village = waits_for_its_dependency(tmp_path)
    village.edit("[apps.backup]", "[apps.saved]")
    village.advance(1)
    assert "waits for `db`" in village.engine.apps["saved"].reason
    village.engine.start(["db"])
    village.until(lambda: runs(village) == 1)
    village.end()


@pytest.mark.parametrize("killed", [False, True])
def test_a_run_that_could_not_be_made_is_tried_again(village: Village, killed: bool) -> None:
    village.up()
    village.machine.refusal = Stage.FORK, errno.ENOMEM
    village.until(lambda: state(village) == "backoff", within=4000, step=0.5)
    if killed:
        village.kill_manager()
        village.manage()
        village.advance(0)
    village.machine.refusal = None
    village.until(lambda: runs(village) == 1, within=10)
    assert clock(village) == "2026-11-23 10:00"


def test_a_run_that_nobody_can_make_is_given_up_until_its_next_time(village: Village) -> None:
    village.up()
    village.machine.refusal = Stage.EXECUTE, errno.ENOENT
    village.until(lambda: state(village) == "failed", within=4000, step=5)
    village.machine.refusal = None
    village.advance(1800)
    assert (runs(village), state(village)) == (0, "failed")
    village.until(lambda: runs(village) == 1, within=4000, step=5)
    assert clock(village) == "2026-11-23 11:00"


def test_an_edit_of_its_command_begins_a_run_anew_that_is_under_way(village: Village) -> None:
    village.machine.programs["node other.js"] = Program(exits_after=5.0)
    village.up()
    village.until(lambda: runs(village) == 1, within=4000, step=0.5)
    village.edit("backup.js", "other.js")
    village.until(lambda: village.starts("node other.js") == 1, within=5)
    village.until(lambda: state(village) == "waiting")
    village.advance(60)
    assert village.starts("node other.js") == 1


def test_an_edit_while_it_waits_begins_nothing(village: Village) -> None:
    village.machine.programs["node other.js"] = Program(exits_after=5.0)
    village.up()
    village.edit("backup.js", "other.js")
    village.advance(60)
    assert (village.starts("node other.js"), seen(village)["message"]) == (0, "next run at 2026-11-23 10:00")


@pytest.mark.parametrize("late", [5.0, 600.0])
@pytest.mark.parametrize("has_failed", [False, True])
def test_a_time_that_comes_while_no_manager_runs_is_made_up_for_or_told(
    village: Village, has_failed: bool, late: float
) -> None:
    if has_failed:  # an hour before
        village.machine.suspended -= 3600
    village.up()
    waits_until = village.engine.apps["backup"].starts_at
    assert waits_until is not None
    if has_failed:
        village.machine.refusal = Stage.EXECUTE, errno.ENOENT
        village.until(lambda: state(village) == "failed", within=4000, step=5)
        village.machine.refusal = None
        waits_until += 3600
    village.kill_manager()
    village.machine.advance(waits_until - village.host.wall() + late)
    village.manage()
    village.advance(1.0)
    if late == 5.0:
        assert (runs(village), problems(village)) == (1, [])
    else:
        (problem,) = problems(village)
        assert (runs(village), problem.startswith("its run of 2026-11-23 10:00 was left out")) == (0, True)
