"""Waits until one of some files has changed for good, compared with what it was at a time in the past."""

from __future__ import annotations

import os
import stat as modes
from collections.abc import Callable, Mapping
from pathlib import Path

from procman.host.base import Cancellable, Host

SETTLE = 1.0  # s without a change: an install and a branch switch go on writing
LOOK_EVERY = 5.0  # s, at what gives no notices
KERNEL = "/proc/"  # its settings give none, and their times do not change

Signature = tuple[object, ...] | None  # None: there is no such file
Signatures = Mapping[str, Signature]
UNLIKE = ("as it was before",)  # any file that is there


def signatures(files: tuple[str, ...]) -> dict[str, Signature]:
    """Return what tells each file from its next version."""
    return {file: _signature(file) for file in files}


def _signature(file: str) -> Signature:
    try:
        stat = os.stat(file)
        if file.startswith(KERNEL):
            return (Path(file).read_bytes(),)
    except (OSError, ValueError):
        return None
    owner = (stat.st_ino, stat.st_mode, stat.st_uid, stat.st_gid)
    if modes.S_ISDIR(stat.st_mode):  # what is in it comes and goes: caches, and an install's own files
        return owner
    return (*owner, stat.st_size, stat.st_mtime_ns)


def is_younger(file: str, when: float) -> bool:
    """Return whether a file is there and has changed since a time, in seconds since the epoch."""
    try:
        stat = os.stat(file)
    except (OSError, ValueError):
        return False
    return max(stat.st_mtime, stat.st_ctime) > when


def _since(file: str, when: float) -> Signature:
    """Return the signature that a file had at a time, as far as it tells."""
    return UNLIKE if is_younger(file, when) else _signature(file)


class FileWatch:
    """A wait for one of some files; owned by the event loop's thread.

    A file that is gone is no change: an install deletes before it writes.

    Args:
        host: the operating system, or a simulated one.
        files: absolute paths, which need not exist.
        seen: what they were like, or when that was: what is younger has changed.
        is_busy: returns whether something still works on them.
        on_changed: called once, with the file that has changed.
        patience: seconds to wait in addition.
    """

    def __init__(
        self,
        host: Host,
        files: tuple[str, ...],
        seen: Signatures | float,
        *,
        is_busy: Callable[[], bool],
        on_changed: Callable[[str], None],
        patience: float = 0.0,
    ) -> None:
        self._host = host
        self._files = files
        self._is_busy = is_busy
        self._on_changed = on_changed
        self._patience = patience
        self._seen: dict[str, Signature]
        if isinstance(seen, Mapping):
            self._seen = dict(seen)
        else:
            self._seen = {file: _since(file, seen) for file in files}
        self._last = signatures(files)
        self._silent = any(file.startswith(KERNEL) for file in files)
        self._due: Cancellable | None = None  # the next look
        self._watches = [host.watch_file(file, self._notice) for file in files]
        if self._changed() is not None:
            self._look_in(SETTLE + patience)
        else:
            self._rest()

    def cancel(self) -> None:
        """Wait no longer."""
        for each in (*self._watches, self._due):
            if each is not None:
                each.cancel()
        self._watches, self._due = [], None

    def _notice(self) -> None:
        if self._due is None or self._silent:
            self._note()
            self._look_in(SETTLE + self._patience)

    def _rest(self) -> None:
        if self._silent:
            self._look_in(LOOK_EVERY)

    def _look_in(self, seconds: float) -> None:
        if self._due is not None:
            self._due.cancel()
        self._due = self._host.call_at(self._host.now() + seconds, self._look)

    def _note(self) -> None:
        """Take note of how the files are now."""
        self._last = signatures(self._files)
        for file, now in self._last.items():
            if now is None:
                self._seen[file] = None  # so that it is new when it is back, be it with the same inode

    def _look(self) -> None:
        """Tell of a change, if there is one and the files have come to rest."""
        self._due = None
        before = self._last
        self._note()
        changed = self._changed()
        if changed is None:
            self._rest()
        elif self._last != before or self._is_busy():
            self._look_in(SETTLE)
        else:
            self.cancel()
            self._on_changed(changed)

    def _changed(self) -> str | None:
        """Return a file that is there and not as it was."""
        now = self._last
        return next((f for f in self._files if now[f] is not None and now[f] != self._seen[f]), None)
