"""The history as a manager keeps it: in order, never in anybody's way, whatever happens to its file."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from procman.core.config import HistoryBudget
from procman.core.journal import Kind, Record
from procman.history import store as store_module
from procman.history.database import BUSY_S, files_of
from procman.history.read import records
from procman.history.store import History
from tests.real.project import until

GARBAGE = os.urandom(5000)
NOW = time.time()


def event(number: int, **more: Any) -> Record:
    """Return one of many records."""
    return Record(NOW + number, Kind.STATE, f"event {number}", "web", 1, {"number": number}, **more)


class Bench:
    """A folder, the histories that a test begins there, and all that they tell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / ".procman"
        self.path = self.folder / "history.db"
        self.told: list[str] = []
        self._begun: list[History] = []

    def begin(
        self, budget: HistoryBudget | None = None, complete: Callable[[Record], Record] | None = None
    ) -> History:
        """Begin a history."""
        history = History(
            self.path, budget or HistoryBudget(), complete or (lambda record: record), self.told.append
        )
        self._begun.append(history)
        return history

    def texts(self) -> list[str]:
        """Return the sentences that are kept."""
        return [record.text for record in records(self.path)]

    def until_kept(self, *texts: str) -> None:
        """Wait until these are all that is kept."""
        until(lambda: self.texts() == list(texts), f"{texts} are kept")

    def until_last(self, text: str) -> None:
        """Wait until this is the last that is kept."""
        until(lambda: [record.text for record in records(self.path, last=1)] == [text], f"{text} is kept")

    def close(self) -> None:
        """End all histories."""
        for history in self._begun:
            history.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A project's folder without a history."""
    with contextlib.closing(Bench(tmp_path)) as bench:
        yield bench


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock on the database that no writer gets past."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def test_what_is_added_is_kept_in_order_with_a_number(bench: Bench) -> None:
    history = bench.begin()
    for number in range(300):
        history.add(event(number))
    history.close()

    assert list(records(bench.path)) == [replace(event(number), number=number + 1) for number in range(300)]
    assert bench.told == []


def test_a_run_beyond_all_numbers_of_the_database_is_kept_without_its_number(bench: Bench) -> None:
    history = bench.begin()
    history.add(replace(event(1), run=1 << 63))
    bench.until_kept("event 1")
    assert [record.run for record in records(bench.path)] == [None]


def test_a_record_is_kept_a_moment_later_and_not_only_at_the_end(bench: Bench) -> None:
    history = bench.begin()
    history.add(event(1))
    bench.until_kept("event 1")
    history.add(event(2))
    bench.until_kept("event 1", "event 2")


def test_another_manager_goes_on_with_the_numbers(bench: Bench) -> None:
    for number in range(3):
        history = bench.begin()
        history.add(event(number))
        history.close()

    assert [(record.number, record.text) for record in records(bench.path)] == [
        (1, "event 0"),
        (2, "event 1"),
        (3, "event 2"),
    ]


def test_nothing_is_made_before_something_happens(bench: Bench) -> None:
    bench.begin().close()

    assert not bench.folder.exists()


def test_what_is_kept_is_for_its_owner_alone(bench: Bench) -> None:
    before = os.umask(0)
    try:
        history = bench.begin()
        history.add(event(1))
        bench.until_kept("event 1")
        modes = {path.name: path.stat().st_mode & 0o777 for path in bench.folder.iterdir()}
        folder = bench.folder.stat().st_mode & 0o777
    finally:
        os.umask(before)

    assert folder == 0o700
    assert modes == {path.name: 0o600 for path in files_of(bench.path)}


def test_a_history_that_others_could_read_is_closed_to_them(bench: Bench) -> None:
    history = bench.begin()
    history.add(event(1))
    history.close()
    bench.path.chmod(0o644)
    history = bench.begin()
    history.add(event(2))
    history.close()

    assert bench.path.stat().st_mode & 0o777 == 0o600


def test_any_text_is_kept(bench: Bench) -> None:
    history = bench.begin()
    texts = ["\ud800 of no encoding", "\0 in the middle", "ünïcode 🙂"]
    for text in texts:
        history.add(replace(event(0), text=text, data={"text": text, "path": Path("/x")}))
    history.close()

    kept = list(records(bench.path))
    assert [record.text for record in kept] == ["? of no encoding", *texts[1:]]
    assert [record.data for record in kept] == [{"text": record.text, "path": "/x"} for record in kept]


def test_a_record_is_made_complete_in_another_thread(bench: Bench) -> None:
    threads = set()

    def complete(record: Record) -> Record:
        threads.add(threading.current_thread())
        return replace(record, data={**record.data, "lines": ["one"]})

    history = bench.begin(complete=complete)
    history.add(event(1))
    history.close()

    (kept,) = records(bench.path)
    assert kept.data == {"number": 1, "lines": ["one"]}
    assert threading.current_thread() not in threads


