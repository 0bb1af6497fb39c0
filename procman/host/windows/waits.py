"""What a host of Windows waits for: a time, the end of a process, more of an app's output."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from procman.host.windows.win32 import Handle, Win32

LOOK_BUSY, LOOK_IDLE = 0.02, 0.25  # s between looks at the output of an app, while some comes and later


class AwakeTimer:
    """Calls back once a clock that stands still during sleep has reached a time."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], float],
        when: float,
        callback: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._now = now
        self._when = when
        self._callback = callback
        self._arm()

    def cancel(self) -> None:
        """Make sure that the callback is not called any more."""
        self._timer.cancel()

    def _arm(self) -> None:
        self._timer = self._loop.call_later(max(0.0, self._when - self._now()), self._due)

    def _due(self) -> None:
        """Call back, or go on waiting for as long as the machine has slept meanwhile."""
        if self._when - self._now() > 0.001:
            self._arm()
        else:
            self._callback()


class Ends:
    """A wait for the first of some processes to end; known to its host until it is over."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        kernel: Win32,
        processes: Sequence[Handle],
        callback: Callable[[], None],
        all_of_them: set[Ends],
    ) -> None:
        self.on_cancel: Callable[[], object] = lambda: None
        self._callback = callback
        self._all = all_of_them
        self._all.add(self)
        post = partial(_post, loop, self.tell)
        self._call_off = [kernel.when_ended(process, post) for process in processes]

    def cancel(self) -> None:
        """Make sure that the callback is not called any more."""
        if self._stop():
            self.on_cancel()

    def tell(self) -> None:
        """Call back, unless it is over."""
        if self._stop():
            self._callback()

    def _stop(self) -> bool:
        if self not in self._all:
            return False
        self._all.discard(self)
        for call_off in self._call_off:
            call_off()
        return True


def _post(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    """Run in a thread of the system's: have the loop call back."""
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:  # it is closed
        return


class Looks:
    """Looks whether something can be read: often while something was, seldom later."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, waiting: Callable[[], int], callback: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._waiting = waiting
        self._callback = callback
        self._every = LOOK_BUSY
        self._timer: asyncio.TimerHandle | None = loop.call_later(0.0, self._look)

    def cancel(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        has_some = self._waiting() > 0
        self._every = LOOK_BUSY if has_some else min(LOOK_IDLE, self._every * 1.5)
        self._timer = self._loop.call_later(self._every, self._look)
        if has_some:
            self._callback()
