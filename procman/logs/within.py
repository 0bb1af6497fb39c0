"""Ends a piece of work that takes too long: the search for a pattern, of which some take years on one line.

Python's `re` goes back and tries again: `(a+)+$` on 40 letters and an exclamation mark is 2^40 tries. While
it does it looks for signals, so a timer can end it, and no other engine is needed.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


class Overrun(Exception):
    """The work was ended: its time is up."""


class _Bell:
    """The handler of the timer's signal: it interrupts what `within` runs, and nothing else."""

    __slots__ = ("heard_by", "rings")

    def __init__(self) -> None:
        self.heard_by = 0  # the main thread, once this is the handler
        self.rings = False  # whether there is something to interrupt

    def hang(self) -> None:
        if sys.platform == "win32":
            raise AssertionError("Windows has no such signal")
        signal.signal(signal.SIGVTALRM, self)
        self.heard_by = threading.get_ident()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.rings:
            self.rings = False
            raise Overrun


_bell = _Bell()


def within(seconds: float, work: Callable[[], T]) -> T:
    """Return what `work` returns, or end it; it costs a microsecond more than the work.

    `re` looks for signals after every 4096 steps. One step may be a run over the rest of the text, as in
    `.*x`, so on a text of 4096 characters the end comes 10 ms late, on one of a million up to 8 s.

    Args:
        seconds: of this process's own CPU time, so that a busy machine ends nothing that is quick.
        work: leaves nothing half done when it is interrupted, and does not call `within`.

    Raises:
        Overrun: the time was up.
        ValueError: this is not the main thread, which alone sees signals.
    """
    if sys.platform == "win32":  # no timer of the kind: a pattern has all the time it takes there
        return work()
    if _bell.heard_by != threading.get_ident():
        _bell.hang()
    try:
        _bell.rings = True
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
        done = work()
        _bell.rings = False
        return done
    finally:
        _bell.rings = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
