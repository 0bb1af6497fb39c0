"""A port is freed as an app is stopped, and nobody else is touched."""

from __future__ import annotations

from typing import Any

import pytest

from procman.core.config import AppConfig, Command
from procman.engine.freeing import PATIENCE, PROOF, Freed, Freeing, Permit, permit, targets
from procman.engine.ports import Current, Holding, Whose
from tests.fakes.machine import Process
from tests.fakes.neighbours import THEIRS, Neighbours, listening
from tests.fakes.programs import Child, Listen, Program, server

STUBBORN: dict[str, Any] = {"ignores": frozenset({"SIGTERM"})}


def of(there: Neighbours, port: int, *current: Current, managed: bool = True) -> list[Holding]:
    """Return who holds a port."""
    return [each for each in there.holdings(*current, managed=managed) if each.port == port]


def free(
    there: Neighbours, port: int, holdings: list[Holding], apps: dict[str, AppConfig] | None = None
) -> tuple[Freed, float]:
    """Free a port, and return what became of it and how long it took."""
    done: list[Freed] = []
    Freeing(there.host, port, targets(holdings, apps or {}), done.append).begin()
    began = there.host.now()
    while not done:
        assert there.host.now() - began < 60
        there.host.advance(0.01)
    there.host.advance(60)
    assert len(done) == 1
    return done[0], there.host.now() - began - 60


def lives(there: Neighbours, process: Process) -> bool:
    return process.pid in there.machine.processes


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ("", Permit.FREE),
        ("orphan", Permit.PROVEN),
        ("orphan orphan", Permit.PROVEN),
        ("app", Permit.RUNNING),
        ("app stranger", Permit.RUNNING),
        ("orphan app", Permit.RUNNING),
        ("unknown", Permit.UNSEEN),
        ("orphan unknown", Permit.UNSEEN),
        ("stranger", Permit.ASK),
        ("project", Permit.ASK),
        ("orphan stranger", Permit.ASK),
    ],
)
def test_only_proven_orphans_are_ended_without_being_asked(kinds: str, expected: Permit) -> None:
    assert permit([Holding(1, (), Whose(each)) for each in kinds.split()]) is expected


def test_an_orphan_is_ended_with_its_whole_run_and_nobody_else() -> None:
    there = Neighbours()
    orphan = there.orphan(3000)
    other = there.start(listening(3001), "node api.js")
    freed, _took = free(there, 3000, of(there, 3000))
    (receipt,) = freed.receipts
    assert receipt.text == (
        f"stopped an orphan of api: node {orphan.pid}, esbuild {orphan.pid + 1}; port 3000 free after 2ms"
    )
    assert (freed.survived, freed.holder) == (False, None)
    assert lives(there, other)


def test_an_orphan_that_ignores_its_signal_is_killed_in_the_time_of_its_app() -> None:
    there = Neighbours()
    there.orphan(3000, **STUBBORN)
    config = AppConfig("api", Command(("node", "api.js")), stop_signal="SIGINT", stop_timeout=2.0)
    freed, took = free(there, 3000, of(there, 3000), {"api": config})
    assert took < 0.1, "SIGINT is not ignored"
    there.orphan(3000, ignores=frozenset({"SIGINT"}))
    freed, took = free(there, 3000, of(there, 3000), {"api": config})
    assert 2.0 <= took < 2.1
    assert "SIGKILL after 2s" in freed.receipts[0].text


def test_without_a_file_the_time_is_that_of_every_app() -> None:
    there = Neighbours()
    there.orphan(3000, **STUBBORN)
    _freed, took = free(there, 3000, of(there, 3000))
    assert PATIENCE <= took < PATIENCE + 0.1


def test_a_stranger_is_ended_with_its_descendants_and_not_its_parent() -> None:
    there = Neighbours()
    server_program = Program(listens=(Listen(8080),), children=(Child(Program()),))
    parent = there.start(Program(children=(Child(server_program),)), "nodemon")
    beside = there.machine.start(Program(), "tsc --watch", parent=parent.pid)
    freed, _took = free(there, 8080, of(there, 8080))
    assert [each.name for each in freed.receipts[0].ended] == ["nodemon", "nodemon"]
    assert freed.receipts[0].text.startswith("stopped what held port 8080: ")
    assert lives(there, parent)
    assert lives(there, beside)


def test_a_process_that_has_got_the_pid_since_then_is_safe() -> None:
    there = Neighbours()
    stranger = there.start(listening(8080), "node server.js")
    holdings = of(there, 8080)
    there.machine.signal(stranger, "SIGKILL")
    there.host.advance(1)
    heir = there.start(listening(8081), "postgres", pid=stranger.pid)
    freed, _took = free(there, 8080, holdings)
    assert lives(there, heir)
    assert freed.receipts[0].text == "stopped what held port 8080: nothing was left to end; port 8080 free"


def test_two_holders_are_ended_one_after_the_other() -> None:
    there = Neighbours()
    first = there.start(server(port=8080), "first")
    second = there.start(Program(listens=(Listen(8080, address="::1"),)), "second", f"{THEIRS}x:1")
    freed, _took = free(there, 8080, of(there, 8080))
    assert not lives(there, first)
    assert not lives(there, second)
    assert [receipt.port for receipt in freed.receipts] == [None, 8080]
    assert freed.holder is None


def test_a_port_that_somebody_else_takes_meanwhile_is_not_free() -> None:
    there = Neighbours()
    there.start(listening(8080), "node server.js")
    holdings = of(there, 8080)
    thief = there.start(Program(listens=(Listen(8080, address="192.0.2.1"),)), "thief")
    there.host.advance(1)
    freed, _took = free(there, 8080, holdings)
    assert freed.holder is not None
    assert f"pid {thief.pid}" in freed.holder


def test_what_outlives_sigkill_is_told_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Neighbours()
    process = there.orphan(3000)
    holdings = of(there, 3000)
    monkeypatch.setattr(there.machine, "signal", lambda *_: None)
    freed, took = free(there, 3000, holdings)
    assert freed.survived
    assert PATIENCE + PROOF <= took < PATIENCE + PROOF + 0.1
    assert f"node {process.pid} (state S)" in freed.receipts[0].text
