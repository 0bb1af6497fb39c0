"""Finds places in a log without reading what lies before them: the last lines, a time, a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from procman.logs.cursor import Place, Selection
from procman.logs.segments import (
    BLOCK,
    LOOK_BACK,
    OPEN,
    Batch,
    Record,
    Segment,
    Stream,
    last_run,
    segment_numbers,
    unfinished_streams,
)

BEFORE = 0.0  # the time of a line that had begun before the place, and so is not wanted
_Position = tuple[int, int, int]  # of a byte: segment, record that holds for it, offset


def previous_run(folder: Path) -> int | None:
    """Return the run before the newest of which anything was stored."""
    newest = last_run(folder)
    for segment in _newest_first(folder):
        if count := segment.first_record(lambda record: record.run >= newest):
            return segment.record(count - 1).run
    return None


def find_from(folder: Path, since: float | None, run: int | None) -> Place | None:
    """Return where the first batch is that was read at `since` or later, of `run` or a later one.

    About 20 records of each segment are read, and no older segment than the one in which the place is. If the
    clock was set back in between, several places fit, and this is one of them.
    """

    def reached(record: Record) -> bool:
        return (since is None or record.at >= since) and (run is None or record.run >= run)

    for segment in _newest_first(folder):
        size = segment.size()
        count = segment.record_count()
        if not count or reached(segment.record(0)):
            continue
        first = segment.first_record(reached)
        offset = segment.record(first).offset if first < count else size
        unfinished = tuple(
            Record(offset, BEFORE, segment.record(first - 1).run, stream)
            for stream in unfinished_streams(segment, first, offset)
        )
        return Place(segment.number, first, offset, {}, unfinished)
    return None


def find_end(folder: Path) -> tuple[int, int]:
    """Return where the log ends now: the number of its newest segment, and an offset in it."""
    for segment in _newest_first(folder):
        return segment.number, segment.size()
    return 0, 0


def find_last(
    folder: Path,
    count: int,
    selection: Selection,
    until: tuple[int, int] | None = None,
    *,
    with_unfinished: bool = False,
) -> Place | None:
    """Return where to begin so that exactly the last `count` lines come; None is the beginning of the log.

    Args:
        folder: of the app's log.
        count: how many lines; the parts of a long one are one line.
        selection: what counts.
        until: where the log ends (`find_end`), if not where it does by now.
        with_unfinished: whether a line without an end counts, as the last one. A reader that waits for its
            end gets it all the same, from its beginning on.
    """
    search = _LastLines(selection, count)
    last, size = until or find_end(folder)
    for segment in _newest_first(folder):
        if segment.number > last:
            continue
        end = segment.size() if segment.number < last else size
        records = _records_up_to(segment, end)
        first, begin = 0, 0
        if selection.run is not None:
            wanted = segment.first_record(selection.is_past)
            end = segment.record(wanted).offset if wanted < records else end
            records = wanted
            first = min(segment.first_record(selection.is_reached), records)
            begin = segment.record(first).offset if first < records else end
        if with_unfinished and search.oldest is None:
            search.expect(unfinished_streams(segment, records, end), (segment.number, records, end))
        search.oldest = (segment.number, first, begin if first else 0)
        if any(search.is_done(segment, batch) for batch in segment.backwards(records, end, first)):
            break
        if first or search.is_done_before(segment):  # what is older is of earlier runs
            break
    return search.place()


def _records_up_to(segment: Segment, end: int) -> int:
    return segment.first_record(lambda record: record.offset > end)


def _newest_first(folder: Path) -> Iterator[Segment]:
    """Yield the segments, each open until the next is asked for."""
    for number in reversed(segment_numbers(folder)):
        try:
            segment = Segment(folder, number)
        except FileNotFoundError:
            return  # deleted since: older ones are, too
        with segment:
            yield segment


@dataclass(slots=True)
class _LastLines:
    """Goes back over batches until enough lines have ended, then until it knows where each of them began."""

    selection: Selection
    left: int  # wanted lines of which the end is still to be found
    oldest: _Position | None = None  # before the oldest batch that was looked at
    ended: _Position | None = None  # after the end of the last line that is not wanted
    run: int = 0  # in which that was
    looked: int = 0  # records since then
    begun: dict[Stream, _Position] = field(default_factory=dict)  # where the wanted lines begin, so far
    decided: set[Stream] = field(default_factory=set)  # streams of which it is known

    def expect(self, unfinished: set[Stream], end: _Position) -> None:
        """Count the lines without an end, which come last, in the order of their streams."""
        wanted = sorted(stream for stream in unfinished if self.selection.stream in (None, stream))
        surplus = max(0, len(wanted) - self.left)
        self.left -= len(wanted) - surplus
        self.begun.update(dict.fromkeys(wanted[:surplus], end))
        self.decided.update(wanted[:surplus])

    def is_done(self, segment: Segment, batch: Batch) -> bool:
        """Look at the next older batch; return whether nothing older is of interest."""
        record = batch.record
        if self.ended is not None:
            self.looked += 1
            if self.decided >= {Stream.OUT, Stream.ERR} or record.run != self.run or self.looked > LOOK_BACK:
                return True
        if not self.selection.wants(record) or record.stream in self.decided:
            return False
        stream = record.whose
        if self.ended is None:
            if (offset := self._last_unwanted_end(segment, batch)) is not None:
                self.ended = self.begun[stream] = (segment.number, batch.number, offset)
                self.run = record.run
                # Lines of the manager are written whole; of a stream that is not wanted nothing is shown.
                self.decided |= {stream, Stream.MANAGER}
                if self.selection.stream is not None:
                    self.decided |= set(Stream)
        elif batch.end > batch.start or record.flags & OPEN:
            offset = _after_last_newline(segment, batch)
            if offset is not None:
                self.decided.add(stream)
            self.begun[stream] = (segment.number, batch.number, batch.start if offset is None else offset)
        return False

    def is_done_before(self, segment: Segment) -> bool:
        """Return whether nothing older is of interest than a segment that was looked at as a whole.

        Its first records name the streams that were in the middle of a line when it began.
        """
        head = segment.records(0, 2)
        if self.ended is None or not head:
            return False
        begun_before = {record.whose for record in head if record.flags & OPEN}
        self.decided |= {Stream.OUT, Stream.ERR} - begun_before
        return not begun_before - self.decided

    def place(self) -> Place | None:
        """Return what was found."""
        if self.oldest is None:
            return None
        start = self.oldest
        beginnings = {stream: (segment, offset) for stream, (segment, _, offset) in self.begun.items()}
        if self.ended is not None:
            start = min(self.begun.values())
            for stream in Stream:
                beginnings.setdefault(stream, (self.ended[0], self.ended[2]))
        return Place(*start, beginnings)

    def _last_unwanted_end(self, segment: Segment, batch: Batch) -> int | None:
        """Return the offset after the newline that ends the last line not wanted, or count those that are."""
        for start, data in _blocks_back(segment, batch):
            found = data.count(b"\n")
            if found <= self.left:
                self.left -= found
                continue
            end = len(data)
            for _ in range(self.left + 1):
                end = data.rindex(b"\n", 0, end)
            return start + end + 1
        return None


def _after_last_newline(segment: Segment, batch: Batch) -> int | None:
    """Return the offset at which the last line in a batch begins, if it begins there."""
    for start, data in _blocks_back(segment, batch):
        if (found := data.rfind(b"\n")) >= 0:
            return start + found + 1
    return None


def _blocks_back(segment: Segment, batch: Batch) -> Iterator[tuple[int, bytes]]:
    """Yield the bytes of a batch in blocks, last first, each with its offset."""
    end = batch.end
    while end > batch.start:
        start = max(batch.start, end - BLOCK)
        yield start, segment.read(start, end)
        end = start
