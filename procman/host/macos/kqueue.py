"""Ends of processes that are nobody's children of ours, as kqueue tells them.

The queue is handed in: macOS has `select.kqueue`, the tests one that they can look into.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol


class Queue(Protocol):
    """What is used of `select.kqueue`."""

    def fileno(self) -> int:
        """Return a descriptor that is readable once an event waits."""
        ...

    def control(self, changes: list[Any] | None, most: int, timeout: float | None = None, /) -> list[Any]:
        """Change what is waited for, and return the events that wait."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Ends:
    """A wait for the first of some processes to end, on a kqueue of its own.

    Args:
        loop: the event loop.
        pids: of the processes, which were theirs an instant before.
        callback: called once, never from inside of this call.
        make_queue: `select.kqueue`.
        exit_event: makes the event that says that a pid has ended (EVFILT_PROC, NOTE_EXIT, EV_ONESHOT).
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pids: Sequence[int],
        callback: Callable[[], None],
        make_queue: Callable[[], Queue],
        exit_event: Callable[[int], Any],
    ) -> None:
        self._loop = loop
        self._callback = callback
        self._queue: Queue | None = make_queue()
        loop.add_reader(self._queue.fileno(), self._on_end)
        for pid in pids:
            try:
                self._queue.control([exit_event(pid)], 0)
            except ProcessLookupError:  # ended already, or a zombie: ESRCH
                loop.call_soon(self._on_end)
                return

    def cancel(self) -> None:
        """Make sure that the callback is not called any more."""
        if self._queue is not None:
            self._loop.remove_reader(self._queue.fileno())
            self._queue.close()
            self._queue = None

    def _on_end(self) -> None:
        if self._queue is not None:
            self.cancel()
            self._callback()
