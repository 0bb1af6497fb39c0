"""A capture with real pipes and files, and clocks that move only when told."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from procman.core.config import LogBudget
from procman.logs.capture import Capture, ChildStreams
from procman.logs.read import Stream, lines


class Bench:
    """One capture with its clock, and the app's side of its pipes."""

    def __init__(self, folder: Path, budget: LogBudget | None = None) -> None:
        self.now = 100.0
        self.logs, self.run = folder / "logs", folder / "run"
        self.run.mkdir(exist_ok=True)
        budget = budget or LogBudget()
        self.capture = Capture(self.logs, self.run, "web", budget, lambda: self.now, lambda: self.now)
        self.streams: ChildStreams | None = None

    def begin(self, generation: int) -> None:
        """Begin a run; what is released is kept here, as a child would."""
        made = self.capture.begin(generation)
        self.streams = ChildStreams(os.dup(made.stdin), os.dup(made.stdout), os.dup(made.stderr))
        self.capture.release()

    def print(self, text: bytes, stream: Stream = Stream.OUT) -> None:
        """Write as the app would, and have it captured."""
        assert self.streams is not None
        os.write((self.streams.stdout, self.streams.stderr)[stream], text)
        self.capture.drain()

    def exit(self) -> None:
        """Close the app's side."""
        if self.streams is not None:
            for descriptor in (self.streams.stdin, self.streams.stdout, self.streams.stderr):
                os.close(descriptor)
            self.streams = None

    def end(self) -> None:
        """Close the app's side and have the run's end captured."""
        self.exit()
        self.capture.end()

    def texts(self) -> list[bytes]:
        """Return what is in the log."""
        return [line.text for line in lines(self.logs, "web")]

    def close(self) -> None:
        """Leave nothing open."""
        self.exit()
        self.capture.close()


def full(*_: object, **__: object) -> int:
    """Do as a file system does that has no room left."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
