"""Calls back for thousands of descriptors that can be read, by an epoll of our own behind the loop's one.

For each that it watches itself asyncio keeps a handle, a context, a key and two tuples: 0.35 KB. A running
app has two pipes, so 1,000 apps are 0.7 MB. Here it is an entry of a dictionary.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import sys
from collections.abc import Callable

assert sys.platform == "linux"

MOST_AT_A_TIME = 64  # events taken from the kernel per look; what is left is there at the next one


class Readiness:
    """Owned by the loop's thread. Its methods are called as the loop's own are: either can be used."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._callbacks: dict[int, Callable[[], object]] = {}
        self._epoll = select.epoll()
        loop.add_reader(self._epoll.fileno(), self._look)

    def add_reader(self, descriptor: int, callback: Callable[[], object]) -> None:
        """Call `callback` whenever the descriptor can be read.

        Raises:
            OSError: no memory, or /proc/sys/fs/epoll/max_user_watches is reached.
        """
        with contextlib.suppress(FileExistsError):  # the kernel would not let go of it
            self._epoll.register(descriptor, select.EPOLLIN)
        self._callbacks[descriptor] = callback

    def remove_reader(self, descriptor: int) -> None:
        """Watch it no longer, if it was; the descriptor is still open."""
        if self._callbacks.pop(descriptor, None) is not None:
            self._let_go(descriptor)

    def close(self) -> None:
        """Watch nothing any more."""
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        self._callbacks.clear()

    def _let_go(self, descriptor: int) -> None:
        with contextlib.suppress(OSError):  # closing it does the same, and until then it is asked for again
            self._epoll.unregister(descriptor)

    def _look(self) -> None:
        ready = self._epoll.poll(0, MOST_AT_A_TIME)
        for descriptor, callback in [(each, self._callbacks.get(each)) for each, _ in ready]:
            # One before it may have closed the descriptor, and its number may be that of another one by now.
            wanted = self._callbacks.get(descriptor)
            if wanted is None:
                self._let_go(descriptor)
            elif wanted is callback:
                self._call(callback)

    def _call(self, callback: Callable[[], object]) -> None:
        try:
            callback()
        except Exception as error:  # as the loop does: the others are not to suffer for it
            self._loop.call_exception_handler({"message": f"{callback!r} failed", "exception": error})