def test_what_can_not_be_made_complete_keeps_its_sentence(bench: Bench) -> None:
    def complete(record: Record) -> Record:
        if record.text == "event 1":
            raise OSError("no such log")
        return replace(record, data={(1, 2): "a key that JSON does not know"})  # type: ignore[dict-item]

    history = bench.begin(complete=complete)
    history.add(event(1))
    history.add(event(2))
    history.close()

    assert bench.texts() == ["event 1", "event 2"]
    first, second = records(bench.path)
    assert first.data == {"error": "OSError('no such log')"}
    assert "TypeError" in second.data["error"]


def test_nothing_wakes_the_thread_while_nothing_happens(bench: Bench) -> None:
    history = bench.begin()
    history.add(event(1))
    bench.until_kept("event 1")
    status = Path(f"/proc/self/task/{history._thread.native_id}/status")
    if not status.exists():
        pytest.skip("the system does not count switches")

    def switches() -> int:
        return sum(
            int(line.split()[1]) for line in status.read_text().splitlines() if "ctxt_switches" in line
        )

    def is_still() -> bool:
        before = switches()
        time.sleep(0.5)  # in which any rhythm would show
        return switches() == before

    until(is_still, "half a second without a wakeup")


# --- what keeps it from being written --------------------------------------------------------------------


def test_while_it_is_locked_everything_waits_and_then_comes_in_order(bench: Bench) -> None:
    history = bench.begin()
    history.add(event(0))
    bench.until_kept("event 0")
    with locked(bench.path):
        for number in range(1, 50):
            history.add(event(number))
        problem = until(lambda: history.problem, "the problem")
        history.add(event(50))
        until(lambda: "50 events are" in (history.problem or ""), "one more that waits")

    bench.until_kept(*(f"event {number}" for number in range(51)))
    until(lambda: history.problem is None, "the end of the problem")
    assert problem == (
        f"the history can't be written to `{bench.path}`: database is locked; 49 events are kept in memory"
    )
    assert bench.told == [problem, "the history is written again"]


def test_to_add_takes_no_time_while_it_is_locked(bench: Bench) -> None:
    history = bench.begin()
    history.add(event(0))
    bench.until_kept("event 0")
    with locked(bench.path):
        longest = 0.0
        for number in range(2000):
            begin = time.perf_counter()
            history.add(event(number))
            longest = max(longest, time.perf_counter() - begin)
    assert longest < BUSY_S, "no wait for the lock is in it"


def test_what_does_not_fit_is_counted_and_missed_at_its_place(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "MOST_WAITING", 10)
    monkeypatch.setattr(store_module, "MOST_READY", 1)
    history = bench.begin()
    history.add(event(0))
    bench.until_kept("event 0")
    with locked(bench.path):
        history.add(event(1))
        until(lambda: history.problem, "the problem")
        for number in range(2, 52):
            history.add(event(number))
        problem = history.problem
    bench.until_kept(*(f"event {number}" for number in range(12)))
    history.add(event(52))
    missing = "40 events are missing here: the history could not be written for too long"
    bench.until_kept(*(f"event {number}" for number in range(12)), missing, "event 52")

    assert problem is not None
    assert problem.endswith("; 11 events are kept in memory, 40 lost")


def test_what_is_lost_in_the_end_is_told_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MOST_WAITING", 0)
    history = bench.begin()
    history.add(event(1))
    history.close()

    assert bench.texts() == ["1 event is missing here: the history could not be written for too long"]


def test_a_close_writes_what_is_left_and_keeps_nothing_more(bench: Bench) -> None:
    history = bench.begin()
    for number in range(1000):
        history.add(event(number))
    history.close()
    history.add(event(1000))
    history.close()

    assert not history._thread.is_alive()
    assert bench.texts() == [f"event {number}" for number in range(1000)]


def test_a_close_gives_up_in_time(bench: Bench) -> None:
    history = bench.begin()
    history.add(event(0))
    bench.until_kept("event 0")
    with locked(bench.path):
        history.add(event(1))
        begin = time.monotonic()
        history.close()
        took = time.monotonic() - begin
    assert took < store_module.CLOSE_S + 0.5
    until(lambda: not history._thread.is_alive(), "the end of the thread")
    assert bench.texts() == ["event 0"]


def test_a_close_waits_for_a_lock_that_is_given_back_in_time(bench: Bench) -> None:
    history = bench.begin()
    history.add(event(0))
    bench.until_kept("event 0")
    with contextlib.ExitStack() as lock:
        lock.enter_context(locked(bench.path))
        history.add(event(1))
        until(lambda: history.problem, "the problem")
        closing = threading.Thread(target=history.close)
        closing.start()
    closing.join()

    assert bench.texts() == ["event 0", "event 1"]


