"""Follows the history as it grows: over managers that come and go, and databases that begin anew."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from procman.core.journal import Kind, Record
from procman.history.read import Reader, Selection, Unreadable, unreadable_told

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

LOOK_EVERY_S = 1.0  # the guarantee, where the system's notices fail
SETTLE_S = 0.01  # between a notice, which is of the first byte of a batch, and the look


class Follower:
    """Yields records as they are written; owned by one thread, but `stop` may be called from any.

    What it has not read of a database that is deleted or put aside it still reads, as far as it can.
    Where there is nothing to read it waits for a manager to begin anew.
    """

    def __init__(
        self,
        path: Path,
        apps: Collection[str] | None = None,
        kinds: Collection[Kind] | None = None,
        after: int | None = None,
    ) -> None:
        """Stand behind a record.

        Args:
            path: of the database; it need not be there yet.
            apps: only what is about one of these.
            kinds: only what is of one of these.
            after: the number of that record; None for the newest there is.

        Raises:
            Unreadable: there is a history, and it can't be read.
        """
        self._path = path
        self._selection = Selection(apps=apps, kinds=kinds)
        self._wake, self._stopped = threading.Event(), threading.Event()
        self._observer: BaseObserver | None = None
        self._reader: Reader | None = None
        self._file: object = None  # of which `_after` is a number
        self._after = 0
        with unreadable_told(path):
            self._open()
            if self._reader is not None:
                self._after = self._reader.newest() if after is None else after

    def look(self) -> Iterator[Record]:
        """Yield what was written since the last look; to be exhausted. Never waits for more."""
        try:
            with unreadable_told(self._path):
                if self._reader is not None and not self._reader.is_current():
                    yield from self._rest()
                if self._reader is None:
                    self._open()
                if self._reader is not None:
                    yield from self._unseen(self._reader)
        except Unreadable:
            self._let_go()

    def __iter__(self) -> Iterator[Record]:
        """Yield records for ever, waiting for them; after `stop` those that are there, and no more."""
        try:
            while True:
                stopped = self._stopped.is_set()
                self._wake.clear()
                yield from self.look()
                if stopped:
                    return
                self._wait()
        finally:
            self.close()

    def stop(self) -> None:
        """Let the iteration end after what is there now."""
        self._stopped.set()
        self._wake.set()

    def close(self) -> None:
        """Close the database and end the watch; the follower is of no use any more."""
        self._let_go()
        observer, self._observer = self._observer, None  # not stopped twice: see `logs.follow`
        if observer is not None:
            observer.stop()
            observer.join()

    def _open(self) -> None:
        """Open what is there now. In a database that we do not know all is new."""
        reader = Reader.open(self._path)
        if reader is None:
            return
        if not reader.is_current():  # replaced in this moment: it is met at the next look
            reader.close()
            return
        self._reader = reader
        if reader.file != self._file:
            self._file, self._after = reader.file, 0

    def _unseen(self, reader: Reader) -> Iterator[Record]:
        for record in reader.read(self._selection, self._after):
            self._after = record.number
            yield record

    def _rest(self) -> Iterator[Record]:
        """Yield what is left of a database that is not the present one any more, and let it go."""
        with contextlib.suppress(Unreadable), unreadable_told(self._path):
            if self._reader is not None:
                yield from self._unseen(self._reader)
        self._let_go()

    def _let_go(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _wait(self) -> None:
        """Wait until it is worth looking again."""
        if self._observer is None:
            self._observer = _observe(self._path, self._wake)
            if self._observer is not None:
                return  # it has missed what came just before it
        self._wake.wait(LOOK_EVERY_S)
        self._stopped.wait(SETTLE_S)


def _observe(path: Path, wake: threading.Event) -> BaseObserver | None:
    """Set `wake` whenever a file of the database changes, until the observer is stopped.

    None where there is no folder yet, or the system has no watch left to give; the look every second does
    without.
    """
    if not path.parent.is_dir():
        return None
    # A third of the time and memory of this process: only who waits for records pays for it.
    from watchdog import events
    from watchdog.observers import Observer

    class Waker(events.FileSystemEventHandler):
        def on_any_event(self, event: events.FileSystemEvent) -> None:
            if os.path.basename(os.fsdecode(event.src_path)).startswith(path.name):
                wake.set()

    observer = Observer()
    wanted = [events.FileCreatedEvent, events.FileModifiedEvent]
    observer.schedule(Waker(), str(path.parent), event_filter=wanted)
    try:
        observer.start()
    except OSError:
        return None
    return observer
