"""A run in a terminal: what is kept, shown and typed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from procman.core.config import LogBudget
from procman.host.posix import pty
from procman.logs import store as store_module
from procman.logs.read import Stream, lines
from procman.logs.segments import segment_numbers
from procman.logs.terminal import RECENT, Terminal
from tests.fakes.capturing import Bench, full


def in_terminal(bench: Bench, generation: int = 1) -> Terminal:
    """Begin a run in a terminal, and return that."""
    bench.capture.begin(generation, tty=True)
    bench.capture.release()
    assert bench.capture.terminal is not None
    return bench.capture.terminal


def put(bench: Bench, text: bytes) -> None:
    """Print as the app would, and have it captured."""
    assert bench.capture.terminal is not None
    os.write(bench.capture.terminal.slave, text)
    bench.capture.drain()


def test_what_is_printed_is_stored_as_it_comes_and_as_out(bench: Bench) -> None:
    in_terminal(bench, 7)
    put(bench, b"\x1b[1mone\x1b[0m\ntwo\n")
    found = [(line.run, line.stream, line.text) for line in lines(bench.logs, "web")]
    assert found == [(7, Stream.OUT, b"\x1b[1mone\x1b[0m\r"), (7, Stream.OUT, b"two\r")]


def test_a_run_without_a_terminal_comes_after_one_with_it(bench: Bench) -> None:
    in_terminal(bench, 1)
    put(bench, b"one\n")
    bench.end()
    assert bench.capture.terminal is None
    bench.begin(2)
    bench.print(b"two\n", Stream.ERR)
    assert bench.texts() == [b"one\r", b"two"]


def test_a_log_that_is_full_goes_on_in_the_next_file(tmp_path: Path) -> None:
    bench = Bench(tmp_path, LogBudget(max_size=1000, keep=100))
    in_terminal(bench)
    for number in range(100):
        put(bench, b"line %d of its output\n" % number)
    bench.end()
    assert bench.texts() == [b"line %d of its output\r" % number for number in range(100)]
    sizes = [path.stat().st_size for path in (bench.logs / "web").glob("*.log")]
    assert max(sizes) <= 1000
    assert len(segment_numbers(bench.logs / "web")) > 2
    bench.close()


def test_what_could_not_be_stored_is_counted_and_still_shown(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []
    in_terminal(bench).attach(seen.append, lambda: None)
    put(bench, b"one\n")
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "_write", full)
        put(bench, b"lost\n")
        put(bench, b"lost too\n")
    assert "16 bytes of stdout lost so far" in (bench.capture.problem or "")
    bench.now += 2
    put(bench, b"two\n")
    assert bench.capture.problem is None
    assert [text for text in bench.texts() if not text.startswith(b"procman")] == [b"one\r", b"two\r"]
    assert b"".join(seen) == b"one\r\nlost\r\nlost too\r\ntwo\r\n"


def test_a_line_is_watched_for_without_its_return(bench: Bench) -> None:
    in_terminal(bench)
    found: list[str] = []
    bench.capture.watch("ready$", found.append)
    put(bench, b"\x1b[32mready\x1b[0m\n")
    assert found == ["ready"]


def test_a_later_manager_cannot_go_on_with_it(bench: Bench) -> None:
    in_terminal(bench, 3)
    bench.capture.close()
    with pytest.raises(FileNotFoundError):
        bench.capture.adopt(3)


def test_what_was_printed_last_begins_with_a_line(bench: Bench) -> None:
    terminal = in_terminal(bench)
    put(bench, b"one\n")
    assert terminal.recent == b"one\r\n"
    for _ in range(RECENT // 100 + 2):
        put(bench, b"x" * 98 + b"\n")
    assert 0 < len(terminal.recent) <= RECENT
    assert terminal.recent.splitlines() == [b"x" * 98] * len(terminal.recent.splitlines())


def test_all_who_are_attached_hear_of_output_and_of_the_end_once(bench: Bench) -> None:
    heard: list[str] = []
    terminal = in_terminal(bench)
    for name in "ab":
        terminal.attach(
            lambda data, name=name: heard.append(f"{name} {data.decode()}"),  # type: ignore[misc]
            lambda name=name: heard.append(f"{name} ended"),  # type: ignore[misc]
        )
    gone = terminal.attach(lambda data: heard.append("gone"), lambda: heard.append("gone"))
    gone.leave()
    gone.leave()
    put(bench, b"x")
    bench.capture.end()
    bench.capture.close()
    assert heard == ["a x", "b x", "a ended", "b ended"]


def test_the_newest_window_that_told_its_size_counts(bench: Bench) -> None:
    terminal = in_terminal(bench)
    one, other, _silent = (terminal.attach(lambda _: None, lambda: None) for _ in range(3))
    sizes = []
    for act in (
        lambda: one.resize(90, 30),
        lambda: other.resize(120, 40),
        lambda: one.resize(91, 31),
        other.leave,
        one.leave,
    ):
        act()
        sizes.append(tuple(os.get_terminal_size(terminal.slave)))
    assert sizes == [(90, 30), (120, 40), (120, 40), (91, 31), (91, 31)]


def test_a_terminal_that_has_ended_swallows_what_is_typed(bench: Bench) -> None:
    attachment = in_terminal(bench).attach(lambda _: None, lambda: None)
    bench.capture.end()
    assert attachment.type(b"abc") == 3
    attachment.resize(90, 30)


def test_nothing_is_left_open_when_there_is_no_terminal(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pty, "open_terminal", full)
    with pytest.raises(OSError, match="No space"):
        bench.capture.begin(1, tty=True)
    assert bench.capture.readable_descriptors() == ()
