"""Deletes the segments over the budget, and counts before what a reader that fell behind will never see.

A reader holds a shared lock on the segment that it reads (`Segment.announce_reader`). When that is deleted
the reader has fallen behind: it still reads this one to its end, but nothing that is deleted after it. So the
lines of that are counted first, and written down for it. Who keeps up costs nothing, and nobody is ever
waited for.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from procman.host import files
from procman.logs.segments import BLOCK, index_path, log_path, open_plain, segment_files

_COUNTS = "missed"  # a file beside the segments; each line has a number, and how many lines ended in that


def missed_lines(folder: Path, first: int, last: int) -> tuple[int, bool]:
    """Return how many lines ended in the deleted segments from `first` to `last`, and whether that is all.

    To be asked while the segment before them is still open; after that the counts may be forgotten.
    """
    counts: dict[int, int] = {}
    with contextlib.suppress(OSError):
        for line in (folder / _COUNTS).read_bytes().splitlines():
            with contextlib.suppress(ValueError):  # torn by a crash
                number, count = map(int, line.split())
                counts[number] = count
    found = [counts[number] for number in range(first, last + 1) if number in counts]
    return sum(found), len(found) == last - first + 1


class Sweep:
    """Deletes the old segments of one log; owned by the thread that writes it.

    Nothing here raises: what can't be deleted now is tried again with the next, and what can't be read is not
    counted.
    """

    __slots__ = ("_behind", "_counted", "_due", "_folder", "_lines")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._behind: list[int] = []  # descriptors of deleted segments that somebody may still read
        self._due: list[int] = []  # segments that are to be deleted once their lines are counted
        self._counted: int | None = None  # descriptor of the first of them
        self._lines = 0  # so far

    def delete_below(self, number: int) -> None:
        """Delete every segment below `number`, at once or, if its lines are to be counted, by `go_on`."""
        due = sorted({each for each, _ in segment_files(self._folder) if each < number})
        if due[:1] != self._due[:1]:
            self._stop_counting()
        self._due = due
        while self._due and not self._is_somebody_behind():
            self._delete()

    def go_on(self, most: int) -> None:
        """Count about `most` bytes of what is due, and delete what is counted.

        10 MB take 7 ms, which is too long for one go; asked for more than is written meanwhile, it keeps up.
        """
        while self._due and most > 0:
            try:
                if self._counted is None:
                    self._counted = open_plain(log_path(self._folder, self._due[0]), os.O_RDONLY)
                data = os.read(self._counted, BLOCK)
                if not data:
                    self._write_down(f"{self._due[0]} {self._lines}\n")
            except OSError:
                data = b""
            self._lines += data.count(b"\n")
            most -= len(data)
            if not data:
                self._delete()

    def close(self) -> None:
        """Close what is open; what is due is left to the next writer."""
        self._stop_counting()
        self._due = []
        for descriptor in self._behind:
            os.close(descriptor)
        self._behind = []

    def _is_somebody_behind(self) -> bool:
        """Return whether a reader still reads what was deleted, and let go of what nobody needs any more."""
        for descriptor in tuple(self._behind):
            if not _is_read(descriptor):
                os.close(descriptor)
                self._behind.remove(descriptor)
                if not self._behind:
                    with contextlib.suppress(OSError):
                        (self._folder / _COUNTS).unlink()
        return bool(self._behind)

    def _keep_if_read(self, number: int) -> None:
        """Remember a segment that is deleted under its reader."""
        with contextlib.suppress(OSError):
            descriptor = open_plain(log_path(self._folder, number), os.O_RDONLY)
            if _is_read(descriptor):
                self._behind.append(descriptor)
            else:
                os.close(descriptor)

    def _delete(self) -> None:
        """Delete the first segment that is due: a text never without its index."""
        self._stop_counting()
        number = self._due.pop(0)
        self._keep_if_read(number)
        for path in (log_path(self._folder, number), index_path(self._folder, number)):
            try:
                os.unlink(path)
            except FileNotFoundError:
                continue
            except OSError:
                return

    def _write_down(self, line: str) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        descriptor = open_plain(self._folder / _COUNTS, flags)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def _stop_counting(self) -> None:
        self._lines = 0
        if self._counted is not None:
            os.close(self._counted)
            self._counted = None


def _is_read(descriptor: int) -> bool:
    """Return whether somebody has announced to read this segment."""
    try:
        if not files.lock(descriptor):
            return True
    except OSError:  # a file system without locks
        return False
    files.unlock(descriptor)
    return False
