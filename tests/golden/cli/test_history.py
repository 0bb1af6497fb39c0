"""What `events`, `why` and `report` print and how they exit, word for word, of a history that never changes.

It is kept by the real machine (see `tests.fakes.chronicle`), and read an hour after it began.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from procman.cli.entry import main
from procman.core.causes import Cause
from procman.core.config import AppConfig, Check, CheckKind, Command, GiveUp, HistoryBudget
from procman.core.events import Held, Start, Stop
from procman.core.journal import Kind, Record
from procman.core.verdict import Verdict
from procman.core.view import spell_time
from procman.history.store import History
from procman.logs.segments import Stream
from tests.fakes.chronicle import START, Chronicle
from tests.fakes.folder import write_log
from tests.fakes.snapshots import compare

SNAPSHOTS = Path(__file__).parent / "history"
FILE = """\
[apps.api]
command = "node server.js"
port = 3000

[apps.db]
command = "postgres"

[apps.shop]
command = "node shop.js"
depends_on = ["api"]

[apps.web]
command = "npm run dev"
port = 5173

[apps.worker]
command = "node worker.js"
"""
MISSING = Cause(
    "missing module", "the module `express` is not installed", "run `npm install` in `worker`", True
)


@dataclass(frozen=True)
class Case:
    """A command, and whether anything has happened before it."""

    name: str
    words: str
    kept: bool = True


CASES = [
    Case("events", "events -n 12"),
    Case("events-of-some", "events -n 3 web worker"),
    Case("events-of-a-kind", "history --kind exit --kind signal"),
    Case("events-since", "events --since 2027-01-15T08:59 --until 2027-01-15T09:00"),
    Case("events-json", "events -n 2 --json web"),
    Case("events-unknown-app", "events wbe"),
    Case("events-wrong-kind", "events --kind crash"),
    Case("events-follow-until", "events -f --until 1m"),
    Case("events-of-nothing", "events", kept=False),
    Case("why", "why"),
    Case("why-json", "why --json"),
    Case("why-killed", "why web --last 2"),
    Case("why-closed", "why web"),
    Case("why-failed", "why worker"),
    Case("why-stranger", "why api"),
    Case("why-dependency", "why shop"),
    Case("why-calm", "why db"),
    Case("why-some", "why db worker"),
    Case("why-one-json", "why worker --json"),
    Case("why-calm-json", "why db --json"),
    Case("why-unknown-app", "why wbe"),
    Case("why-nothing", "why", kept=False),
    Case("why-nothing-of-one", "why web", kept=False),
    Case("report", "report"),
    Case("report-of-one", "report web --since 30m"),
    Case("report-json", "report --json web worker"),
    Case("report-of-nothing", "report", kept=False),
    Case("report-wrong-period", "report --since 1m --until 1h"),
]


def app(name: str, **more: Any) -> AppConfig:
    """Return the configuration of an app, as far as its life depends on it."""
    return AppConfig(name, Command(("node", f"{name}.js")), check_interval=10.0, **more)


def web() -> list[Record]:
    """An app that is killed, and whose port is closed later; before it is ended it is looked at."""
    life = Chronicle(app("web", port=5173, check=Check(CheckKind.TCP)))
    life.send(Start("started by `procman up`"))
    life.advance(61.0)
    life.die(None, "SIGKILL")
    life.advance(1800.0)
    life.check = life.down
    life.advance(13.2)
    life.check = life.up
    life.advance(100.0)
    place = next(i for i, record in enumerate(life.records) if record.data.get("ending") == "unhealthy")
    life.records.insert(place + 1, evidence(life.records[place].at))
    return life.records


def evidence(at: float) -> Record:
    """Return what was seen of an app at a time, as the engine and the history tell it."""
    process = {
        "pid": 4713,
        "name": "node",
        "command": "node web.js --inspect",
        "doing": "waiting for the disk",
        "cpu_s": 12.34,
        "memory_bytes": 98_000_000,
    }
    sockets = {
        "listening": [{"address": "127.0.0.1:9229", "queue": 3}],
        "connections": {"ESTABLISHED": 2, "CLOSE_WAIT": 1},
    }
    checks = [
        {"at": spell_time(at - left), "outcome": outcome, "detail": detail, "took_s": 0.004}
        for left, outcome, detail in ((12.0, "up", "answers"), (1.0, "down", "nothing listens"))
    ]
    lines = [
        {"at": spell_time(at - 12 + number), "stream": "err", "text": f"line \x1b[2J{number}"}
        for number in range(12)
    ]
    data = {"processes": [process], "sockets": sockets, "checks": checks, "lines": lines}
    text = "its tree was 1 process with 12.3s of CPU time, 98MB of memory"
    return Record(at, Kind.EVIDENCE, text, "web", 2, data)


def lives() -> list[Record]:
    """Return the history of a project."""
    worker = Chronicle(app("worker", give_up=GiveUp(starts=3)))
    worker.advance(1.0)
    worker.send(Start("started by `procman up`"))
    worker.advance(30.0)
    worker.die(1)
    worker.advance(0.5)
    worker.die(1, cause=MISSING)
    api = Chronicle(app("api", port=3000))
    held = "waits for port 3000: 127.0.0.1:3000 is held by pid 4711 (`python3 -m http.server`) in /srv"
    api.blocked = Held(held, recheck=True, verdict=Verdict.STRANGER)
    api.advance(3400.0)
    api.send(Start("started by `procman up`"))
    shop = Chronicle(app("shop"))
    shop.blocked = Held("waits for `api` to be healthy; it is waiting")
    shop.advance(3400.0)
    shop.send(Start("started by `procman up`"))
    db = Chronicle(app("db"))
    db.send(Start("started by `procman up`"))
    db.advance(120.0)
    db.send(Stop())
    db.advance(60.0)
    db.send(Start())
    db.advance(2.0)
    own = [each for life in (worker, api, shop, db) for each in life.records if each.app is not None]
    return sorted([*web(), *own], key=lambda record: record.at)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project folder an hour after its history began, in a place without summer time."""
    for name in ("PROCMAN_FILE", "PROCMAN_HOME", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "time", lambda: START + 3600.0)
    (tmp_path / "portwatch.toml").write_text(FILE)
    yield tmp_path
    monkeypatch.undo()
    time.tzset()


