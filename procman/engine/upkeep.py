"""What goes on around a run beside its checks: a limit of memory, watched files, a schedule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from procman.core.events import Event
from procman.engine.events import Problem
from procman.engine.memory import MemoryLimits
from procman.engine.schedule import Schedules
from procman.engine.supervised import Supervised
from procman.engine.watching import Watching
from procman.host.base import Host


class Upkeep:
    """All of it, for all apps; owned by the event loop's thread.

    Args:
        host: the operating system, or a simulated one.
        home: the folder for what is kept.
        post: called with what has happened to an app.
        tell: called with what somebody should know.
    """

    def __init__(
        self, host: Host, home: Path, post: Callable[[str, Event], None], tell: Callable[[Problem], None]
    ) -> None:
        self._memory = MemoryLimits(host, post)
        self._watching = Watching(host, str(home.resolve()), post, tell)
        self.schedules = Schedules(host, post, tell)

    def tend(self, supervised: Supervised) -> None:
        """Do what an app's state and its configuration ask for now."""
        self._memory.tend(supervised)
        self._watching.tend(supervised)
        self.schedules.tend(supervised)

    def rename(self, old: str, new: str) -> None:
        """Go on with an app under another name; its looks at memory and files begin anew."""
        self._memory.forget(old)
        self._watching.forget(old)
        self.schedules.rename(old, new)

    def release(self) -> None:
        """Let go of everything."""
        self._memory.release()
        self._watching.release()
        self.schedules.release()
