"""A log that can't be written: told once, shown while it lasts, and mended without a word from the app."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from procman.engine.events import Problem
from procman.logs import store
from procman.logs.capture import RETRY_EVERY_S
from tests.fakes.programs import Program
from tests.simulation.village import Village

PROJECT = '[apps.worker]\ncommand = "node worker.js"\n'


def full(*_: object, **__: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    village = Village(tmp_path, PROJECT)
    village.machine.programs["node worker.js"] = Program()
    village.up()
    village.until(village.is_up)
    yield village
    village.end()


def say(village: Village, text: bytes) -> None:
    (worker,) = village.processes("worker")
    os.write(worker.outputs[0], text)
    village.advance(0.01)


def shown(village: Village) -> Any:
    return village.engine.status()["apps"][0]["log_problem"]


def told(village: Village) -> list[str]:
    return [notice.text for notice in village.notices if isinstance(notice, Problem)]


def attempts(village: Village, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the times at which the log is tried to be opened from now on."""
    times: list[float] = []
    capture = village.engine._circle.supervised["worker"].capture
    mend = type(capture).mend

    def noted(self: Any) -> None:
        times.append(village.host.now())
        mend(self)

    monkeypatch.setattr(type(capture), "mend", noted)
    return times


def test_a_problem_is_told_once_when_it_appears_and_once_when_it_is_over(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(store, "_write", full)
        say(village, b"lost\n")
        first = told(village)
        say(village, b"lost\n")
        village.advance(10 * RETRY_EVERY_S)
        during = shown(village)
        assert told(village) == first
    village.advance(RETRY_EVERY_S + 0.01)

    place = village.home / "logs" / "worker"
    reason = f"its output can't be stored in `{place}`: no space left on device"
    assert first == [f"{reason}; 5 bytes of stdout lost so far"]
    assert during == f"{reason}; 10 bytes of stdout lost so far"
    assert told(village) == [*first, "its output is stored again"]
    assert shown(village) is None


def test_nothing_is_tried_once_it_is_mended(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    times = attempts(village, monkeypatch)
    with monkeypatch.context() as broken:
        broken.setattr(store, "_write", full)
        say(village, b"lost\n")
        village.advance(3.5 * RETRY_EVERY_S)
    village.advance(RETRY_EVERY_S)
    assert 4 <= len(times) <= 6, "the app's one line, and once a second"
    village.advance(3600)
    assert len(times) <= 6
    assert shown(village) is None


def test_nothing_is_tried_for_an_app_without_a_run(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(store, "_write", full)
        say(village, b"lost\n")
        village.engine.stop(["worker"])
        village.until(lambda: village.states()["worker"] == "stopped")
        times = attempts(village, broken)
        village.advance(3600)
        assert times == []
        assert "5 bytes of stdout lost" in shown(village), "what was lost stays lost"
        village.engine.start(["worker"])
        village.advance(3 * RETRY_EVERY_S)
        assert shown(village) is not None
        assert len(told(village)) == 1, "it is the same problem still"
    village.advance(RETRY_EVERY_S + 0.1)
    assert shown(village) is None
    assert told(village)[1:] == ["its output is stored again"]


def test_what_fails_at_the_very_end_of_a_run_is_told_too(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(village, b"an unfinished line")
    with monkeypatch.context() as broken:
        broken.setattr(store, "_write", full)
        village.engine.stop(["worker"])
        village.until(lambda: village.states()["worker"] == "stopped")
        village.advance(0.1)
        assert len(told(village)) == 1
        assert shown(village) is not None


def test_a_manager_that_hands_over_leaves_no_timer(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(store, "_write", full)
        say(village, b"lost\n")
        times = attempts(village, broken)
        village.engine.hand_over()
        village.advance(60)
        assert times == []
        village.host.die()
        village.manage()
        say(village, b"lost\n")
        assert shown(village) is not None
    village.advance(RETRY_EVERY_S + 0.1)
    assert shown(village) is None
