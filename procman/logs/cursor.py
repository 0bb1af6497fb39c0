"""A place in an app's log, and the way forward from it over batches, segments and whatever happens."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from pathlib import Path

from procman.core.frozen import Frozen
from procman.logs.lines import Assembler, Line
from procman.logs.segments import BLOCK, OPEN, Record, Segment, Stream, log_path, segment_numbers
from procman.logs.sweep import missed_lines


class Selection(Frozen):
    """Which batches of a log are wanted; None wants all."""

    run: int | None = None
    stream: Stream | None = None
    until: float | None = None  # seconds since the epoch

    def wants(self, record: Record) -> bool:
        """Return whether the bytes under `record` are to be read."""
        return self.run in (None, record.run) and self.stream in (None, record.stream)

    def is_reached(self, record: Record) -> bool:
        """Return whether anything from `record` on may be wanted."""
        return self.run is None or record.run >= self.run

    def is_past(self, record: Record) -> bool:
        """Return whether nothing is wanted from `record` on."""
        return (self.run is not None and record.run > self.run) or (
            self.until is not None and record.at > self.until
        )


class Place(Frozen):
    """Where to begin in a log.

    A line of one stream may have begun before the last line of the other ended, so each stream has a
    beginning of its own: a segment's number and an offset in it. One that is not named begins where the
    place is.
    """

    segment: int
    record: int  # number of the record that holds at `offset`
    offset: int
    beginnings: Mapping[Stream, tuple[int, int]]
    unfinished: tuple[Record, ...] = ()  # of lines that began before the place


class Cursor:
    """Reads the log of one app forward, once or again and again; owned by one thread.

    It may be slower than the writer: a segment that it has open is read to its end also after it was deleted,
    and a line of the manager's says how many lines came and went meanwhile.
    """

    __slots__ = (
        "_app",
        "_assembler",
        "_beginnings",
        "_folder",
        "_next",
        "_offset",
        "_owner",
        "_records",
        "_segment",
        "_selection",
    )

    def __init__(self, folder: Path, app: str, selection: Selection, place: Place | None = None) -> None:
        """Stand at `place` in the log of `app` in `folder`, or at its beginning; it need not be there yet."""
        self._folder = folder / app
        self._app = app
        self._selection = selection
        self._assembler = Assembler(app)
        self._segment: Segment | None = None
        self._beginnings: Mapping[Stream, tuple[int, int]] = {}
        if place is not None and self._open(place.segment):
            self._next, self._offset = place.record, place.offset
            self._beginnings = place.beginnings
            for record in place.unfinished:
                self._assembler.resume(record)

    def close(self) -> None:
        """Close what is open."""
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def rename(self, app: str) -> None:
        """Go on where this stands in a log whose folder has the name of `app` now."""
        self._folder, self._app = self._folder.with_name(app), app
        self._assembler.rename(app)
        if self._segment is not None:
            self._segment.path = log_path(self._folder, self._segment.number)

    def read(self, end: tuple[int, int] | None = None) -> Iterator[Line]:
        """Yield the lines that have ended in what is there now; to be exhausted before it is called again.

        While it is read more may come, and faster. With `end`, a segment's number and an offset in it, what
        comes after that is left.
        """
        while True:
            numbers = segment_numbers(self._folder)
            segment = self._segment
            if segment is None:
                if not numbers:
                    return
                self._open(numbers[0])
                continue
            # The list is older than the size: with a newer segment on it, this one has its final size.
            newer = [number for number in numbers if number > segment.number]
            if end is not None and segment.number >= end[0]:
                if segment.number == end[0]:
                    yield from self._up_to(min(segment.size(), end[1]))
                return
            if (yield from self._up_to(segment.size())):
                return
            if newer:
                yield from self._go_on(segment.number, newer[0])
            elif segment.is_in_place():
                return
            elif max(segment_numbers(self._folder), default=0) <= segment.number:
                # The folder was deleted, and perhaps made anew with a log that begins at 1.
                yield from self._assembler.flush()
                self.close()

    def flush(self) -> Iterator[Line]:
        """Yield what is there of lines that have not ended."""
        return self._assembler.flush()

    def _open(self, number: int) -> bool:
        """Go to the beginning of a segment; return whether it was still there."""
        try:
            segment = Segment(self._folder, number)
        except FileNotFoundError:
            return False
        segment.announce_reader()
        self.close()
        self._segment = segment
        self._next = self._offset = 0
        self._records: list[Record] = []  # from `_next` on; the first is at the end
        self._owner: Record | None = None  # of the byte at `_offset`
        return True

    def _go_on(self, before: int, number: int) -> Iterator[Line]:
        """Go to a newer segment, if it is still there, and say what was deleted in between."""
        between = number - 1 - before
        missed = missed_lines(self._folder, before + 1, number - 1) if between else None
        if self._open(number) and missed is not None:
            yield from self._assembler.flush()
            yield self._tell_missed(*missed, between)

    def _tell_missed(self, count: int, is_all: bool, files: int) -> Line:
        """Return what to say about lines that nobody has kept for us."""
        assert self._segment is not None
        first = self._segment.record(0) if self._segment.record_count() else self._segment.unindexed()
        lines = "1 line" if count == 1 else f"{count:,} lines"
        if not is_all:
            of = "1 file" if files == 1 else f"{files} files"
            lines = f"at least {lines}" if count else f"the lines of {of}"
        text = f"procman: {lines} went by rotation before they could be shown here"
        return Line(self._app, first.run, Stream.MANAGER, first.at, text.encode())

    def _up_to(self, size: int) -> Generator[Line, None, bool]:
        """Yield the lines that end before `size` in this segment; return whether nothing more is wanted."""
        assert self._segment is not None
        while self._offset < size:
            record = self._peek(self._segment)
            if record is None or record.offset > self._offset:
                end = size if record is None else min(size, record.offset)
                yield from self._feed(self._segment, min(end, self._offset + BLOCK))
            elif self._selection.is_past(record):
                return True
            else:
                self._pass(record, self._segment.number)
        return False

    def _pass(self, record: Record, number: int) -> None:
        """Let the record that was peeked at hold from here on."""
        self._records.pop()
        self._next += 1
        if not record.flags & OPEN:
            self._owner = record
        elif self._selection.wants(record) and not self._is_before(record, number, 0):
            self._assembler.resume(record)

    def _feed(self, segment: Segment, end: int) -> Iterator[Line]:
        """Yield the lines that end in the owner's bytes up to `end`, and go there."""
        start, self._offset = self._offset, end
        owner = self._owner or segment.unindexed()
        if self._selection.wants(owner) and not self._is_before(owner, segment.number, end):
            if self._is_before(owner, segment.number, start):
                start = self._beginnings[owner.whose][1]
            yield from self._assembler.feed(owner, segment.read(start, end))

    def _is_before(self, record: Record, number: int, offset: int) -> bool:
        """Return whether an offset in a segment lies before that from which the record's stream is wanted."""
        return (number, offset) < self._beginnings.get(record.whose, (0, 0))

    def _peek(self, segment: Segment) -> Record | None:
        """Return the record after the owner's, if it is there."""
        if not self._records:
            self._records = segment.records(self._next)[::-1]
        return self._records[-1] if self._records else None
