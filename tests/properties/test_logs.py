"""Whatever is written, read, rotated and killed in whichever order: every line comes back once, in order.

The writer is ended before, in the middle of and after any of its system calls, as SIGKILL could; another one
goes on with the files and pipes that are left. The pipes and the files are real.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from procman.core.config import LogBudget
from procman.host.posix import fifo
from procman.logs import backward, read, store
from procman.logs.cursor import Place
from procman.logs.lines import Assembler, Line
from procman.logs.segments import ADDED, Record, Segment, Stream, open_plain
from procman.logs.store import RESOLUTION_S, Store

APP = "web"
EVERYTHING = 10_000  # segments kept
SEGMENT = 150  # bytes; small, for many rotations


class Killed(BaseException):
    """The process that ran the writer is no more."""


@dataclass(slots=True)
class DeadlyOs:
    """The module `os`, of which one call ends the caller: before, in the middle of or after its effect."""

    calls_left: int | None = None
    moment: str = "before"
    opened: set[int] = field(default_factory=set)

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        mortal = {"close", "pwrite", "pread", "splice", "read", "ftruncate", "fstat", "lstat"}
        return self.mortal(name, real) if name in mortal else real

    def mortal(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return what does the same as `real`, and may be the end of its caller."""

        def call(*arguments: Any, **options: Any) -> Any:
            dies = self.calls_left == 1
            if self.calls_left is not None:
                self.calls_left = None if dies else self.calls_left - 1
            if dies and self.moment == "within" and name == "pwrite":
                descriptor, data, offset = arguments
                real(descriptor, data[: len(data) // 2], offset)
            if dies and self.moment != "after":
                self.die()
            result = real(*arguments, **options)
            if name == "open":
                self.opened.add(result)
            elif name == "close":
                self.opened.discard(arguments[0])
            if dies:
                self.die()
            return result

        return call

    def die(self) -> None:
        """End the caller; what it had open is closed, as the system would."""
        while self.opened:
            os.close(self.opened.pop())
        raise Killed


@dataclass(slots=True)
class World:
    """An app with two streams, its writer, and what a perfect log would say."""

    folder: Path
    os: DeadlyOs
    now: float = 1000.0
    run: int = 1
    budget: LogBudget = field(default_factory=lambda: LogBudget(SEGMENT, EVERYTHING))
    written: dict[tuple[int, Stream], bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    taken_at: dict[tuple[int, Stream], list[float]] = field(default_factory=lambda: defaultdict(list))
    pipes: list[tuple[int, int]] = field(default_factory=list)
    store: Store | None = None
    followed: list[Line] = field(default_factory=list)
    follower: read.Follower | None = None

    def __post_init__(self) -> None:
        for _ in range(2):
            reading, writing = os.pipe()
            os.set_blocking(reading, False)
            self.pipes.append((reading, writing))
        self.follower = read.Follower(self.folder, [APP])

    def close(self) -> None:
        self.os.calls_left = None
        for ends in self.pipes:
            for descriptor in ends:
                os.close(descriptor)
        if self.store is not None:
            self.store.close()
        if self.follower is not None:
            self.follower.close()

    def using(self, act: Callable[[Store], object]) -> None:
        """Do something with the store, or die in the attempt."""
        waiting = [fifo.waiting(reading) for reading, _ in self.pipes]
        try:
            if self.store is None:
                self.store = Store(self.folder / APP, self.budget, lambda: self.now)
                self.store.begin(self.run)
            act(self.store)
        except Killed:
            self.store = None
        for stream in (Stream.OUT, Stream.ERR):
            gone = waiting[stream] - fifo.waiting(self.pipes[stream][0])
            self.taken_at[self.run, stream] += [self.now] * gone

    def write(self, stream: Stream, data: bytes) -> None:
        os.write(self.pipes[stream][1], data)
        self.written[self.run, stream] += data

    def take(self, stream: Stream, most: int) -> None:
        if fifo.waiting(self.pipes[stream][0]):
            self.using(lambda store: self.check_taken(store.take(self.pipes[stream][0], stream, most)))

    def check_taken(self, count: int | None) -> None:
        assert count, "something was there to be taken"

    def empty(self) -> None:
        """Take all there is, however often the writer dies meanwhile."""
        for stream in (Stream.OUT, Stream.ERR):
            while fifo.waiting(self.pipes[stream][0]):
                self.take(stream, 1 << 16)

    def next_run(self) -> None:
        self.empty()
        self.using(lambda store: store.end_lines())
        self.run += 1
        self.using(lambda store: store.begin(self.run))

    def look(self) -> None:
        assert self.follower is not None
        self.followed += self.follower.look()

    def finish(self) -> None:
        """Let the last run end, with nobody being killed any more."""
        self.os.calls_left = None
        self.empty()
        self.using(lambda store: store.end_lines())
        self.look()


STREAMS = st.sampled_from([Stream.OUT, Stream.ERR])
TEXTS = st.lists(
    st.sampled_from([b"\n", b"\n", b"a", b"line\n", b"\r\n", b"\0", b"\xff\xc3", b"\x1b]0;t", b"x" * 90]),
    min_size=1,
    max_size=8,
).map(b"".join)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), STREAMS, TEXTS),
        st.tuples(st.just("write"), STREAMS, TEXTS),
        st.tuples(st.just("take"), STREAMS, st.integers(1, 300)),
        st.tuples(st.just("take"), STREAMS, st.integers(1, 300)),
        st.tuples(st.just("kill"), st.integers(1, 12), st.sampled_from(["before", "within", "after"])),
        st.tuples(st.just("wait"), st.sampled_from([0.0004, 0.5]), st.none()),
        st.tuples(st.just("look"), st.none(), st.none()),
        st.tuples(st.just("run"), st.none(), st.none()),
        st.tuples(st.just("budget"), st.integers(SEGMENT, 2 * SEGMENT), st.none()),
    ),
    max_size=60,
)


