"""Moves the output of apps from their pipes to their logs, apart from every decision."""

from __future__ import annotations

from procman.engine.supervised import Supervised
from procman.host.base import Cancellable, Host

NAP = 0.001  # seconds
SHORT = 65_536  # bytes: a read below this did not fill up while the manager was away


def follow(host: Host, supervised: Supervised) -> None:
    """Read the app's pipes from now on, until `unfollow`."""
    supervised.mending.begin()
    for descriptor in supervised.capture.readable_descriptors():
        supervised.readers.append(_Reader(host, supervised, descriptor))


def unfollow(supervised: Supervised) -> None:
    """Stop reading the app's pipes."""
    supervised.mending.end()
    for reader in supervised.readers:
        reader.cancel()
    supervised.readers.clear()


class _Reader:
    """One pipe. After a short read it naps, or a program that writes line by line would wake us for each.

    Measured: with a nap of 1 ms a write per line costs 2.8 s of CPU per GiB instead of 11 to 19.
    """

    def __init__(self, host: Host, supervised: Supervised, descriptor: int) -> None:
        self._host = host
        self._capture = supervised.capture
        self._descriptor = descriptor
        self._ready: Cancellable | None = None
        self._nap: Cancellable | None = None
        self._listen()

    def cancel(self) -> None:
        for each in (self._ready, self._nap):
            if each is not None:
                each.cancel()
        self._ready = self._nap = None

    def _listen(self) -> None:
        self._nap = None
        self._ready = self._host.when_readable(self._descriptor, self._move)

    def _move(self) -> None:
        moved = self._capture.on_readable(self._descriptor)
        if moved.count >= SHORT:
            return
        self.cancel()
        if not moved.ended:
            self._nap = self._host.call_at(self._host.now() + NAP, self._listen)
