"""`watch`: a change of an app's files restarts it, unless it is the app itself that changes them."""

from __future__ import annotations

import os
from collections.abc import Callable

from procman.core.app import Ending, State
from procman.core.config import AppConfig
from procman.core.events import Event, Restarted
from procman.core.watched import Watched
from procman.engine.events import Problem
from procman.engine.supervised import Supervised
from procman.host.base import Cancellable, Host

SETTLE = 0.2  # s without a change: a save of all files, a formatter, a compiler write several
AT_MOST = 2.0  # s from the first change, however long that goes on
SOON = 2.0  # s from a start: a change so soon after it comes from the app itself
TIMES = 3  # in a row: a person may save as quickly, once
QUIET = 60.0  # s without a change, after which a loop is over


class Watching:
    """The files of all apps that have `watch`; owned by the event loop's thread.

    Args:
        host: the operating system, or a simulated one.
        state: the folder for what is kept; nothing in it counts.
        post: called with what has happened to an app.
        tell: called with what somebody should know.
    """

    def __init__(
        self, host: Host, state: str, post: Callable[[str, Event], None], tell: Callable[[Problem], None]
    ) -> None:
        self._host = host
        self._state = state
        self._post = post
        self._tell = tell
        self._watches: dict[str, _Watch] = {}

    def tend(self, supervised: Supervised) -> None:
        """Watch an app's files from now on, or no more, as its wish and its configuration are now."""
        name, config = supervised.name, supervised.config
        known = self._watches.get(name)
        wanted = bool(config.watch) and supervised.app.wanted and not supervised.leaving
        if known is not None and (not wanted or known.config is not config):
            self._watches.pop(name).cancel()
            known = None
        if wanted and known is None:
            self._watches[name] = _Watch(self._host, supervised, self._state, self._post, self._tell)

    def forget(self, name: str) -> None:
        """Watch nothing any more for an app that has another name now."""
        watch = self._watches.pop(name, None)
        if watch is not None:
            watch.cancel()

    def release(self) -> None:
        """Watch nothing any more."""
        for watch in self._watches.values():
            watch.cancel()
        self._watches.clear()


class _Watch:
    """The files of one app, under one configuration."""

    def __init__(
        self,
        host: Host,
        supervised: Supervised,
        state: str,
        post: Callable[[str, Event], None],
        tell: Callable[[Problem], None],
    ) -> None:
        self.config: AppConfig = supervised.config
        self._host = host
        self._supervised = supervised
        self._post = post
        self._tell = tell
        self._changed: str | None = None  # the first of the changes that are waited out
        self._changed_at = 0.0
        self._soon = False  # whether that came right after a start which was ours
        self._due: Cancellable | None = None
        self._restarted: int | None = None  # the run that a change has ended
        self._times = 0  # that a start was followed by a change so soon
        self._held = False
        self._noticed_at = 0.0
        watched = Watched(self.config.cwd, self.config.watch, self.config.watch_ignore, state)
        self._watched = watched
        self._trees = [host.watch_tree(each, watched.enters, self._notice) for each in watched.folders]

    def cancel(self) -> None:
        """Watch no more."""
        for each in (*self._trees, self._due):
            if each is not None:
                each.cancel()
        self._trees, self._due = [], None

    def _notice(self, path: str) -> None:
        if not self._watched.wants(path):
            return
        now = self._host.now()
        quiet, self._noticed_at = now - self._noticed_at >= QUIET, now
        if self._held and not quiet:
            return
        if quiet:
            self._held, self._times = False, 0
        if self._changed is None:
            self._changed, self._changed_at = path, now
            self._soon = self._is_soon(now)
        if self._due is not None:
            self._due.cancel()
        self._due = self._host.call_at(min(now + SETTLE, self._changed_at + AT_MOST), self._settled)

    def _is_soon(self, now: float) -> bool:
        """Return whether the run that followed a change has just begun."""
        app = self._supervised.app
        ours = self._restarted is not None and app.generation > self._restarted
        return ours and app.spawned_at is not None and now - app.spawned_at <= SOON

    def _settled(self) -> None:
        path, self._changed, self._due = self._changed, None, None
        app = self._supervised.app
        assert path is not None, "a change is what was waited out"
        starts_anyway = app.state in (State.STOPPED, State.WAITING, State.PREPARING)
        if starts_anyway or (app.state is State.STOPPING and app.ending in (Ending.STOP, Ending.RESTART)):
            return
        self._times = self._times + 1 if self._soon else 0
        shown = os.path.relpath(path, self.config.cwd)
        if self._times >= TIMES:
            self._held = True
            text = f"`{shown}` changes right after each restart that it causes, so changes restart it no more"
            self._tell(
                Problem(
                    self.config.name,
                    self._host.wall(),
                    f"{text} until there is none for {QUIET:.0f}s; put it into `watch_ignore`",
                )
            )
            return
        self._restarted = app.generation
        self._post(self.config.name, Restarted(f"restarted: `{shown}` has changed"))