@contextlib.contextmanager
def world_after(steps: list[tuple[str, Any, Any]], *, finished: bool = True) -> Iterator[World]:
    """Give the world after the steps were taken and, unless not wanted, the last run has ended."""
    deadly = DeadlyOs()
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(store, "os", deadly),
        mock.patch.object(store, "files", SimpleNamespace(read_at=deadly.pread, write_at=deadly.pwrite)),
        mock.patch.object(store, "fifo", SimpleNamespace(read=deadly.mortal("read", fifo.read))),
        mock.patch.object(store, "open_plain", deadly.mortal("open", open_plain)),
        mock.patch.object(store, "SMALLEST_SEGMENT", SEGMENT),
    ):
        world = World(Path(folder), deadly)
        try:
            for name, first, second in steps:
                match name:
                    case "write":
                        world.write(first, second)
                    case "take":
                        world.take(first, second)
                    case "kill":
                        deadly.calls_left, deadly.moment = first, second
                    case "wait":
                        world.now += first
                    case "look":
                        world.look()
                    case "run":
                        world.next_run()
                    case "budget":
                        world.budget = LogBudget(first, EVERYTHING)
                        if world.store is not None:
                            world.using(lambda store: store.set_budget(world.budget))
            if finished:
                world.finish()
            yield world
        finally:
            world.close()


def expected(data: bytes) -> list[bytes]:
    """Return the lines of what one stream of one run wrote."""
    lines = data.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def check_every_line_once(world: World) -> None:
    """Every line, its time and its stream come back, to all kinds of readers."""
    lines = list(read.lines(world.folder, APP))
    for (run, stream), data in world.written.items():
        ours = [line for line in lines if (line.run, line.stream) == (run, stream)]
        assert [line.text for line in ours] == expected(bytes(data))
        begin = 0
        for line in ours:
            true = world.taken_at[run, stream][begin]
            assert line.at <= true < line.at + RESOLUTION_S + 1e-9
            begin += len(line.text) + 1
    assert len(lines) == sum(len(expected(bytes(data))) for data in world.written.values())
    assert not any(line.continues or line.partial for line in lines)
    assert world.followed == lines


def check_parts(world: World) -> None:
    """What is asked for by number, stream, run or time is what a reader of everything would have picked."""
    lines = list(read.lines(world.folder, APP))
    for count in (1, 2, 3, 10, len(lines), len(lines) + 1):
        assert list(read.last_lines(world.folder, APP, count)) == lines[-count:]
    for stream in (Stream.OUT, Stream.ERR):
        ours = [line for line in lines if line.stream == stream]
        assert list(read.lines(world.folder, APP, stream=stream)) == ours
        for count in (1, 2, 5):
            assert list(read.last_lines(world.folder, APP, count, stream=stream)) == ours[-count:]
    runs = sorted({line.run for line in lines})
    for run in runs:
        ours = [line for line in lines if line.run == run]
        assert list(read.lines(world.folder, APP, run=run)) == ours
        for count in (1, 2, len(ours) + 1):
            assert list(read.last_lines(world.folder, APP, count, run=run)) == ours[-count:]
        for stream in (Stream.OUT, Stream.ERR):
            theirs = [line for line in ours if line.stream == stream]
            assert list(read.last_lines(world.folder, APP, 2, run=run, stream=stream)) == theirs[-2:]
    if len(runs) > 1:
        assert read.previous_run(world.folder, APP) == runs[-2]
    for time in sorted({line.at for line in lines}):
        assert list(read.lines(world.folder, APP, since=time)) == [line for line in lines if line.at >= time]
        until = list(read.lines(world.folder, APP, until=time))
        ended = [line for line in until if not line.partial]
        assert ended == lines[: len(ended)]
        assert len(until) == sum(line.at <= time for line in lines), "a line that ends later comes as a part"


