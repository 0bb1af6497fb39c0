"""What a log suffers: a full disk, a deleted folder, somebody else's file in its place."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from procman.core.config import LogBudget
from procman.logs import store as store_module
from procman.logs.read import Stream, lines
from procman.logs.segments import segment_numbers
from tests.fakes.capturing import Bench, full


def test_a_log_that_cannot_be_written_does_not_block_the_app_and_says_what_was_lost(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []
    bench.begin(1)
    bench.capture.watch("ready", found.append)
    bench.print(b"kept\nbegun, ")
    with monkeypatch.context() as broken:
        broken.setattr(store_module, "_write", full)
        bench.now += 1
        bench.print(b"lost\n")
        bench.print(b"ready", Stream.ERR)
        bench.print(b"\n", Stream.ERR)
        problem = bench.capture.problem
        bench.now += 1
        bench.print(b"lost\n")
    bench.now += 0.9
    bench.print(b"too early to try again\n")
    bench.now += 0.1
    bench.print(b"kept too\n")

    assert problem == (
        f"its output can't be stored in `{bench.logs / 'web'}`: no space left on device;"
        " 5 bytes of stdout and 6 bytes of stderr lost so far"
    )
    assert bench.texts() == [
        b"kept",
        b"begun, ",
        b"procman: 33 bytes of stdout and 6 bytes of stderr lost here: no space left on device",
        b"kept too",
    ]
    assert bench.capture.problem is None
    assert found == ["ready"]


def test_a_problem_goes_away_without_output_when_the_log_is_mended(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.begin(1)
    with monkeypatch.context() as broken:
        broken.setattr(store_module, "_write", full)
        bench.print(b"lost\n")
    bench.capture.mend()
    early = bench.capture.problem
    bench.now += 1
    bench.capture.mend()

    assert early is not None
    assert bench.capture.problem is None
    assert [line.stream for line in lines(bench.logs, "web")] == [Stream.MANAGER]


def test_a_run_may_begin_and_end_while_nothing_can_be_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.begin(1)
    bench.print(b"one\n")
    with monkeypatch.context() as broken:
        broken.setattr(store_module, "_write", full)
        bench.print(b"two", Stream.ERR)
        bench.end()
        bench.begin(2)
        bench.print(b"three\n")
        bench.capture.set_budget(LogBudget(1000, 1))
    bench.now += 1
    bench.print(b"four\n")

    assert [(line.run, line.text) for line in lines(bench.logs, "web")] == [
        (1, b"one"),
        (2, b"procman: 6 bytes of stdout and 3 bytes of stderr lost here: no space left on device"),
        (2, b"four"),
    ]


def test_what_fails_at_the_end_of_a_run_is_a_problem_until_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.begin(1)
    bench.print(b"begun")
    with monkeypatch.context() as broken:
        broken.setattr(store_module, "_write", full)
        bench.now += 1
        bench.end()
        problem = str(bench.capture.problem)
        bench.begin(2)
        bench.now += 1
        bench.capture.mend()
        still = bench.capture.problem
    bench.now += 1
    bench.capture.mend()

    assert problem.endswith(": no space left on device; nothing lost so far")
    assert still == problem
    assert bench.capture.problem is None
    assert [(line.run, line.text, line.partial) for line in lines(bench.logs, "web")] == [
        (1, b"begun", False)
    ]


def test_where_splice_is_refused_the_bytes_are_copied(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> int:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "splice", refused)
    bench.begin(1)
    bench.print(b"one\n")
    bench.print(b"x" * 200_000 + b"\n")
    with monkeypatch.context() as broken:
        broken.setattr(store_module, "_write", full)
        bench.now += 0.0001
        bench.print(b"lost\n")
    bench.now += 1
    bench.print(b"two\n")

    assert bench.texts() == [
        b"one",
        b"x" * 200_000,
        b"procman: 5 bytes of stdout lost here: no space left on device",
        b"two",
    ]


def test_another_error_of_splice_is_a_problem_and_not_a_reason_to_copy(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "splice", full)
    bench.begin(1)
    bench.print(b"lost\n")

    assert "no space left on device; 5 bytes of stdout" in str(bench.capture.problem)


TAKEN = "procman: 11 bytes of this log were taken away here by somebody else"


@pytest.mark.parametrize("what", ["folder", "text", "index", "moved"])
def test_what_is_taken_away_under_it_is_made_anew_at_once_and_said(bench: Bench, what: str) -> None:
    text = bench.logs / "web" / "000001.log"
    bench.begin(1)
    bench.print(b"one\nbegun, ")
    match what:
        case "folder":
            shutil.rmtree(bench.logs)
        case "text":
            text.unlink()
        case "index":
            text.with_suffix(".index").unlink()
        case "moved":
            text.rename(bench.logs / "elsewhere")
    bench.print(b"and ended\ntwo\n")

    found = list(lines(bench.logs, "web"))
    assert bench.capture.problem is None
    assert [line.text[-9:] for line in found[-2:]] == [b"and ended", b"two"]
    assert found[-1].run == 1
    if what == "index":
        assert [line.text for line in found] == [b"one", b"begun, ", b"and ended", b"two"], "nothing is lost"
    else:
        assert found[0].text.decode() == TAKEN
        assert found[1].continues, "its beginning is gone, and it says so"


def test_what_is_taken_away_between_two_looks_at_it_is_said_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.begin(1)
    bench.print(b"begins one\n")
    looked = os.lstat

    def look(path: str) -> os.stat_result:
        if path.endswith("000001.index") and bench.logs.exists():  # the text was there a moment ago
            bench.logs.rename(bench.logs.with_name("elsewhere"))
        return looked(path)

    monkeypatch.setattr(os, "lstat", look)
    bench.print(b"two\n")
    assert bench.texts() == [TAKEN.encode(), b"two"]


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("suffix", [".log", ".index"])
@pytest.mark.parametrize("planted", ["symlink", "dangling symlink", "pipe"])
def test_what_is_planted_in_its_place_is_neither_followed_nor_waited_for(
    bench: Bench, tmp_path: Path, number: int, suffix: str, planted: str
) -> None:
    precious = tmp_path / "precious"
    if planted != "dangling symlink":
        precious.write_text("not to be touched")
    bench.capture.set_budget(LogBudget(512, 9))
    bench.begin(1)
    bench.print(b"one\n")
    place = (bench.logs / "web" / f"{number:06}").with_suffix(suffix)
    place.unlink(missing_ok=True)
    if planted == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to(precious)
    for each in range(100):
        bench.print(b"line %d\n" % each)

    assert bench.texts()[-100:] == [b"line %d" % each for each in range(100)]
    assert bench.capture.problem is None
    assert precious.exists() is (planted != "dangling symlink")
    assert not precious.exists() or precious.read_text() == "not to be touched"


@pytest.mark.parametrize("suffix", [".log", ".index"])
def test_a_log_with_something_else_in_its_place_is_gone_on_with_by_the_next_manager(
    bench: Bench, tmp_path: Path, suffix: str
) -> None:
    bench.begin(1)
    bench.print(b"one\n")
    bench.end()
    bench.capture.close()
    place = (bench.logs / "web" / "000001").with_suffix(suffix)
    place.unlink()
    place.symlink_to(tmp_path)
    bench.capture = Bench(tmp_path).capture
    bench.begin(2)
    bench.print(b"two\n")
    bench.end()

    assert bench.texts() == ([b"two"] if suffix == ".log" else [b"one", b"two"])


def test_a_folder_in_the_place_of_the_next_file_is_a_problem_until_it_is_gone(bench: Bench) -> None:
    bench.capture.set_budget(LogBudget(512, 9))
    bench.begin(1)
    bench.print(b"one\n")
    in_the_way = bench.logs / "web" / "000002.log"
    in_the_way.mkdir()
    bench.print(b"x" * 1000 + b"\n")
    problem = bench.capture.problem
    in_the_way.rmdir()
    bench.now += 1
    bench.print(b"two\n")

    assert "is a directory" in str(problem)
    assert bench.capture.problem is None
    assert bench.texts()[-1] == b"two"
    assert b" bytes of stdout lost here: is a directory" in bench.texts()[-2]


def test_a_log_that_is_emptied_under_it_goes_on_in_a_new_file(bench: Bench) -> None:
    bench.begin(1)
    bench.print(b"one\n")
    os.truncate(bench.logs / "web" / "000001.log", 0)
    bench.print(b"two\n")

    assert bench.texts() == [b"procman: 4 bytes of this log were taken away here by somebody else", b"two"]
    assert segment_numbers(bench.logs / "web") == [1, 2]


def test_a_log_that_is_emptied_while_no_manager_runs_is_gone_on_with(bench: Bench, tmp_path: Path) -> None:
    bench.begin(1)
    bench.print(b"one\ntwo\n")
    bench.now += 1
    bench.print(b"three\n")
    bench.end()
    bench.capture.close()
    os.truncate(bench.logs / "web" / "000001.log", 4)
    bench.capture = Bench(tmp_path).capture
    bench.begin(2)
    bench.print(b"four\n")
    bench.end()

    assert [(line.run, line.text) for line in lines(bench.logs, "web")] == [(1, b"one"), (2, b"four")]


def test_a_file_in_the_place_of_the_folder_is_a_problem_until_it_is_gone(bench: Bench) -> None:
    bench.logs.write_text("in the way")
    bench.begin(1)
    bench.print(b"lost\n")
    problem = bench.capture.problem
    bench.logs.unlink()
    bench.now += 1
    bench.print(b"kept\n")

    assert "not a directory; 5 bytes of stdout lost so far" in str(problem)
    assert bench.texts() == [b"procman: 5 bytes of stdout lost here: not a directory", b"kept"]


def test_a_full_disk_costs_the_lines_that_find_no_room_and_nothing_else(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)]
    if subprocess.run(mount, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    bench = Bench(small, LogBudget(10_000_000, 5))
    try:
        bench.begin(1)
        ballast = small / "ballast"
        ballast.write_bytes(b"x" * 150_000)
        for number in range(20_000):
            bench.print(b"line %05d\n" % number)
        problem = bench.capture.problem
        ballast.unlink()
        bench.now += 1
        bench.print(b"after\n")
        bench.end()
        found = bench.texts()
    finally:
        bench.close()
        subprocess.run(["umount", str(small)], check=True)

    assert "no space left on device" in str(problem)
    kept = found[:-2]
    assert kept[:-1] == [b"line %05d" % number for number in range(len(kept) - 1)]
    assert (b"line %05d" % (len(kept) - 1)).startswith(kept[-1])
    lost = int(re.sub(rb"\D", b"", found[-2].split(b" bytes")[0]))
    assert len(kept) > 1000
    assert sum(len(line) + 1 for line in kept[:-1]) + len(kept[-1]) + lost in {220_000, 219_999}
    assert found[-1] == b"after"
