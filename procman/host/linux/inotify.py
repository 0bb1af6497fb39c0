"""Linux's notices of a tree: one inotify instance for each, read by the event loop without a thread.

watchdog, which watches single files elsewhere (`notices.py`), would watch all folders of a tree, or start two
threads for each: here it is each folder that is entered, and no thread.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import sys
from collections.abc import Callable
from functools import cache

from procman.host.tree_watch import Enters, folders

assert sys.platform == "linux"

# linux/inotify.h
CLOSE_WRITE, MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
DELETE_SELF, MOVE_SELF, UNMOUNT, OVERFLOW, IGNORED = 0x400, 0x800, 0x2000, 0x4000, 0x8000
ONLYDIR, ISDIR = 0x1000000, 0x40000000
MASK = CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE | DELETE_SELF | MOVE_SELF | ONLYDIR
EVENT = struct.Struct("iIII")
BUFFER = 1 << 16
NOT_THERE = (FileNotFoundError, NotADirectoryError, PermissionError)  # it is gone, or not ours to read


class Inotify:
    """The notices of one tree; owned by the thread of the event loop.

    A file counts when who wrote it has closed it, so half of a save is not told of, nor is a log that grows.

    Args:
        loop: the event loop.
        top: the folder; links to folders are not followed.
        enters: returns whether a folder below it is looked into.
        on_change: called with the path of each file, link or folder that was made, written, moved or deleted.
        on_end: called once, when there will be no more notices.

    Raises:
        OSError: the folder is not there, or a limit is reached.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        top: str,
        enters: Enters,
        on_change: Callable[[str], None],
        on_end: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._top = top
        self._enters = enters
        self._on_change = on_change
        self._on_end = on_end
        self._folders: dict[int, str] = {}  # by watch descriptor
        self._descriptor = call("inotify_init1", os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self._watch(top)
            self._enter(top)
        except OSError:
            os.close(self._descriptor)
            raise
        loop.add_reader(self._descriptor, self._read)

    def close(self) -> None:
        """Notice nothing any more."""
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _watch(self, folder: str) -> None:
        number = call("inotify_add_watch", self._descriptor, os.fsencode(folder), MASK)
        self._folders[number] = folder

    def _enter(self, folder: str) -> list[str]:
        """Watch all folders of a tree that are entered, and return the files in them.

        A folder is watched before it is read, so that nothing made in between is missed.
        """

        def enters(below: str) -> bool:
            if not self._enters(below):
                return False
            try:
                self._watch(below)
            except NOT_THERE:
                return False
            return True

        return [entry.path for _, others in folders(folder, enters) for entry in others]

    def _read(self) -> None:
        changed: dict[str, None] = {}
        at, over = 0, False
        try:
            found = os.read(self._descriptor, BUFFER)
        except BlockingIOError:
            return
        except OSError:  # what there is to read would wake us again at once, and for ever
            found, over = b"", True
        while at < len(found):
            number, mask, _, length = EVENT.unpack_from(found, at)
            at += EVENT.size
            name = found[at : at + length].rstrip(b"\0")
            at += length
            try:
                over = self._on_event(number, mask, os.fsdecode(name), changed) or over
            except OSError:  # no watch is left for a folder that is new
                over = True
        if over:
            self.close()
        for path in changed:
            self._on_change(path)
        if over:
            self._on_end()

    def _on_event(self, number: int, mask: int, name: str, changed: dict[str, None]) -> bool:
        """Note what has changed by one event; return whether there are no more notices to be had."""
        if mask & OVERFLOW:  # 16384 events were not read in time: what they told of is lost
            changed[self._top] = None
            changed.update(dict.fromkeys(self._enter(self._top)))
            return False
        folder = self._folders.get(number)
        if folder is None:
            return False
        if mask & IGNORED:
            del self._folders[number]
            return folder == self._top
        if mask & (DELETE_SELF | MOVE_SELF | UNMOUNT):
            return folder == self._top
        path = os.path.join(folder, name)
        if mask & ISDIR:
            self._on_folder(path, mask, changed)
        elif not mask & CREATE or os.path.islink(path):  # a file that is new is told of when it is closed
            changed[path] = None
        return False

    def _on_folder(self, path: str, mask: int, changed: dict[str, None]) -> None:
        if not self._enters(path):
            return
        changed[path] = None
        if mask & (CREATE | MOVED_TO):
            try:
                self._watch(path)
            except NOT_THERE:
                return
            changed.update(dict.fromkeys(self._enter(path)))
        elif mask & MOVED_FROM:  # it lives on under another name, and its watches with it
            inside = [number for number, each in self._folders.items() if f"{each}/".startswith(f"{path}/")]
            for number in inside:
                del self._folders[number]
                call("inotify_rm_watch", self._descriptor, number)


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def call(function: str, *arguments: int | bytes) -> int:
    """Return what a function of inotify(7) does.

    Raises:
        OSError: it failed.
    """
    answer: int = getattr(_library(), function)(*arguments)
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return answer
