"""Files that are watched for change: by the system's notices, and by a look every 10 s whatever those say.

Editors and deployments replace rather than write: a rename over the file, a swap of a symlink on its way
(Kubernetes' `..data`, a `current` release), a folder deleted and checked out again. So it is folders that
are watched, those of the file and of every symlink on its path, and a change is what a look finds changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from procman.core.frozen import Frozen
from procman.core.service import LOOK_EVERY, on_the_beat

SETTLE = 0.05  # s from a notice to the look: an editor's save is several operations
LOOK_EVERY_UNNOTICED = 0.5  # s, where the system gives no notices: a change is to be seen within a second
SAME_TICK = 0.03  # s; a kernel before 6.13 gives two writes within 10 ms the same time
SYMLINKS_FOLLOWED = 40  # the kernel's own limit (path_resolution(7))

Place = tuple[str, int]  # a folder and its inode: a folder that was made anew needs a new watch


class Notices(Protocol):
    """The system's notices of changes of names in folders; `work` is False while it refuses one."""

    work: bool

    def want(self, places: Mapping[Place, frozenset[str]]) -> None:
        """Have changes of these names in these folders noticed, and of none else."""
        ...

    def close(self) -> None:
        """Notice nothing any more."""
        ...


# Makes them; called with the loop, and with what is to be called when one of those names may have changed.
Notice = Callable[[asyncio.AbstractEventLoop, Callable[[], None]], Notices]


class _Route(Frozen):
    """How a path leads to a file."""

    file: str | None  # without symlinks; None where there is none
    places: tuple[tuple[Place, str], ...]  # the folder and name of every link of the way, and of its end


def route(path: str) -> _Route:
    """Follow `path` as the kernel would, and return the names on which it depends.

    Where something is missing on the way, the route ends there: that folder tells when it appears.
    """
    pending = [part for part in reversed(os.path.abspath(path).split(os.sep)) if part]
    here, followed = os.sep, 0
    places: list[tuple[Place, str]] = []
    while pending:
        name = pending.pop()
        if name == "..":
            here = os.path.dirname(here)
            continue
        candidate = os.path.join(here, name)
        try:
            target = os.readlink(candidate)
        except FileNotFoundError:
            return _Route(None, (*places, (_place(here), name)))
        except OSError:  # not a link
            if not pending:
                return _Route(candidate, (*places, (_place(here), name)))
            here = candidate
            continue
        places.append((_place(here), name))
        followed += 1
        if followed > SYMLINKS_FOLLOWED:
            return _Route(None, tuple(places))
        if os.path.isabs(target):
            here = os.sep
        pending += [part for part in reversed(target.split(os.sep)) if part not in ("", ".")]
    return _Route(here, tuple(places))


def _place(folder: str) -> Place:
    try:
        return folder, os.stat(folder).st_ino
    except OSError:
        return folder, 0


@dataclass(slots=True, eq=False)
class _Watch:
    """One watched file."""

    watcher: FileWatcher
    path: str
    callback: Callable[[], None]
    route: _Route
    seen: tuple[object, ...] | None = None
    look_again: bool = False

    def cancel(self) -> None:
        """Make sure that the callback is not called any more."""
        self.watcher.forget(self)

    def look(self) -> bool:
        """Look at the file and return whether it may have changed since the last look."""
        self.route = route(self.path)
        seen: tuple[object, ...] | None = None
        written = 0.0
        if self.route.file is not None:
            with contextlib.suppress(OSError):
                stat = os.stat(self.route.file)
                seen = (self.route.file, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
                written = stat.st_ctime
        changed = seen != self.seen or self.look_again
        self.look_again = seen != self.seen and abs(time.time() - written) < SAME_TICK
        self.seen = seen
        return changed


class FileWatcher:
    """All watched files of a host. Owned by the thread of the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, notice: Notice) -> None:
        self._loop = loop
        self._watches: list[_Watch] = []
        self._notices = notice(loop, self._on_notice)
        self._settling: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, path: str, callback: Callable[[], None]) -> _Watch:
        """Call `callback` soon after the file at `path` may have changed."""
        watch = _Watch(self, path, callback, route(path))
        watch.look()
        watch.look_again = False
        self._watches.append(watch)
        self._arm()
        return watch

    def forget(self, watch: _Watch) -> None:
        """Watch the file no longer."""
        if watch in self._watches:
            self._watches.remove(watch)
            self._arm()

    def close(self) -> None:
        """Watch nothing any more."""
        self._watches.clear()
        for timer in (self._timer, self._settling):
            if timer is not None:
                timer.cancel()
        self._notices.close()

    def _on_notice(self) -> None:
        if self._settling is None:
            self._settling = self._loop.call_later(SETTLE, self._look)

    def _look(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        changed = [watch for watch in self._watches if watch.look()]
        self._arm()
        if any(watch.look_again for watch in self._watches):
            self._on_notice()
        for watch in changed:
            if watch in self._watches:
                watch.callback()

    def _arm(self) -> None:
        """Have every place noticed, and the next look due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        places: dict[Place, set[str]] = {}
        for watch in self._watches:
            for place, name in watch.route.places:
                places.setdefault(place, set()).add(name)
        self._notices.want({place: frozenset(names) for place, names in places.items()})
        if self._watches:
            every = LOOK_EVERY if self._notices.work else LOOK_EVERY_UNNOTICED
            self._timer = self._loop.call_at(on_the_beat(self._loop.time(), every), self._look)
