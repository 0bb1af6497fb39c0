"""Linux's notices of single files: one inotify instance for all of them, read by the loop without a thread.

A name in a folder that matters is noticed by that folder; what is written into the file, by the file itself,
so that a busy log beside it wakes nobody at each of its lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Mapping

from procman.host.linux import inotify
from procman.host.watch import Place

assert sys.platform == "linux"

MODIFY, DONT_FOLLOW, MASK_ADD = 0x2, 0x2000000, 0x20000000  # linux/inotify.h
IN_FOLDER = (
    inotify.CLOSE_WRITE
    | inotify.MOVED_FROM
    | inotify.MOVED_TO
    | inotify.CREATE
    | inotify.DELETE
    | inotify.DELETE_SELF
    | inotify.MOVE_SELF
    | inotify.ONLYDIR
)
IN_FILE = MODIFY | DONT_FOLLOW | MASK_ADD  # added: the name may be that of a folder that matters too
ARM_AGAIN_AFTER = 60.0  # s, where a limit of inotify was reached


class PlaceNotices:
    """Calls back when one of the wanted names in one of the wanted folders may have changed.

    Owned by the thread of the event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_notice: Callable[[], None]) -> None:
        self._loop = loop
        self._on_notice = on_notice
        self.work = True  # False while the system refuses one
        self._retry_at = 0.0
        self._descriptor = -1
        self._watched: dict[int, frozenset[str] | None] = {}  # by watch: names in a folder, None of a file

    def want(self, places: Mapping[Place, frozenset[str]]) -> None:
        """Have changes of these names in these folders noticed, and of none else.

        To watch what is watched already is one system call that changes nothing, and finds
        what was replaced.
        """
        if not self.work and self._loop.time() < self._retry_at:
            return
        try:
            watched = self._watch_all(places)
        except OSError:  # no watch or instance is left, or a folder has gone since it was looked at
            self._do_without()
            return
        for number in self._watched.keys() - watched.keys():
            with contextlib.suppress(OSError):  # what it watched is gone
                inotify.call("inotify_rm_watch", self._descriptor, number)
        self.work, self._watched = True, watched

    def close(self) -> None:
        """Notice nothing any more."""
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
        self._descriptor, self._watched = -1, {}

    def _do_without(self) -> None:
        self.work, self._retry_at = False, self._loop.time() + ARM_AGAIN_AFTER

    def _watch_all(self, places: Mapping[Place, frozenset[str]]) -> dict[int, frozenset[str] | None]:
        if self._descriptor < 0 and places:
            self._descriptor = inotify.call("inotify_init1", os.O_NONBLOCK | os.O_CLOEXEC)
            self._loop.add_reader(self._descriptor, self._read)
        watched: dict[int, frozenset[str] | None] = {}
        for (folder, _inode), names in places.items():
            watched[self._watch(folder, IN_FOLDER)] = names
            for name in names:
                with contextlib.suppress(FileNotFoundError, PermissionError):
                    watched.setdefault(self._watch(os.path.join(folder, name), IN_FILE), None)
        return watched

    def _watch(self, path: str, mask: int) -> int:
        return inotify.call("inotify_add_watch", self._descriptor, os.fsencode(path), mask)

    def _read(self) -> None:
        try:
            found = os.read(self._descriptor, inotify.BUFFER)
        except BlockingIOError:
            return
        except OSError:  # what there is to read would wake us again at once, and for ever
            self.close()
            self._do_without()
            self._on_notice()
            return
        at, matters = 0, False
        while at < len(found):
            number, mask, _, length = inotify.EVENT.unpack_from(found, at)
            at += inotify.EVENT.size
            name = os.fsdecode(found[at : at + length].rstrip(b"\0"))
            at += length
            names = self._watched.get(number, frozenset())
            matters |= (
                names is None
                or name in names
                or bool(mask & (inotify.DELETE_SELF | inotify.MOVE_SELF | inotify.OVERFLOW))
            )
        if matters:
            self._on_notice()
