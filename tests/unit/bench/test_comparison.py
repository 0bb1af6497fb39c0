"""What a comparison counts and keeps, tried on files and programs of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("the bench compares on Linux", allow_module_level=True)

from bench import flood, talker
from bench.comparison.faults import kept_lines
from bench.comparison.output import lost
from bench.comparison.results import Results
from bench.rivals import Unable
from bench.stamps import Stamps

FILLED = b"x" * (flood.LINE - 1) + b"\n"
BLOCK = [flood.numbered(0), *[FILLED] * (flood.BLOCK - 1), flood.numbered(1), *[FILLED] * (flood.BLOCK - 1)]
LINES = [flood.numbered(number) for number in range(10)]


def files(folder: Path, *parts: list[bytes]) -> list[Path]:
    """Write what a rival has kept, oldest first."""
    paths = [folder / f"{number}" for number, _ in enumerate(parts)]
    for path, lines in zip(paths, parts, strict=True):
        path.write_bytes(b"".join(lines))
    return paths


def test_nothing_is_lost_that_is_in_one_of_the_files(tmp_path: Path) -> None:
    kept = files(tmp_path, LINES[:4], [*LINES[4:], flood.LAST])
    assert lost(kept, "lines", 10 * flood.LINE) == 0
    assert lost(files(tmp_path, BLOCK), "bulk", 2 * flood.BLOCK * flood.LINE) == 0


def test_what_a_rival_puts_before_a_line_or_says_itself_does_not_count(tmp_path: Path) -> None:
    lines = [b"12:00:00 system | app started\n", *(b"12:00:00 app    | " + line for line in LINES)]
    assert lost(files(tmp_path, lines), "lines", 10 * flood.LINE) == 0


def test_lines_are_lost_that_are_missing_torn_or_behind_a_later_one(tmp_path: Path) -> None:
    size = 10 * flood.LINE
    assert lost(files(tmp_path, LINES[:7]), "lines", size) == 3
    assert lost(files(tmp_path, [*LINES[:9], LINES[9][:50] + b"\n"]), "lines", size) == 1
    assert lost(files(tmp_path, [*LINES[1:], LINES[0]]), "lines", size) == 1
    assert lost(files(tmp_path, BLOCK[: flood.BLOCK]), "bulk", 2 * flood.BLOCK * flood.LINE) == flood.BLOCK


def test_a_line_of_the_talker_counts_once(tmp_path: Path) -> None:
    kept = files(tmp_path, [talker.line(0), b"10:00 " + talker.line(1)], [talker.line(1), b"other\n"])
    assert kept_lines([*kept, tmp_path / "never written"]) == 2
    assert len(talker.line(4999)) == 100


def test_a_failure_costs_its_figure_alone_and_its_reason_is_kept() -> None:
    results = Results()
    with results.attempt("kill", "other"):
        results.add("kill", "other", 1.0)
        raise TimeoutError("no\nreplacement")
    with results.attempt("status", "other"):
        raise Unable
    with results.attempt("start", "other"):
        raise subprocess.TimeoutExpired("command", 60.0)
    assert results.samples == {"kill": {"other": [1.0]}}
    assert results.failures["kill"] == {"other": "TimeoutError: no replacement"}
    assert list(results.failures) == ["kill", "start"]


def test_stamps_that_wait_are_taken_at_once(tmp_path: Path) -> None:
    stamps = Stamps(tmp_path / "stamps")
    assert stamps.waiting() == []
    (tmp_path / "stamps").write_text("began 1 10\nclosed 1 20\nbegan 2 30\n")
    assert [stamp.at for stamp in stamps.take(1)] == [10]
    assert [(stamp.what, stamp.pid) for stamp in stamps.waiting()] == [("closed", 1), ("began", 2)]
    with pytest.raises(TimeoutError, match="0 of 1"):
        stamps.take(1, patience=0.0)
    stamps.close()
