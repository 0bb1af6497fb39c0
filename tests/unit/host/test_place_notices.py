"""The kernel's notices of single files, read without a thread."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("inotify is Linux's", allow_module_level=True)

from procman.host.linux import inotify, place_notices
from procman.host.watch import Place


class Ready:
    """A loop that reads when it is told to, with a clock that is set."""

    def __init__(self) -> None:
        self.readers: dict[int, Callable[[], None]] = {}
        self.now = 0.0

    def add_reader(self, descriptor: int, callback: Callable[[], None]) -> None:
        self.readers[descriptor] = callback

    def remove_reader(self, descriptor: int) -> None:
        del self.readers[descriptor]

    def time(self) -> float:
        return self.now

    def turn(self) -> None:
        for callback in tuple(self.readers.values()):
            callback()


class Watched:
    """Notices of one file in a folder, and how often they have come."""

    def __init__(self, folder: Path) -> None:
        self.loop = Ready()
        self.count = 0
        self.file = folder / "portwatch.toml"
        loop: asyncio.AbstractEventLoop = self.loop  # type: ignore[assignment]
        self.notices = place_notices.PlaceNotices(loop, self._on_notice)

    def _on_notice(self) -> None:
        self.count += 1

    def want(self) -> None:
        folder = str(self.file.parent)
        places: dict[Place, frozenset[str]] = {
            (folder, os.stat(folder).st_ino): frozenset({"portwatch.toml"})
        }
        self.notices.want(places)

    def heard(self) -> int:
        self.count = 0
        self.loop.turn()
        return self.count


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path)
    watched.file.write_text("a")
    watched.want()
    yield watched
    watched.notices.close()
    assert not watched.loop.readers


def test_what_is_written_is_noticed_before_it_is_closed(watched: Watched) -> None:
    with watched.file.open("a") as file:
        file.write("b")
        file.flush()
        assert watched.heard() == 1
    assert watched.heard() == 1


def test_a_busy_file_beside_it_wakes_nobody_while_it_is_written(watched: Watched) -> None:
    with (watched.file.parent / "app.log").open("a") as log:
        assert watched.heard() == 0, "another name does not matter"
        log.write("line\n" * 100)
        log.flush()
        (descriptor,) = watched.loop.readers
        with pytest.raises(BlockingIOError):
            os.read(descriptor, 4096)


def test_a_file_that_was_replaced_is_noticed_and_watched_anew(watched: Watched) -> None:
    fresh = watched.file.with_suffix(".new")
    fresh.write_text("b")
    os.replace(fresh, watched.file)
    assert watched.heard() == 1
    watched.want()
    with watched.file.open("a") as file:
        file.write("c")
        file.flush()
        assert watched.heard() == 1


def test_what_is_wanted_no_more_is_not_told(watched: Watched) -> None:
    watched.notices.want({})
    watched.file.write_text("b")
    assert watched.heard() == 0


def test_a_limit_that_was_reached_is_tried_again_a_minute_later(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = inotify.call

    def refuse(function: str, *arguments: int | bytes) -> int:
        raise OSError(errno.ENOSPC, "no watch is left")

    monkeypatch.setattr(inotify, "call", refuse)
    watched.want()
    assert not watched.notices.work
    monkeypatch.setattr(inotify, "call", call)
    watched.want()
    assert not watched.notices.work, "not yet"
    watched.loop.now += place_notices.ARM_AGAIN_AFTER
    watched.want()
    assert watched.notices.work


def test_what_cannot_be_read_wakes_nobody_and_is_tried_again_a_minute_later(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int, most: int) -> bytes:
        raise OSError(errno.EIO, "cannot be read")

    with monkeypatch.context() as broken:
        broken.setattr(place_notices.os, "read", fail)
        watched.file.write_text("b")
        assert watched.heard() == 1, "what has changed meanwhile is to be looked for"
    assert not watched.loop.readers
    assert not watched.notices.work
    watched.loop.now += place_notices.ARM_AGAIN_AFTER
    watched.want()
    watched.file.write_text("c")
    assert watched.heard() == 1