@given(STEPS)
def test_every_line_comes_back_once_and_in_order_however_often_the_writer_is_killed(
    steps: list[tuple[str, Any, Any]],
) -> None:
    with world_after(steps) as world:
        check_every_line_once(world)


@given(STEPS)
def test_a_part_of_the_log_is_read_as_it_stands_in_the_whole(steps: list[tuple[str, Any, Any]]) -> None:
    with world_after(steps) as world:
        check_parts(world)


@given(STEPS)
def test_lines_without_an_end_come_last_and_count_among_the_last_lines(
    steps: list[tuple[str, Any, Any]],
) -> None:
    with world_after(steps, finished=False) as world:
        whole = list(read.lines(world.folder, APP))
        for count in (1, 2, 3, 10):
            assert list(read.last_lines(world.folder, APP, count)) == whole[-count:]
        for stream in (Stream.OUT, Stream.ERR):
            ours = [line for line in whole if line.stream == stream]
            assert list(read.last_lines(world.folder, APP, 1, stream=stream)) == ours[-1:]
        for run in {line.run for line in whole}:
            ours = [line for line in whole if line.run == run]
            for count in (1, 2, len(ours) + 1):
                assert list(read.last_lines(world.folder, APP, count, run=run)) == ours[-count:]
        world.look()
        assert world.followed == [line for line in whole if not line.partial]


@given(STEPS, st.integers(0, 3))
def test_a_small_budget_leaves_the_newest_lines_and_at_most_one_without_its_beginning_per_stream(
    steps: list[tuple[str, Any, Any]], keep: int
) -> None:
    with world_after(steps) as world:
        whole = list(read.lines(world.folder, APP))
        with contextlib.closing(
            Store(world.folder / APP, LogBudget(SEGMENT, EVERYTHING), lambda: 0.0)
        ) as writer:
            writer.set_budget(LogBudget(SEGMENT, keep))
        check_newest(list(read.lines(world.folder, APP)), whole)


def check_newest(kept: list[Line], whole: list[Line]) -> None:
    """The kept lines are the end of the whole log; a line without its beginning says so."""
    for line, original in zip(reversed(kept), reversed(whole), strict=False):
        assert original.text.endswith(line.text)
        assert line.continues or line == original
    assert sum(line.continues for line in kept) <= 2
    assert len(kept) <= len(whole)


# Bugs, planted to prove that the properties can fail.


def room_after_the_record(self: Store, source: int, stream: Stream, most: int) -> int | None:
    self._make_room()
    self._mark(stream)
    moved = self._move(source, max(0, min(most, self._room())))
    if moved:
        self._size += moved
        self._ends[stream] = self._size
    return moved


def bytes_before_their_record(self: Store, source: int, stream: Stream, most: int) -> int | None:
    self._make_room()
    moved = self._move(source, min(most, self._room()))
    self._mark(stream)
    if moved:
        self._size += moved
        self._ends[stream] = self._size
    return moved


def through_memory(self: Store, source: int, most: int) -> int | None:
    deadly: DeadlyOs = vars(store)["os"]
    data: bytes = deadly.read(source, most)
    deadly.pwrite(self._log, data, self._size)
    return len(data)


def resume_where_the_index_ends(self: Store, real: Callable[[Store], None] = Store._resume) -> None:
    real(self)
    with Segment(self._folder, self._number) as segment:
        if count := segment.record_count():
            self._size = segment.record(count - 1).offset
    os.ftruncate(self._log, self._size)


def resume_after_a_torn_record(self: Store, real: Callable[[Store], None] = Store._resume) -> None:
    torn = [path.stat().st_size % 24 for path in sorted(self._folder.glob("*.index"))[-1:]]
    real(self)
    if any(torn):
        os.pwrite(self._index, b"\0" * torn[0], self._index_size)
        self._index_size += torn[0]


