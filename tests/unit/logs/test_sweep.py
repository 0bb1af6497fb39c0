"""What is deleted, and what a reader is told that was too slow to see it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from procman.core.config import LogBudget
from procman.host import files
from procman.logs import sweep
from procman.logs.read import Follower, Line, Stream, lines
from procman.logs.segments import segment_numbers
from procman.logs.store import Store
from procman.logs.sweep import Sweep

ONE_OLD_FILE = LogBudget(512, 1)


class Writer:
    """An app that prints numbered lines straight into a store."""

    def __init__(self, folder: Path, budget: LogBudget = ONE_OLD_FILE) -> None:
        self.folder, self.budget, self.printed = folder / "web", budget, 0
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)
        self.store = Store(self.folder, budget, lambda: 1.0)
        self.store.begin(1)

    def print(self, count: int) -> None:
        """Print so many lines, each of them on its own."""
        for _ in range(count):
            os.write(self.writing, b"line %d\n" % self.printed)
            self.printed += 1
            while self.store.take(self.reading, Stream.OUT, 1 << 20):
                pass

    def new_manager(self) -> None:
        """Have another store go on."""
        self.store.close()
        self.store = Store(self.folder, self.budget, lambda: 1.0)

    def close(self) -> None:
        """Leave nothing open."""
        self.store.close()
        os.close(self.reading)
        os.close(self.writing)


def said(found: list[Line]) -> list[str]:
    """Return what the reader was told by the manager."""
    return [line.text.decode() for line in found if line.stream is Stream.MANAGER]


def numbers(found: list[Line]) -> list[int]:
    """Return the numbers of the lines that are there as a whole."""
    own = [line for line in found if line.stream is not Stream.MANAGER]
    return [int(line.text.split()[1]) for line in own if not (line.continues or line.partial)]


@pytest.mark.parametrize("printed", [70, 200, 2000])
def test_a_reader_that_is_too_slow_is_told_how_many_lines_it_missed(tmp_path: Path, printed: int) -> None:
    with contextlib.closing(Writer(tmp_path)) as web, contextlib.closing(Follower(tmp_path)) as follower:
        web.print(1)
        found = list(follower.look())
        web.print(printed)
        found += follower.look()
        web.print(printed)
        found += follower.look()

    told = said(found)
    missed = [int(text.removeprefix("procman: ").split()[0].replace(",", "")) for text in told]
    assert len(told) == (2 if printed > 70 else 0)
    assert all(text.endswith(" lines went by rotation before they could be shown here") for text in told)
    ended = [line for line in found if line.stream is Stream.OUT and not line.partial]
    assert len(ended) + sum(missed) == 1 + 2 * printed
    assert numbers(found) == sorted(numbers(found))


def test_who_reads_once_is_told_too(tmp_path: Path) -> None:
    with contextlib.closing(Writer(tmp_path)) as web:
        web.print(60)
        reading = lines(tmp_path, "web")
        first = next(reading)
        web.print(200)
        found = [first, *reading]
        later = list(lines(tmp_path, "web"))

    assert len(said(found)) == 1
    assert numbers(found) == list(range(len(found) - 2)), "up to where the log ended at first"
    assert numbers(later)[-1] == 259


def test_a_reader_that_keeps_up_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    monkeypatch.setattr(Sweep, "_write_down", lambda self, line: counted.append(1))
    with contextlib.closing(Writer(tmp_path)) as web, contextlib.closing(Follower(tmp_path)) as follower:
        for _ in range(300):
            web.print(1)
            list(follower.look())

    assert segment_numbers(web.folder)[0] > 3
    assert counted == []


def test_counts_are_forgotten_when_nobody_needs_them_any_more(tmp_path: Path) -> None:
    with contextlib.closing(Writer(tmp_path)) as web:
        with contextlib.closing(Follower(tmp_path)) as follower:
            web.print(1)
            list(follower.look())
            web.print(300)
            kept = (web.folder / "missed").exists()
        web.print(300)

    assert kept
    assert not (web.folder / "missed").exists()
    assert len(segment_numbers(web.folder)) == 2


def test_what_was_not_counted_is_not_made_up(tmp_path: Path) -> None:
    """Another manager does not know who had fallen behind the one before it."""
    with contextlib.closing(Writer(tmp_path)) as web, contextlib.closing(Follower(tmp_path)) as follower:
        web.print(1)
        list(follower.look())
        web.print(300)
        web.new_manager()
        web.print(300)
        with (web.folder / "missed").open("a") as counts:
            counts.write("torn by a cra")
        found = list(follower.look())

    (text,) = said(found)
    assert text.startswith("procman: at least ")
    assert text.endswith(" lines went by rotation before they could be shown here")


@pytest.mark.parametrize(("printed", "told"), [(200, "1 file"), (300, "3 files")])
def test_where_nothing_can_be_counted_the_files_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: int, told: str
) -> None:
    def refuse(*_: object, **__: object) -> bool:
        raise OSError(95, "no locks here")

    monkeypatch.setattr(files, "lock", refuse)
    with contextlib.closing(Writer(tmp_path)) as web, contextlib.closing(Follower(tmp_path)) as follower:
        web.print(1)
        list(follower.look())
        web.print(printed)
        found = list(follower.look())

    (text,) = said(found)
    assert text == f"procman: the lines of {told} went by rotation before they could be shown here"


def test_a_large_file_is_counted_bit_by_bit_and_deleted_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "BLOCK", 1000)
    for number in (1, 2, 3):
        (tmp_path / f"{number:06}.log").write_bytes(b"x\n" * 5000)
        (tmp_path / f"{number:06}.index").write_bytes(b"")
    with contextlib.closing(Follower(tmp_path.parent, [tmp_path.name], last=None)) as follower:
        next(follower.look())
        sweeping = Sweep(tmp_path)
        sweeping.delete_below(4)
        left = [segment_numbers(tmp_path)]
        for _ in range(12):
            sweeping.go_on(2000)
            left.append(segment_numbers(tmp_path))
        sweeping.close()

    assert left == [[2, 3]] + [[2, 3]] * 5 + [[3]] * 5 + [[]] * 2
    assert (tmp_path / "missed").read_text() == "2 5000\n3 5000\n"
