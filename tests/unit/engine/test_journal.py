"""Which steps of an app leave a record, and what it says."""

from __future__ import annotations

from procman.core.config import AppConfig, Check, CheckKind, Command
from procman.core.events import Held, Restarted, Start, Stop
from procman.core.journal import Kind, Record
from procman.core.verdict import Verdict
from tests.fakes.chronicle import Chronicle

CONFIG = AppConfig(
    "web", Command(("npm", "start")), port=3000, check=Check(CheckKind.TCP), check_interval=10.0
)


def kept(life: Chronicle, kind: Kind) -> list[Record]:
    """Return the records of a kind, and forget all."""
    found = [record for record in life.records if record.kind is kind]
    life.records.clear()
    return found


def running() -> Chronicle:
    life = Chronicle(CONFIG)
    life.send(Start())
    life.advance(1.0)
    life.records.clear()
    return life


def test_the_same_failed_check_of_a_start_is_told_once() -> None:
    life = Chronicle(CONFIG)
    life.check = life.down
    life.send(Start())
    life.advance(50.0)
    assert len(kept(life, Kind.CHECK)) == 1


def test_each_failed_check_that_leads_to_a_decision_is_told() -> None:
    life = running()
    life.check = life.down
    life.advance(12.2)
    assert [record.data["failures"] for record in kept(life, Kind.CHECK)][:4] == [1, 2, 3, 4]


def test_a_failure_that_changes_nothing_is_told_no_more_than_it_counts() -> None:
    life = running()
    life.check = lambda: life.down(Verdict.STRANGER)
    life.advance(600.0)
    assert len(kept(life, Kind.CHECK)) == CONFIG.check.failures


def test_a_check_that_is_held_is_told_once() -> None:
    life = running()
    life.check = life.held
    life.advance(600.0)
    assert [record.data["outcome"] for record in kept(life, Kind.CHECK)] == ["held"]


def test_what_an_app_waits_for_is_told_once_for_each_reason() -> None:
    life = Chronicle(CONFIG)
    life.blocked = Held("waits for port 3000", recheck=True, verdict=Verdict.STRANGER)
    life.send(Start())
    life.advance(60.0)
    life.blocked = Held("`npm install` is running", recheck=True, paused=True)
    life.advance(60.0)
    assert [
        (record.text, record.data["verdict"], record.data["paused"]) for record in kept(life, Kind.WAIT)
    ] == [
        ("waits for port 3000", "stranger", False),
        ("`npm install` is running", None, True),
    ]


def test_a_state_says_why_its_run_is_being_ended() -> None:
    life = running()
    life.stubborn = True
    life.send(Restarted())
    life.send(Stop())
    life.advance(30.0)
    assert [(record.data["new"], record.data["ending"]) for record in kept(life, Kind.STATE)] == [
        ("stopping", "restart"),
        ("stopped", None),
    ]