def resume_with_all_lines_ended(self: Store, real: Callable[[Store], None] = Store._resume) -> None:
    real(self)
    self._began_open = set()


def first_record_of_an_offset_holds(
    self: Segment, first: int, most: int = 4096, real: Callable[..., list[Record]] = Segment.records
) -> list[Record]:
    records = real(self, first, most)
    offset_before = real(self, first - 1, 1)[0].offset if first else None
    offsets = [offset_before, *(record.offset for record in records)]
    return [
        record._replace(offset=record.offset + (record.offset == before and not record.flags))
        for before, record in zip(offsets, records, strict=False)
    ]


def one_assembly_for_both_streams(
    self: Assembler, record: Record, data: bytes, real: Callable[..., Iterator[Line]] = Assembler.feed
) -> Iterator[Line]:
    return real(self, record._replace(stream=Stream.OUT), data)


def mark_with_an_old_time(
    self: Store, stream: Stream, flags: int = 0, real: Callable[..., None] = Store._mark
) -> None:
    last = self._last
    if last is None or (last.stream, last.flags, last.run) != (stream, flags, self._run):
        real(self, stream, flags)


def place_without_beginnings(
    self: backward._LastLines, real: Callable[..., Place | None] = backward._LastLines.place
) -> Place | None:
    place = real(self)
    if place is None or self.ended is None:
        return place
    return Place(*self.ended, {})


def search_one_line_short(
    self: backward._LastLines, segment: Segment, batch: Any, real: Any = backward._LastLines.is_done
) -> bool:
    if self.ended is None and self.looked == 0:
        self.looked, self.left = 1, max(0, self.left - 1)
    return bool(real(self, segment, batch))


def no_line_began_before(self: backward._LastLines, segment: Segment) -> bool:
    return self.ended is not None


def nothing_unfinished_at_the_place(*_: object) -> set[Stream]:
    return set()


def delete_an_hour_too_early(self: Store, real: Callable[[Store], None] = Store._rotate) -> None:
    real(self)
    for path in self._folder.glob(f"{self._number - 1:06}.*"):
        path.unlink()


@pytest.mark.parametrize(
    ("check", "target", "name", "bug"),
    [
        (check_every_line_once, Store, "take", room_after_the_record),
        (check_every_line_once, Store, "take", bytes_before_their_record),
        (check_every_line_once, Store, "_move", through_memory),
        (check_every_line_once, Store, "_resume", resume_where_the_index_ends),
        (check_every_line_once, Store, "_resume", resume_after_a_torn_record),
        (check_every_line_once, Store, "_resume", resume_with_all_lines_ended),
        (check_every_line_once, Store, "_mark", mark_with_an_old_time),
        (check_every_line_once, Store, "_rotate", delete_an_hour_too_early),
        (check_every_line_once, Store, "end_lines", lambda self: None),
        (check_every_line_once, Segment, "records", first_record_of_an_offset_holds),
        (check_every_line_once, Assembler, "feed", one_assembly_for_both_streams),
        (check_parts, backward._LastLines, "place", place_without_beginnings),
        (check_parts, backward._LastLines, "is_done", search_one_line_short),
        (check_parts, backward._LastLines, "is_done_before", no_line_began_before),
        (check_parts, backward, "unfinished_streams", nothing_unfinished_at_the_place),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_planted_bug_is_found(
    monkeypatch: pytest.MonkeyPatch, check: Callable[[World], None], target: Any, name: str, bug: Any
) -> None:
    @settings(
        max_examples=2000,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(STEPS)
    def holds(steps: list[tuple[str, Any, Any]]) -> None:
        with world_after(steps) as world:
            check(world)

    monkeypatch.setattr(target, name, bug)
    with pytest.raises(AssertionError):
        holds()


def test_a_newline_that_the_manager_has_added_is_marked_as_its_own(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"no newline")
    with contextlib.closing(Store(tmp_path, LogBudget(), lambda: 1.0)) as writer:
        writer.begin(1)
        writer.take(reading, Stream.OUT, 100)
        writer.end_lines()
    os.close(reading)
    os.close(writing)

    with Segment(tmp_path, 1) as segment:
        assert segment.records(0) == [Record(0, 1.0, 1, Stream.OUT), Record(10, 1.0, 1, Stream.OUT, ADDED)]
