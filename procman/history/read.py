"""Reads the history back, from its file alone: no manager is asked, and none need run.

It works beside a manager that writes, on what a `kill -9` has left, and where nothing may be written. A
history that is not there is an empty one. Records of a kind that is not known here are passed over.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from procman.core.journal import Kind, Record
from procman.history.schema import COLUMNS, KINDS, VERSION, record_of

BUSY_S = 2.0  # for which a lock of somebody else is waited for
# Read at a time: nothing can be written while somebody is within a read, and who reads for `less` would be as
# long as a person looks at it.
MOST_AT_ONCE = 500  # records
MOST_TEXT_AT_ONCE = 1_000_000  # characters


class Unreadable(Exception):
    """There is a history, and it can't be read; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records are wanted; None: any."""

    apps: Collection[str] | None = None  # without those that are about no app
    since: float | None = None  # seconds since the epoch
    until: float | None = None
    kinds: Collection[Kind] | None = None

    def condition(self) -> tuple[str, list[object]]:
        """Return what SQL asks for, and the values in it."""
        parts, values = ["TRUE"], list[object]()
        kinds = KINDS if self.kinds is None else [kind.value for kind in self.kinds]
        for column, wanted in (("app", self.apps), ("kind", kinds)):
            if wanted is not None:
                parts.append(f"{column} IN ({', '.join('?' * len(wanted))})")
                values += wanted
        for comparison, at in (("at >= ?", self.since), ("at <= ?", self.until)):
            if at is not None:
                parts.append(comparison)
                values.append(at)
        return " AND ".join(parts), values


def records(
    path: Path,
    apps: Collection[str] | None = None,
    since: float | None = None,
    until: float | None = None,
    kinds: Collection[Kind] | None = None,
    last: int | None = None,
    after: int = 0,
) -> Iterator[Record]:
    """Yield what is kept, oldest first.

    Args:
        path: of the database, `<state>/history.db`.
        apps: only what is about one of these.
        since: only what happened from then on, in seconds since the epoch.
        until: only what happened up to then.
        kinds: only what is of one of these.
        last: only so many, the newest of what is left.
        after: only what has a greater number.

    Raises:
        Unreadable: at the first record, or in the middle where a part of the file is damaged.
    """
    with unreadable_told(path):
        reader = Reader.open(path)
        if reader is None:
            return
        with contextlib.closing(reader):
            yield from reader.read(Selection(apps, since, until, kinds), after, last)


class Reader:
    """One database, open for reading; for one thread at a time.

    Its methods raise what `unreadable_told` turns into `Unreadable`.
    """

    def __init__(self, path: Path) -> None:
        """Open it."""
        self._path = path
        self.file = _identity(path)  # asked first: what is replaced meanwhile is not current then
        # Not `ro`: if a manager was killed within a write, SQLite has to undo that before anything is read.
        address = f"{path.absolute().as_uri()}?mode=rw"
        self._connection = sqlite3.connect(
            address, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            self.is_empty = not self._one("SELECT count(*) FROM sqlite_master")  # it is just being made
            if self._one("PRAGMA user_version") > VERSION:
                raise Unreadable(f"`{path}` was written by a newer version of procman")
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, path: Path) -> Reader | None:
        """Return a reader, or None: there is no history yet."""
        if not os.path.lexists(path):
            return None
        reader = cls(path)
        if reader.is_empty:
            reader.close()
            return None
        return reader

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def is_current(self) -> bool:
        """Return whether it is still the one that others would open."""
        return self.file == _identity(self._path)

    def newest(self) -> int:
        """Return the greatest number there is, or 0."""
        return int(self._one("SELECT coalesce(max(number), 0) FROM events"))

    def read(self, selection: Selection, after: int = 0, last: int | None = None) -> Iterator[Record]:
        """Yield what is wanted of what has a greater number than `after`; the `last` ones only."""
        condition, values = selection.condition()
        if selection.since is not None:
            first = self._one("SELECT min(number) FROM events WHERE at >= ?", selection.since)
            after = max(after, self.newest() if first is None else first - 1)
        condition = f"FROM events WHERE number > ? AND {condition} ORDER BY number"
        if last is not None:
            newest = f"SELECT min(number) FROM (SELECT number {condition} DESC LIMIT ?)"
            first = self._one(newest, after, *values, max(0, last))
            after = self.newest() if first is None else first - 1
        while page := self._page(f"SELECT {COLUMNS} {condition} LIMIT ?", after, *values, MOST_AT_ONCE):
            yield from page
            after = page[-1].number

    def _page(self, question: str, *values: object) -> list[Record]:
        page, size = [], 0
        with contextlib.closing(self._connection.execute(question, values)) as rows:
            for row in rows:
                page.append(record_of(row))
                size += len(row[-1])
                if size > MOST_TEXT_AT_ONCE:
                    break
        return page

    def _one(self, question: str, *values: object) -> Any:  # noqa: ANN401 - of any column
        (value,) = self._connection.execute(question, values).fetchone()
        return value


@contextlib.contextmanager
def unreadable_told(path: Path) -> Iterator[None]:
    """Turn what SQLite, the system and a damaged row raise into `Unreadable`."""
    try:
        yield
    except (sqlite3.Error, OSError, TypeError, ValueError) as error:
        raise Unreadable(f"the history in `{path}` can't be read: {error}") from error


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