def test_a_folder_in_which_nothing_may_be_written_is_tried_again() -> None:
    with as_nobody() as folder:
        bench = Bench(folder)
        bench.folder.mkdir()
        bench.folder.chmod(0o500)
        history = bench.begin()
        history.add(event(1))
        problem = until(lambda: history.problem, "the problem")
        bench.folder.chmod(0o700)
        bench.until_kept("event 1")
        history.close()

    assert "Permission denied; 1 event is kept in memory" in problem


def test_a_folder_that_can_not_be_made_is_tried_again(bench: Bench) -> None:
    bench.folder.write_text("a file")
    history = bench.begin()
    history.add(event(1))
    until(lambda: history.problem, "the problem")
    bench.folder.unlink()
    bench.until_kept("event 1")


@contextlib.contextmanager
def as_nobody(source: Path | None = None) -> Iterator[Path]:
    """Be a user whom permissions hold back, in all threads of this process; yield a folder of one's own.

    It has a copy of each file of `source`.
    """
    folder = Path(tempfile.mkdtemp(prefix="procman-test-"))
    for path in source.iterdir() if source is not None else ():
        shutil.copy(path, folder)
    is_root = os.geteuid() == 0
    if is_root:
        for path in (folder, *folder.iterdir()):
            os.chown(path, 65534, -1)
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        shutil.rmtree(folder)


# --- what is there is of no use --------------------------------------------------------------------------


def make_link(path: Path) -> None:
    """Put a link to somebody else's file in the place of the history."""
    precious = path.parent / "precious"
    precious.write_text("precious")
    path.symlink_to(precious)


def make_folder(path: Path) -> None:
    """Put a folder in the place of the history."""
    path.mkdir()


def make_other(path: Path) -> None:
    """Put a database of something else in the place of the history."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE events (name TEXT, PRIMARY KEY (name))")


def make_newer(path: Path) -> None:
    """Put a history there that a later version has written."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE events (anything TEXT)")
        other.execute("PRAGMA user_version = 7")


def make_torn(path: Path) -> None:
    """Put a history there of which a page in the middle is garbage."""
    history = History(path, HistoryBudget())
    for number in range(2000):
        history.add(event(number))
    history.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(GARBAGE)


@pytest.mark.parametrize(
    ("make", "reason", "label"),
    [
        (lambda path: path.write_bytes(GARBAGE), "file is not a database", "damaged"),
        (make_torn, "malformed", "damaged"),
        (make_link, "`history.db` is not a plain file", "damaged"),
        (make_folder, "`history.db` is not a plain file", "damaged"),
        (make_other, "table events already exists", "damaged"),
        (
            make_newer,
            "it was written by a newer version of procman, and this one knows version 1",
            "version-7",
        ),
    ],
    ids=["garbage", "torn", "link", "folder", "another", "newer"],
)
def test_what_is_no_history_is_put_aside_and_said_so(
    bench: Bench, make: Callable[[Path], object], reason: str, label: str
) -> None:
    bench.folder.mkdir()
    make(bench.path)
    history = bench.begin()
    history.add(event(1))
    history.close()

    aside = [path.name for path in bench.folder.glob(f"history.{label}-*.db")]
    assert len(aside) == 1
    first, second = records(bench.path)
    assert (first.kind, first.app, first.number) == (Kind.PROBLEM, None, 1)
    assert first.text.startswith(f"the history begins anew, what was there is kept as `{aside[0]}`: ")
    assert reason in first.text
    assert second.text == "event 1"
    assert bench.told == [first.text]
    if (precious := bench.folder / "precious").exists():
        assert precious.read_text() == "precious"


def test_of_what_was_put_aside_the_newest_is_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.folder.mkdir()
    asides = []
    for number in range(3):
        moment = f"2026112{number}T090000Z"
        monkeypatch.setattr("procman.history.database.time.strftime", lambda *_, at=moment: at)
        bench.path.write_bytes(GARBAGE)
        history = bench.begin()
        history.add(event(number))
        history.close()
        asides.append([path.name for path in bench.folder.glob("*damaged*.db")])

    assert asides == [[f"history.damaged-2026112{number}T090000Z.db"] for number in range(3)]


def overwrite_all(bench: Bench) -> None:
    """Write garbage over every file."""
    for path in files_of(bench.path):
        path.write_bytes(GARBAGE)


