"""Writes an app's log: moves output from a pipe to the file without a moment in which a byte could be lost.

`docs/decisions/0003-logs-as-plain-text-with-an-index.md` has the reasons; `segments` has the format.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

from procman.core.config import LogBudget
from procman.logs.segments import (
    ADDED,
    OPEN,
    RECORD,
    Record,
    Segment,
    Stream,
    index_path,
    log_path,
    segment_files,
    segment_numbers,
    unfinished_streams,
)

# Bytes of one stream read within so many seconds share a record. At one write per line an app makes 80,000
# batches a second, and nobody tells lines apart by less than a millisecond.
RESOLUTION_S = 0.001
SMALLEST_SEGMENT = 512  # bytes; room for the records of a segment's head, and for progress
COPIED_AT_A_TIME = 1 << 16  # bytes in memory where splice is refused


class NotWritten(OSError):
    """Output was read from its pipe and could not be written: `lost` bytes of it are gone."""

    def __init__(self, cause: OSError, lost: int) -> None:
        super().__init__(cause.errno, cause.strerror, cause.filename)
        self.lost = lost


class Store:
    """The log of one app, open for writing; owned by one thread.

    Every method but `close` may raise OSError. The store is of no use then: close it, and make another one,
    which goes on exactly where the files end, whatever this one had been about to do.
    """

    __slots__ = (
        "_began_open",
        "_budget",
        "_ends",
        "_folder",
        "_index",
        "_index_size",
        "_last",
        "_log",
        "_number",
        "_run",
        "_size",
        "_splices",
        "_wall",
    )

    def __init__(self, folder: Path, budget: LogBudget, wall: Callable[[], float]) -> None:
        """Open the newest segment of `folder`, or make the first one."""
        self._folder = folder
        self._budget = budget
        self._wall = wall
        self._run = 0
        self._last: Record | None = None  # written by this store to this segment
        self._splices = sys.platform == "linux"
        self._size = self._index_size = 0
        self._ends = [0, 0]  # per stream: where its newest bytes in this segment end
        self._began_open: set[Stream] = set()  # streams in the middle of a line before that
        self._log = self._index = -1
        try:
            self._resume()
        except OSError:
            self.close()
            raise

    def begin(self, run: int) -> None:
        """Make `run` the one whose output comes from now on; what a former run left unfinished is ended."""
        if run != self._run:
            self.end_lines()
            self._run = run

    def take(self, source: int, stream: Stream, most: int) -> int | None:
        """Move at most `most` bytes that wait in a pipe to the end of the log.

        Args:
            source: the pipe, in non-blocking mode.
            stream: which of the run's streams it is.
            most: at least 1.

        Returns:
            How many bytes were moved; 0 if the stream has ended; None if nothing waits now.

        Raises:
            NotWritten: only where splice is refused; bytes were lost.
            OSError: nothing was lost; the bytes are still in the pipe.
        """
        self._make_room()
        room = self._room()  # before the record that it allows for is there
        self._mark(stream)
        moved = self._move(source, min(most, room))
        if moved:
            self._size += moved
            self._ends[stream] = self._size
        return moved

    def newest(self, count: int) -> bytes:
        """Return the last `count` bytes of the log; at most as many as the last `take` has moved."""
        return os.pread(self._log, count, self._size - count)

    def note(self, text: str) -> None:
        """Write a line of the manager's own."""
        self._make_room()
        self._write_line(text.encode() + b"\n", Stream.MANAGER, 0)

    def end_lines(self) -> None:
        """End the lines that the run has begun and not ended, as nothing more of them will come."""
        for stream in self._unfinished():
            self._make_room()
            self._write_line(b"\n", stream, ADDED)
            self._ends[stream] = self._size

    def set_budget(self, budget: LogBudget) -> None:
        """Keep to another budget from now on; what is over it is deleted."""
        self._budget = budget
        self._delete_old()

    def close(self) -> None:
        """Close the files; nothing is written any more."""
        for descriptor in (self._log, self._index):
            if descriptor != -1:
                os.close(descriptor)
        self._log = self._index = -1

    # the newest segment

    def _resume(self) -> None:
        """Open the newest segment at its real end, and learn how far its lines have come."""
        numbers = segment_numbers(self._folder)
        if not numbers:
            self._number = 0
            self._rotate()
            return
        self._number = numbers[-1]
        self._log = os.open(log_path(self._folder, self._number), os.O_RDWR | os.O_CLOEXEC)
        self._index = os.open(
            index_path(self._folder, self._number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        self._size = os.fstat(self._log).st_size
        with Segment(self._folder, self._number) as segment:
            # After a power cut, or when somebody has emptied the text, the index may be ahead of it.
            count = segment.first_record(lambda record: record.offset > self._size)
            if count:
                self._run = segment.record(count - 1).run
            self._began_open = unfinished_streams(segment, count, self._size)
        self._index_size = count * RECORD.size
        os.ftruncate(self._index, self._index_size)  # takes off a record that a crash has torn, too

    def _make_room(self) -> None:
        """Go on in a new segment if this one is full, or is not what this store has left."""
        log, index = os.fstat(self._log), os.fstat(self._index)
        in_place = log.st_nlink and index.st_nlink
        untouched = log.st_size == self._size and index.st_size == self._index_size
        if not (in_place and untouched) or self._room() <= 0:
            self._rotate()

    def _room(self) -> int:
        """Return how many bytes of text the segment can still take, after one more record."""
        most = max(self._budget.max_size, SMALLEST_SEGMENT)
        return most - self._size - self._index_size - RECORD.size

    def _unfinished(self) -> list[Stream]:
        """Return the streams whose last byte in the log is not the end of a line."""
        return [
            stream
            for stream in (Stream.OUT, Stream.ERR)
            if (
                os.pread(self._log, 1, self._ends[stream] - 1) not in (b"\n", b"")
                if self._ends[stream]
                else stream in self._began_open
            )
        ]

    def _rotate(self) -> None:
        """Go on in a new segment, and delete what is over the budget."""
        number = self._number + 1
        unfinished = self._unfinished() if self._log != -1 else []
        now = self._wall()
        head = b"".join(Record(0, now, self._run, stream, OPEN).pack() for stream in unfinished)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        index = os.open(index_path(self._folder, number), flags, 0o600)
        try:
            _write(index, head, 0)
            # The text last: from now on the segment is there, for readers and for the next manager.
            log = os.open(log_path(self._folder, number), flags, 0o600)
        except OSError:
            os.close(index)
            raise
        self.close()
        self._log, self._index, self._number = log, index, number
        self._size, self._index_size = 0, len(head)
        self._ends, self._began_open, self._last = [0, 0], set(unfinished), None
        self._delete_old()

    def _delete_old(self) -> None:
        """Delete the segments over the budget; what can't be deleted now is tried again next time."""
        oldest = self._number - self._budget.keep
        files = [path for number, path in segment_files(self._folder) if number < oldest]
        for path in sorted(files, key=lambda path: path.suffix == ".index"):  # a text never without its index
            with contextlib.suppress(OSError):
                path.unlink()

    # bytes

    def _mark(self, stream: Stream, flags: int = 0) -> None:
        """Say in the index whose the next bytes are."""
        now, last = self._wall(), self._last
        if (
            last is not None
            and (last.stream, last.flags, last.run) == (stream, flags, self._run)
            and 0 <= now - last.at < RESOLUTION_S
        ):
            return
        record = Record(self._size, now, self._run, stream, flags)
        _write(self._index, record.pack(), self._index_size)
        self._index_size += RECORD.size
        self._last = record

    def _write_line(self, line: bytes, stream: Stream, flags: int) -> None:
        """Write a line that came through no pipe."""
        self._mark(stream, flags)
        _write(self._log, line, self._size)
        self._size += len(line)

    def _move(self, source: int, most: int) -> int | None:
        """Move bytes from the pipe to the end of the text; return as `take` does.

        Splice moves within the kernel, so a byte is in the pipe or in the file also if this process is
        killed in between. It wants an offset: a file opened with O_APPEND is refused, with EINVAL, as is a
        file system that can't do it. There the bytes go through memory, and a kill between two calls may
        lose 64 KiB.
        """
        try:
            if sys.platform == "linux" and self._splices:
                try:
                    return os.splice(
                        source, self._log, most, offset_dst=self._size, flags=os.SPLICE_F_NONBLOCK
                    )
                except OSError as error:
                    if error.errno != errno.EINVAL:
                        raise
                    self._splices = False
            data = os.read(source, min(most, COPIED_AT_A_TIME))
        except BlockingIOError:
            return None
        try:
            _write(self._log, data, self._size)
        except OSError as error:
            arrived = os.fstat(self._log).st_size - self._size
            raise NotWritten(error, len(data) - arrived) from error
        return len(data)


def _write(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of `data`; a system that takes only a part of it says why when it is given the rest."""
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written
