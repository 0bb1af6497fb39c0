"""Timers for Windows, where Python's monotonic clock goes on while the machine sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


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
