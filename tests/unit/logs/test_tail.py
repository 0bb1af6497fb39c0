"""The end of a log, or of a run, is read without what lies before it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from procman.core.config import LogBudget
from procman.logs.read import last_lines
from procman.logs.segments import Record, Segment, Stream, segment_numbers
from procman.logs.store import Store
from procman.logs.tail import MOST_BYTES, MOST_LINES, tail
from tests.fakes.folder import write_log


def test_the_last_lines_of_both_streams_come_in_their_order_and_without_colours(tmp_path: Path) -> None:
    write_log(tmp_path, "web", b"\x1b[32mone\x1b[0m\n", 1.0)
    write_log(tmp_path, "web", b"two\n", 2.0, stream=Stream.ERR)
    write_log(tmp_path, "web", b"three, and no end", 3.0)
    assert tail(tmp_path / "logs", "web", 1) == ["one", "two", "three, and no end"]


def test_what_the_manager_says_in_the_log_is_not_the_apps(tmp_path: Path) -> None:
    write_log(tmp_path, "web", b"one\n", 1.0)
    store = Store(tmp_path / "logs" / "web", LogBudget(), lambda: 2.0)
    store.note("procman: 5 bytes of stdout lost here")
    store.close()
    assert tail(tmp_path / "logs", "web", 1) == ["one"]


def test_a_former_run_is_not_the_newest(tmp_path: Path) -> None:
    write_log(tmp_path, "web", b"old\n", 1.0, run=1)
    write_log(tmp_path, "web", b"new\n", 2.0, run=2)
    assert tail(tmp_path / "logs", "web", 2) == ["new"]
    assert tail(tmp_path / "logs", "web", 3) == []
    assert tail(tmp_path / "logs", "nobody", 1) == []


def test_no_more_lines_come_than_are_wanted(tmp_path: Path) -> None:
    write_log(tmp_path, "web", b"".join(b"%d\n" % number for number in range(1000)), 1.0)
    assert tail(tmp_path / "logs", "web", 1) == [str(number) for number in range(1000 - MOST_LINES, 1000)]


def test_no_more_bytes_are_read_than_are_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(20):
        write_log(tmp_path, "web", b"x" * 60_000, 1.0)
    write_log(tmp_path, "web", b"\nlast\n", 1.0)
    read: list[int] = []
    plain_read = Segment.read

    def counted(self: Segment, start: int, end: int) -> bytes:
        read.append(end - start)
        return plain_read(self, start, end)

    monkeypatch.setattr(Segment, "read", counted)
    first, last = tail(tmp_path / "logs", "web", 1)
    assert (set(first), last) == ({"x"}, "last")
    assert sum(read) <= MOST_BYTES


@pytest.mark.parametrize("newest", [b"", b"one\ntwo, and no end"])
def test_the_lines_of_a_run_cost_the_same_after_however_many_short_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newest: bytes
) -> None:
    store = Store(tmp_path / "logs" / "web", LogBudget(), lambda: 1.0)
    read, write = os.pipe()
    os.set_blocking(read, False)
    for run in range(1, 2001):
        store.begin(run)
        os.write(write, newest if run == 2000 else b"it failed\n")
        store.take(read, Stream.OUT, 100)
    for descriptor in (read, write):
        os.close(descriptor)
    store.close()
    records: list[int] = []
    plain_records = Segment.records

    def counted(self: Segment, first: int, most: int = 4096) -> list[Record]:
        found = plain_records(self, first, most)
        records.append(len(found))
        return found

    monkeypatch.setattr(Segment, "records", counted)
    wanted = newest.decode().splitlines()
    assert tail(tmp_path / "logs", "web", 2000) == wanted
    assert [line.text.decode() for line in last_lines(tmp_path / "logs", "web", 200, 2000)] == wanted
    assert sum(records) < 500, "a manager reads this after every exit with an error"
    before = list(last_lines(tmp_path / "logs", "web", 200, 1000))
    assert [(line.run, line.text) for line in before] == [(1000, b"it failed")]


def test_a_run_goes_on_over_a_rotation(tmp_path: Path) -> None:
    write_log(tmp_path, "web", b"before\n", 1.0, run=1)
    folder = tmp_path / "logs" / "web"
    store = Store(folder, LogBudget(max_size=600, keep=9), lambda: 2.0)
    store.begin(2)
    read, write = os.pipe()
    os.set_blocking(read, False)
    for number in range(100, 300):
        os.write(write, b"line %d\n" % number)
        while store.take(read, Stream.OUT, 100):
            pass
    for descriptor in (read, write):
        os.close(descriptor)
    store.close()
    assert len(segment_numbers(folder)) > 2
    assert tail(tmp_path / "logs", "web", 2) == [f"line {number}" for number in range(100, 300)]
