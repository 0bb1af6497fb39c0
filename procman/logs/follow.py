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

from procman.logs.backward import BEFORE, find_end, find_from, find_last
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
    slow that files are rotated away before it has opened them, a line of the manager's says how much it
    missed.
    """

    def __init__(
        self,
        folder: Path,
        apps: Collection[str] | None = None,
        last: int | None = 0,
        since: float | None = None,
        stream: Stream | None = None,
    ) -> None:
        """Stand before the last lines of each app, or before those since a time.

        Args:
            folder: of the logs; it need not be there yet, nor need any app's log.
            apps: whose lines; None follows every app in the folder, also those that come later.
            last: how many lines of each app to begin with; None for all that are kept.
            since: seconds since the epoch; with it `last` means nothing. A line that had begun is left out.
            stream: one stream's lines only.
        """
        self._folder = folder
        self._apps = apps
        self._selection = Selection(stream=stream)
        self._cursors: dict[str, Cursor] = {}
        self._folders: dict[str, int | None] = {}  # the inode of each app's
        self._wake = threading.Event()
        self._stopped = False
        self._busy_until = 0.0  # monotonic
        self._observer: BaseObserver | None = None
        for app in self._names():
            place = None
            if since is not None:
                place = find_from(folder / app, since, None)
            elif last is not None:
                place = find_last(folder / app, last, self._selection, with_unfinished=False)
            self._take(app, Cursor(folder, app, self._selection, place))

    def look(self, *, ends: bool = False) -> Iterator[Line]:
        """Yield the lines that have ended since the last look, by time; to be exhausted. Never waits.

        With an app that prints faster than it is read this has no end, unless `ends` leaves what comes
        meanwhile for the next look.
        """
        names = self._names()
        for app in names:
            if app not in self._cursors:
                self._take(app, self._renamed(app, names) or Cursor(self._folder, app, self._selection))
        sources = [
            cursor.read(find_end(self._folder / app) if ends else None)
            for app, cursor in self._cursors.items()
        ]
        for line in heapq.merge(*sources, key=lambda line: line.at):
            if line.at != BEFORE:
                yield line

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

    def _take(self, app: str, cursor: Cursor) -> None:
        self._cursors[app] = cursor
        self._folders[app] = _inode(self._folder / app)

    def _renamed(self, app: str, names: Collection[str]) -> Cursor | None:
        """Return the cursor of the app that is called `app` now, if it had another name before."""
        folder = _inode(self._folder / app)
        for old, known in self._folders.items():
            if folder is not None and known == folder and old not in names and old in self._cursors:
                cursor = self._cursors.pop(old)
                cursor.rename(app)
                return cursor
        return None

    def _names(self) -> Collection[str]:
        if self._apps is not None:
            return self._apps
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
        return ()

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
        # Forgotten first: after a Ctrl-C in the middle, a second `stop` would wait for ever for a thread that
        # was told to end already. None of its threads outlives the process.
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join()


def _inode(folder: Path) -> int | None:
    try:
        return folder.stat().st_ino
    except OSError:
        return None


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
