"""Reads the very end of a run's output, in a time that does not depend on what it is."""

from __future__ import annotations

from pathlib import Path

from procman.logs.clean import plain
from procman.logs.cursor import Cursor, Place, Selection
from procman.logs.segments import Segment, Stream, segment_numbers

MOST_BYTES = 16_384
MOST_LINES = 200  # npm's words about one error are a hundred


def tail(folder: Path, app: str, run: int) -> list[str]:
    """Return the last lines of a run without colours, oldest first; of the first one perhaps only its end.

    `last_lines` has them whole, and takes half a second for lines of 10 MB.

    Args:
        folder: of the logs.
        app: whose log.
        run: the newest run, or nothing is found.

    Raises:
        OSError: they can't be read.
    """
    cursor = Cursor(folder, app, Selection(run), _near_end(folder / app, run))
    try:
        lines = [*cursor.read(), *cursor.flush()]
    finally:
        cursor.close()
    said = [line for line in lines if line.stream is not Stream.MANAGER]
    return [plain(line.text.decode(errors="replace")) for line in said[-MOST_LINES:]]


def _near_end(folder: Path, run: int) -> Place | None:
    """Return where the run begins, or `MOST_BYTES` before the end of the log; None is its beginning."""
    left = MOST_BYTES
    for number in reversed(segment_numbers(folder)):
        with Segment(folder, number) as segment:
            size, count = segment.size(), segment.record_count()
            first = segment.first_record(lambda record: record.run >= run)
            begin = segment.record(first).offset if first < count else size
            if first and size - begin <= left:  # and so a thousand short runs before it cost nothing
                return Place(number, first, begin, {})
            if size < left:
                left -= size
                continue  # all of it is of this run, or of none
            offset = size - left
            return Place(number, _holding(segment, offset), offset, {})
    return None


def _holding(segment: Segment, offset: int) -> int:
    """Return the number of the record that holds for the byte at `offset`."""
    return max(0, segment.first_record(lambda record: record.offset > offset) - 1)
