"""The files of an app's log: numbered segments of plain text, each with an index of who wrote what, when.

`000001.log` has the bytes of stdout and stderr exactly as the app wrote them, in the order in which they
were read, so `tail`, `grep` and `less` work on it. `000001.index` has records of 24 bytes; a record says
that from its offset on, up to the offset of the next, bytes come from this stream of this run and were read
at this time.

What readers and the writer rely on (docs/decisions/0003-logs-as-plain-text-with-an-index.md):

- the record is written before its bytes, so every byte of the text has its record;
- nothing is ever renamed or rewritten; both files only grow, and a whole segment is deleted at once;
- where several records have one offset, the last of them holds: the others' bytes never came;
- a segment is not written to any more once the next number is there;
- only regular files are looked at: a symlink or a pipe in the place of one is as good as not there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import struct
from collections.abc import Callable, Iterator
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from procman.host import files

RECORD = struct.Struct("<QdIBB2x")
CHUNK_RECORDS = 4096  # read at a time: 96 KiB
FIRST_RECORDS = 64  # read first on the way back, where most find what they look for; four times as many then
BLOCK = 1 << 18  # bytes of text read at a time
LOOK_BACK = 16 * CHUNK_RECORDS  # records searched for how a line began, which costs about 10 ms

ADDED = 1  # the batch is one newline that procman put after a last line without one
OPEN = 2  # no bytes: a line of this stream, begun in an earlier segment, goes on here

_FILE = re.compile(r"([0-9]{6,})\.(log|index)")


class Stream(IntEnum):
    """Who wrote a line; the numbers are in files, so they never change."""

    OUT = 0
    ERR = 1
    MANAGER = 2  # procman itself, about a loss of output

    @property
    def label(self) -> str:
        """The name that people and `--stream` use."""
        return ("out", "err", "procman")[self]


class Record(NamedTuple):
    """One entry of an index. A tuple because a large log has millions of them."""

    offset: int
    at: float  # seconds since the epoch
    run: int
    stream: int  # a value of `Stream`
    flags: int = 0

    @property
    def whose(self) -> Stream:
        """The stream; that of a damaged record is as good as any."""
        return Stream(self.stream) if self.stream <= Stream.MANAGER else Stream.OUT

    def pack(self) -> bytes:
        """Return the record as it stands in the file."""
        return RECORD.pack(*self)


class Batch(NamedTuple):
    """The bytes from `start` to `end` of a segment, and the record that holds for them."""

    number: int  # of the record
    record: Record
    start: int
    end: int


def log_path(folder: Path, number: int) -> str:
    """Return where the text of a segment is; a string, for the reason that `host/run_paths.py` has."""
    return os.path.join(folder, f"{number:06}.log")


def index_path(folder: Path, number: int) -> str:
    """Return where the index of a segment is."""
    return os.path.join(folder, f"{number:06}.index")


def segment_files(folder: Path) -> list[tuple[int, str]]:
    """Return every file of the log with its segment's number and its kind; a text comes after its index."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((int(match[1]), match[2]) for name in names if (match := _FILE.fullmatch(name)))


def segment_numbers(folder: Path) -> list[int]:
    """Return the numbers of the segments, oldest first. A segment is there when its text is."""
    return [number for number, kind in segment_files(folder) if kind == "log"]


def last_run(folder: Path) -> int:
    """Return the newest run of which anything was stored, or 0."""
    for number in reversed(segment_numbers(folder)):
        with Segment(folder, number) as segment:
            if count := segment.record_count():
                return segment.record(count - 1).run
    return 0


