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
from typing import NamedTuple

from procman.core.config import LogBudget
from procman.host import files
from procman.host.outputs import fifo
from procman.logs.segments import (
    ADDED,
    OPEN,
    RECORD,
    Record,
    Segment,
    Stream,
    index_path,
    log_path,
    open_plain,
    segment_numbers,
    unfinished_streams,
)
from procman.logs.sweep import Sweep

# Bytes of one stream read within so many seconds share a record. At one write per line an app makes 80,000
# batches a second, and nobody tells lines apart by less than a millisecond.
RESOLUTION_S = 0.001
SMALLEST_SEGMENT = 512  # bytes; room for the records of a segment's head, and for progress
COPIED_AT_A_TIME = 1 << 16  # bytes in memory where splice is refused


class _Place(NamedTuple):
    """Where a file that is open was, and which file that is."""

    path: str
    device: int
    inode: int

    @classmethod
    def of(cls, path: str, descriptor: int) -> _Place:
        status = os.fstat(descriptor)
        return cls(path, status.st_dev, status.st_ino)

    def size(self) -> int | None:
        """Return how long the file is, or None if it is not there any more, or another one is."""
        try:
            status = os.lstat(self.path)
        except OSError:
            return None
        is_same = (status.st_dev, status.st_ino) == (self.device, self.inode)
        return status.st_size if is_same else None


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
        "_places",
        "_run",
        "_size",
        "_splices",
        "_sweep",
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
        self._sweep = Sweep(folder)
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
            self._sweep.go_on(2 * moved)
        return moved

    def append(self, data: bytes, stream: Stream) -> None:
        """Write output that was read already.

        Raises:
            NotWritten: some of it is lost.
        """
        while data:
            try:
                self._make_room()
                part = data[: self._room()]
                self._mark(stream)
                _write(self._log, part, self._size)
            except OSError as error:
                arrived = max(0, os.fstat(self._log).st_size - self._size)
                raise NotWritten(error, len(data) - arrived) from error
            self._size += len(part)
            self._ends[stream] = self._size
            self._sweep.go_on(2 * len(part))
            data = data[len(part) :]

    def is_full(self) -> bool:
        """Return whether the next bytes go to another segment."""
        return self._room() <= 0

    def newest(self, count: int) -> bytes:
        """Return the last `count` bytes of the log; at most as many as the last `take` has moved."""
        return files.read_at(self._log, count, self._size - count)

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
        self._sweep.delete_below(self._number - budget.keep)

    def close(self) -> None:
        """Close the files; nothing is written any more."""
        self._sweep.close()
        self._close_segment()

    def _close_segment(self) -> None:
        for descriptor in (self._log, self._index):
            if descriptor != -1:
                os.close(descriptor)
        self._log = self._index = -1

    # the newest segment

    def _resume(self) -> None:
        """Open the newest segment at its real end, and learn how far its lines have come."""
        numbers = segment_numbers(self._folder)
        self._number = numbers[-1] if numbers else 0
        with contextlib.suppress(OSError):  # it is somebody else's, or has gone meanwhile
            if numbers:
                self._use(self._number, *_open(self._folder, self._number, os.O_RDWR))
        if self._log == -1:
            self._rotate()
            return
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
        """Go on in a new segment if this one is full, or is not what this store has left.

        Asked by path: what was deleted or moved away is still open, and would swallow what is written to it.
        """
        log, index = (place.size() for place in self._places)
        if log == self._size and index == self._index_size:
            if self._room() <= 0:
                self._rotate()
            return
        gone = self._size - (self._places[0].size() or 0)  # it may have gone between the two looks
        self._rotate()
        if gone > 0:
            self.note(f"procman: {gone:,} bytes of this log were taken away here by somebody else")

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
                files.read_at(self._log, 1, self._ends[stream] - 1) not in (b"\n", b"")
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
        for path in (log_path(self._folder, number), index_path(self._folder, number)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # what a crash has left, or somebody has put there
        self._use(number, *_open(self._folder, number, os.O_RDWR | os.O_CREAT | os.O_EXCL, head))
        self._size, self._index_size = 0, len(head)
        self._ends, self._began_open, self._last = [0, 0], set(unfinished), None
        self._sweep.delete_below(number - self._budget.keep)

    def _use(self, number: int, log: int, index: int) -> None:
        """Let this be the segment that is written."""
        self._close_segment()
        self._number, self._log, self._index = number, log, index
        self._places = (
            _Place.of(log_path(self._folder, number), log),
            _Place.of(index_path(self._folder, number), index),
        )

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
        except BlockingIOError:
            return None
        data = fifo.read(source, min(most, COPIED_AT_A_TIME))
        if data is None:
            return None
        try:
            _write(self._log, data, self._size)
        except OSError as error:
            arrived = os.fstat(self._log).st_size - self._size
            raise NotWritten(error, len(data) - arrived) from error
        return len(data)


def _open(folder: Path, number: int, flags: int, head: bytes = b"") -> tuple[int, int]:
    """Return descriptors of the text and the index of a segment; `head` is written to the index.

    The text comes last: when it is there the segment is, for readers and for the next manager.
    """
    index = open_plain(index_path(folder, number), flags | os.O_CREAT)
    try:
        _write(index, head, 0)
        return open_plain(log_path(folder, number), flags), index
    except OSError:
        os.close(index)
        raise


def _write(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of `data`; a system that takes only a part of it says why when it is given the rest."""
    while data:
        written = files.write_at(descriptor, data, offset)
        data, offset = data[written:], offset + written
