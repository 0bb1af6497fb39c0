"""The manager's own log: lines in a file of bounded size, written a moment later, all at once.

The handlers of the standard library write each line by itself, and load `pickle` and sockets: 0.4 MB.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from pathlib import Path

from procman.host.files import open_plain
from procman.logs.read import plain

WITHIN = 0.25  # seconds from what happens to its line: the start of 100 apps is 300 lines in 0.1 s
BATCH = 1000  # lines that wait at most
LONGEST = 1_000_000  # bytes of the file, and as many of the one before


class Harmless(logging.Formatter):
    """Writes what neither steers a terminal nor passes for another record: further lines are indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record."""
        return "\n  ".join(map(plain, super().format(record).split("\n")))


FORMAT = Harmless("%(asctime)s.%(msecs)03d %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S")


class OwnLog(logging.Handler):
    """Writes to `path`; what was there moves to `path` with `.1` once it is full.

    Args:
        path: of the file.
        loop: the event loop.
        longest: bytes.
    """

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop, longest: int = LONGEST) -> None:
        super().__init__()
        self.setFormatter(FORMAT)
        self._path = path
        self._loop = loop
        self._longest = longest
        self._descriptor = -1
        self._records: list[logging.LogRecord] = []
        self._is_due = False

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it for a moment; what is urgent, or too much, is written now."""
        self._records.append(record)
        if record.levelno >= logging.ERROR or len(self._records) >= BATCH or self._loop.is_closed():
            self.flush()
        elif not self._is_due:
            self._is_due = True
            self._loop.call_later(WITHIN, self.flush)

    def flush(self) -> None:
        """Write what waits; without a file to be had it is dropped, for whoever logs is not to fail by it."""
        self._is_due = False
        records, self._records = self._records, []
        if not records:
            return
        data = "".join(f"{self.format(record)}\n" for record in records).encode(errors="backslashreplace")
        with contextlib.suppress(OSError):
            self._rotate(len(data))
            os.write(self._descriptor, data)

    def reopen(self) -> None:
        """Let the next line go into a new file: this one was deleted."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def close(self) -> None:
        """Write what waits, and let go of the file."""
        self.flush()
        self.reopen()
        super().close()

    def _rotate(self, more: int) -> None:
        """Have a file open that has room for so many bytes."""
        if self._descriptor >= 0 and os.fstat(self._descriptor).st_size + more > self._longest:
            self.reopen()
            os.replace(self._path, f"{self._path}.1")
        if self._descriptor < 0:
            self._descriptor = open_plain(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
