"""What processes use, as the kernel's texts say it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("the bench compares on Linux", allow_module_level=True)

from bench import footprint
from bench.report import Goal
from bench.rivals import FIND, Procman, Rival, Unable, alive, end, marked, parent

ROLLUP = "5633ed118000-7ffc rollup\nRss:  31808 kB\nPss:  20480 kB\nPss_Anon: 19324 kB\n"
STATUS = "Name:\tpython\nvoluntary_ctxt_switches:\t17\nnonvoluntary_ctxt_switches:\t3\n"


def test_memory_is_the_share_that_a_process_has() -> None:
    assert footprint.parse_pss(ROLLUP) == 20.0
    with pytest.raises(ValueError, match="PSS"):
        footprint.parse_pss("Rss: 1 kB")


def test_a_wakeup_is_a_switch_that_was_wanted() -> None:
    assert footprint.parse_switches(STATUS) == 17
    with pytest.raises(ValueError, match="switches"):
        footprint.parse_switches("")


def program(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def test_descendants_are_found_and_ended(tmp_path: Path) -> None:
    words = ["sh", "-c", f": {tmp_path}; sleep 1000 & sleep 1000 & wait"]
    with subprocess.Popen(words) as shell:
        # Until it has executed `sleep`, a child has the words of its shell.
        while sorted(map(program, footprint.descendants(shell.pid))) != ["sh", "sleep", "sleep"]:
            pass
        found = footprint.descendants(shell.pid)
        try:
            assert footprint.pss(found) > 0
            assert footprint.activity(found)[0] >= 0
            assert marked(tmp_path) == {shell.pid}
            assert {parent(pid) for pid in found} == {shell.pid, os.getpid()}
        finally:
            end(found)
    assert not any(map(alive, found))
    assert footprint.descendants(shell.pid) == set()


@pytest.mark.parametrize("logged", [False, True], ids=["", "logged"])
@pytest.mark.parametrize("kind", FIND, ids=lambda kind: kind.name)
def test_every_rival_writes_what_it_reads(kind: type[Rival], logged: bool, tmp_path: Path) -> None:
    rival = kind(None, tmp_path, {"web": ["/bin/sleep", "1000"]}, logged=logged)
    written = [path for path in tmp_path.rglob("*") if path.is_file() and "/bin/sleep" in path.read_text()]
    assert len(written) == 1
    if kind.name in ("honcho",):
        with pytest.raises(Unable):
            rival.status()


def test_an_edit_of_ours_is_an_edit_of_the_file(tmp_path: Path) -> None:
    rival = Procman(None, tmp_path, {"web": ["/bin/sleep", "1000"]})
    rival.edit("web", ["/bin/sleep", "2000"])
    assert "2000" in (tmp_path / "portwatch.toml").read_text()


@pytest.mark.parametrize(
    ("goal", "value", "met"),
    [
        (Goal(10), 10, True),
        (Goal(10), 10.1, False),
        (Goal(2, or_more=True), 2, True),
        (Goal(2, or_more=True), 1, False),
    ],
)
def test_a_goal_is_met_or_not(goal: Goal, value: float, met: bool) -> None:
    assert goal.is_met(value) is met
