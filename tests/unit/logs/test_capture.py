"""Captures, with pipes and files that are real and clocks that move only when told."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from procman.core.config import LogBudget
from procman.host.posix import fifo
from procman.logs import capture as capture_module
from procman.logs.read import LONGEST_PART, Line, Stream, last_lines, lines
from procman.logs.segments import last_run, segment_numbers
from tests.fakes.capturing import Bench, full


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


def test_an_app_that_has_printed_nothing_costs_no_log(bench: Bench) -> None:
    bench.begin(1)
    bench.exit()

    assert [bench.capture.on_readable(pipe).ended for pipe in bench.capture.readable_descriptors()] == [
        True,
        True,
    ]
    bench.end()
    assert not bench.logs.exists()


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


def test_a_look_goes_on_over_a_rotation(tmp_path: Path) -> None:
    bench = Bench(tmp_path, LogBudget(1000, 50))
    try:
        bench.begin(1)
        assert bench.streams is not None
        os.write(bench.streams.stdout, b"line\n" * 2000)
        out, _ = bench.capture.readable_descriptors()
        moved = bench.capture.on_readable(out)
    finally:
        bench.close()

    assert moved.count == 10_000
    assert len(segment_numbers(bench.logs / "web")) > 10
    assert bench.texts() == [b"line"] * 2000


@pytest.mark.parametrize(("share", "crowded"), [(0.4, False), (0.6, True), (1.0, True)])
def test_a_pipe_that_is_half_full_is_crowded(bench: Bench, share: float, crowded: bool) -> None:
    bench.begin(1)
    assert bench.streams is not None
    os.write(bench.streams.stdout, b"x" * int(share * fifo.enlarge(bench.streams.stdout)))
    out, _ = bench.capture.readable_descriptors()

    assert bench.capture.on_readable(out).crowded is crowded


def test_while_a_line_is_waited_for_less_is_looked_at_in_one_go(bench: Bench) -> None:
    bench.begin(1)
    assert bench.streams is not None
    bench.capture.watch("ready", lambda line: None)
    os.write(bench.streams.stdout, b"x" * 100_000)
    out, _ = bench.capture.readable_descriptors()
    moved = [bench.capture.on_readable(out) for _ in range(2)]

    assert [(each.count, each.crowded) for each in moved] == [(65_536, True), (34_464, False)]


def test_a_watch_may_look_at_what_is_there_already(bench: Bench) -> None:
    found: list[str] = []
    bench.begin(1)
    bench.print(b"ready in an earlier run\n")
    bench.end()
    bench.begin(2)
    bench.print(b"first\nready in 300 ms\nready again\n")
    bench.capture.watch("ready", found.append, look_back=True)
    bench.print(b"ready later\n")

    assert found == ["ready in 300 ms"]


def test_a_watch_whose_pattern_is_slow_says_so_once(bench: Bench) -> None:
    told: list[str | None] = []
    found: list[str] = []
    bench.begin(1)
    bench.capture.watch("(a+)+$|ready", found.append, lambda: told.append(bench.capture.watch_problem))
    before = bench.capture.watch_problem
    for _ in range(2):
        bench.print(b"a" * 50 + b"!\n")
    bench.print(b"ready\n")

    assert before is None
    assert told == ["took more than 50 ms on a line of 51 characters"]
    assert found == ["ready"]
    assert bench.capture.watch_problem is None, "nothing is looked for any more"
