"""What is seen of an app before its run is ended: once, before anybody is signalled, and if it has failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from procman.core.app import App, Ending, Exit
from procman.core.config import AppConfig, Command, Restart
from procman.core.journal import Kind, Record
from procman.engine import evidence
from tests.fakes.programs import Child, Listen, Program, Way, npm, server
from tests.simulation.village import Village

PROJECT = """\
[apps.web]
command = "npm run dev"
port = 5173
backoff = { initial = "1s" }
"""
WORKER = """\
[apps.worker]
command = "node worker.js"
"""
COMMAND = "npm run dev"

Found = Callable[..., Village]


@pytest.fixture
def found(tmp_path: Path) -> Iterator[Found]:
    villages: list[Village] = []

    def make(text: str, program: Program, command: str = COMMAND) -> Village:
        village = Village(tmp_path, text)
        village.machine.programs[command] = program
        villages.append(village)
        return village

    yield make
    for village in villages:
        village.end()


def started(found: Found, text: str = PROJECT, program: Program | None = None, **more: Any) -> Village:
    village = found(text, program or npm(server(after=0.5)), **more)
    village.up()
    village.until(village.is_up)
    return village


def worker(found: Found, program: Program, text: str = WORKER) -> Village:
    return started(found, text, program, command="node worker.js")


def evidences(village: Village) -> list[Record]:
    return [record for record in village.records if record.kind is Kind.EVIDENCE]


def kinds(village: Village, since: Record) -> list[Kind]:
    """Return what was told from a record on, once for each sort in a row."""
    told = [record.kind for record in village.records[village.records.index(since) :]]
    return [kind for at, kind in enumerate(told) if at == 0 or told[at - 1] is not kind]


def hang(village: Village) -> int:
    """Stop the server of the tree, and return its pid."""
    pid = village.pids("web")[-1]
    village.machine.signal(village.machine.processes[pid], "SIGSTOP")
    village.until(lambda: bool(evidences(village)))
    return pid


def test_a_hung_server_is_seen_before_it_is_signalled(found: Found) -> None:
    village = started(found)
    npm_, sh, _node = pids = village.pids("web")
    node = hang(village)
    (seen,) = evidences(village)
    assert kinds(village, seen)[:2] == [Kind.EVIDENCE, Kind.SIGNAL]
    assert village.records[village.records.index(seen) - 1].data["new"] == "stopping"
    assert (seen.app, seen.run) == ("web", 1)
    assert [(each["pid"], each["parent"], each["doing"]) for each in seen.data["processes"]] == [
        (npm_, village.host.pid, "sleeping"),
        (sh, npm_, "sleeping"),
        (node, sh, "stopped"),
    ]
    assert pids == [npm_, sh, node]
    assert seen.data["sockets"] == {
        "listening": [{"address": "127.0.0.1:5173", "queue": 3}],
        "connections": {},
    }
    assert seen.text == (
        f"its tree was 3 processes with 0s of CPU time, 30MB of memory; stopped: npm {node}; "
        "3 connections waited on 127.0.0.1:5173"
    )


def test_the_checks_before_are_told_with_their_time_and_what_each_took(found: Found) -> None:
    village = started(found)
    hang(village)
    checks = evidences(village)[0].data["checks"]
    assert [each["outcome"] for each in checks[-4:]] == ["up", "down", "down", "down"]
    assert all("accepts connections but does not take them" in each["detail"] for each in checks[-3:])
    assert all(1.9 < each["took_s"] < 2.2 for each in checks[-3:]), "the timeout of a check is 2 s"
    times = [each["at"] for each in checks]
    assert times == sorted(times)
    assert times[0].startswith("2026-11-23T09:1")


def test_no_more_checks_are_remembered_than_are_worth_it_and_none_of_a_run_before(found: Found) -> None:
    village = started(found, PROJECT.replace("port = 5173", 'port = 5173\ncheck_interval = "1s"'))
    village.advance(60)
    hang(village)
    assert len(evidences(village)[0].data["checks"]) == 20
    village.until(lambda: village.starts(COMMAND) == 2)
    village.until(village.is_up)
    village.machine.signal(village.processes("web")[0], "SIGKILL")
    village.until(lambda: len(evidences(village)) == 2)
    checks = evidences(village)[1].data["checks"]
    assert "127.0.0.1:5173 accepts connections" in [each["detail"] for each in checks]
    assert not any("does not take them" in each["detail"] for each in checks), "that was the run before"


def test_a_start_that_takes_too_long_is_seen(found: Found) -> None:
    village = found(PROJECT, npm(Program()))
    village.up()
    village.until(lambda: bool(evidences(village)))
    (seen,) = evidences(village)
    assert len(seen.data["processes"]) == 3
    assert seen.data["sockets"] == {"listening": [], "connections": {}}
    assert {each["detail"] for each in seen.data["checks"]} == {"nothing listens on port 5173"}


def test_of_a_run_that_ended_whole_only_the_checks_are_told_and_nothing_is_read(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    village = started(found, program=server(after=0.5))

    def never(*_: object) -> None:
        raise AssertionError("a replacement was kept waiting for a look at nothing")

    for look in ("vitals", "connections"):
        monkeypatch.setattr(village.host, look, never)
    village.machine.signal(village.processes("web")[0], "SIGKILL")
    village.until(lambda: bool(evidences(village)), step=0.0005)
    monkeypatch.undo()
    (seen,) = evidences(village)
    assert seen.text == "no process of its tree was left"
    assert (seen.data["processes"], seen.data["sockets"]) == ([], None)
    assert "up" in [each["outcome"] for each in seen.data["checks"]]


def test_what_an_exit_has_left_behind_is_seen_before_it_is_ended(found: Found) -> None:
    daemon = Child(Program(listens=(Listen(4000),)), way=Way.ORPHAN)
    village = worker(found, Program(children=(daemon,), exits_after=5.0, code=1))
    village.until(lambda: bool(evidences(village)))
    (seen,) = evidences(village)
    assert kinds(village, seen)[:2] == [Kind.EVIDENCE, Kind.SIGNAL]
    (left,) = seen.data["processes"]
    assert left["parent"] == village.host.pid
    assert seen.data["sockets"]["listening"] == [{"address": "127.0.0.1:4000", "queue": 0}]


def test_a_prepare_that_fails_is_a_failure(found: Found) -> None:
    village = found(WORKER + 'prepare = "npm ci"\n', Program(), "node worker.js")
    village.machine.programs["npm ci"] = Program(exits_after=0.1, code=1)
    village.up()
    village.until(lambda: village.states() == {"worker": "failed"})
    assert len(evidences(village)) == 1


def restart(village: Village) -> None:
    village.engine.restart(["worker"])
    village.until(lambda: village.starts("node worker.js") == 2)


def stop(village: Village) -> None:
    village.engine.stop(["worker"])
    village.until(lambda: village.states() == {"worker": "stopped"})


def edit(village: Village) -> None:
    village.machine.programs["node other.js"] = Program()
    village.edit("node worker.js", "node other.js")
    village.until(lambda: village.starts("node other.js") == 1)


@pytest.mark.parametrize("ask", [restart, stop, edit])
def test_what_its_user_asks_for_is_no_failure(found: Found, ask: Callable[[Village], None]) -> None:
    village = worker(found, Program())
    ask(village)
    assert evidences(village) == []


def test_an_unhealthy_app_that_its_user_restarts_is_not_examined_and_its_checks_are_told(
    found: Found,
) -> None:
    village = started(found)
    village.machine.signal(village.processes("web")[-1], "SIGSTOP")
    village.until(lambda: village.states() == {"web": "unhealthy"})
    village.engine.restart(["web"])
    village.until(village.is_up)
    assert evidences(village) == []
    checks = [record for record in village.records if record.kind is Kind.CHECK]
    assert "down" in [record.data["outcome"] for record in checks]


@pytest.mark.parametrize(
    ("ending", "code", "restart", "owed"),
    [
        (Ending.UNHEALTHY, None, Restart.ALWAYS, True),
        (Ending.NOT_PREPARED, 1, Restart.ALWAYS, True),
        (Ending.PREPARED, 0, Restart.ALWAYS, False),
        (Ending.STOP, 1, Restart.ALWAYS, False),
        (Ending.RESTART, 1, Restart.ALWAYS, False),
        (None, None, Restart.ALWAYS, False),
        (Ending.EXITED, 1, Restart.NEVER, True),
        (Ending.EXITED, None, Restart.ON_FAILURE, True),
        (Ending.EXITED, 0, Restart.ALWAYS, True),
        (Ending.EXITED, 0, Restart.ON_FAILURE, False),
        (Ending.EXITED, 0, Restart.NEVER, False),
    ],
)
def test_evidence_is_owed_to_failures_alone(
    ending: Ending | None, code: int | None, restart: Restart, owed: bool
) -> None:
    app = App(ending=ending, last_exit=Exit(code, None, 0.0, "ended by itself"))
    config = AppConfig("web", Command(("npm",)), restart=restart)
    assert evidence.is_owed(app, config) is owed


def test_one_run_is_examined_once_however_long_its_end_takes(found: Found) -> None:
    village = worker(found, Program(exits_after=5.0, code=1))
    stubborn = Program(ignores=frozenset({"SIGTERM"}))
    village.machine.programs["node worker.js"] = Program(
        children=(Child(stubborn, way=Way.ORPHAN), Child(stubborn)), exits_after=5.0, code=1
    )
    village.until(lambda: len(evidences(village)) == 2)
    village.until(lambda: village.starts("node worker.js") == 3)
    assert len([each for each in evidences(village) if each.run == 2]) == 1
    forced = [each.data["signal"] for each in village.records if each.kind is Kind.SIGNAL and each.run == 2]
    assert "SIGKILL" in forced


def test_a_large_tree_is_not_looked_at_whole(found: Found) -> None:
    size = evidence.MOST_PROCESSES + 10
    children = tuple(Child(Program(burns=True)) for _ in range(size - 1))
    village = worker(found, Program(children=children))
    village.machine.signal(village.processes("worker")[0], "SIGKILL")
    village.until(lambda: bool(evidences(village)))
    (seen,) = evidences(village)
    assert len(seen.data["processes"]) == evidence.MOST_PROCESSES
    assert seen.text.startswith(f"its tree was {size - 1} processes with ")


def test_what_can_not_be_read_is_not_told(found: Found) -> None:
    village = started(found)
    village.machine.readable = False
    village.machine.signal(village.processes("web")[0], "SIGKILL")
    village.until(lambda: bool(evidences(village)))
    assert evidences(village)[0].data["sockets"] is None


def test_no_secret_of_a_command_line_is_kept(found: Found) -> None:
    command = "node server.js --token word1 API_KEY=word2 --url=postgres://me:word3@host/db --port 3000"
    text = f'[apps.web]\ncommand = "{command}"\nport = 3000\n'
    village = started(found, text, server(after=0.1), command=command)
    village.machine.signal(village.processes("web")[0], "SIGSTOP")
    village.until(lambda: bool(evidences(village)))
    (process,) = evidences(village)[0].data["processes"]
    assert process["command"] == (
        "node server.js --token (hidden) API_KEY=(hidden) --url=(hidden) --port 3000"
    )
    assert not any("word" in str(record) for record in village.records)


@pytest.mark.parametrize("bug", ["never", "always"])
def test_the_tests_above_see_what_they_are_to_see(
    found: Found, monkeypatch: pytest.MonkeyPatch, bug: str
) -> None:
    monkeypatch.setattr(evidence, "is_owed", lambda app, config: bug == "always")
    village = worker(found, Program(exits_after=5.0, code=1))
    village.until(lambda: village.starts("node worker.js") == 2)
    assert len(evidences(village)) == (1 if bug == "always" else 0)
    stop(village)
    assert len(evidences(village)) == (2 if bug == "always" else 0)
