"""Folders that are watched with all that is below them: by the kernel's notices, else by a look each second.

A folder that is not to be entered costs nothing: `node_modules` alone may have more folders than a user may
have inotify watches on an old kernel (8192), and its files are nobody's edits.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Protocol

LOOK_EVERY = 1.0  # s, where nothing is noticed
SHARE = 20  # a look may take 1/20 of the time: a tree that takes 0.1 s is looked at every 2 s
ARM_AGAIN_AFTER = 60.0  # s, where the system refused notices

Signature = tuple[int, int, int]
Enters = Callable[[str], bool]


class Notices(Protocol):
    """The kernel's notices of one tree."""

    def close(self) -> None:
        """Notice nothing any more."""
        ...


# Makes the notices of a tree; called with the loop, the folder, `enters`, the callback for a path, and one
# for their end. Raises OSError where the system refuses.
Arm = Callable[[asyncio.AbstractEventLoop, str, Enters, Callable[[str], None], Callable[[], None]], Notices]


def folders(top: str, enters: Enters) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Yield each folder of a tree that is entered, `top` first, with what is in it but for such folders."""
    pending = [top]
    while pending:
        folder = pending.pop()
        others = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if enters(entry.path):
                            pending.append(entry.path)
                    else:
                        others.append(entry)
        except OSError:  # it is gone, or may not be read
            continue
        yield folder, others


def look(top: str, enters: Enters) -> dict[str, Signature]:
    """Return what tells each file of a tree from its next version."""
    found = {}
    for _, others in folders(top, enters):
        for entry in others:
            with contextlib.suppress(OSError):
                stat = entry.stat()
                found[entry.path] = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
    return found


def changed(before: dict[str, Signature], after: dict[str, Signature]) -> list[str]:
    """Return the files that differ between two looks."""
    return sorted(path for path in {**before, **after} if before.get(path) != after.get(path))


class TreeWatch:
    """One tree that is watched; owned by the thread of the event loop.

    Args:
        loop: the event loop.
        folder: an absolute path; it need not be there yet.
        enters: returns whether a folder below it is looked into.
        callback: called with the path of each file that has changed.
        arm: makes the kernel's notices, where there are any.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        folder: str,
        enters: Enters,
        callback: Callable[[str], None],
        arm: Arm | None,
    ) -> None:
        self._loop = loop
        self._folder = folder
        self._enters = enters
        self._callback: Callable[[str], None] | None = callback
        self._arm = arm
        self._arm_at = 0.0
        self._notices: Notices | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._seen: dict[str, Signature] = {}
        if not self._armed():
            self._seen = look(folder, enters)
            self._look_in(LOOK_EVERY)

    @property
    def over(self) -> bool:
        """Whether it was cancelled."""
        return self._callback is None

    def cancel(self) -> None:
        """Make sure that the callback is not called any more."""
        self._callback = None
        if self._timer is not None:
            self._timer.cancel()
        if self._notices is not None:
            self._notices.close()
        self._timer = self._notices = None

    def _armed(self) -> bool:
        """Return whether the kernel gives notices from now on; a folder that is not there has none."""
        if self._arm is None or self._loop.time() < self._arm_at:
            return False
        try:
            self._notices = self._arm(self._loop, self._folder, self._enters, self._tell, self._on_end)
        except FileNotFoundError:
            return False
        except OSError:  # no watch or instance is left (fs.inotify.max_user_watches, max_user_instances)
            self._arm_at = self._loop.time() + ARM_AGAIN_AFTER
            return False
        return True

    def _tell(self, path: str) -> None:
        if self._callback is not None:
            self._callback(path)

    def _on_end(self) -> None:
        """Go on by looking: the folder is gone, or the tree has grown past what may be noticed."""
        if self._notices is not None:
            self._notices.close()
            self._notices = None
        self._arm_at = self._loop.time() + LOOK_EVERY
        if self._callback is not None:
            self._seen = look(self._folder, self._enters)
            self._look_in(LOOK_EVERY)

    def _look_in(self, seconds: float) -> None:
        self._timer = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        began = self._loop.time()
        armed = self._armed()  # before the look: what changes in between is seen twice, and not never
        seen = look(self._folder, self._enters)
        differ, self._seen = changed(self._seen, seen), {} if armed else seen
        self._timer = None
        if not armed:
            self._look_in(max(LOOK_EVERY, SHARE * (self._loop.time() - began)))
        for path in differ:
            self._tell(path)
