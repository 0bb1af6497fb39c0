"""Moves the output of apps from their pipes to their logs, apart from every decision."""

from __future__ import annotations

from procman.engine.supervised import Supervised
from procman.host.base import Cancellable, Host
from procman.host.outputs import fifo

NAP = 0.001  # seconds; what an event loop can tell apart
LONGEST_WAKE = 0.064  # seconds without a nap, of an app that fills its pipe within one


def follow(host: Host, supervised: Supervised) -> None:
    """Read the app's pipes from now on, until `unfollow`."""
    supervised.mending.begin()
    descriptors = supervised.capture.readable_descriptors()
    supervised.readers += tuple(_Reader(host, supervised, each) for each in descriptors)


def unfollow(supervised: Supervised) -> None:
    """Stop reading the app's pipes."""
    supervised.mending.end()
    for reader in supervised.readers:
        reader.cancel()
    supervised.readers = ()


def release(supervised: Supervised) -> None:
    """Let go of the timers and the files of an app, whatever lives of it."""
    for pending in (supervised.timer, supervised.probe):
        if pending is not None:
            pending.cancel()
    unfollow(supervised)
    supervised.capture.close()


class _Reader:
    """One pipe. It naps after each look, or a program that writes line by line would wake us for each.

    Measured: with a nap of 1 ms a write per line costs 1.3 s of CPU per GiB instead of 12. A program that
    fills half of its pipe within one would have to wait for us, though. It is read without naps for a
    moment, which is twice as long each time that the nap after it says the same.
    """

    __slots__ = ("_capture", "_descriptor", "_host", "_nap", "_ready", "_wake", "_wake_until")

    def __init__(self, host: Host, supervised: Supervised, descriptor: int) -> None:
        self._host = host
        self._capture = supervised.capture
        self._descriptor = descriptor
        self._ready: Cancellable | None = None
        self._nap: Cancellable | None = None
        self._wake = 0.0  # seconds that the last time without naps was meant to take
        self._wake_until = 0.0
        self._listen()

    def cancel(self) -> None:
        for each in (self._ready, self._nap):
            if each is not None:
                each.cancel()
        self._ready = self._nap = None

    def _listen(self) -> None:
        self._ready = self._host.when_readable(self._descriptor, self._look)

    def _sleep(self) -> None:
        self._nap = self._host.call_at(self._host.now() + NAP, self._look_after_nap)

    def _look(self) -> None:
        """Move what has come, and nap unless more comes as fast."""
        moved = self._capture.on_readable(self._descriptor)
        if moved.ended:
            self.cancel()
        elif not moved.crowded and self._host.now() >= self._wake_until:
            self.cancel()
            self._sleep()

    def _look_after_nap(self) -> None:
        """Move what has come meanwhile, and nap again, if that was little; if nothing, wait for more."""
        self._nap = None
        if not fifo.waiting(self._descriptor):
            self._listen()
            return
        moved = self._capture.on_readable(self._descriptor)
        if moved.crowded:
            self._wake = min(max(2 * self._wake, NAP), LONGEST_WAKE)
            self._wake_until = self._host.now() + self._wake
            self._listen()
        elif not moved.ended:
            self._wake = 0.0
            self._sleep()
