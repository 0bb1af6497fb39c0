"""The system's notices of changes in folders, by watchdog: where we do not read them ourselves.

watchdog is imported and told in a thread of our own that ends at once: its import takes 40 ms, and taking a
watch back waits for a thread of watchdog's that may sleep for 0.5 s. All these threads only post to the loop,
and none of them wakes while nothing happens (measured with strace: no system call in 30 s).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from procman.host.watch import Place

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers.api import BaseObserver, ObservedWatch

ARM_FIRST_AFTER = 0.3  # s: watchdog's import takes the interpreter from a manager that starts its apps
ARM_AGAIN_AFTER = 60.0  # s, where the limit of inotify was reached


@dataclass(slots=True)
class _Armed:
    """What watchdog was told. Owned by the arming thread, of which there is one at a time."""

    observer: BaseObserver | None = None  # made by the first thread that needs it
    watches: dict[Place, ObservedWatch] = field(default_factory=dict)


class Notices:
    """Calls back when one of the wanted names in one of the wanted folders may have changed.

    Owned by the thread of the event loop, but for the methods that say otherwise.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_notice: Callable[[], None]) -> None:
        self._loop = loop
        self._on_notice = on_notice
        self.work = True  # False while the system refuses one
        self._retry_at = 0.0
        self._wanted: frozenset[Place] = frozenset()
        self._names: Mapping[str, frozenset[str]] = {}  # replaced, never changed: watchdog's thread reads it
        self._posted = False
        self._closed = False
        self._armed = _Armed()
        self._lock = threading.Lock()  # over the two below
        self._job: frozenset[Place] | None = None  # what is to be armed next; nothing at all once closed
        self._arming = False

    def want(self, places: Mapping[Place, frozenset[str]]) -> None:
        """Have changes of these names in these folders noticed, and of none else."""
        self._names = {folder: names for (folder, _inode), names in places.items()}
        wanted = frozenset(places)
        if wanted != self._wanted or (not self.work and self._loop.time() >= self._retry_at):
            self._wanted = wanted
            self._retry_at = self._loop.time() + ARM_AGAIN_AFTER
            self._order(wanted)

    def close(self) -> None:
        """Notice nothing any more."""
        self._closed = True
        self._order(frozenset())

    def _order(self, wanted: frozenset[Place]) -> None:
        with self._lock:
            self._job = wanted
            if self._arming or (self._armed.observer is None and not wanted):
                return
            self._arming = True
        if self._armed.observer is None:
            self._loop.call_later(ARM_FIRST_AFTER, self._start_arming)
        else:
            self._start_arming()

    def _start_arming(self) -> None:
        threading.Thread(target=self._arm_all, name="procman-arm", daemon=True).start()

    def _arm_all(self) -> None:
        """Run in the arming thread: do what is ordered until nothing is."""
        while True:
            with self._lock:
                job, self._job = self._job, None
                if job is None:
                    self._arming = False
                    return
            if self._closed:
                if self._armed.observer is not None:
                    self._armed.observer.stop()
                continue
            complete = self._arm(job)
            self._post(partial(self._on_armed, complete))

    def _arm(self, wanted: frozenset[Place]) -> bool:
        """Run in the arming thread: make what is armed what is wanted; return whether the system agreed."""
        armed, complete = self._armed, True
        for place in armed.watches.keys() - wanted:
            watch = armed.watches.pop(place)
            if armed.observer is not None:
                armed.observer.unschedule(watch)
        for place in wanted - armed.watches.keys():
            try:
                if armed.observer is None:
                    armed.observer = _observer()
                watch = armed.observer.schedule(self._handler(), place[0], event_filter=_kinds())
                armed.watches[place] = watch
            except OSError:  # a limit of inotify, or the folder is gone again
                complete = False
        return complete

    def _handler(self) -> FileSystemEventHandler:
        from watchdog.events import FileSystemEventHandler

        notices = self

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event: FileSystemEvent) -> None:
                notices.on_event(event)

        return Handler()

    def on_event(self, event: FileSystemEvent) -> None:
        """Run in watchdog's thread: post a notice if the event is about a name that matters."""
        names = self._names
        for raw in (event.src_path, event.dest_path):
            path = os.fsdecode(raw)
            folder, name = os.path.split(path)
            if name in names.get(folder, ()) or path in names:
                if not self._posted:  # one is enough, however busy the file
                    self._posted = True
                    self._post(self._on_posted)
                return

    def _post(self, callback: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(callback)

    def _on_posted(self) -> None:
        self._posted = False
        if not self._closed:
            self._on_notice()

    def _on_armed(self, complete: bool) -> None:
        self.work = complete
        if not self._closed:
            self._on_notice()  # what changed before it was armed was not noticed


def _observer() -> BaseObserver:
    """Return watchdog's observer, at work.

    Raises:
        OSError: the user has no inotify instance left (fs.inotify.max_user_instances, often 128).
    """
    from watchdog.observers import Observer

    observer = Observer()
    observer.start()
    return observer


def _kinds() -> list[type[FileSystemEvent]]:
    """Return the events that are asked for: none of opening and reading, which we do ourselves."""
    from watchdog import events

    return [
        events.FileCreatedEvent,
        events.FileModifiedEvent,
        events.FileMovedEvent,
        events.FileDeletedEvent,
        events.FileClosedEvent,
        events.DirCreatedEvent,
        events.DirMovedEvent,
        events.DirDeletedEvent,
    ]
