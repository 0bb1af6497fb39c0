"""A log is deleted, replaced or can not be written: the app runs on, and what is lost is said."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.project import Project, command, table

COUNTING = command("count", rate=1000, lines=1_000_000)
TAKEN = re.compile(r"procman: ([\d,]+) bytes of this log were taken away here by somebody else")


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nobody make or delete a file in a folder; what is open for writing stays so."""
    if os.geteuid():
        folder.chmod(0o500)
        yield
        folder.chmod(0o700)
        return
    # No mode keeps root out.
    if subprocess.run(["mount", "--bind", folder, folder], stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def counted(lines: list[str]) -> list[int]:
    """Return the numbers of the whole lines of the app."""
    return [int(match[1]) for line in lines if (match := re.fullmatch(r"line (\d+) of its output", line))]


def test_a_read_only_folder_costs_what_is_printed_meanwhile_and_is_said(project: Project) -> None:
    project.up(table("web", COUNTING, logs='{ max_size = "20kB", keep = 1000 }'))
    folder = project.home / "logs" / "web"
    pid = project.app("web")["pid"]
    with read_only(folder):
        said = project.until(lambda: project.app("web")["log_problem"], "the problem")
    project.until(lambda: project.app("web")["log_problem"] is None, "the end of the problem")
    last = counted(project.lines("web"))[-1]
    project.until(lambda: counted(project.lines("web", "-n", "1"))[:1] > [last + 500], "new lines")

    assert f"its output can't be stored in `{folder}`: " in said
    lines = project.lines("web")
    (gap,) = [number for number, line in enumerate(lines) if line.startswith("procman: ")]
    match = re.fullmatch(r"procman: ([\d,]+) bytes of stdout lost here: .*(read-only|denied).*", lines[gap])
    assert match
    before, after = counted(lines[:gap]), counted(lines[gap:])
    assert before == list(range(len(before)))
    assert after == list(range(after[0], after[-1] + 1))
    lost = "".join(f"line {number} of its output\n" for number in range(before[-1] + 1, after[0]))
    cut = sum(len(line) for line in lines[gap - 1 : gap + 2] if not counted([line]) and line != lines[gap])
    assert abs(int(match[1].replace(",", "")) + cut - len(lost)) <= 2
    assert project.app("web")["pid"] == pid


@pytest.mark.parametrize("what", ["the file", "the app's folder", "the folder of all logs"])
def test_a_log_that_is_deleted_is_noticed_and_gone_on_with(project: Project, what: str) -> None:
    project.up(table("web", COUNTING))
    logs = project.home / "logs"
    paths = {
        "the file": logs / "web" / "000001.log",
        "the app's folder": logs / "web",
        "the folder of all logs": logs,
    }
    project.until(lambda: len(project.lines("web")) > 100, "lines")
    seen = len(project.lines("web"))
    paths[what].rename(project.path("gone"))  # in one go, where `rm -r` would find new files meanwhile
    lines = project.until(lambda: found if len(found := project.lines("web")) > 500 else None, "new lines")

    match = TAKEN.fullmatch(lines[0])
    assert match, lines[:3]
    kept = counted(lines)
    assert kept == list(range(kept[0], kept[-1] + 1))
    taken = "".join(f"line {number} of its output\n" for number in range(kept[0]))
    assert seen <= kept[0]
    assert abs(int(match[1].replace(",", "")) - len(taken)) < len("line 1000 of its output\n")
    assert project.app("web")["log_problem"] is None
    assert project.app("web")["restarts"] == 0


@pytest.mark.parametrize("keeps_running", [True, False])
def test_a_symlink_in_its_place_is_not_followed(project: Project, keeps_running: bool) -> None:
    precious = project.path("precious")
    precious.write_text("not to be touched")
    project.up(table("web", COUNTING))
    project.until(lambda: project.lines("web"), "lines")
    if not keeps_running:
        project.do("down")
    text = project.home / "logs" / "web" / "000001.log"
    text.unlink()
    text.symlink_to(precious)
    if not keeps_running:
        project.do("up")
    lines = project.until(lambda: found if len(found := project.lines("web")) > 500 else None, "new lines")

    kept = counted(lines)
    assert kept == list(range(kept[0], kept[-1] + 1))
    assert precious.read_text() == "not to be touched"
