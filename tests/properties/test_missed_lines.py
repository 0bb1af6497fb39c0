"""However slow a reader is: the lines that it sees and those that it is told of are all that there were."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from procman.core.config import LogBudget
from procman.logs import cursor as cursor_module
from procman.logs import store as store_module
from procman.logs import sweep
from procman.logs.backward import find_end
from procman.logs.cursor import Cursor, Selection
from procman.logs.lines import Line
from procman.logs.segments import Segment, Stream
from procman.logs.store import Store
from procman.logs.sweep import Sweep, missed_lines

SEGMENT = 150  # bytes; small, for many rotations
TOLD = re.compile(r"procman: ([0-9,]+) lines? went by rotation before they could be shown here")


@dataclass(slots=True)
class Reader:
    """Somebody who takes a few lines now and then."""

    cursor: Cursor
    lines: Iterator[Line] | None = None
    seen: list[Line] = field(default_factory=list)

    def take(self, most: int) -> None:
        """Take some lines, if there are any."""
        self.lines = self.lines or self.cursor.read()
        for _ in range(most):
            line = next(self.lines, None)
            if line is None:
                self.lines = None
                return
            self.seen.append(line)

    def take_up_to(self, end: tuple[int, int]) -> None:
        """Take what is there before a place."""
        if self.lines is None:
            self.seen += self.cursor.read(end)

    def take_all(self) -> None:
        """Take what there is."""
        if self.lines is not None:
            self.seen += self.lines
        self.seen += self.cursor.read()

    def count(self) -> int:
        """Return how many lines were seen, or told of."""
        told = [line.text.decode() for line in self.seen if line.stream is Stream.MANAGER]
        matches = [TOLD.fullmatch(text) for text in told]
        assert all(matches), f"not every line was counted: {told}"
        ended = [line for line in self.seen if line.stream is Stream.OUT and not line.partial]
        return len(ended) + sum(int(match[1].replace(",", "")) for match in matches if match)


@contextlib.contextmanager
def everything_after(steps: list[tuple[str, int, int]]) -> Iterator[tuple[int, list[Reader]]]:
    """Give how many lines were printed, and the readers after they have read all that is left."""
    with tempfile.TemporaryDirectory() as name, mock.patch.object(store_module, "SMALLEST_SEGMENT", SEGMENT):
        folder, printed, end = Path(name), 0, (0, 0)
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        writer = Store(folder / "web", LogBudget(SEGMENT, 2), lambda: 1.0)
        writer.begin(1)
        readers = [Reader(Cursor(folder, "web", Selection())) for _ in range(2)]
        try:
            for what, first, second in steps:
                match what:
                    case "print":
                        for _ in range(first):
                            os.write(writing, b"%d%s\n" % (printed, b"x" * second))
                            printed += 1
                            while writer.take(reading, Stream.OUT, 1 << 16):
                                pass
                    case "read":
                        readers[first].take(second)
                    case "note the end":
                        end = find_end(folder / "web")
                    case "read up to it":
                        readers[first].take_up_to(end)
            for reader in readers:
                reader.take_all()
            yield printed, readers
        finally:
            for reader in readers:
                reader.cursor.close()
            writer.close()
            os.close(reading)
            os.close(writing)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("print"), st.integers(1, 60), st.integers(0, 40)),
        st.tuples(st.just("read"), st.integers(0, 1), st.integers(1, 20)),
        st.tuples(st.just("note the end"), st.just(0), st.just(0)),
        st.tuples(st.just("read up to it"), st.integers(0, 1), st.just(0)),
    ),
    max_size=30,
    # What was rotated away before a reader had come to its first line is no line that it missed.
).map(lambda steps: [("print", 1, 0), ("read", 0, 1), ("read", 1, 1), *steps])


def check(steps: list[tuple[str, int, int]]) -> None:
    """Every line is seen or told of, by every reader, and in order."""
    with everything_after(steps) as (printed, readers):
        for reader in readers:
            assert reader.count() == printed
            whole = [line for line in reader.seen if not (line.partial or line.continues)]
            numbers = [int(line.text.rstrip(b"x")) for line in whole if line.stream is Stream.OUT]
            assert numbers == sorted(set(numbers))


@given(STEPS)
def test_what_is_seen_and_what_is_told_is_all_there_was(steps: list[tuple[str, int, int]]) -> None:
    check(steps)


# Bugs, planted to prove that the property can fail.


def nobody_is_behind(self: Sweep, number: int) -> None:
    return


def only_the_first_is_behind(self: Sweep, real: Callable[[Sweep], bool] = Sweep._is_somebody_behind) -> bool:
    real(self)
    return len(self._behind) == 1


def counts_are_forgotten(self: Sweep, number: int, real: Any = Sweep.delete_below) -> None:
    real(self, number)
    (self._folder / "missed").unlink(missing_ok=True)


def who_comes_to_what_is_due_is_not_seen(self: Sweep, real: Callable[[Sweep], None] = Sweep._delete) -> None:
    due = bool(self._behind)
    behind = list(self._behind)
    real(self)
    for descriptor in self._behind[len(behind) :] if due else ():
        os.close(descriptor)
        self._behind.remove(descriptor)


def a_block_is_enough(self: Sweep, most: int) -> None:
    while self._due:
        data = (self._folder / f"{self._due[0]:06}.log").read_bytes()[:100]
        self._write_down(f"{self._due[0]} {data.count(10)}\n")
        self._delete()


def one_too_few(folder: Path, first: int, last: int) -> tuple[int, bool]:
    return missed_lines(folder, first + 1, last)[0], True


def what_is_beyond_the_end_is_not_told(
    self: Cursor, end: tuple[int, int] | None = None, real: Any = Cursor.read
) -> Iterator[Line]:
    for line in real(self, end):
        if end is None or line.stream is not Stream.MANAGER:
            yield line


def a_reader_that_says_nothing(self: Segment) -> None:
    return


@pytest.mark.parametrize(
    ("target", "name", "bug"),
    [
        (Sweep, "_keep_if_read", nobody_is_behind),
        (Sweep, "_is_somebody_behind", only_the_first_is_behind),
        (Sweep, "delete_below", counts_are_forgotten),
        (Sweep, "_delete", who_comes_to_what_is_due_is_not_seen),
        (Sweep, "go_on", a_block_is_enough),
        (cursor_module, "missed_lines", one_too_few),
        (Cursor, "read", what_is_beyond_the_end_is_not_told),
        (Segment, "announce_reader", a_reader_that_says_nothing),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch, target: Any, name: str, bug: Any) -> None:
    @settings(
        max_examples=500,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(STEPS)
    def holds(steps: list[tuple[str, int, int]]) -> None:
        check(steps)

    monkeypatch.setattr(target, name, bug)
    with pytest.raises(AssertionError):
        holds()


def test_the_file_of_counts_is_where_a_reader_looks(tmp_path: Path) -> None:
    (tmp_path / sweep._COUNTS).write_text("3 10\n4 20\n5 torn\n")

    assert missed_lines(tmp_path, 3, 4) == (30, True)
    assert missed_lines(tmp_path, 3, 5) == (30, False)
    assert missed_lines(tmp_path / "nowhere", 3, 5) == (0, False)
