"""Output by files, as on Windows: the same captures as by pipes, and what is different."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from procman.host import files
from procman.host.windows import spool
from procman.logs import capture as capture_module
from procman.logs import store as store_module
from procman.logs.read import Stream
from tests.fakes.capturing import Bench

PATIENCE = 20.0


@pytest.fixture
def spooled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have captures use files."""
    monkeypatch.setattr(capture_module, "fifo", spool)
    monkeypatch.setattr(store_module, "fifo", spool)


@pytest.fixture
def bench(tmp_path: Path, spooled: None) -> Iterator[Bench]:
    """Return a capture by files."""
    made = Bench(tmp_path)
    yield made
    made.close()
    for reading in tuple(spool._writers):
        writer = spool.take_writer(reading)
        assert writer is not None
        os.close(writer)


def successor(bench: Bench, folder: Path) -> None:
    """Have another manager take over."""
    bench.capture = Bench(folder).capture
    bench.capture.adopt(1)


def test_both_streams_come_back_in_the_order_in_which_they_were_read(bench: Bench) -> None:
    bench.begin(1)
    bench.print(b"one\n")
    bench.print(b"two\n", Stream.ERR)
    bench.print(b"three\n")
    bench.end()
    assert bench.texts() == [b"one", b"two", b"three"]
    assert list(bench.run.iterdir()) == []


def test_nothing_waits_where_nothing_was_written_and_no_stream_ends(bench: Bench) -> None:
    bench.begin(1)
    out, _ = bench.capture.readable_descriptors()
    assert spool.waiting(out) == 0
    assert spool.read(out, 100) is None
    moved = bench.capture.on_readable(out)
    assert (moved.count, moved.ended) == (0, False)
    bench.exit()
    assert not bench.capture.on_readable(out).ended


def test_another_manager_goes_on_where_the_first_has_stopped(bench: Bench, tmp_path: Path) -> None:
    bench.begin(1)
    bench.print(b"one\ntw")
    assert bench.streams is not None
    os.write(bench.streams.stdout, b"o\nthree\n")
    bench.capture.close()
    os.write(bench.streams.stdout, b"four\n")
    successor(bench, tmp_path)
    bench.end()
    assert bench.texts() == [b"one", b"two", b"three", b"four"]


def test_what_a_killed_manager_had_written_down_as_stored_does_not_come_twice(
    bench: Bench, tmp_path: Path
) -> None:
    bench.begin(1)
    bench.print(b"one\n")
    for descriptor in bench.capture.readable_descriptors():
        assert spool.waiting(descriptor) == 0  # the look that follows each reading
    killed = bench.capture  # it closes nothing
    successor(bench, tmp_path)
    bench.print(b"two\n")
    bench.end()
    assert bench.texts() == [b"one", b"two"]
    killed.close()


def test_what_it_had_read_and_not_written_down_comes_twice_and_is_not_lost(
    bench: Bench, tmp_path: Path
) -> None:
    bench.begin(1)
    assert bench.streams is not None
    os.write(bench.streams.stdout, b"one\n")
    out, _ = bench.capture.readable_descriptors()
    os.read(out, 100)  # killed here
    killed = bench.capture
    successor(bench, tmp_path)
    bench.end()
    assert bench.texts() == [b"one"]
    killed.close()


@pytest.mark.slow
def test_no_byte_of_a_busy_app_is_lost_or_doubled_over_a_takeover(bench: Bench, tmp_path: Path) -> None:
    count = 20_000
    bench.begin(1)
    assert bench.streams is not None
    script = f"for number in range({count}): print('line', number, flush=number % 7 == 0)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=bench.streams.stdout) as app:
        while app.poll() is None:
            bench.capture.drain()
            bench.capture.close()
            successor(bench, tmp_path)
    bench.end()
    assert bench.texts() == [b"line %d" % number for number in range(count)]


def test_two_writers_of_one_file_do_not_write_over_each_other(bench: Bench) -> None:
    bench.begin(1)
    assert bench.streams is not None
    again = spool.open_for_child(bench.run / "web.1.out")
    os.write(bench.streams.stdout, b"one\n")
    os.write(again, b"two\n")
    os.write(bench.streams.stdout, b"three\n")
    os.close(again)
    bench.end()
    assert bench.texts() == [b"one", b"two", b"three"]


def test_what_was_stored_is_given_back_in_whole_clusters(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(spool, "_give_back", lambda descriptor, start, end: given.append((start, end)))
    bench.begin(1)
    for _ in range(50):
        bench.print(b"x" * 99_999 + b"\n")
    bench.capture.drain()
    assert len(given) >= 3
    assert given[0][0] == spool.GRAIN, "the head stays"
    for (_, end), (start, _) in pairwise(given):
        assert start == end, "without a gap"
    assert all(each % spool.GRAIN == 0 for pair in given for each in pair)


@pytest.mark.parametrize(
    "content", [b"", b"short", b"somebody else's file, long enough", spool.HEAD.pack(spool.MARK, 1 << 40)]
)
def test_what_is_not_the_output_of_an_app_is_not_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "web.1.out"
    path.write_bytes(content)
    with pytest.raises(OSError, match="not the output"):
        spool.open_for_manager(path)


def test_a_link_in_the_place_of_the_output_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"secret")
    (tmp_path / "web.1.out").symlink_to(tmp_path / "other")
    for opening in (spool.open_for_child, spool.open_for_manager):
        with pytest.raises(OSError, match="symbolic"):
            opening(tmp_path / "web.1.out")


def test_the_input_of_an_app_does_not_end_while_it_has_the_other_end_too(tmp_path: Path) -> None:
    stdin = spool.open_endless_input(tmp_path)
    writer = spool.take_writer(stdin)
    assert writer is not None
    assert spool.take_writer(stdin) is None
    os.set_blocking(stdin, False)
    with pytest.raises(BlockingIOError):
        os.read(stdin, 1)
    os.close(writer)
    assert os.read(stdin, 1) == b""
    os.close(stdin)


def test_a_lock_is_shared_or_ones_own(tmp_path: Path) -> None:
    descriptors = [files.open_plain(tmp_path / "lock", os.O_RDWR | os.O_CREAT) for _ in range(3)]
    first, second, third = descriptors
    assert files.lock(first, shared=True)
    assert files.lock(second, shared=True)
    assert not files.lock(third)
    files.unlock(first)
    os.close(second)
    assert files.lock(third)
    assert not files.lock(first, shared=True)
    for each in (first, third):
        os.close(each)
