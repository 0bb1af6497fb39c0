"""The history as commands read it: no manager is asked, and a fault of the file ends the command."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from procman.cli import exits
from procman.cli.choose import choose
from procman.cli.failure import Failure
from procman.cli.project import Project
from procman.control.selection import UnknownApp, select
from procman.core.config import AppConfig, Command
from procman.core.journal import Kind, Record
from procman.core.story import AROUND, TELLING
from procman.history.follow import Follower
from procman.history.read import Unreadable, records


class Recorded:
    """What is kept of one project."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._path = Path(project.home, "history.db")

    def records(
        self,
        apps: Collection[str] | None = None,
        since: float | None = None,
        until: float | None = None,
        kinds: Collection[Kind] | None = None,
        last: int | None = None,
    ) -> Iterator[Record]:
        """Yield what is kept, oldest first; see `procman.history.read.records`."""
        with _told():
            yield from records(self._path, apps, since, until, kinds, last)

    def signs(self, name: str) -> list[Record]:
        """Return what is enough to know when an app had incidents, and of what kind; evidence may be long."""
        return list(self.records(apps=[name], kinds=TELLING))

    def of_app(self, name: str) -> list[Record]:
        """Return all that is kept of an app, and in between what happened to managers and to the file."""
        around = (record for record in self.records(kinds=AROUND) if record.app is None)
        return list(heapq.merge(self.records(apps=[name]), around, key=lambda record: record.number))

    def newest(self) -> int:
        """Return the number of the newest record; 0 if there is none."""
        return max((record.number for record in self.records(last=1)), default=0)

    def follow(
        self, apps: Collection[str] | None, kinds: Collection[Kind] | None, after: int
    ) -> Iterator[Record]:
        """Yield what comes after a record, for ever."""
        with _told():
            yield from Follower(self._path, apps, kinds, after)

    def choose(self, patterns: Sequence[str]) -> tuple[str, ...]:
        """Return the apps that are meant: those of the file, and when it is named one that has left it.

        Where the file does not read, what is kept is all that is known.
        """
        try:
            apps = dict(self._project.read().enabled_apps())
        except Failure:
            apps = self._kept()
            if not apps:
                raise
        with contextlib.suppress(UnknownApp):
            return select(patterns, apps)
        gone = {name: app for name, app in self._kept().items() if name not in apps}
        return choose(patterns, {**apps, **gone})

    def _kept(self) -> dict[str, AppConfig]:
        """Return every app that something is kept of."""
        names = {record.app for record in self.records(kinds=[Kind.STATE]) if record.app is not None}
        return {name: AppConfig(name, Command(())) for name in sorted(names)}


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except Unreadable as error:
        hint = "`procman doctor` looks at the state folder"
        raise Failure(exits.FAILED, str(error), hint) from error
