"""Tells the service manager how this manager is: ready, its apps in a line, alive, reloading, stopping.

Ready is said when every app was given its first start, and not when all are up: `npm ci` may take ten
minutes, and an app that never comes up is no reason to end the manager, and with it the care for the others.
How the apps are is in the status text; who has to wait for them says `procman wait`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from procman.core.app import App
from procman.core.config import AppConfig
from procman.core.service import heartbeat_every, on_the_beat, stop_budget, summary
from procman.engine.events import Notice
from procman.host.base import Cancellable, Host
from procman.host.notify import Notifier, monotonic_us

SETTLE = 0.1  # seconds from a change to the status text: the start of 100 apps is 300 changes


class Heartbeat:
    """What one manager says to the service manager; owned by the event loop's thread.

    Without a service manager, `begin` arms nothing and the rest returns at once.

    Args:
        host: its clock.
        notifier: the way to the service manager.
        watchdog: within how many seconds a heartbeat is expected, or None.
        apps: returns the state of every app.
        configs: returns their configurations.
        is_closing: returns whether the manager is stopping.
    """

    def __init__(
        self,
        host: Host,
        notifier: Notifier,
        watchdog: float | None,
        apps: Callable[[], Mapping[str, App]],
        configs: Callable[[], Mapping[str, AppConfig]],
        is_closing: Callable[[], bool],
    ) -> None:
        self._host = host
        self._notifier = notifier
        self._every = None if watchdog is None else heartbeat_every(watchdog)
        self._apps = apps
        self._configs = configs
        self._is_closing = is_closing
        self._beat: Cancellable | None = None
        self._due: Cancellable | None = None
        self._said: str | None = None  # the status text that was taken
        self._is_ending = False

    def begin(self) -> None:
        """Say that this manager is ready, and go on telling."""
        if not self._notifier.is_heard:
            return
        self._said = summary(self._apps())
        self._notifier.insist(READY=1, MAINPID=os.getpid(), STATUS=self._said)
        if self._every is not None:
            self._pulse()

    def on_notice(self, _notice: Notice) -> None:
        """Have the status text renewed a moment later; that a stop has begun is said at once."""
        if not self._notifier.is_heard:
            return
        if self._is_closing():
            self.stopping()
        if self._due is None:
            self._due = self._host.call_at(self._host.now() + SETTLE, self._renew)

    def stopping(self) -> None:
        """Say once that a stop has begun, and how long it may take by the file as it is now."""
        if not self._is_ending:
            self._is_ending = True
            allowed = round(stop_budget(self._configs()) * 1e6)
            self._notifier.insist(STOPPING=1, EXTEND_TIMEOUT_USEC=allowed, STATUS="stopping every app")

    def reload(self, read: Callable[[], object]) -> None:
        """Read the file again between `RELOADING` and `READY`."""
        self._notifier.insist(RELOADING=1, MONOTONIC_USEC=monotonic_us())
        try:
            read()
        finally:
            self._notifier.insist(READY=1)

    def replaced(self) -> None:
        """Say that this process is about to become another version, which will say that it is ready."""
        status = "is being replaced by the version that is installed now"
        self._notifier.insist(RELOADING=1, MONOTONIC_USEC=monotonic_us(), STATUS=status)
        self.close()

    def close(self) -> None:
        """Say nothing any more."""
        for pending in (self._beat, self._due):
            if pending is not None:
                pending.cancel()
        self._beat = self._due = None
        self._notifier.close()

    def _pulse(self) -> None:
        """Say that the loop turns, from the loop itself: one that hangs, or is stopped, does not."""
        assert self._every is not None, "it is armed only where a heartbeat is expected"
        self._notifier.tell(WATCHDOG=1)
        self._beat = self._host.call_at(on_the_beat(self._host.now(), self._every), self._pulse)

    def _renew(self) -> None:
        self._due = None
        text = summary(self._apps())
        if text != self._said and not self._is_ending and self._notifier.tell(STATUS=text):
            self._said = text
