"""The manager's own log: lines together, a moment later, in files of bounded size."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from procman.own_log import WITHIN, OwnLog


class Turns:
    """A loop that runs what is due when it is told to."""

    def __init__(self) -> None:
        self.due: list[tuple[float, object]] = []
        self.is_over = False

    def call_later(self, seconds: float, callback: object) -> None:
        self.due.append((seconds, callback))

    def is_closed(self) -> bool:
        return self.is_over

    def turn(self) -> None:
        due, self.due = self.due, []
        for _, callback in due:
            assert callable(callback)
            callback()


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture
def log(tmp_path: Path, turns: Turns) -> Iterator[logging.Logger]:
    logger = logging.Logger("test")
    loop: asyncio.AbstractEventLoop = turns  # type: ignore[assignment]
    handler = OwnLog(tmp_path / "manager.log", loop, longest=200)
    logger.addHandler(handler)
    yield logger
    handler.close()


def test_lines_are_written_together_a_moment_later(log: logging.Logger, turns: Turns, tmp_path: Path) -> None:
    log.info("web: %s", "up")
    log.warning("api: down")
    assert not (tmp_path / "manager.log").exists()
    assert [seconds for seconds, _ in turns.due] == [WITHIN]
    turns.turn()
    first, second = (tmp_path / "manager.log").read_text().splitlines()
    assert first.endswith("INFO    web: up")
    assert second.endswith("WARNING api: down")


def test_an_error_is_written_at_once_with_what_came_before(log: logging.Logger, tmp_path: Path) -> None:
    log.info("first")
    log.error("second")
    assert [line[-5:] for line in (tmp_path / "manager.log").read_text().splitlines()] == ["first", "econd"]


def test_a_full_file_makes_room_for_a_new_one(log: logging.Logger, tmp_path: Path) -> None:
    for number in range(9):
        log.error("line %d %s", number, "x" * 40)
    new, old = (tmp_path / "manager.log").read_text(), (tmp_path / "manager.log.1").read_text()
    assert len(old) <= 200
    assert "line 8" in new
    assert int(old.split("line ")[-1][0]) + 1 == int(new.split("line ")[1][0]), "nothing is lost between them"


def test_a_deleted_file_is_made_anew_when_that_is_told(log: logging.Logger, tmp_path: Path) -> None:
    log.error("before")
    (tmp_path / "manager.log").unlink()
    (handler,) = log.handlers
    assert isinstance(handler, OwnLog)
    handler.reopen()
    log.error("after")
    assert (tmp_path / "manager.log").read_text().endswith("after\n")


def test_a_log_that_cannot_be_written_is_nobody_s_trouble(tmp_path: Path, turns: Turns) -> None:
    loop: asyncio.AbstractEventLoop = turns  # type: ignore[assignment]
    handler = OwnLog(tmp_path / "nowhere" / "manager.log", loop)
    logger = logging.Logger("test")
    logger.addHandler(handler)
    logger.error("lost")
    handler.close()


def test_what_is_logged_after_the_loop_has_ended_is_written_at_once(
    log: logging.Logger, turns: Turns, tmp_path: Path
) -> None:
    turns.is_over = True
    log.info("goodbye")
    assert (tmp_path / "manager.log").read_text().endswith("goodbye\n")
