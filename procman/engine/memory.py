"""`max_memory`: looks at what the trees of apps have in RAM, and tells of one that keeps having too much."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from procman.core.app import State
from procman.core.config import Restart
from procman.core.events import Event, Exceeded
from procman.engine.supervised import Supervised
from procman.host.base import Cancellable, Host, Unseen

LOOK_EVERY = 10.0  # s
LOOKS = 3  # in a row: a build or a request may need for an instant what a leak keeps
MEGABYTE = 1_000_000


@dataclass(slots=True)
class _Counted:
    """An app with a limit, and how often in a row its present run was over it."""

    supervised: Supervised
    run: int
    most: int
    over: int = 0


class MemoryLimits:
    """The limits of all apps that run and have one; owned by the event loop's thread.

    One timer for all of them, and none while there is no such app.

    Args:
        host: the operating system, or a simulated one.
        post: called with what has happened to an app.
    """

    def __init__(self, host: Host, post: Callable[[str, Event], None]) -> None:
        self._host = host
        self._post = post
        self._counted: dict[str, _Counted] = {}
        self._timer: Cancellable | None = None

    def tend(self, supervised: Supervised) -> None:
        """Look at an app from now on, or no more, as its state and its configuration are now."""
        name, app, most = supervised.name, supervised.app, supervised.config.max_memory
        known = self._counted.get(name)
        runs = app.state in (State.RUNNING, State.UNHEALTHY)
        if most is None or not runs or supervised.config.restart is Restart.NEVER:
            self._counted.pop(name, None)
        elif known is None or (known.run, known.most) != (app.generation, most):
            self._counted[name] = _Counted(supervised, app.generation, most)
        if not self._counted:
            self.release()
        elif self._timer is None:
            self._timer = self._host.call_at(self._host.now() + LOOK_EVERY, self._look)

    def forget(self, name: str) -> None:
        """Drop an app that has another name now."""
        self._counted.pop(name, None)

    def release(self) -> None:
        """Look no more."""
        self._counted.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = self._host.call_at(self._host.now() + LOOK_EVERY, self._look)
        for name, counted in list(self._counted.items()):
            used = self._over(counted)
            counted.over = counted.over + 1 if used is not None else 0
            if used is not None and counted.over >= LOOKS:
                most = _shown(counted.most)
                reason = f"uses {_shown(used)}, more than `max_memory` ({most}), in {LOOKS} looks in a row"
                self._post(name, Exceeded(counted.run, reason))

    def _over(self, counted: _Counted) -> int | None:
        """Return what the tree has if that is too much; the exact figure is dear, and asked for last."""
        run = counted.supervised.run
        if run is None:
            return None
        try:
            members = self._host.tree(run)
        except Unseen:
            return None
        if sum(each.memory_bytes for each in self._host.vitals(members)) <= counted.most:
            return None
        used = self._host.memory(members)
        return used if used > counted.most else None


def _shown(count: int) -> str:
    """Return a size for people: `612MB`."""
    return f"{count / MEGABYTE:.0f}MB" if count >= 10 * MEGABYTE else f"{count / MEGABYTE:.1f}MB"
