"""The database of the history, open for writing: made, filled, pruned, put aside when it is of no use.

With a rollback journal, and not with a write-ahead log: for that SQLite shares memory through a file, and
whoever truncates the file ends the next process that touches it, by SIGBUS. Of 600 attempts to damage the
files of a busy history 51 ended the process, although it looked at them before each batch.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from procman.core.config import HistoryBudget
from procman.history.schema import COLUMNS, CREATE, INSERT, VERSION, Row, Unavailable, Unusable

BUSY_S = 0.25  # for which a lock of somebody else is waited for; it is asked for again later
CACHE_KB = 256  # of pages; the default is 2 MB, which a manager pays for all day
PRUNED_TO = 0.9  # of the budget, so that not every batch has to prune
ROW_COST = 60  # bytes of a row and its places in the indices, beside its texts
# By these the file is no history, or not one any more: no such table, damaged, other columns, no database.
# All else (locked, full, read-only, no permission, a failing disk) may be over the next time.
USELESS = frozenset(
    {
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_FORMAT,
        sqlite3.SQLITE_NOTADB,
    }
)


class _Seen(NamedTuple):
    """A file as it was when we had last written."""

    inode: int
    size: int
    changed: int  # ns


class Database:
    """One open database; owned by the thread that opened it.

    Its methods raise `Unusable` and `Unavailable`, and nothing else of what may happen to a file.

    Attributes:
        is_new: the file had to be made.
        newest: the greatest number that was ever given out.
        size: bytes that it takes.
    """

    def __init__(self, path: Path, *, check: bool = False) -> None:
        """Open it, or make it; `check` reads all of it, because somebody else has written to it."""
        self._path = path
        with _troubles_told():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            self.is_new = _prepare(path)
            self._connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
            try:
                self._begin(check)
            except BaseException:
                self._connection.close()
                raise
            self._seen = _see(path)

    def _begin(self, check: bool) -> None:
        # The order matters: the first reads the header, and auto_vacuum is for a file without a page.
        version, *_ = self._one("PRAGMA user_version")
        if version > VERSION:
            reason = f"it was written by a newer version of procman, and this one knows version {VERSION}"
            raise Unusable(reason, f"version-{version}")
        self._run("PRAGMA auto_vacuum = FULL")  # the file shrinks with what is deleted
        self._run("PRAGMA journal_mode = TRUNCATE")  # a file less to make and to delete in each transaction
        self._run("PRAGMA synchronous = NORMAL")
        self._run(f"PRAGMA cache_size = -{CACHE_KB}")
        self._run("PRAGMA mmap_size = 0")
        if version == 0:
            self._run("BEGIN IMMEDIATE")
            for statement in CREATE:
                self._run(statement)
            self._run("COMMIT")
        self._run(f"SELECT {COLUMNS} FROM events LIMIT 1")
        if check and self._one("PRAGMA quick_check(1)") != ("ok",):
            raise Unusable("database disk image is malformed")
        (self.newest,) = self._one("SELECT coalesce(max(seq), 0) FROM sqlite_sequence")
        self.size = self._measure()

    def write(self, rows: Sequence[Row]) -> None:
        """Write all rows or, if this raises, none."""
        with _troubles_told():
            self._run("BEGIN IMMEDIATE")
            self._connection.executemany(INSERT, rows)
            (newest,), size = self._one("SELECT last_insert_rowid()"), self._measure()
            self._run("COMMIT")
            self.newest, self.size, self._seen = newest, size, _see(self._path)
            self._run("PRAGMA shrink_memory")  # the pages are soon read again, if need be; they had 0.2 MB

    def is_as_we_left_it(self) -> bool:
        """Return whether nobody has deleted, replaced or written to the file since we did.

        SQLite does not ask: what it writes after that could be lost with a file that has no name any more, or
        spread the damage.
        """
        return _see(self._path) == self._seen

    def go_on_after(self, number: int) -> None:
        """Give out greater numbers from now on."""
        with _troubles_told():
            self._run("BEGIN IMMEDIATE")
            self._run("DELETE FROM sqlite_sequence")
            self._run("INSERT INTO sqlite_sequence VALUES ('events', ?)", number)
            self._run("COMMIT")
            self.newest, self._seen = number, _see(self._path)

    def prune(self, budget: HistoryBudget, now: float) -> None:
        """Delete what is older than the budget allows, and the oldest until the rest fits."""
        with _troubles_told():
            self._run("DELETE FROM events WHERE at < ?", now - budget.keep)
            if self._measure() > budget.max_size:
                while (excess := self._measure() - int(budget.max_size * PRUNED_TO)) > 0:
                    if not self._delete_oldest(excess):
                        break
            self.size, self._seen = self._measure(), _see(self._path)

    def close(self) -> None:
        """Close it; what is not written is not written any more."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def _delete_oldest(self, size: int) -> bool:
        """Delete the oldest rows that take about so many bytes; return whether there was any."""
        last, freed = None, 0
        sizes = self._connection.execute(
            f"SELECT number, {ROW_COST} + length(CAST(data AS BLOB)) + length(CAST(text AS BLOB)) "
            "FROM events ORDER BY number"
        )
        for number, cost in sizes:
            last, freed = number, freed + cost
            if freed >= size:
                break
        sizes.close()
        self._run("DELETE FROM events WHERE number <= ?", last)
        return last is not None

    def _measure(self) -> int:
        pages, size = (self._one(f"PRAGMA {name}")[0] for name in ("page_count", "page_size"))
        return int(pages * size)

    def _run(self, statement: str, *values: object) -> None:
        self._connection.execute(statement, values).fetchall()

    def _one(self, statement: str) -> tuple[Any, ...]:
        row: tuple[Any, ...] = self._connection.execute(statement).fetchone()
        return row


def files_of(path: Path) -> tuple[Path, Path]:
    """Return the files of a database: itself, and its journal."""
    return path, path.with_name(f"{path.name}-journal")


def put_aside(path: Path, label: str) -> str:
    """Rename a database with all that belongs to it, and return its new name; of each label one is kept.

    Raises:
        Unavailable: it can't be renamed now.
    """
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = path.with_name(f"{path.stem}.{label}-{moment}{path.suffix}")
    with _troubles_told():
        for old in path.parent.glob(f"{path.stem}.{label}-*"):
            if old.is_symlink() or not old.is_dir():
                old.unlink()
        for source, target in zip(files_of(path), files_of(aside), strict=True):
            with contextlib.suppress(FileNotFoundError):
                source.rename(target)
    return aside.name


def _prepare(path: Path) -> bool:
    """Make the file if it is not there, for its owner only; return whether it had to be made.

    SQLite would follow a link, and read and write wherever that points.
    """
    for each in files_of(path):
        with contextlib.suppress(FileNotFoundError):
            mode = each.lstat().st_mode
            if not stat.S_ISREG(mode):
                raise Unusable(f"`{each.name}` is not a plain file")
            if mode & 0o077:
                each.chmod(0o600)
    if os.path.lexists(path):
        return False
    # Not if it is there: whoever closes a file gives back every lock that the process has on it.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    return True


def _see(path: Path) -> _Seen | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return _Seen(found.st_ino, found.st_size, found.st_mtime_ns)


@contextlib.contextmanager
def _troubles_told() -> Iterator[None]:
    """Turn what SQLite and the system raise into what follows from it."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in USELESS:
            raise Unusable(str(error)) from error
        raise Unavailable(str(error)) from error
    except OSError as error:
        raise Unavailable(error.strerror or str(error)) from error
