"""The disk is full: apps run on, what is lost is counted and shown, and with new room all is well again."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.faults.small_disk import fill, run_on_a_small_disk
from tests.real.project import Project, command, table

TIMES = 20 if os.environ.get("PROCMAN_SOAK") else 1
LOST = r"procman: [\d,]+ bytes of stdout lost here: no space left on device"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Return a project whose state folder is a file system of 1 MiB."""
    yield from run_on_a_small_disk(tmp_path / "project")


def problem(project: Project, app: str) -> str | None:
    """Return what the status says of an app's log."""
    said: str | None = project.app(app)["log_problem"]
    return said


def test_what_a_full_disk_costs_is_shown_and_over_with_new_room(project: Project) -> None:
    project.up(table("web", command("count", rate=1000, lines=1_000_000)), table("quiet", command("stay")))
    before = project.apps()
    assert before["web"]["log_problem"] is None
    ballast = fill(project)
    said = project.until(lambda: problem(project, "web"), "the problem")
    assert "no space left on device" in said
    assert re.search(
        r"[\d,]+ bytes of stdout lost so far", project.until(lambda: problem(project, "web"), "")
    )
    assert "its output can't be stored in" in project.do("status", "web").out
    assert problem(project, "quiet") is None, "it has printed nothing that could be lost"
    during = project.apps()
    assert [during[name]["pid"] for name in during] == [before[name]["pid"] for name in before]
    assert {app["state"] for app in during.values()} == {"running"}

    ballast.unlink()
    project.until(lambda: problem(project, "web") is None, "the end of the problem", patience=5)
    project.until(lambda: project.lines("web", "-n", "1")[0].startswith("line "), "new lines")
    lines = project.lines("web")
    (gap,) = [number for number, line in enumerate(lines) if line.startswith("procman: ")]
    assert re.fullmatch(LOST, lines[gap])
    assert lines[0] == "line 0 of its output"
    project.until_logged("web: its output is stored again")


def test_a_quiet_app_need_not_print_for_its_log_to_be_mended(project: Project) -> None:
    total = 6000
    printed = sum(len(f"line {number} of its output\n") for number in range(total))
    project.up(table("web", command("count", rate=2000, lines=total)))
    project.until(lambda: project.lines("web"), "its first line")
    ballast = fill(project)

    def is_quiet() -> bool:
        lost = re.search(r"([\d,]+) bytes of stdout lost so far", problem(project, "web") or "")
        stored = (project.home / "logs" / "web" / "000001.log").stat().st_size
        return lost is not None and stored + int(lost[1].replace(",", "")) == printed

    project.until(is_quiet, "every byte that it printed is stored or counted as lost")
    ballast.unlink()
    project.until(lambda: problem(project, "web") is None, "the end of the problem", patience=5)
    assert project.lines("web")[-1].endswith("lost here: no space left on device")


def test_a_disk_that_is_full_while_logs_rotate_costs_what_is_said_and_no_more(project: Project) -> None:
    chatty = command("count", rate=4000, lines=10_000_000)
    project.up(table("web", chatty, logs='{ max_size = "32KB", keep = 3 }'))
    log = project.home / "logs" / "web"
    project.until(lambda: (log / "000003.log").exists(), "it has been rotated")
    pid = project.app("web")["pid"]
    for _ in range(TIMES):
        ballast = fill(project)
        project.until(lambda: problem(project, "web"), "the problem")
        ballast.unlink()
        project.until(lambda: problem(project, "web") is None, "the end of the problem", patience=5)
        newest = max(int(path.stem) for path in log.glob("*.log"))
        project.until(lambda newest=newest: (log / f"{newest + 1:06}.log").exists(), "the next segment")  # type: ignore[misc]
    assert project.app("web")["pid"] == pid
    assert len(list(log.glob("*.log"))) <= 4
    lines = project.lines("web")
    found = [re.fullmatch(r"line (\d+) of its output", line) for line in lines]
    whole = [(place, int(match[1])) for place, match in enumerate(found) if match is not None]
    for (place, number), (next_place, next_number) in pairwise(whole):
        between = lines[
            place + 1 : next_place
        ]  # nothing; or what was lost, and the ends of torn lines around it
        is_said = any(re.fullmatch(LOST, line) for line in between)
        assert is_said or (next_number == number + 1 and not between), lines[place : next_place + 1]
