"""Follows the file and its local file: reads them after every change, and keeps the last good ones in force.

An editor may be caught between truncating and writing, so a file that does not read is looked at once more
before it is called wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from procman.config.read import InvalidConfig, parse_config
from procman.config.source import local_path, read_source
from procman.core.config import Config, Reload
from procman.core.frozen import Frozen
from procman.core.plan import Plan, make_plan
from procman.host.base import Cancellable, Host

SECOND_LOOK = 0.25  # seconds; a save takes milliseconds, and an edit has to be applied within a second


class FileState(Frozen):
    """How the file on disk stands to what is in force."""

    error: str | None  # every diagnostic, rendered; None when it is valid
    applied_at: float  # seconds since the epoch, of the last good one
    waiting: Plan | None = None  # what it would do, where its user is to be asked first

    @property
    def word(self) -> str:
        """What `status` calls it."""
        if self.error is not None:
            return "rejected"
        return "applied" if self.waiting is None else "edited"


class Edit(Frozen):
    """What becomes of an edit: what is in force now, and what has to be asked first."""

    config: Config
    waiting: Plan | None


def judge(old: Config, new: Config) -> Edit:
    """Return what becomes of an edit that nobody has asked to be applied, by `reload` of [manager].

    A new `reload` holds at once: whoever turns to `"auto"` has nothing to be asked any more, and whoever
    turns to `"off"` wants to hear nothing more of what is not applied.
    """
    if Reload.AUTO in (old.manager.reload, new.manager.reload):
        return Edit(new, None)
    plan = make_plan(old, new)
    if all(change.key == "reload" for change in plan.manager) and not plan.changes:
        return Edit(new, None)
    config = replace(old, manager=replace(old.manager, reload=new.manager.reload))
    return Edit(config, make_plan(config, new) if new.manager.reload is Reload.ASK else None)


class Reloader:
    """Reads one file whenever it changes; owned by the event loop's thread.

    Args:
        host: tells when the file may have changed.
        config: what the file said when it was read first.
        version: of its text then.
        on_read: called with what it says after a change.
        heeds: returns whether a change is to be looked at.
    """

    def __init__(
        self,
        host: Host,
        config: Config,
        version: str,
        on_read: Callable[[Config | InvalidConfig], object],
        heeds: Callable[[], bool],
    ) -> None:
        self._host = host
        self._path = config.file
        self._on_read = on_read
        self._again: Cancellable | None = None
        self._heeds = heeds
        self._last = version, config  # of the newest valid text
        beside = local_path(self._path)
        paths = (self._path,) if beside is None else (self._path, beside)
        self._watches = [host.watch_file(path, self._changed) for path in paths]

    def close(self) -> None:
        """Stop following the file."""
        for watch in self._watches:
            watch.cancel()
        self._forget()

    def read(self) -> Config | InvalidConfig:
        """Return what the file says now, to be acted on: a second look is not needed any more."""
        self._forget()
        return self.peek()

    def peek(self) -> Config | InvalidConfig:
        """Return what the file says now; one that says what it said is not parsed again."""
        try:
            source = read_source(self._path)
            if self._last[0] != source.version:
                self._last = source.version, parse_config(source)
        except InvalidConfig as error:
            return error
        return self._last[1]

    def _changed(self) -> None:
        if not self._heeds():
            return
        read = self.read()
        if isinstance(read, InvalidConfig):
            self._again = self._host.call_at(self._host.now() + SECOND_LOOK, self._insist)
        else:
            self._on_read(read)

    def _insist(self) -> None:
        self._on_read(self.read())

    def _forget(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None
