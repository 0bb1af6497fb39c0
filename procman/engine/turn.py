"""How long a turn of the loop starts apps: each costs some milliseconds in which nothing else is answered.

The apps of a large project all become due in one turn: in one round of the circle, or each in a round of its
own where they are restarted. Those that have not begun after a while do so in the next turn, after whoever
asks for `status` meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable

from procman.host.base import Cancellable, Host

LONGEST = 0.25  # seconds: 1,000 starts take 2 to 10 s, and a client waits 10 s for an answer
REASON = "waits for its turn, because very many apps start at once"


class Turn:
    """One turn of the loop after the other, as far as apps start in it; owned by the event loop's thread.

    Args:
        host: the operating system, or a simulated one.
        go_on: called in the next turn if anybody was told to wait for it.
    """

    def __init__(self, host: Host, go_on: Callable[[], None]) -> None:
        self._host = host
        self._go_on = go_on
        self._began = 0.0  # its first start
        self._is_over = False
        self._next: Cancellable | None = None

    def is_over(self) -> bool:
        """Return whether nothing more is to start in this turn; then it goes on in the next one."""
        now = self._host.now()
        if self._next is None:
            self._began = now
            self._next = self._host.call_at(now, self._end)
        elif now - self._began >= LONGEST:
            self._is_over = True
        return self._is_over

    def release(self) -> None:
        """Go on no more."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _end(self) -> None:
        was_over, self._is_over, self._next = self._is_over, False, None
        if was_over:
            self._go_on()
