"""Captures, with pipes and files that are real and clocks that move only when told."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from procman.core.config import LogBudget
from procman.host import fifo
from procman.logs import capture as capture_module
from procman.logs import store as store_module
from procman.logs.capture import Capture, ChildStreams
from procman.logs.read import LONGEST_PART, Line, Stream, last_lines, lines
from procman.logs.segments import last_run, segment_numbers


class Bench:
    """One capture with its clock, and the app's side of its pipes."""

    def __init__(self, folder: Path, budget: LogBudget | None = None) -> None:
        self.now = 100.0
        self.logs, self.run = folder / "logs", folder / "run"
        self.run.mkdir(exist_ok=True)
        budget = budget or LogBudget()
        self.capture = Capture(self.logs, self.run, "web", budget, lambda: self.now, lambda: self.now)
        self.streams: ChildStreams | None = None

    def begin(self, generation: int) -> None:
        """Begin a run; what is released is kept here, as a child would."""
        made = self.capture.begin(generation)
        self.streams = ChildStreams(os.dup(made.stdin), os.dup(made.stdout), os.dup(made.stderr))
        self.capture.release()

    def print(self, text: bytes, stream: Stream = Stream.OUT) -> None:
        """Write as the app would, and have it captured."""
        assert self.streams is not None
        os.write((self.streams.stdout, self.streams.stderr)[stream], text)
        self.capture.drain()

    def exit(self) -> None:
        """Close the app's side."""
        if self.streams is not None:
            for descriptor in (self.streams.stdin, self.streams.stdout, self.streams.stderr):
                os.close(descriptor)
            self.streams = None

    def end(self) -> None:
        """Close the app's side and have the run's end captured."""
        self.exit()
        self.capture.end()

    def texts(self) -> list[bytes]:
        """Return what is in the log."""
        return [line.text for line in lines(self.logs, "web")]

    def close(self) -> None:
        """Leave nothing open."""
        self.exit()
        self.capture.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A capture in a folder of its own."""
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def full(*_: object, **__: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_line_comes_back_with_its_app_run_stream_and_time(bench: Bench) -> None:
    bench.begin(7)
    bench.print(b"one\n")
    bench.now = 105.0
    bench.print(b"two\n", Stream.ERR)

    assert list(lines(bench.logs, "web")) == [
        Line("web", 7, Stream.OUT, 100.0, b"one"),
        Line("web", 7, Stream.ERR, 105.0, b"two"),
    ]


def test_the_text_in_the_file_is_what_the_app_wrote(bench: Bench) -> None:
    bench.begin(1)
    bench.print(b"\x1b[1mone\x1b[0m\r\n\0\xff")
    bench.print(b"two\n")

    assert (bench.logs / "web" / "000001.log").read_bytes() == b"\x1b[1mone\x1b[0m\r\n\0\xfftwo\n"


def test_a_line_has_the_time_of_its_first_byte(bench: Bench) -> None:
    bench.begin(1)
    bench.print(b"one\ntw")
    bench.now = 150.0
    bench.print(b"o\n")

    assert [(line.at, line.text) for line in lines(bench.logs, "web")] == [(100.0, b"one"), (100.0, b"two")]


def test_a_last_line_without_newline_ends_with_the_run(bench: Bench) -> None:
    bench.begin(1)
    bench.print(b"Listening on 80")
    unfinished = [(line.text, line.partial) for line in lines(bench.logs, "web")]
    bench.end()
    bench.begin(2)
    bench.print(b"again\n")

    assert unfinished == [(b"Listening on 80", True)]
    assert [(line.run, line.text, line.partial) for line in lines(bench.logs, "web")] == [
        (1, b"Listening on 80", False),
        (2, b"again", False),
    ]


@pytest.mark.parametrize(
    "text",
    [b"\xff\xfe\xc3\x28", b"a\0b", b"\x1b]0;unterminated", b"", b"\r\r", "łąka".encode()[:3]],
    ids=["invalid UTF-8", "NUL", "unterminated escape", "empty", "only returns", "half a character"],
)
def test_strange_bytes_are_kept_as_they_are(bench: Bench, text: bytes) -> None:
    bench.begin(1)
    bench.print(b"before\n" + text + b"\nafter\n")

    assert bench.texts() == [b"before", text, b"after"]


def test_a_line_of_10_mb_comes_back_in_bounded_parts(bench: Bench, tmp_path: Path) -> None:
    whole = os.urandom(10_000_000).replace(b"\n", b"")
    (tmp_path / "whole").write_bytes(whole)
    bench.begin(1)
    assert bench.streams is not None
    with subprocess.Popen(["cat", str(tmp_path / "whole")], stdout=bench.streams.stdout) as writer:
        while writer.poll() is None:
            bench.capture.drain()
    bench.end()

    parts = list(lines(bench.logs, "web"))
    assert b"".join(part.text for part in parts) == whole
    assert max(len(part.text) for part in parts) == LONGEST_PART
    assert [part.continues for part in parts] == [False] + [True] * (len(parts) - 1)
    assert [part.partial for part in parts] == [True] * (len(parts) - 1) + [False]
    assert list(last_lines(bench.logs, "web", 1)) == parts


def test_what_is_in_the_pipe_when_the_leader_has_exited_arrives_with_one_drain(bench: Bench) -> None:
    bench.begin(1)
    assert bench.streams is not None
    subprocess.run(
        ["sh", "-c", "seq 1 20000; seq 1 500 >&2"],
        stdout=bench.streams.stdout,
        stderr=bench.streams.stderr,
        check=True,
    )
    bench.capture.drain()

    assert [line.text for line in lines(bench.logs, "web", stream=Stream.OUT)] == [
        b"%d" % number for number in range(1, 20001)
    ]
    assert len(list(lines(bench.logs, "web", stream=Stream.ERR))) == 500


def test_a_look_moves_a_bounded_amount_and_tells_how_much(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture_module, "MOST_AT_A_TIME", 1000)
    bench.begin(1)
    assert bench.streams is not None
    os.write(bench.streams.stdout, b"x" * 1500)
    out, _ = bench.capture.readable_descriptors()

    moved = [bench.capture.on_readable(out) for _ in range(3)]

    assert [(each.count, each.ended) for each in moved] == [(1000, False), (500, False), (0, False)]


def test_a_stream_that_every_writer_has_closed_has_ended(bench: Bench) -> None:
    bench.begin(1)
    bench.print(b"last words\n")
    bench.exit()

    assert [bench.capture.on_readable(pipe).ended for pipe in bench.capture.readable_descriptors()] == [
        True,
        True,
    ]


def test_a_late_look_at_a_pipe_that_is_closed_finds_its_end(bench: Bench) -> None:
    bench.begin(1)
    out, _ = bench.capture.readable_descriptors()
    bench.end()

    assert bench.capture.on_readable(out) == capture_module.Moved(0, ended=True)


def test_the_end_of_a_run_takes_its_pipes_away(bench: Bench) -> None:
    bench.begin(1)
    there = sorted(path.name for path in bench.run.iterdir())
    bench.end()
    bench.capture.end()

    assert there == ["web.1.err", "web.1.out"]
    assert list(bench.run.iterdir()) == []
    assert bench.capture.readable_descriptors() == ()


def test_a_run_without_pipes_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run.rmdir()
    with pytest.raises(FileNotFoundError):
        bench.begin(1)
    with pytest.raises(FileNotFoundError):
        bench.capture.adopt(1)
    assert bench.capture.readable_descriptors() == ()


def test_a_run_whose_pipes_cannot_be_opened_leaves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(fifo, "open_for_manager", full)
        with pytest.raises(OSError, match="No space"):
            bench.capture.begin(1)

    assert list(bench.run.iterdir()) == []
    bench.begin(2)
    bench.print(b"one\n")
    assert bench.texts() == [b"one"]


def test_another_manager_goes_on_where_the_first_stopped(bench: Bench, tmp_path: Path) -> None:
    bench.begin(1)
    bench.print(b"one\ntw")
    assert bench.streams is not None
    os.write(bench.streams.stdout, b"o\nthree\n")
    bench.capture.close()
    bench.capture = Bench(tmp_path).capture
    bench.capture.adopt(1)
    bench.end()

    assert bench.texts() == [b"one", b"two", b"three"]
    assert last_run(bench.logs / "web") == 1


def test_the_budget_counts_text_and_index_and_is_kept_live(bench: Bench) -> None:
    bench.capture.set_budget(LogBudget(4096, 3))
    bench.begin(1)
    for number in range(1000):
        bench.now += 1
        bench.print(b"line %d\n" % number)
    sizes = [path.stat().st_size for path in (bench.logs / "web").iterdir()]
    before = segment_numbers(bench.logs / "web")
    bench.capture.set_budget(LogBudget(4096, 1))

    assert sum(sizes) <= 4 * 4096
    assert len(before) == 4
    assert segment_numbers(bench.logs / "web") == before[-2:]
    assert bench.texts()[-1] == b"line 999"


def test_a_watch_is_called_once_with_the_plain_text_of_the_first_line_that_fits(bench: Bench) -> None:
    found: list[str] = []
    bench.begin(1)
    bench.print(b"ready before the watch\n")
    bench.capture.watch("ready in [0-9]+ ms$", found.append)
    bench.print(b"not ready\nVite \x1b[32mready in ")
    bench.print(b"noise\n", Stream.ERR)
    bench.print(b"\x1b[1m300\x1b[0m ms\r")
    before = list(found)
    bench.print(b"\nready in 301 ms\n")

    assert before == []
    assert found == ["Vite ready in 300 ms"]


def test_a_watch_looks_at_the_beginning_of_a_long_line_only(bench: Bench) -> None:
    found: list[str] = []
    bench.begin(1)
    bench.capture.watch("b|c", found.append)
    bench.print(b"a" * 40_000)
    bench.print(b"a" * 40_000 + b"b\n")
    bench.print(b"c\n")

    assert found == ["c"]


def test_a_watch_ends_with_its_run_and_when_told(bench: Bench) -> None:
    found: list[str] = []
    bench.begin(1)
    bench.capture.watch("x", found.append)
    bench.end()
    bench.begin(2)
    bench.print(b"x\n")
    bench.capture.watch("x", found.append)
    bench.capture.unwatch()
    bench.print(b"x\n")

    assert found == []


def test_a_watch_for_no_regular_expression_is_refused(bench: Bench) -> None:
    with pytest.raises(re.error):
        bench.capture.watch("(", print)


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


@pytest.mark.parametrize("what", ["folder", "text", "index"])
def test_what_is_deleted_under_it_is_made_anew_at_once(bench: Bench, what: str) -> None:
    bench.begin(1)
    bench.print(b"one\nbegun, ")
    match what:
        case "folder":
            shutil.rmtree(bench.logs)
        case "text":
            (bench.logs / "web" / "000001.log").unlink()
        case "index":
            (bench.logs / "web" / "000001.index").unlink()
    bench.print(b"and ended\ntwo\n")

    assert bench.capture.problem is None
    newest = list(lines(bench.logs, "web"))[-2:]
    assert [line.text[-9:] for line in newest] == [b"and ended", b"two"]
    assert newest[1].run == 1
    if what != "index":
        assert newest[0].continues, "its beginning is gone, and it says so"


def test_a_log_that_is_emptied_under_it_goes_on_in_a_new_file(bench: Bench) -> None:
    bench.begin(1)
    bench.print(b"one\n")
    os.truncate(bench.logs / "web" / "000001.log", 0)
    bench.print(b"two\n")

    assert bench.texts() == [b"two"]
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
