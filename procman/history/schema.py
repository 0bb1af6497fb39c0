"""What stands in a history: one table, a row for each record; and what can be wrong with one.

`procman/history` never asks `sqlite3` for more than this module says, so any `sqlite3` shell reads it too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from procman.core.journal import Kind, Record

VERSION = 1  # `PRAGMA user_version` of the file
KINDS = frozenset(kind.value for kind in Kind)
LARGEST = (1 << 63) - 1  # of SQLite's integers; a damaged record of an app may say that it has had more runs
COLUMNS = "number, at, app, run, kind, text, data"
INSERT = "INSERT INTO events (at, app, run, kind, text, data) VALUES (?, ?, ?, ?, ?, ?)"
# AUTOINCREMENT: a number is never given out twice, not even that of a row that was pruned, so whoever follows
# knows by it what they have seen. `data` comes last: what is long lies on pages that others need not read.
CREATE = (
    """
    CREATE TABLE events (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        app TEXT,
        run INTEGER,
        kind TEXT NOT NULL,
        text TEXT NOT NULL,
        data TEXT NOT NULL
    )
    """,
    "CREATE INDEX events_by_app ON events (app, number)",
    "CREATE INDEX events_by_time ON events (at)",
    f"PRAGMA user_version = {VERSION}",
)

Row = tuple[float, str | None, int | None, str, str, str]  # as INSERT takes it


class Unusable(Exception):
    """What is there is no history that this version can go on with.

    Attributes:
        reason: in words, for the sentence that says what became of it.
        label: what its file is called from then on.
    """

    def __init__(self, reason: str, label: str = "damaged") -> None:
        super().__init__(reason)
        self.reason = reason
        self.label = label


class Unavailable(Exception):
    """The history can't be written now; trying again may help. The text says why."""


def row_of(record: Record) -> Row:
    """Return what is stored of a record; data that is not JSON becomes text.

    Raises:
        TypeError, ValueError: a key of its data is nothing that JSON knows.
    """
    data = json.dumps(dict(record.data), ensure_ascii=False, separators=(",", ":"), default=str)
    app = None if record.app is None else _storable(record.app)
    run = record.run if record.run is None or record.run <= LARGEST else None
    return record.at, app, run, record.kind.value, _storable(record.text), _storable(data)


def record_of(row: Sequence[object]) -> Record:
    """Return the record of a row of COLUMNS.

    Raises:
        TypeError, ValueError: there is no such record.
    """
    number, at, app, run, kind, text, data = row
    plain = json.loads(str(data))
    if not (isinstance(number, int) and isinstance(at, float) and isinstance(plain, dict)):
        raise TypeError(f"this is no record: {row!r:.200}")
    name = None if app is None else str(app)
    return Record(at, Kind(kind), str(text), name, run if isinstance(run, int) else None, plain, number)


def _storable(text: str) -> str:
    """Return a text without what UTF-8 can't say: names of files and arguments may have any byte in them."""
    return text.encode(errors="replace").decode()
