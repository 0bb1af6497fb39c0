"""Follows logs as they grow: over rotations, restarts of the apps, and managers that come and go."""

from __future__ import annotations

import contextlib
import heapq
import os
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from procman.logs.backward import find_last
from procman.logs.cursor import Cursor, Selection
from procman.logs.lines import Line
from procman.logs.segments import Stream

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

LOOK_EVERY_S = 1.0  # the guarantee, where the system's notices fail
# Notices are for the quiet times: at 1,000 lines a second they cost a fifth of a core, looks every 20 ms a
# twentieth. A follower that has seen lines looks so often, without notices, until nothing has come for a
# while.
BUSY_LOOK_EVERY_S = 0.02
BUSY_S = 2.0
# Between a notice and the look: the notice is of the index, whose bytes come a moment later, and older
# kernels send none for bytes that were spliced.
SETTLE_S = 0.01


class Follower:
    """Yields the lines of apps as they end; owned by one thread, but `stop` may be called from any.

    Memory is bounded whatever the apps write: what the reader does not take stays in the files. If it is so
    slow that files are rotated away before it has opened them, a line of the manager's says so.
    """

    def __init__(
        self,
        folder: Path,
        apps: Collection[str] | None = None,
        last: int | None = 0,
        stream: Stream | None = None,
    ) -> None:
        """Stand before the last lines of each app.

        Args:
            folder: of the logs; it need not be there yet, nor need any app's log.
            apps: whose lines; None follows every app in the folder, also those that come later.
            last: how many lines of each app to begin with; None for all that are kept.
            stream: one stream's lines only.
        """
        self._folder = folder
        self._apps = apps
        self._selection = Selection(stream=stream)
        self._cursors: dict[str, Cursor] = {}
        self._missed: dict[str, int] = {}
        self._wake = threading.Event()
        self._stopped = False
        self._busy_until = 0.0  # monotonic
        self._observer: BaseObserver | None = None
        for app in self._names():
            place = None
            if last is not None:
                place = find_last(folder / app, last, self._selection, with_unfinished=False)
            self._cursors[app] = Cursor(folder, app, self._selection, place)

    def look(self) -> Iterator[Line]:
        """Yield the lines that have ended since the last look, by time; to be exhausted. Never waits."""
        for app in self._names():
            if app not in self._cursors:
                self._cursors[app] = Cursor(self._folder, app, self._selection)
        sources = [self._from(app, cursor) for app, cursor in self._cursors.items()]
        yield from heapq.merge(*sources, key=lambda line: line.at)

    def __iter__(self) -> Iterator[Line]:
        """Yield lines for ever, waiting for them; after `stop` those that are there, and no more."""
        try:
            while True:
                stopped = self._stopped
                self._wake.clear()
                found = False
                for line in self.look():
                    found = True
                    yield line
                if stopped:
                    return
                self._wait(found)
        finally:
            self.close()

    def stop(self) -> None:
        """Let the iteration end after what is there now."""
        self._stopped = True
        self._wake.set()

    def close(self) -> None:
        """Close the files and end the watch; the follower is of no use any more."""
        for cursor in self._cursors.values():
            cursor.close()
        self._cursors.clear()
        self._unwatch()

    def _names(self) -> Collection[str]:
        if self._apps is not None:
            return self._apps
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
        return ()

    def _from(self, app: str, cursor: Cursor) -> Iterator[Line]:
        """Yield the new lines of one app, and first how many of its files could not be read any more."""
        for line in cursor.read():
            if (missed := cursor.missed) > self._missed.get(app, 0):
                count = missed - self._missed.get(app, 0)
                self._missed[app] = missed
                files = "1 file" if count == 1 else f"{count} files"
                text = f"procman: {files} of this log went by rotation before they could be shown here"
                yield Line(app, line.run, Stream.MANAGER, line.at, text.encode())
            yield line

    def _wait(self, found: bool) -> None:
        """Wait until it is worth looking again, knowing whether the last look found anything."""
        now = time.monotonic()
        if found:
            self._busy_until = now + BUSY_S
            self._unwatch()
        if now < self._busy_until:
            self._wake.wait(BUSY_LOOK_EVERY_S)
        elif self._observer is not None or not self._watch():  # a new watch missed what came just before it
            self._wake.wait(LOOK_EVERY_S)
            time.sleep(SETTLE_S)

    def _watch(self) -> bool:
        """Have the system wake the iteration when a log changes; return whether it does."""
        if self._folder.is_dir():
            self._observer = _observe(self._folder, self._wake)
        return self._observer is not None

    def _unwatch(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None


def _observe(folder: Path, wake: threading.Event) -> BaseObserver | None:
    """Set `wake` whenever something in `folder` changes, until the observer is stopped.

    None where the system has no watch left to give; the look every second does without.
    """
    # A third of the time and memory of this process: only who waits for lines pays for it.
    from watchdog import events
    from watchdog.observers import Observer

    class Waker(events.FileSystemEventHandler):
        def on_any_event(self, event: events.FileSystemEvent) -> None:
            wake.set()

    observer = Observer()
    wanted = [events.DirCreatedEvent, events.FileCreatedEvent, events.FileModifiedEvent]
    observer.schedule(Waker(), str(folder), recursive=True, event_filter=wanted)
    try:
        observer.start()
    except OSError:
        return None
    return observer
