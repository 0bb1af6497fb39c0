"""Keeps what happened: takes records without making anybody wait, and writes them in the background."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from procman.core.config import HistoryBudget
from procman.core.journal import Kind, Record
from procman.history.schema import Row, Unavailable, Unusable, row_of

if TYPE_CHECKING:
    from procman.history.database import Database

# A batch is written once nothing more has come for this long. From the exit of an app to its replacement it
# takes 2 ms, a stop of 100 apps 50, and the thread of these shares the interpreter's lock with this one.
BATCH_S = 0.05
LONGEST_BATCH_S = 0.5
MOST_WAITING = 10_000  # records
MOST_READY = 4_000_000  # characters that wait to be written; evidence with its lines may have 400,000
FIRST_PAUSE_S = 0.1  # before what could not be written is tried again; each pause is twice the one before
LONGEST_PAUSE_S = 5.0
CLOSE_S = 2.0
LAST_TRY_S = 1.5  # after `close`; the try that is under way then may wait for a lock
PRUNE_EVERY = 1000  # records


class History:
    """The history of one project, written by a thread of its own, which sleeps while nothing happens.

    `add`, `set_budget` and `close` are for one other thread.

    What can't be written now (locked, disk full, no permission, folder deleted) waits in memory and is tried
    again. What no longer fits there is counted, and a record says where it is missing. A file that is damaged
    is put aside as `history.damaged-<time>.db`, one of a newer version of procman, which this one does not
    know how to go on with, as `history.version-<n>-<time>.db`. The new one begins with a record about that.
    """

    def __init__(
        self,
        path: Path,
        budget: HistoryBudget,
        complete: Callable[[Record], Record] = lambda record: record,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Begin; nothing is opened before the first record.

        Args:
            path: of the database. Its folder is made if need be.
            budget: how much is kept.
            complete: called with each record in the history's own thread, for what takes time to find out.
            tell: called in that thread with a sentence when writing fails, works again, or begins anew.
        """
        self._path = path
        self._budget = budget
        self._complete = complete
        self._tell = tell
        self._inbox: SimpleQueue[Record | None] = SimpleQueue()  # None only wakes the thread
        self._closing = threading.Event()
        self._last_try = 0.0  # monotonic, once it is closing
        self._lost = 0  # records since the last one that fitted
        # From here on it is the thread's own.
        self._database: Database | None = None
        self._newest = 0  # number that was given out
        self._is_suspect = False  # somebody else has written to the files
        self._is_aside = False  # what was there
        self._ready: list[Row] = []
        self._ready_size = 0
        self._pruned_to: HistoryBudget | None = budget  # None: not since it was opened
        self._since_prune = 0  # records
        self._trouble: str | None = None
        self._pause = 0.0
        self._try_at = 0.0  # monotonic
        self._thread = threading.Thread(target=self._keep, name="history", daemon=True)
        self._thread.start()

    def add(self, record: Record) -> None:
        """Have a record kept. It takes microseconds and never raises, whatever happens to the disk."""
        if self._closing.is_set():
            return
        if self._inbox.qsize() >= MOST_WAITING:
            self._lost += 1
            return
        self._own_up(record.at)
        self._inbox.put(record)

    def set_budget(self, budget: HistoryBudget) -> None:
        """Keep so much from now on."""
        if budget != self._budget:
            self._budget = budget
            self._inbox.put(None)

    @property
    def problem(self) -> str | None:
        """What keeps the history from being written, or None."""
        trouble = self._trouble
        return None if trouble is None else self._describe(trouble)

    def close(self) -> None:
        """Write what is left, within 2 s; what is added from now on is not kept."""
        self._own_up(time.time())
        self._last_try = time.monotonic() + LAST_TRY_S
        self._closing.set()
        self._inbox.put(None)
        self._thread.join(CLOSE_S)

    def _describe(self, trouble: str) -> str:
        waiting = _events(len(self._ready) + self._inbox.qsize())
        lost = f", {self._lost:,} lost" if self._lost else ""
        return f"the history can't be written to `{self._path}`: {trouble}; {waiting} kept in memory{lost}"

    def _own_up(self, at: float) -> None:
        """Say in the history how much of it is missing here."""
        if self._lost:
            text = f"{_events(self._lost)} missing here: the history could not be written for too long"
            self._inbox.put(Record(at, Kind.PROBLEM, text))
            self._lost = 0

    # In the thread

    def _keep(self) -> None:
        while True:
            self._collect()
            if self._closing.is_set() or time.monotonic() >= self._try_at:
                self._write()
            if self._closing.is_set() and self._is_done():
                break
        self._close_database()

    def _is_done(self) -> bool:
        is_empty = not self._ready and self._inbox.empty()
        return is_empty or time.monotonic() >= self._last_try

    def _collect(self) -> None:
        """Wait for records, in trouble until it is time to try again, and make ready what is there."""
        pause = None if self._trouble is None else max(0.0, self._try_at - time.monotonic())
        if self._closing.is_set():
            pause = FIRST_PAUSE_S
        if self._ready_size >= MOST_READY:
            if self._closing.wait(pause):
                time.sleep(FIRST_PAUSE_S)
            return
        try:
            self._make_ready(self._inbox.get(timeout=pause))
        except Empty:
            return
        self._wait_until_quiet()
        while self._ready_size < MOST_READY and not self._inbox.empty():
            self._make_ready(self._inbox.get())

    def _wait_until_quiet(self) -> None:
        until, seen = time.monotonic() + LONGEST_BATCH_S, -1
        while (waiting := self._inbox.qsize()) != seen and time.monotonic() < until:
            seen = waiting
            if self._closing.wait(BATCH_S):
                return

    def _make_ready(self, record: Record | None) -> None:
        if record is None:
            return
        try:
            row = row_of(self._complete(record))
        except Exception as error:  # a mistake in its data costs the data: the sentence is kept
            row = row_of(replace(record, data={"error": repr(error)}))
        self._ready.append(row)
        self._ready_size += sum(len(cell) for cell in row if isinstance(cell, str))

    def _write(self) -> None:
        """Write what is ready; what can't be written stays so until the next try."""
        try:
            try:
                self._store()
            except Unusable as found:
                self._put_aside(found)
                self._store()
        except (Unavailable, Unusable) as error:
            self._close_database()
            was_well = self._trouble is None
            self._pause = FIRST_PAUSE_S if was_well else min(2 * self._pause, LONGEST_PAUSE_S)
            self._try_at = time.monotonic() + self._pause
            self._trouble = str(error)
            if was_well:
                self._tell(self._describe(self._trouble))
        else:
            if self._trouble is not None:
                self._trouble = None
                self._tell("the history is written again")

    def _store(self) -> None:
        if not self._ready and self._pruned_to == self._budget:
            return
        database = self._open()
        if self._ready:
            database.write(self._ready)
            self._since_prune += len(self._ready)
            self._ready, self._ready_size = [], 0
            self._newest = database.newest
        budget, is_old = self._budget, self._since_prune >= PRUNE_EVERY
        if is_old or budget != self._pruned_to or database.size > budget.max_size:
            database.prune(budget, time.time())
            self._pruned_to, self._since_prune = budget, 0

    def _open(self) -> Database:
        """Return the database, opened again if somebody else has done anything to it."""
        from procman.history.database import Database

        if self._database is not None and not self._database.is_as_we_left_it():
            self._is_suspect = True
            self._close_database()
        if self._database is None:
            self._database = Database(self._path, check=self._is_suspect)
            self._find_loss(self._database)
            self._is_suspect = self._is_aside = False
            self._pruned_to = None
        return self._database

    def _find_loss(self, database: Database) -> None:
        """Say so if there is less in a database than was written, and have the numbers go on."""
        lost = self._newest - database.newest
        if lost <= 0:
            return
        database.go_on_after(self._newest)
        if database.is_new and not self._is_aside:
            self._note("the history begins anew: its file was deleted")
        elif not self._is_aside:
            self._note(f"{_events(lost)} lost: somebody else has written to the files of the history")

    def _put_aside(self, found: Unusable) -> None:
        from procman.history.database import put_aside

        self._close_database()
        name = put_aside(self._path, found.label)
        self._is_aside = True
        self._note(f"the history begins anew, what was there is kept as `{name}`: {found.reason}")

    def _note(self, text: str) -> None:
        """Say something of the history in the history, before what comes next, and outside of it."""
        self._ready.insert(0, row_of(Record(time.time(), Kind.PROBLEM, text)))
        self._tell(text)

    def _close_database(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None


def _events(count: int) -> str:
    return "1 event is" if count == 1 else f"{count:,} events are"
