"""What a container prints: the documents of its lines, and a reader that is stuck."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from procman.cli.standing_log import StandingLog, event
from tests.fakes.folder import write_log

AT = 1_700_000_000.0


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        (
            {"type": "transition", "app": "web", "old": "running", "new": "failed", "reason": "it's over"},
            {"level": "error", "text": "web: failed, it's over", "old": "running", "new": "failed"},
        ),
        (
            {"type": "transition", "app": "web", "old": "running", "new": "unhealthy", "reason": "x"},
            {"level": "warning", "new": "unhealthy"},
        ),
        (
            {"type": "receipt", "app": "web", "text": "stopped web", "survivors": []},
            {"level": "info", "text": "stopped web"},
        ),
        (
            {"type": "receipt", "app": "web", "text": "could not", "survivors": ["node 1"]},
            {"level": "error", "survivors": ["node 1"]},
        ),
        (
            {"type": "reloaded", "error": "bad", "summary": "rejected", "applied": False},
            {"level": "error", "app": None, "text": "the file was rejected:\nbad"},
        ),
        (
            {"type": "problem", "app": None, "text": "disk is full"},
            {"level": "warning", "text": "disk is full"},
        ),
    ],
)
def test_every_notice_is_a_document_of_one_form(frame: dict[str, Any], found: dict[str, Any]) -> None:
    document = event({**frame, "at": AT})
    assert list(document)[:6] == ["app", "at", "stream", "level", "event", "text"]
    assert (document["at"], document["stream"]) == ("2023-11-14T22:13:20.000Z", "procman")
    assert document["event"] == frame["type"]
    assert found.items() <= document.items()


@pytest.mark.parametrize("as_json", [True, False])
def test_lines_of_apps_and_of_the_manager_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    (tmp_path / "logs").mkdir()
    log = StandingLog(["web", "api"], tmp_path / "logs", as_json=as_json)
    log.begin(frozenset({"web"}))
    write_log(tmp_path, "web", b"\x1b[32mready\x1b[0m\n", AT)
    write_log(tmp_path, "api", b"not chosen\n", AT)
    log.say("begins\nand goes on", AT)
    log.tell(
        {"type": "transition", "app": "web", "old": "a", "new": "stopping", "reason": "no news", "at": AT}
    )
    assert log.close()
    lines = out.getvalue().splitlines()
    if as_json:
        documents = [json.loads(line) for line in lines]
        assert sorted(str(each["text"]) for each in documents)[1:] == [
            "begins\nand goes on", "web: stopping, no news"
        ]  # fmt: skip
        assert {each["stream"] for each in documents} == {"out", "procman"}
    else:
        assert sorted(lines) == ["procman │ and goes on", "procman │ begins", "web     │ ready"]


class Stuck(io.StringIO):
    """A stdout that takes nothing until somebody lets it go."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()

    def write(self, text: str) -> int:
        """Wait, then write."""
        self.free.wait()
        return super().write(text)


def test_a_reader_that_is_stuck_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = Stuck()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("procman.cli.standing_log.LAST_WORDS", 0.05)
    monkeypatch.setattr("procman.cli.standing_log.MOST_WAITING", 2)
    log = StandingLog([], tmp_path, as_json=False)
    log.begin(None)
    for number in range(20):
        log.say(f"line {number}", AT)
    assert not log.close()
    out.free.set()
    for thread in log.threads:
        thread.join(10)
    assert out.getvalue().startswith("procman │ line 0\n")
    assert "line 19" not in out.getvalue()