def keep(home: Path, records: list[Record]) -> None:
    """Write a history, and what the apps have printed."""
    history = History(home / "history.db", HistoryBudget(keep=1e12))
    for record in records:
        history.add(replace(record, number=0))
    history.close()
    write_log(home, "worker", b"", START + 1.0)
    write_log(
        home, "worker", b"Error: Cannot find module 'express'\n", START + 31.4, stream=Stream.ERR, run=2
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_command_prints_and_exits_as_it_did(
    case: Case, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if case.kept:
        keep(folder / ".procman", lives())
    code = main(case.words.split())
    out, err = capsys.readouterr()
    compare(
        SNAPSHOTS / f"{case.name}.txt",
        f"$ procman {case.words}\nexit {code}\n--- stdout\n{out}--- stderr\n{err}",
    )


def test_every_snapshot_belongs_to_a_case() -> None:
    assert {path.stem for path in SNAPSHOTS.iterdir()} == {case.name for case in CASES}


@pytest.mark.parametrize("words", ["events", "why web", "report"])
def test_a_history_that_is_none_is_said(words: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".procman").mkdir()
    (folder / ".procman" / "history.db").write_bytes(b"no database" * 1000)
    assert main(words.split()) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: the history in `{folder}/.procman/history.db` can't be read: ")
    assert "hint: " in err


def test_an_app_that_has_left_the_file_is_told_of_when_it_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(folder / ".procman", lives())
    (folder / "portwatch.toml").write_text('[apps.other]\ncommand = "true"\n')
    assert main(["why", "web"]) == 0
    assert "checks failed in a row" in capsys.readouterr().out
    assert main(["why"]) == 0
    assert capsys.readouterr().out == "nothing is known yet: no app has been started here\n"


def test_a_file_that_does_not_read_hides_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(folder / ".procman", lives())
    (folder / "portwatch.toml").write_text("[apps.web\n")
    assert main(["why", "worker"]) == 0
    assert "exited with code 1" in capsys.readouterr().out


def test_a_project_in_which_all_is_well_is_said_to_be(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(folder / ".procman", [record for record in lives() if record.app in ("db", "shop")])
    assert main(["why"]) == 0
    out, err = capsys.readouterr()
    assert out == "no app has had an incident\n"
    assert err == "\nhint: `procman events` shows all that has happened\n"
