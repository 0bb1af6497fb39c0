"""How long one round of the circle takes: a start costs some milliseconds in which nothing else is answered.

The apps of a large project all become due in one round. Those that have not begun after a while do so in the
next turn of the loop, after whoever asks for `status` meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable

from procman.host.base import Cancellable, Host

LONGEST = 0.25  # seconds: 1,000 starts take 2 to 10 s, and a client waits 10 s for an answer
REASON = "waits for its turn, because very many apps start at once"


class Turn:
    """One round after the other; owned by the event loop's thread.

    Args:
        host: the operating system, or a simulated one.
        go_on: called in the next turn of the loop if anybody was told to wait for it.
    """

    def __init__(self, host: Host, go_on: Callable[[], None]) -> None:
        self._host = host
        self._go_on = go_on
        self._began = host.now()
        self._next: Cancellable | None = None

    def begin(self) -> None:
        """Begin a round."""
        self._began = self._host.now()

    def is_over(self) -> bool:
        """Return whether the round has lasted long enough; then there will be another one."""
        now = self._host.now()
        if now - self._began < LONGEST:
            return False
        if self._next is None:
            self._next = self._host.call_at(now, self._call)
        return True

    def release(self) -> None:
        """Go on no more."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _call(self) -> None:
        self._next = None
        self._go_on()