def open_plain(path: str | Path, flags: int) -> int:
    """Return a descriptor of a file of a log, closed on exec; a new one is for its owner only.

    Raises:
        FileNotFoundError: it is not there, or something that is no file.
        OSError: another reason.
    """
    try:
        descriptor = files.open_plain(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise FileNotFoundError(errno.ENOENT, "a symlink is in its place", str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, "it is no file", str(path))
    return descriptor


class Segment:
    """One segment, open for reading; also while it grows, and after it was deleted."""

    __slots__ = ("_index", "_log", "number", "path")

    def __init__(self, folder: Path, number: int) -> None:
        """Open it.

        Raises:
            FileNotFoundError: its text is not there (any more). A missing index is an empty one.
        """
        self.number = number
        self.path = log_path(folder, number)
        self._log = open_plain(self.path, os.O_RDONLY)
        try:
            self._index: int | None = open_plain(index_path(folder, number), os.O_RDONLY)
        except FileNotFoundError:
            self._index = None
        except OSError:
            os.close(self._log)
            raise

    def __enter__(self) -> Segment:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        os.close(self._log)
        if self._index is not None:
            os.close(self._index)

    def announce_reader(self) -> None:
        """Let the writer know, for as long as this is open, that a reader has come so far.

        What is deleted after a segment with a reader is counted for it (`sweep`), where the file system has
        locks.
        """
        with contextlib.suppress(OSError):
            files.lock(self._log, shared=True)

    def size(self) -> int:
        """Return the length of the text; to be asked before `records`, or the last bytes may lack one."""
        return os.fstat(self._log).st_size

    def record_count(self) -> int:
        """Return how many whole records the index has."""
        return 0 if self._index is None else os.fstat(self._index).st_size // RECORD.size

    def record(self, number: int) -> Record:
        """Return one record."""
        return self.records(number, 1)[0]

    def records(self, first: int, most: int = CHUNK_RECORDS) -> list[Record]:
        """Return the records from number `first` on, as many as there are, at most `most`."""
        if self._index is None:
            return []
        data = files.read_at(self._index, most * RECORD.size, first * RECORD.size)
        whole = len(data) - len(data) % RECORD.size
        return [Record._make(values) for values in RECORD.iter_unpack(data[:whole])]

    def read(self, start: int, end: int) -> bytes:
        """Return the text from `start` to `end`."""
        return files.read_at(self._log, end - start, start)

    def unindexed(self) -> Record:
        """Return what is said about bytes without a record: stdout of run 0, as old as the file."""
        return Record(0, os.fstat(self._log).st_mtime, 0, Stream.OUT)

    def is_in_place(self) -> bool:
        """Return whether the path still leads to this very file."""
        ours = os.fstat(self._log)
        try:
            theirs = os.stat(self.path)
        except OSError:
            return False
        return (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino)

    def first_record(self, reached: Callable[[Record], bool]) -> int:
        """Return the number of the first record for which `reached` holds, or how many there are.

        `reached` must be false up to some record and true from there on; then about 20 records are read.
        """
        low, high = 0, self.record_count()
        while low < high:
            middle = (low + high) // 2
            if reached(self.record(middle)):
                high = middle
            else:
                low = middle + 1
        return low

    def backwards(self, count: int, end: int, first: int = 0) -> Iterator[Batch]:
        """Yield the batches of the records from `first` up to `count`, last first; that reaches up to `end`.

        Batches without bytes are among them: `OPEN` records, and those which another superseded.
        """
        high, most = count, FIRST_RECORDS
        while high > first:
            low, most = max(first, high - most), min(4 * most, CHUNK_RECORDS)
            chunk = self.records(low, high - low)
            for number in range(low + len(chunk) - 1, low - 1, -1):
                record = chunk[number - low]
                start = min(record.offset, end)
                yield Batch(number, record, start, end)
                end = start
            high = low
        if end and not first:
            yield Batch(0, self.unindexed(), 0, end)


def unfinished_streams(segment: Segment, count: int, end: int) -> set[Stream]:
    """Return the streams that had written a part of a line, and not its end, before record `count`.

    Asked of the newest run among the first `count` records, whose bytes reach up to `end`. A stream that has
    been silent for longer than `LOOK_BACK` records counts as finished.
    """
    unfinished: set[Stream] = set()
    undecided = {Stream.OUT, Stream.ERR}
    run = None
    for batch in segment.backwards(count, end):
        record = batch.record
        run = record.run if run is None else run
        if record.run != run or count - batch.number > LOOK_BACK or not undecided:
            break
        if record.stream not in undecided:
            continue
        if record.flags & OPEN or batch.end > batch.start:
            undecided.discard(record.whose)
            if record.flags & OPEN or segment.read(batch.end - 1, batch.end) != b"\n":
                unfinished.add(record.whose)
    return unfinished
