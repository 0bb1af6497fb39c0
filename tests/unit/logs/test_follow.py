"""Following logs over whatever happens to them."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from procman.core.config import LogBudget
from procman.logs import follow
from procman.logs.read import Follower, Stream, last_lines, lines, merge, previous_run
from procman.logs.segments import Segment, segment_numbers
from procman.logs.store import Store

PATIENCE_S = 10.0


class App:
    """An app that prints straight into a store."""

    def __init__(self, folder: Path, name: str, budget: LogBudget | None = None) -> None:
        self.now = 100.0
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)
        self.folder, self.budget = folder / name, budget or LogBudget()
        self.store = Store(self.folder, self.budget, lambda: self.now)
        self.store.begin(1)

    def print(self, text: bytes, stream: Stream = Stream.OUT, at: float | None = None) -> None:
        """Print, and have it stored."""
        self.now = self.now + 1 if at is None else at
        os.write(self.writing, text)
        left = len(text)
        while left:
            left -= self.store.take(self.reading, stream, 1 << 20) or 0

    def new_manager(self) -> None:
        """Have another store go on."""
        self.store.close()
        self.store = Store(self.folder, self.budget, lambda: self.now)

    def close(self) -> None:
        """Leave nothing open."""
        self.store.close()
        os.close(self.reading)
        os.close(self.writing)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[App]:
    """An app with a log."""
    with contextlib.closing(App(tmp_path, "web")) as app:
        yield app


def texts(follower: Follower) -> list[bytes]:
    """Return what one look finds."""
    return [line.text for line in follower.look()]


def test_several_apps_are_followed_by_time(tmp_path: Path, web: App) -> None:
    with contextlib.closing(App(tmp_path, "api")) as api, contextlib.closing(Follower(tmp_path)) as follower:
        web.print(b"first\n", at=1.0)
        web.print(b"third\n", at=3.0)
        api.print(b"second\n", at=2.0)
        found = list(follower.look())
        merged = list(merge([lines(tmp_path, "web"), lines(tmp_path, "api")]))

    assert [(line.app, line.text) for line in found] == [
        ("web", b"first"),
        ("api", b"second"),
        ("web", b"third"),
    ]
    assert merged == found


def test_following_begins_with_the_last_lines_and_neither_skips_nor_repeats(tmp_path: Path, web: App) -> None:
    web.print(b"one\ntwo\nthree\nfo")
    with contextlib.closing(Follower(tmp_path, ["web"], last=2)) as follower:
        before = texts(follower)
        web.print(b"ur\nfive\n")
        after = texts(follower)

    assert (before, after) == ([b"two", b"three"], [b"four", b"five"])


def test_following_from_now_on_still_gives_the_whole_of_a_line_that_has_begun(
    tmp_path: Path, web: App
) -> None:
    web.print(b"old\nbeg")
    with contextlib.closing(Follower(tmp_path, ["web"], last=0)) as follower:
        web.print(b"un\n")
        assert texts(follower) == [b"begun"]


def test_everything_kept_may_come_first(tmp_path: Path, web: App) -> None:
    web.print(b"one\ntwo\n")
    with contextlib.closing(Follower(tmp_path, ["web"], last=None)) as follower:
        assert texts(follower) == [b"one", b"two"]


def test_one_stream_may_be_followed(tmp_path: Path, web: App) -> None:
    with contextlib.closing(Follower(tmp_path, ["web"], stream=Stream.ERR)) as follower:
        web.print(b"out\n")
        web.print(b"err\n", Stream.ERR)
        assert texts(follower) == [b"err"]


def test_rotations_restarts_and_other_managers_are_followed(tmp_path: Path) -> None:
    with (
        contextlib.closing(App(tmp_path, "web", LogBudget(512, 2))) as web,
        contextlib.closing(Follower(tmp_path)) as follower,
    ):
        found, printed = [], []
        for number in range(200):
            text = b"line %d" % number
            printed.append(text)
            web.print(text + b"\n")
            if number % 50 == 49:
                web.new_manager()
                web.store.begin(number)
            if number % 7 == 6:
                found += texts(follower)
        found += texts(follower)

    assert found == printed


def test_one_stream_may_be_followed_from_a_time_on(tmp_path: Path, web: App) -> None:
    web.print(b"old\nbegun before, ", at=5.0)
    web.print(b"err\n", Stream.ERR, at=6.0)
    with contextlib.closing(Follower(tmp_path, ["web"], since=6.0)) as follower:
        before = texts(follower)
        web.print(b"ended\nnew\n")
        after = texts(follower)

    assert (before, after) == ([b"err"], [b"new"])


def test_a_folder_that_is_deleted_and_made_anew_is_followed(tmp_path: Path, web: App) -> None:
    with contextlib.closing(Follower(tmp_path)) as follower:
        web.print(b"one\n")
        first = texts(follower)
        shutil.rmtree(tmp_path / "web")
        between = texts(follower)
        web.new_manager()
        web.print(b"two\n")
        second = texts(follower)

    assert (first, between, second) == ([b"one"], [], [b"two"])


def test_an_app_that_comes_later_is_followed_from_its_beginning(tmp_path: Path) -> None:
    with contextlib.closing(Follower(tmp_path / "logs")) as follower:
        nothing = texts(follower)
        with contextlib.closing(App(tmp_path / "logs", "web")) as web:
            web.print(b"one\n")
            assert (nothing, texts(follower)) == ([], [b"one"])


@pytest.mark.parametrize("notices", [True, False], ids=["with notices", "without notices"])
def test_an_iteration_is_woken_by_new_lines_and_ends_when_told(
    tmp_path: Path, notices: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not notices:
        monkeypatch.setattr(follow, "_observe", lambda folder, wake: None)
        monkeypatch.setattr(follow, "LOOK_EVERY_S", 0.01)
    else:
        monkeypatch.setattr(follow, "LOOK_EVERY_S", 2 * PATIENCE_S)
        monkeypatch.setattr(follow, "BUSY_S", 0.0)
    follower = Follower(tmp_path)
    found: list[bytes] = []
    arrived = threading.Semaphore(0)

    def collect() -> None:
        for line in follower:
            found.append(line.text)
            arrived.release()

    thread = threading.Thread(target=collect)
    thread.start()
    with contextlib.closing(App(tmp_path, "web")) as web:
        for number in range(3):
            web.print(b"line %d\n" % number)
            assert arrived.acquire(timeout=PATIENCE_S)
        begin = time.monotonic()
        follower.stop()
        thread.join(PATIENCE_S)

    assert not thread.is_alive()
    assert time.monotonic() - begin < PATIENCE_S
    assert found == [b"line 0", b"line 1", b"line 2"]


def test_a_log_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    assert list(lines(tmp_path / "nowhere", "web")) == []
    assert list(last_lines(tmp_path, "web", 5)) == []
    assert list(last_lines(tmp_path, "web", 0)) == []
    assert previous_run(tmp_path, "web") is None


def test_the_previous_run_is_the_one_before_the_newest(tmp_path: Path, web: App) -> None:
    web.print(b"one\n")
    only = previous_run(tmp_path, "web")
    web.store.begin(5)
    web.print(b"five\n")
    web.store.begin(6)
    web.print(b"six\n")

    assert only is None
    assert previous_run(tmp_path, "web") == 5
    assert [line.text for line in lines(tmp_path, "web", run=5)] == [b"five"]
    assert [line.text for line in last_lines(tmp_path, "web", 9, run=5)] == [b"five"]


def test_a_text_without_its_index_is_still_read(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "000001.log").write_bytes(b"one\ntwo\nthree")

    assert [line.text for line in lines(tmp_path, "web")] == [b"one", b"two", b"three"]
    assert [line.text for line in last_lines(tmp_path, "web", 2)] == [b"two", b"three"]


def test_a_damaged_index_costs_attribution_and_no_line(tmp_path: Path, web: App) -> None:
    web.print(b"one\n")
    web.print(b"two\n", Stream.ERR)
    with (tmp_path / "web" / "000001.index").open("r+b") as index:
        index.write(b"\xff" * 24)

    assert {line.text for line in lines(tmp_path, "web")} == {b"one", b"two"}


def test_nothing_is_read_of_what_is_older_than_what_is_asked_for(
    tmp_path: Path, web: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(400):
        web.print(b"%05d" % number + b"x" * 10_000 + b"\n", Stream(number % 2))
    read, real = [], Segment.read

    def counting(self: Segment, start: int, end: int) -> bytes:
        read.append(end - start)
        return real(self, start, end)

    monkeypatch.setattr(Segment, "read", counting)
    last = [line.text[:5] for line in last_lines(tmp_path, "web", 3)]
    for_last = sum(read)
    read.clear()
    since = [line.text[:5] for line in lines(tmp_path, "web", since=web.now - 2)]

    assert last == since == [b"00397", b"00398", b"00399"]
    assert for_last < 10 * 10_006
    assert sum(read) < 4 * 10_006


def test_files_that_are_older_than_what_is_asked_for_are_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(App(tmp_path, "web", LogBudget(10_000, 100))) as web:
        for number in range(1000):
            web.print(b"%05d" % number + b"x" * 100 + b"\n")
        now = web.now
    opened, real = set(), Segment.__init__

    def telling(self: Segment, folder: Path, number: int) -> None:
        opened.add(number)
        real(self, folder, number)

    monkeypatch.setattr(Segment, "__init__", telling)
    newest = max(segment_numbers(tmp_path / "web"))
    found = [line.text[:5] for line in lines(tmp_path, "web", since=now - 149)]
    for_since = sorted(opened)
    opened.clear()
    last = list(last_lines(tmp_path, "web", 100))

    assert newest > 12
    assert found == [b"%05d" % number for number in range(850, 1000)]
    assert for_since == [newest - 2, newest - 1, newest]
    assert len(last) == 100
    assert min(opened) >= newest - 2


def test_a_log_that_gets_another_name_is_followed_on_and_not_begun_anew(web: App, tmp_path: Path) -> None:
    web.print(b"one\n")
    with contextlib.closing(Follower(tmp_path, last=None)) as follower:
        assert [(line.app, line.text) for line in follower.look()] == [("web", b"one")]
        web.print(b"two\nthr")
        web.folder = web.folder.rename(tmp_path / "site")
        web.new_manager()  # what renames an app goes on with it there
        web.store.begin(1)
        web.print(b"ee\n")
        assert [(line.app, line.text) for line in follower.look()] == [("site", b"two"), ("site", b"three")]
        assert not list(follower.look())


def test_a_new_log_in_the_place_of_a_deleted_one_is_read_from_its_beginning(web: App, tmp_path: Path) -> None:
    web.print(b"one\n")
    with contextlib.closing(Follower(tmp_path, last=None)) as follower:
        assert [line.text for line in follower.look()] == [b"one"]
        shutil.rmtree(tmp_path / "web")  # its inode is free for the next folder
        with contextlib.closing(App(tmp_path, "site")) as site:
            site.print(b"other\n")
            assert [(line.app, line.text) for line in follower.look()] == [("site", b"other")]


@pytest.mark.parametrize("count", [1, 3])
def test_who_reads_once_is_not_kept_by_an_app_that_prints_faster(
    tmp_path: Path, web: App, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    real = Segment.read

    def printing(self: Segment, start: int, end: int) -> bytes:
        web.print(b"one more\n" * 5)
        return real(self, start, end)

    web.print(b"1\n2\n3\n4\n")
    monkeypatch.setattr(Segment, "read", printing)

    assert [line.text for line in last_lines(tmp_path, "web", count)] == [b"2", b"3", b"4"][-count:]
    assert [line.text for line in lines(tmp_path, "web")][:4] == [b"1", b"2", b"3", b"4"]
    with contextlib.closing(Follower(tmp_path, ["web"], last=count)) as follower:
        assert count <= len(list(follower.look(ends=True))) < 100


class InterruptedObserver:
    """A watch whose end is interrupted, as by Ctrl-C; a second `stop` would wait for ever."""

    def __init__(self) -> None:
        self.stops = 0

    def stop(self) -> None:
        self.stops += 1

    def join(self) -> None:
        raise KeyboardInterrupt


def test_a_watch_whose_end_is_interrupted_is_not_ended_twice(tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    follower._observer = observer = InterruptedObserver()
    with pytest.raises(KeyboardInterrupt):
        follower.close()
    follower.close()
    assert observer.stops == 1
