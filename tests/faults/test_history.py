"""The history is locked, damaged, deleted or has no room, and the manager is killed: no app notices."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from procman.core.journal import Kind, Record
from procman.history.read import Unreadable, records
from tests.faults.small_disk import fill, run_on_a_small_disk
from tests.real.project import Project, command, is_alive, run_project, table

GARBAGE = b"garbage " * 512
FILES = ("history.db", "history.db-journal")
FOREVER = "{ starts = 0 }"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Project]:
    """Return a project whose state folder is a file system of 1 MiB."""
    yield from run_on_a_small_disk(tmp_path / "project")


def kept(project: Project, app: str | None = None, kind: Kind | None = None) -> list[Record]:
    """Return what is kept of an app."""
    return list(
        records(project.home / "history.db", apps=None if app is None else [app], kinds=kind and [kind])
    )


def problem(project: Project) -> str | None:
    """Return what the status says of the history."""
    said: str | None = project.status()["manager"]["history_problem"]
    return said


def crashing() -> str:
    """Return the table of an app that crashes at once, again and again."""
    return table("web", command("leave", code=3), give_up=FOREVER)


def until_crashed(project: Project, times: int) -> None:
    """Wait until the app has been started so many times more."""
    before = project.app("web")["restarts"]
    project.until(lambda: project.app("web")["restarts"] >= before + times, "more crashes")


def demand_whole(found: list[Record]) -> None:
    """Fail unless every run of the app is told from its start to its end, once and in order."""
    told = [(record.run or 0, record.kind) for record in found if record.kind in (Kind.SPAWN, Kind.EXIT)]
    first = next(run for run, kind in told if kind is Kind.SPAWN)
    told = told[told.index((first, Kind.SPAWN)) :]  # how a run of an earlier manager ended comes before it
    runs = range(first, first + len(told))
    assert told == [(run, kind) for run in runs for kind in (Kind.SPAWN, Kind.EXIT)][: len(told)]
    assert all(before.number < after.number for before, after in pairwise(found))


def test_while_the_history_is_locked_decisions_go_on_and_nothing_is_lost(project: Project) -> None:
    project.write(crashing())
    project.run("up", "--no-wait")
    until_crashed(project, 3)
    assert problem(project) is None
    with contextlib.closing(sqlite3.connect(project.home / "history.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        until_crashed(project, 10)
        said = problem(project)
        other.execute("ROLLBACK")
    assert said is not None
    assert f"the history can't be written to `{project.home}/history.db`: database is locked; " in said
    project.until(lambda: problem(project) is None, "the end of the problem")
    project.do("down")
    found = kept(project, "web")
    assert len(found) > 13 * 5
    demand_whole(found)
    log = project.manager_log()
    assert log.count("the history can't be written") == log.count("the history is written again") == 1


def test_an_end_is_not_held_up_by_a_lock(project: Project) -> None:
    project.up(table("web", command("stay")))
    project.until(lambda: kept(project, "web", Kind.SPAWN), "the first records")
    with contextlib.closing(sqlite3.connect(project.home / "history.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        begin = time.monotonic()
        project.do("down")
        took = time.monotonic() - begin
        other.execute("ROLLBACK")
    assert took < 6


def test_a_history_that_was_damaged_before_the_start_is_put_aside(project: Project) -> None:
    project.home.mkdir(mode=0o700)
    for name in FILES:
        (project.home / name).write_bytes(GARBAGE)
    project.up(table("web", command("stay")))

    def new() -> list[Record]:
        with contextlib.suppress(Unreadable):  # until the manager has put it aside
            return kept(project)
        return []

    first, second, *_ = project.until(new, "new records")
    (aside,) = project.home.glob("history.damaged-*.db")
    assert first.text == (
        f"the history begins anew, what was there is kept as `{aside.name}`: file is not a database"
    )
    assert second.data["event"] == "began"
    assert aside.read_bytes() == GARBAGE
    project.until_logged(first.text)
    assert problem(project) is None


@pytest.mark.parametrize("names", [FILES, FILES[:1], FILES[1:]], ids=["all", "database", "journal"])
def test_a_history_that_is_damaged_while_it_is_written_stops_nobody(
    project: Project, names: tuple[str, ...]
) -> None:
    project.up(crashing_later(), table("quiet", command("stay")))
    manager, quiet = project.manager(), project.app("quiet")["pid"]
    for name in names:
        (project.home / name).write_bytes(GARBAGE)
    old = project.app("web")["pid"]
    os.kill(old, signal.SIGKILL)
    new = project.until_app("web", state="running", restarts=1)["pid"]

    def is_told() -> bool:
        with contextlib.suppress(Unreadable):  # until the manager has put it aside
            return any(record.data["pid"] == new for record in kept(project, "web", Kind.SPAWN))
        return False

    project.until(is_told, "the new run is in the history")
    assert (project.manager(), project.app("quiet")["pid"]) == (manager, quiet)
    assert problem(project) is None
    project.do("down")
    assert kept(project)[-1].data["event"] == "ended"


def crashing_later() -> str:
    """Return the table of an app that runs until it is killed."""
    return table("web", command("stay", say="begins"))


def test_a_history_that_is_deleted_begins_anew(project: Project) -> None:
    project.up(crashing_later())
    project.until(lambda: kept(project)[-1].data.get("new") == "running", "the first records")
    for name in FILES:
        (project.home / name).unlink()
    os.kill(project.app("web")["pid"], signal.SIGKILL)
    project.until_app("web", state="running", restarts=1)
    project.until(lambda: kept(project, "web", Kind.SPAWN), "new records")
    first, second, *_ = kept(project)
    assert first.text == "the history begins anew: its file was deleted"
    assert second.text == "killed by SIGKILL"
    assert (project.home / "history.db").stat().st_mode & 0o777 == 0o600


def test_a_full_disk_costs_no_record_that_fits_into_memory(small: Project) -> None:
    small.write(crashing())
    small.run("up", "--no-wait")
    until_crashed(small, 1)
    ballast = fill(small)
    said = small.until(lambda: problem(small), "the problem")
    assert "full" in said or "No space left" in said
    until_crashed(small, 5)
    ballast.unlink()
    small.until(lambda: problem(small) is None, "the end of the problem")
    small.do("down")
    demand_whole(kept(small, "web"))


def test_what_happened_a_moment_before_a_kill_is_kept_and_the_next_manager_goes_on(project: Project) -> None:
    project.write(crashing())
    project.run("up", "--no-wait")
    until_crashed(project, 3)
    manager = project.manager()
    known = kept(project)[-1].number
    time.sleep(0.5)  # ten times the longest that a record waits
    killed_at = time.time()
    os.kill(manager, signal.SIGKILL)
    project.until(lambda: not is_alive(manager), "its end")
    left = kept(project)
    project.run("up", "--no-wait")
    until_crashed(project, 2)
    project.do("down")

    assert left[-1].number > known
    assert killed_at - left[-1].at < 0.5, "the app crashes every 100 ms"
    after = kept(project)
    assert after[: len(left)] == left
    assert [record.number for record in after] == list(range(1, len(after) + 1))
    began = [record.number for record in after if record.data.get("event") == "began"]
    assert began == [1, len(left) + 1]
    demand_whole([record for record in left if record.app == "web"])
    demand_whole([record for record in after[len(left) :] if record.app == "web"])


def test_no_secret_is_kept_outside_of_the_logs(tmp_path: Path) -> None:
    secrets = {"API_TOKEN": "hushhushinherited", "DATABASE_URL": "postgres://me:hushhushword@host/db"}
    for project in run_project(tmp_path / "project"):
        project.environment.update(secrets)
        words = command("leave", code=3, token="hushhushargument", after=0.2)
        project.write(
            table("web", words, env='{ SESSION_SECRET = "hushhushdeclared" }', give_up="{ starts = 2 }"),
            table("api", command("stay", password="hushhushother", deaf=1), stop_timeout='"200ms"'),
        )
        project.run("up")
        project.until_app("web", state="failed")
        project.do("restart", "api")
        project.do("down")
        found = {
            str(path.relative_to(project.home)): path.read_bytes()
            for path in project.home.rglob("*")
            if path.is_file() and "logs" not in path.parts
        }
        assert "history.db" in found
        assert b"app.py" in found["history.db"], "the command without its secret is there"
        assert [name for name, content in found.items() if b"hushhush" in content] == []
