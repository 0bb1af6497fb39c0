"""An app that gets another name and nothing else keeps its process, its log and its counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from procman.core.identity import MARKER
from procman.engine.events import Reloaded
from procman.logs.segments import last_run
from tests.fakes.programs import Program, server
from tests.simulation.village import Village

PROJECT = """\
[apps.api]
command = "node server.js"
port = 3000

[apps.web]
command = "node web.js"
depends_on = ["api"]

[apps.worker]
command = "node worker.js"
"""
SEEN = 2.0  # seconds within which an edit is noticed
Found = Callable[[], Village]


@pytest.fixture
def found(tmp_path: Path) -> Iterator[Found]:
    villages: list[Village] = []

    def make() -> Village:
        village = Village(tmp_path, PROJECT)
        village.machine.programs.update(
            {"node server.js": server(after=0.3), "node web.js": Program(), "node worker.js": Program()}
        )
        villages.append(village)
        village.up()
        village.until(village.is_up)
        return village

    yield make
    for village in villages:
        village.end()


def pid(village: Village, name: str) -> int:
    found: int = next(app["pid"] for app in village.engine.status()["apps"] if app["name"] == name)
    return found


def rename(village: Village, old: str, new: str) -> None:
    """Give an app another name, wherever the file has it."""
    village.edit(f"[apps.{old}]", f"[apps.{new}]")
    text = village.file.read_text()
    village.file.write_text(text.replace(f'["{old}"]', f'["{new}"]'))
    village.until(lambda: new in village.states() and old not in village.states())


def test_a_renamed_app_keeps_its_process_and_its_counts(found: Found) -> None:
    village = found()
    village.engine.restart(["worker"])
    village.until(village.is_up)
    before, run = pid(village, "worker"), village.engine.apps["worker"].generation
    rename(village, "worker", "jobs")
    village.advance(5)
    assert pid(village, "jobs") == before
    assert village.engine.apps["jobs"].generation == run == 2
    assert list(village.states()) == ["api", "web", "jobs"]
    assert village.starts("node worker.js") == 2
    assert [notice.summary for notice in village.notices if isinstance(notice, Reloaded)] == [
        "rename worker to jobs"
    ]


def test_its_dependents_are_not_restarted(found: Found) -> None:
    village = found()
    api, web = pid(village, "api"), pid(village, "web")
    rename(village, "api", "backend")
    village.advance(5)
    assert (pid(village, "backend"), pid(village, "web")) == (api, web)
    assert village.engine.configs["web"].depends_on[0][0] == "backend"
    assert village.is_up()


def test_it_goes_on_being_checked_and_restarted_under_its_new_name(found: Found) -> None:
    village = found()
    rename(village, "api", "backend")
    village.machine.signal(village.machine.processes[pid(village, "backend")], "SIGKILL")
    village.until(lambda: village.transitions("backend")[-1:] == ["running"])
    assert [each.environment[MARKER].partition(":")[2] for each in village.processes("backend")] == [
        "backend:2"
    ]
    assert village.engine.apps["backend"].restarts == 1


def test_its_log_has_the_new_name(found: Found) -> None:
    village = found()
    log = village.home / "logs"
    run = village.engine.apps["worker"].generation
    (log / "worker").mkdir(parents=True, exist_ok=True)
    (log / "worker" / "note").write_text("older lines")
    rename(village, "worker", "jobs")
    assert (log / "jobs" / "note").read_text() == "older lines"
    assert not (log / "worker").exists()
    assert last_run(log / "jobs") in (0, run)


def test_the_next_manager_takes_it_back_under_its_new_name(found: Found) -> None:
    village = found()
    before = pid(village, "worker")
    rename(village, "worker", "jobs")
    village.kill_manager()
    village.manage()
    village.until(village.is_up)
    village.advance(5)
    assert pid(village, "jobs") == before
    assert list(village.states()) == ["api", "web", "jobs"]
    village.engine.stop(["jobs"])
    village.until(lambda: village.states()["jobs"] == "stopped")
    assert before not in village.machine.processes


def test_an_end_while_no_manager_runs_is_an_exit_of_the_new_name(found: Found) -> None:
    village = found()
    before = pid(village, "worker")
    rename(village, "worker", "jobs")
    village.kill_manager()
    village.machine.signal(village.machine.processes[before], "SIGKILL")
    village.manage()
    village.until(lambda: village.engine.apps["jobs"].last_exit is not None)
    village.until(village.is_up)
    assert pid(village, "jobs") != before


def test_a_new_app_of_the_old_name_never_shares_a_marker_with_it(found: Found) -> None:
    village = found()
    before = pid(village, "worker")
    rename(village, "worker", "jobs")
    village.machine.programs["node other.js"] = Program()
    village.file.write_text(village.file.read_text() + '\n[apps.worker]\ncommand = "node other.js"\n')
    village.until(lambda: village.states().get("worker") == "running")
    other = pid(village, "worker")
    village.kill_manager()
    village.manage()
    village.until(village.is_up)
    assert (pid(village, "jobs"), pid(village, "worker")) == (before, other)
    markers = [run.marker for run in village.engine.runs()]
    assert len(set(markers)) == len(markers) == 4
    village.engine.stop(["worker"])
    village.until(lambda: village.states()["worker"] == "stopped")
    assert pid(village, "jobs") == before


def test_without_its_record_the_old_run_is_ended_before_a_new_one_counts(found: Found) -> None:
    village = found()
    before = pid(village, "worker")
    rename(village, "worker", "jobs")
    village.kill_manager()
    (village.home / "run" / "jobs.json").unlink()
    village.manage()
    village.up()
    village.until(lambda: before not in village.machine.processes)
    village.until(lambda: set(village.states()) == {"api", "web", "jobs"} and village.is_up())
    assert pid(village, "jobs") != before


def test_an_app_that_was_stopped_stays_so(found: Found) -> None:
    village = found()
    village.engine.stop(["worker"])
    village.until(lambda: village.states()["worker"] == "stopped")
    rename(village, "worker", "jobs")
    village.advance(5)
    assert village.states()["jobs"] == "stopped"
    village.engine.start(["jobs"])
    village.until(lambda: village.states()["jobs"] == "running")


def test_a_log_in_the_way_makes_it_another_app(found: Found) -> None:
    village = found()
    before = pid(village, "worker")
    (village.home / "logs" / "jobs").mkdir(parents=True)
    rename(village, "worker", "jobs")
    village.until(village.is_up)
    assert pid(village, "jobs") != before
    assert before not in village.machine.processes


def test_a_rename_during_a_stop_makes_it_another_app_which_is_wanted_no_more(found: Found) -> None:
    village = deaf_worker(found)
    village.engine.stop(["worker"])
    village.advance(0.5)
    village.edit("[apps.worker]", "[apps.jobs]")
    village.until(lambda: set(village.states()) == {"api", "web", "jobs"}, within=30)
    village.advance(5)
    assert village.states()["jobs"] == "stopped"
    assert village.starts("node worker.js") == 2


def test_a_rename_during_a_restart_makes_it_another_app_which_is_wanted(found: Found) -> None:
    village = deaf_worker(found)
    village.engine.restart(["worker"])
    village.advance(0.5)
    village.edit("[apps.worker]", "[apps.jobs]")
    village.until(lambda: "worker" not in village.states() and village.is_up(), within=30)
    assert set(village.states()) == {"api", "web", "jobs"}


def deaf_worker(found: Found) -> Village:
    """Return a village whose worker has to be killed."""
    village = found()
    village.machine.programs["node worker.js"] = Program(ignores=frozenset({"SIGTERM"}))
    village.engine.restart(["worker"])
    village.until(village.is_up)
    return village


def test_a_name_that_goes_to_and_fro_is_one_process(found: Found) -> None:
    village = found()
    before = pid(village, "worker")
    rename(village, "worker", "jobs")
    rename(village, "jobs", "worker")
    village.advance(5)
    assert pid(village, "worker") == before
