"""Reading the history back, whoever else has it open and however it was left."""

from __future__ import annotations

import contextlib
import itertools
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from procman.core.config import HistoryBudget
from procman.core.journal import Kind, Record
from procman.history import read
from procman.history.read import Unreadable, records
from procman.history.store import History
from tests.unit.history.test_store import as_nobody

KINDS = (Kind.STATE, Kind.EXIT)
APPS = ("web", "api", None)


def write(path: Path, count: int = 12, *, text: str = "") -> None:
    """Keep records of three apps and two kinds in turn, one a second from 100 on."""
    history = History(path, HistoryBudget(keep=1e12))
    for number in range(1, count + 1):
        app, kind = APPS[number % 3], KINDS[number % 2]
        history.add(Record(100.0 + number, kind, f"event {number}", app, number, {"text": text}))
    history.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A history of 12 records."""
    path = tmp_path / "history.db"
    write(path)
    return path


def numbers(found: Iterator[Record]) -> list[int]:
    """Return the numbers of records."""
    return [record.number for record in found]


def test_a_record_comes_back_as_it_was(path: Path) -> None:
    first, second, *_ = records(path)

    assert first == Record(101.0, Kind.EXIT, "event 1", "api", 1, {"text": ""}, 1)
    assert second == Record(102.0, Kind.STATE, "event 2", None, 2, {"text": ""}, 2)


def test_every_choice_leaves_the_order(path: Path) -> None:
    assert numbers(records(path)) == list(range(1, 13))
    assert numbers(records(path, apps=["web"])) == [3, 6, 9, 12]
    assert numbers(records(path, apps=["api", "web"])) == [1, 3, 4, 6, 7, 9, 10, 12]
    assert numbers(records(path, apps=[])) == []
    assert numbers(records(path, kinds=[Kind.EXIT])) == [1, 3, 5, 7, 9, 11]
    assert numbers(records(path, since=110.0)) == [10, 11, 12]
    assert numbers(records(path, since=110.5)) == [11, 12]
    assert numbers(records(path, since=113.0)) == []
    assert numbers(records(path, until=103.0)) == [1, 2, 3]
    assert numbers(records(path, after=9)) == [10, 11, 12]
    assert numbers(records(path, last=2)) == [11, 12]
    assert numbers(records(path, last=0)) == []
    assert numbers(records(path, last=100)) == list(range(1, 13))


def test_choices_hold_together_and_the_last_are_of_what_is_left(path: Path) -> None:
    assert numbers(records(path, apps=["web"], kinds=[Kind.EXIT], last=1)) == [9]
    assert numbers(records(path, apps=["web"], since=104.0, until=110.0)) == [6, 9]
    assert numbers(records(path, until=105.0, last=2)) == [4, 5]
    assert numbers(records(path, after=3, last=100, until=106.0)) == [4, 5, 6]
    assert numbers(records(path, after=11, last=5)) == [12]
    assert numbers(records(path, apps=["nobody"], last=5)) == []


def test_a_time_may_come_twice_when_the_clock_was_set_back(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    history = History(path, HistoryBudget(keep=1e12))
    for at in (100.0, 200.0, 50.0, 150.0):
        history.add(Record(at, Kind.PROBLEM, "x"))
    history.close()

    assert numbers(records(path, since=120.0)) == [2, 4]


@pytest.mark.parametrize(("most", "text"), [(5, 1_000_000), (500, 30), (1, 1)])
def test_what_is_read_in_parts_is_whole(
    path: Path, most: int, text: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "MOST_AT_ONCE", most)
    monkeypatch.setattr(read, "MOST_TEXT_AT_ONCE", text)

    assert numbers(records(path)) == list(range(1, 13))
    assert numbers(records(path, apps=["api"], last=3)) == [4, 7, 10]


def test_where_there_is_no_history_there_are_no_records(tmp_path: Path) -> None:
    path = tmp_path / ".procman" / "history.db"
    assert list(records(path)) == []
    path.parent.mkdir()
    assert list(records(path)) == []
    path.touch()
    assert list(records(path)) == []
    assert [each.name for each in path.parent.iterdir() if each.stat().st_size] == [], "nothing is made"


def test_whoever_reads_slowly_does_not_hold_up_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    write(path, 2000, text="x" * 1000)
    slow = records(path)
    first = next(slow)
    write(path, 1)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        writer.execute("DELETE FROM events WHERE number > 1990")
        writer.execute("COMMIT")

    assert [first.number, *numbers(slow)] == list(range(1, 1991))


def test_it_is_read_beside_a_manager_that_writes(path: Path) -> None:
    history = History(path, HistoryBudget(keep=1e12))
    reader = records(path)
    assert next(reader).number == 1
    history.add(Record(200.0, Kind.STATE, "new"))
    history.close()

    assert numbers(reader) == list(range(2, 14)), "also what has come since it began to read"
    assert [record.text for record in records(path, after=12)] == ["new"]


KILLED = """
import os, signal, sqlite3, sys
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("PRAGMA cache_size = 1")  # pages are written before the end of the transaction
other.execute("PRAGMA cache_spill = 1")
other.execute("INSERT INTO events (at, kind, text, data) VALUES (113.0, 'state', 'the last', '{}')")
other.execute("BEGIN")
other.execute("UPDATE events SET app = 'gone', text = text || zeroblob(9000)")
os.kill(os.getpid(), signal.SIGKILL)
"""


def left_by_a_kill(path: Path) -> None:
    """Have a writer killed in the middle of its second write."""
    before = path.read_bytes()
    ended = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert path.with_name("history.db-journal").stat().st_size
    assert path.read_bytes() != before


def test_what_a_killed_manager_wrote_is_read_and_no_half_of_what_it_was_writing(path: Path) -> None:
    left_by_a_kill(path)

    assert numbers(records(path)) == list(range(1, 14))
    assert [(record.text, record.app) for record in records(path, last=1)] == [("the last", None)]


def test_it_is_read_where_nothing_may_be_written(path: Path) -> None:
    with as_nobody(path.parent) as folder:
        (folder / "history.db").chmod(0o400)
        folder.chmod(0o500)
        found = numbers(records(folder / "history.db"))
        names = [each.name for each in folder.iterdir()]
        folder.chmod(0o700)

    assert found == list(range(1, 13))
    assert sorted(names) == sorted(each.name for each in path.parent.iterdir())


def test_a_write_that_can_not_be_undone_where_it_is_is_said_to_be_one(path: Path) -> None:
    left_by_a_kill(path)
    with as_nobody(path.parent) as folder:
        folder.chmod(0o500)
        for each in folder.iterdir():
            each.chmod(0o400)
        with pytest.raises(Unreadable):
            list(records(folder / "history.db"))
        folder.chmod(0o700)


def test_a_path_may_have_any_name(tmp_path: Path) -> None:
    path = tmp_path / "a?mode=rw#b%20c ü" / "history.db"
    write(path)

    assert numbers(records(path)) == list(range(1, 13))


def test_a_kind_that_is_not_known_is_passed_over(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE events SET kind = 'invented' WHERE number = 11")

    assert numbers(records(path, last=2)) == [10, 12]


def test_what_is_damaged_is_said_to_be(path: Path) -> None:
    path.write_bytes(b"garbage" * 1000)

    with pytest.raises(Unreadable) as caught:
        list(records(path))
    assert str(caught.value) == f"the history in `{path}` can't be read: file is not a database"


def test_what_is_damaged_in_the_middle_is_read_up_to_there(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    write(path, 3000)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"garbage" * 2000)

    found: list[int] = []
    with pytest.raises(Unreadable, match="malformed"):
        found.extend(record.number for record in records(path))
    assert 0 < len(found) < 3000
    assert found == list(range(1, len(found) + 1))


@pytest.mark.parametrize("data", ["no JSON", "[]", "", None])
def test_a_row_that_is_no_record_is_damage(path: Path, data: str | None) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE events SET data = ? WHERE number = 12", (data or b"\xff",))

    with pytest.raises(Unreadable):
        list(itertools.islice(records(path), 13))


def test_a_history_of_a_newer_version_is_said_to_be_one(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA user_version = 2")

    with pytest.raises(Unreadable, match="was written by a newer version of procman"):
        list(records(path))


def test_a_lock_that_nobody_gives_back_is_said_to_be_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "BUSY_S", 0.05)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("DELETE FROM events")
        with pytest.raises(Unreadable, match="database is locked"):
            list(records(path))


def test_a_folder_is_no_history(tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        list(records(tmp_path))
