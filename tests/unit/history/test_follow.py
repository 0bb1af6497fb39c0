"""Following the history over managers that come and go, and databases that begin anew."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from procman.core.config import HistoryBudget
from procman.core.journal import Kind, Record
from procman.history import follow
from procman.history.follow import Follower
from procman.history.read import Unreadable, records
from procman.history.store import History
from tests.real.project import until

PATIENCE_S = 10.0


class Manager:
    """Keeps a history, and waits until what it adds is there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.history = History(path, HistoryBudget())

    def say(self, *texts: str, app: str | None = None, kind: Kind = Kind.STATE) -> None:
        """Have records kept."""
        for text in texts:
            self.history.add(Record(time.time(), kind, text, app))
        until(lambda: self.last() == texts[-1], "it is kept")

    def last(self) -> str | None:
        """Return what was kept last."""
        with contextlib.suppress(Unreadable):  # what is damaged is put aside in a moment
            for record in records(self.path, last=1):
                return record.text
        return None

    def close(self) -> None:
        """End in good order."""
        self.history.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where there is no history yet."""
    return tmp_path / ".procman" / "history.db"


@pytest.fixture
def manager(path: Path) -> Iterator[Manager]:
    """A manager that has begun."""
    with contextlib.closing(Manager(path)) as manager:
        manager.say("began")
        yield manager


def texts(follower: Follower) -> list[str]:
    """Return what one look finds."""
    return [record.text for record in follower.look()]


def test_each_record_comes_once(path: Path, manager: Manager) -> None:
    with contextlib.closing(Follower(path)) as follower:
        before = texts(follower)
        manager.say("one", "two")
        found, again = texts(follower), texts(follower)
        manager.say("three")
        assert (before, found, again, texts(follower)) == ([], ["one", "two"], [], ["three"])


def test_following_may_begin_behind_any_record(path: Path, manager: Manager) -> None:
    manager.say("one", "two")
    with contextlib.closing(Follower(path, after=2)) as follower:
        assert texts(follower) == ["two"]
    with contextlib.closing(Follower(path, after=0)) as follower:
        assert texts(follower) == ["began", "one", "two"]


def test_some_apps_and_kinds_may_be_followed(path: Path, manager: Manager) -> None:
    with contextlib.closing(Follower(path, apps=["web"], kinds=[Kind.EXIT])) as follower:
        manager.say("of another", app="api", kind=Kind.EXIT)
        manager.say("of the manager")
        manager.say("a state", app="web")
        manager.say("an exit", app="web", kind=Kind.EXIT)
        assert texts(follower) == ["an exit"]


def test_a_history_that_comes_later_is_followed_from_its_beginning(path: Path) -> None:
    with contextlib.closing(Follower(path)) as follower:
        nothing = texts(follower)
        with contextlib.closing(Manager(path)) as manager:
            manager.say("began")
            assert (nothing, texts(follower)) == ([], ["began"])


def test_other_managers_are_followed(path: Path) -> None:
    found = []
    with contextlib.closing(Follower(path)) as follower:
        for number in range(3):
            with contextlib.closing(Manager(path)) as manager:
                manager.say(f"manager {number}")
                found += texts(follower)
            found += texts(follower)
    assert found == ["manager 0", "manager 1", "manager 2"]


@pytest.mark.parametrize("has_looked", [True, False])
def test_a_history_that_is_deleted_is_read_to_its_end_and_the_new_one_from_its_beginning(
    path: Path, manager: Manager, has_looked: bool
) -> None:
    with contextlib.closing(Follower(path)) as follower:
        manager.say("one", "two")
        found = texts(follower) if has_looked else []
        shutil.rmtree(path.parent)
        found += texts(follower) if has_looked else []
        manager.say("three")
        found += texts(follower)
    assert found == ["one", "two", "the history begins anew: its file was deleted", "three"]


def test_the_new_history_is_followed_if_the_next_manager_begins_anew(path: Path, manager: Manager) -> None:
    manager.say("one", "two")
    manager.close()
    with contextlib.closing(Follower(path)) as follower:
        path.write_bytes(b"garbage" * 1000)
        nothing = texts(follower)
        with contextlib.closing(Manager(path)) as other:
            other.say("three")
            first, second = texts(follower)
    assert nothing == []
    assert first.startswith("the history begins anew, what was there is kept as")
    assert second == "three"


def test_a_history_that_can_not_be_read_is_refused_at_the_beginning_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"garbage" * 1000)
    with pytest.raises(Unreadable, match="file is not a database"):
        Follower(path)


def test_a_lock_is_waited_for(path: Path, manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("procman.history.read.BUSY_S", 0.01)
    manager.say("one")
    manager.close()
    with contextlib.closing(Follower(path, after=1)) as follower:
        follower.close()  # a reader that has it open already is not held up by any lock
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("PRAGMA locking_mode = EXCLUSIVE")
            other.execute("BEGIN EXCLUSIVE")
            other.execute("UPDATE events SET app = 'x'")
            nothing = texts(follower)
            other.execute("ROLLBACK")
        assert (nothing, texts(follower)) == ([], ["one"])


@pytest.mark.parametrize("notices", [True, False], ids=["with notices", "without notices"])
def test_an_iteration_is_woken_by_new_records_and_ends_when_told(
    path: Path, notices: bool, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not notices:
        monkeypatch.setattr(follow, "_observe", lambda path, wake: None)
        monkeypatch.setattr(follow, "LOOK_EVERY_S", 0.01)
    else:
        monkeypatch.setattr(follow, "LOOK_EVERY_S", 2 * PATIENCE_S)
    follower = Follower(path)
    found: list[str] = []
    arrived = threading.Semaphore(0)

    def collect() -> None:
        for record in follower:
            found.append(record.text)
            arrived.release()

    thread = threading.Thread(target=collect)
    thread.start()
    for number in range(3):
        manager.history.add(Record(time.time(), Kind.STATE, f"event {number}"))
        assert arrived.acquire(timeout=PATIENCE_S)
    begin = time.monotonic()
    follower.stop()
    thread.join(PATIENCE_S)

    assert not thread.is_alive()
    assert time.monotonic() - begin < PATIENCE_S
    assert found == ["event 0", "event 1", "event 2"]


def test_a_follower_of_what_is_damaged_does_not_wake_itself(
    path: Path, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.close()
    follower = Follower(path)
    path.write_bytes(b"garbage" * 1000)
    looks = 0
    really_look = follower.look

    def look() -> Iterator[Record]:
        nonlocal looks
        looks += 1
        return really_look()

    monkeypatch.setattr(follower, "look", look)
    monkeypatch.setattr(follow, "LOOK_EVERY_S", 0.2)
    thread = threading.Thread(target=lambda: list(follower))
    thread.start()
    time.sleep(1)  # in which one look wakes the next 50 times, if it does
    follower.stop()
    thread.join(PATIENCE_S)
    assert 0 < looks < 10
