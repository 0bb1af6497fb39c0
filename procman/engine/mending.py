"""What keeps an app's output from being stored: told when it appears and when it is over, and mended."""

from __future__ import annotations

from collections.abc import Callable

from procman.engine.events import Problem
from procman.host.base import Cancellable, Host
from procman.logs.capture import RETRY_EVERY_S, Capture


class Mending:
    """Watches over one app's log, and tries every second to mend it while the app has a run.

    Output that comes tries it too, so the timer is for the app that prints nothing.
    """

    __slots__ = ("_app", "_capture", "_has_run", "_host", "_next", "_tell", "_told")

    def __init__(self, host: Host, app: str, capture: Capture, tell: Callable[[Problem], None]) -> None:
        self._host = host
        self._app = app
        self._capture = capture
        self._tell = tell
        self._told = False  # of a problem that is not over
        self._has_run = False
        self._next: Cancellable | None = None
        capture.on_problem = self._look_soon

    def begin(self) -> None:
        """Mend from now on what may be wrong, until `end`."""
        self._has_run = True
        if self._capture.problem is not None:
            self._look_soon()

    def end(self) -> None:
        """Leave things as they are, until the next run."""
        self._has_run = False
        self._cancel()

    def _look_soon(self) -> None:
        """Look once this round is over: what it lost is counted by then."""
        self._cancel()
        self._next = self._host.call_at(self._host.now(), self._look)

    def _look(self) -> None:
        """Tell what has changed, and come again while there is a problem."""
        self._next = None
        problem = self._capture.problem
        if (problem is not None) != self._told:
            self._told = problem is not None
            text = problem or "its output is stored again"
            self._tell(Problem(self._app, self._host.wall(), text))
        if problem is not None and self._has_run:
            self._next = self._host.call_at(self._host.now() + RETRY_EVERY_S, self._mend)

    def _mend(self) -> None:
        self._capture.mend()
        self._look_soon()

    def _cancel(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None
