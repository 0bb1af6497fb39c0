"""Whatever is kept, pruned or fails: every record once, in order, and of what must go the oldest first."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import strategies as st

from procman.core.config import HistoryBudget
from procman.core.journal import Kind, Record
from procman.history import store
from procman.history.database import Database
from procman.history.read import records
from procman.history.schema import INSERT, Unavailable, row_of
from procman.history.store import History
from tests.properties.promises import promise

MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # a disk takes 20 ms to make a database
LARGEST = 20_000  # characters of a record
PAGES = 10 * 4096  # bytes of a database beside its records


@contextlib.contextmanager
def a_path() -> Iterator[Path]:
    """Yield where a history may be."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder, "history.db")


# --- pruning ---------------------------------------------------------------------------------------------

NOW = 1_000_000.0
ROW = st.tuples(st.integers(0, LARGEST), st.integers(-100, 100))  # characters, and seconds beside its turn
BATCHES = st.lists(st.lists(ROW, min_size=1, max_size=12), min_size=1, max_size=6)
BUDGETS = st.builds(
    HistoryBudget, max_size=st.integers(150_000, 400_000), keep=st.sampled_from((150.0, 10_000.0))
)


@promise(st.tuples(BUDGETS, BATCHES))
def the_oldest_goes_first_and_no_more_than_must(example: tuple[HistoryBudget, list[Any]]) -> None:
    budget, batches = example
    now, written = NOW, 0
    left: list[tuple[int, float]] = []
    with a_path() as path, contextlib.closing(Database(path)) as opened:
        for batch in batches:
            rows = [(now + aside, "x" * size) for size, aside in batch]
            opened.write([row_of(Record(at, Kind.STATE, "", data={"x": text})) for at, text in rows])
            left += [(written + index, at) for index, (at, _) in enumerate(rows, 1)]
            written += len(rows)
            was_large = opened.size > budget.max_size
            opened.prune(budget, now)
            young = [number for number, at in left if at >= now - budget.keep]
            kept = [record.number for record in records(path)]
            assert kept == young[len(young) - len(kept) :], "what is deleted beside the too old is the oldest"
            assert opened.size <= budget.max_size
            if not was_large:
                assert kept == young
            elif len(kept) < len(young):
                assert opened.size > 0.9 * budget.max_size - LARGEST - PAGES
            left = [(number, at) for number, at in left if number in kept]
            now += 100


def test_the_oldest_goes_first_and_no_more_than_must() -> None:
    the_oldest_goes_first_and_no_more_than_must.holds()


def newest_first(opened: Database, size: int) -> bool:
    """Delete from the wrong end."""
    opened._run("DELETE FROM events WHERE number = (SELECT max(number) FROM events)")
    return True


def all_at_once(opened: Database, size: int) -> bool:
    """Delete more than must go."""
    opened._run("DELETE FROM events")
    return True


PRUNE = Database.prune


def forget_age(opened: Database, budget: HistoryBudget, now: float) -> None:
    """Delete by size alone."""
    PRUNE(opened, replace(budget, keep=1e9), now)


def forget_size(opened: Database, budget: HistoryBudget, now: float) -> None:
    """Delete by age alone."""
    PRUNE(opened, replace(budget, max_size=1 << 40), now)


@pytest.mark.parametrize(
    ("method", "bug"),
    [
        ("_delete_oldest", newest_first),
        ("_delete_oldest", all_at_once),
        ("prune", forget_age),
        ("prune", forget_size),
    ],
)
def test_a_bug_in_pruning_is_caught(
    method: str, bug: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Database, method, bug)
    the_oldest_goes_first_and_no_more_than_must.is_broken()


def test_a_file_that_does_not_shrink_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    really_run = Database._run

    def run(opened: Database, statement: str, *values: object) -> None:
        really_run(opened, statement.replace("FULL", "NONE"), *values)

    monkeypatch.setattr(Database, "_run", run)
    the_oldest_goes_first_and_no_more_than_must.is_broken()


# --- failures --------------------------------------------------------------------------------------------

# What becomes of each attempt to open, to write and to prune, in turn; after these all succeed.
OUTCOMES = st.lists(st.sampled_from(("succeeds", "fails", "fails")), max_size=12)


@promise(st.tuples(st.integers(1, 60), OUTCOMES))
def whatever_fails_every_record_is_kept_once(example: tuple[int, list[str]]) -> None:
    count, outcomes = example
    pending = list(outcomes)

    def or_fail(act: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            if pending and pending.pop(0) == "fails":
                raise Unavailable("planned")
            return act(*arguments, **options)

        return wrapped

    with contextlib.ExitStack() as stack:
        path = stack.enter_context(a_path())
        for name in ("__init__", "write", "prune"):
            wrapped = or_fail(getattr(Database, name))
            stack.enter_context(mock.patch.object(Database, name, wrapped))
        history = History(path, HistoryBudget(keep=1e12))
        for number in range(count):
            history.add(Record(NOW, Kind.STATE, f"event {number}"))
        history.close()
        kept = [(record.number, record.text) for record in records(path)]

    assert kept == [(number + 1, f"event {number}") for number in range(count)]


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"BATCH_S": 0.001, "FIRST_PAUSE_S": 0.001, "LONGEST_PAUSE_S": 0.001}.items():
        monkeypatch.setattr(store, name, seconds)


def test_whatever_fails_every_record_is_kept_once() -> None:
    whatever_fails_every_record_is_kept_once.holds()


STORE = History._store


def forget_what_failed(history: History) -> None:
    """Take what is to be written for written."""
    try:
        STORE(history)
    finally:
        history._ready = []


def newest_before(history: History) -> None:
    """Turn round what had to wait."""
    if history._trouble is not None:
        history._ready.reverse()
    STORE(history)


@pytest.mark.parametrize("bug", [forget_what_failed, newest_before])
def test_a_bug_in_trying_again_is_caught(
    bug: Callable[[History], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(History, "_store", bug)
    whatever_fails_every_record_is_kept_once.is_broken()


def test_a_write_that_is_done_by_halves_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(opened: Database, rows: Any) -> None:
        for index, row in enumerate(rows):
            if index == 2 and len(rows) % 2:
                raise Unavailable("in the middle")
            opened._connection.execute(INSERT, row)

    monkeypatch.setattr(Database, "write", write)
    whatever_fails_every_record_is_kept_once.is_broken()
