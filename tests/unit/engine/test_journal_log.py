"""The manager's log in the journal: a level before each line, and never a wait."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest

from procman.engine import journal_log
from procman.engine.journal_log import JournalHandler


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A pipe in the place of the journal's socket; its reading end."""
    reading, writing = os.pipe()
    monkeypatch.setattr(journal_log, "STDERR", writing)
    os.set_blocking(reading, False)
    yield reading
    os.close(reading)
    os.close(writing)


def record(level: int, text: str) -> logging.LogRecord:
    """Return something that was logged."""
    return logging.LogRecord("procman", level, "", 0, text, (), None)


def test_each_line_has_its_level(journal: int) -> None:
    handler = JournalHandler()
    handler.emit(record(logging.INFO, "web: starting -> running"))
    handler.emit(record(logging.WARNING, "web: running -> unhealthy"))
    handler.emit(record(logging.ERROR, "the file was rejected\n  in line 3"))
    assert os.read(journal, 1000).decode().splitlines() == [
        "<6>web: starting -> running",
        "<4>web: running -> unhealthy",
        "<3>the file was rejected",
        "<3>  in line 3",
    ]


def test_a_journal_that_takes_nothing_is_not_waited_for_and_what_is_missing_is_counted(journal: int) -> None:
    handler = JournalHandler()
    for _ in range(100):
        handler.emit(record(logging.INFO, "x" * 1000))  # a pipe takes 64 KiB
    assert handler._missed > 0
    missed, lines = handler._missed, b""
    while chunk := _read(journal):
        lines += chunk
    handler.emit(record(logging.WARNING, "again"))
    assert len(lines.splitlines()) == 100 - missed
    assert os.read(journal, 1000).decode() == (
        f"<4>{missed} messages are not in the journal; `manager.log` has them\n<4>again\n"
    )


def _read(journal: int) -> bytes:
    try:
        return os.read(journal, 1 << 20)
    except BlockingIOError:
        return b""