def damage_the_middle(bench: Bench) -> None:
    """Write garbage over what is not looked at when the database is opened."""
    with bench.path.open("r+b") as file:
        file.seek(bench.path.stat().st_size // 2)
        file.write(GARBAGE)


@pytest.mark.parametrize(
    "damage",
    [
        overwrite_all,
        lambda bench: bench.path.write_bytes(GARBAGE),
        lambda bench: files_of(bench.path)[1].write_bytes(GARBAGE),
        lambda bench: files_of(bench.path)[1].unlink(),
        lambda bench: os.truncate(bench.path, 0),
        lambda bench: os.truncate(bench.path, 20_000),
        damage_the_middle,
        lambda bench: bench.path.unlink(),
        lambda bench: shutil.rmtree(bench.folder),
    ],
    ids=[
        "all overwritten",
        "database overwritten",
        "journal overwritten",
        "journal deleted",
        "database emptied",
        "database truncated",
        "database damaged in the middle",
        "database deleted",
        "folder deleted",
    ],
)  # fmt: skip
def test_what_happens_to_its_files_while_it_is_open_costs_no_new_record(
    bench: Bench, damage: Callable[[Bench], object]
) -> None:
    history = bench.begin()
    for number in range(1000):
        history.add(event(number))
    bench.until_last("event 999")
    database = history._database
    assert database is not None
    until(database.is_as_we_left_it, "the end of the batch, which others see a moment before")
    damage(bench)
    for number in range(1000, 1010):
        history.add(event(number))
        time.sleep(0.01)
    history.close()

    new = [f"event {number}" for number in range(1000, 1010)]
    texts = bench.texts()
    assert texts[-10:] == new
    if texts[:-10] != [f"event {number}" for number in range(1000)]:
        (said,) = texts[:-10]
        assert said.startswith("the history begins anew") or said.startswith("1,000 events are lost")
    assert [record.number for record in records(bench.path)][-10:] > [1000] * 10, "numbers go on"
    with contextlib.closing(sqlite3.connect(bench.path)) as other:
        assert other.execute("PRAGMA quick_check").fetchall() == [("ok",)]


def test_a_reader_is_not_taken_for_somebody_who_writes(bench: Bench) -> None:
    history = bench.begin()
    history.add(event(0))
    bench.until_kept("event 0")
    database = history._database
    for number in range(1, 4):
        history.add(event(number))
        bench.until_kept(*(f"event {each}" for each in range(number + 1)))

    assert history._database is database


def test_a_history_that_was_deleted_begins_anew_and_says_so(bench: Bench) -> None:
    history = bench.begin()
    history.add(event(1))
    bench.until_kept("event 1")
    bench.path.unlink()
    history.add(event(2))
    bench.until_kept("the history begins anew: its file was deleted", "event 2")


# --- how much is kept ------------------------------------------------------------------------------------


def large(number: int) -> Record:
    """Return a record of evidence of about 10 kB."""
    return Record(NOW + number, Kind.EVIDENCE, f"event {number}", "web", 1, {"text": "x" * 10_000})


def test_the_oldest_makes_room_and_the_file_stays_in_its_budget(bench: Bench) -> None:
    history = bench.begin(HistoryBudget(max_size=1_000_000))
    for number in range(1000):
        history.add(large(number))
        if number % 50 == 49:
            bench.until_last(f"event {number}")
    history.close()

    numbers = [record.number for record in records(bench.path)]
    assert numbers == list(range(numbers[0], 1001))
    assert 60 < len(numbers) < 100
    assert bench.path.stat().st_size <= 1_000_000


def test_what_is_too_old_is_deleted_at_the_start(bench: Bench) -> None:
    history = bench.begin()
    history.add(replace(event(0), at=NOW - 3600))
    history.add(replace(event(1), at=NOW))
    history.close()
    history = bench.begin(HistoryBudget(keep=1800))
    history.add(event(2))
    history.close()

    assert bench.texts() == ["event 1", "event 2"]


def test_what_becomes_too_old_is_deleted_in_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "PRUNE_EVERY", 2)
    history = bench.begin(HistoryBudget(keep=3600))
    history.add(event(0))
    bench.until_kept("event 0")
    monkeypatch.setattr(time, "time", lambda: NOW + 3602)
    history.add(event(1))
    bench.until_kept("event 0", "event 1")
    history.add(event(2))
    bench.until_kept("event 2")


def test_a_smaller_budget_holds_at_once(bench: Bench) -> None:
    history = bench.begin()
    for number in range(300):
        history.add(large(number))
    until(lambda: len(bench.texts()) == 300, "all are kept")
    history.set_budget(HistoryBudget(max_size=1_000_000))
    until(lambda: len(bench.texts()) < 100, "the oldest are deleted")
    until(lambda: bench.path.stat().st_size <= 1_000_000, "the file has shrunk")

    assert bench.texts()[-1] == "event 299"
    history.set_budget(HistoryBudget(max_size=1_000_000, keep=-1e9))
    bench.until_kept()
    history.add(event(300))
    history.close()
    assert [record.number for record in records(bench.path)] == [301], "a number is never given out twice"
