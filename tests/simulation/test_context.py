"""What its user does while apps fail: installs, breakpoints, a closed lid; on a simulated machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from procman.core.verdict import Listener
from procman.host.base import Ended
from tests.fakes.machine import Process
from tests.fakes.programs import Listen, Program, server
from tests.simulation.village import Village

PROJECT = """\
[apps.api]
command = "node server.js"
port = 3000
start_timeout = "10s"
backoff = { initial = "1s", jitter = 0 }
"""
IMPATIENT = PROJECT + "check = { failures = 1 }\n"
CRASHED = Program(listens=(Listen(after=0.1),), exits_after=5.0, code=1)
# A server that lets go of its port for a while, as one does that reads its sources anew.
PAUSING = Program(listens=(Listen(until=20.0), Listen(after=30.0)))


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    village = Village(tmp_path, PROJECT)
    village.machine.programs["node server.js"] = server(after=0.3)
    yield village
    village.end()


def begin(village: Village, *programs: Program, file: str = PROJECT) -> None:
    """Bring the app up, as a program that does this, in each of its runs in turn."""
    if programs:
        village.machine.programs["node server.js"] = programs
    village.file.write_text(file)
    village.engine.reload()
    village.up()
    village.until(village.is_up)
    village.notices.clear()


def install(village: Village) -> Process:
    """Begin an install in the project's folder."""
    return village.machine.start(Program(), "npm install", cwd=str(village.file.parent))


def finish(village: Village, process: Process) -> None:
    """End a process."""
    village.machine.end(process, Ended(0, None))


def shown(village: Village) -> Any:
    """Return what `status --json` says of the app."""
    return village.engine.status()["apps"][0]


def close_port(village: Village) -> None:
    """Close the app's listener, and nothing else."""
    (api,) = village.processes("api")
    village.machine.close(next(each for each in village.machine.sockets if each.owner is api))


def test_a_port_that_is_closed_during_an_install_is_no_failure_until_that_has_ended(village: Village) -> None:
    begin(village)
    process = install(village)
    close_port(village)
    village.advance(0.1)
    reason = f"`npm install` is running in the project's folder (pid {process.pid})"
    held = f"held: {reason}; nothing listens on port 3000"
    for _ in range(20):
        app = shown(village)
        assert (app["state"], app["held"], app["message"], app["restarts"]) == ("running", held, held, 0)
        assert (app["verdict"], app["check"]["failures"]) == ("closed", 0)
        village.advance(1.0)
    finish(village, process)
    took = village.until(lambda: village.engine.apps["api"].restarts == 1)
    assert 3.0 < took < 5.5, "the normal rule from then on: one more check, and three over three seconds"


def test_an_app_that_is_back_when_the_install_has_ended_is_up_and_was_never_restarted(
    village: Village,
) -> None:
    begin(village, PAUSING)
    process = install(village)
    village.until(lambda: shown(village)["held"] is not None)
    village.until(lambda: shown(village)["held"] is None)
    finish(village, process)
    village.advance(5.0)
    assert (shown(village)["state"], shown(village)["restarts"]) == ("running", 0)
    assert village.transitions("api") == []


def test_an_app_that_crashes_during_an_install_is_started_once_that_has_ended(village: Village) -> None:
    begin(village, CRASHED, server())
    process = install(village)
    village.until(lambda: shown(village)["state"] == "waiting")
    reason = f"held: `npm install` is running in the project's folder (pid {process.pid}); exited with code 1"
    for _ in range(60):
        app = shown(village)
        assert (app["state"], app["held"], app["message"]) == ("waiting", reason, reason)
        village.advance(1.0)
    assert village.starts("node server.js") == 1
    finish(village, process)
    assert village.until(village.is_up) < 2.5
    assert (shown(village)["held"], shown(village)["restarts"]) == (None, 1)


def test_its_user_may_start_an_app_that_waits_for_an_install(village: Village) -> None:
    begin(village, CRASHED, server())
    install(village)
    village.until(lambda: shown(village)["held"] is not None)
    village.engine.start(["api"])
    village.advance(1.0)
    assert shown(village)["state"] == "running"


def test_a_kill_is_answered_by_a_new_run_during_an_install_too(village: Village) -> None:
    begin(village)
    install(village)
    looks = village.machine.looks_for_operations
    village.machine.signal(village.processes("api")[0], "SIGKILL")
    village.until(lambda: village.starts("node server.js") == 2, step=0.001, within=0.05)
    assert village.machine.looks_for_operations == looks, "there is no time for that"


def test_a_start_during_an_install_has_its_time_once_that_has_ended(village: Village) -> None:
    process = install(village)
    village.machine.programs["node server.js"] = server(after=65.0)
    village.up()
    village.advance(60.0)
    assert (shown(village)["state"], shown(village)["restarts"]) == ("starting", 0)
    assert shown(village)["held"] is not None
    finish(village, process)
    assert village.until(village.is_up) < 6.0
    assert village.starts("node server.js") == 1


def test_while_all_is_well_nothing_is_looked_for(village: Village) -> None:
    begin(village)
    looks = village.machine.looks_for_operations
    village.advance(3600)
    assert village.machine.looks_for_operations == looks


def test_a_start_looks_once_a_second_at_most(village: Village) -> None:
    village.machine.programs["node server.js"] = server(after=5.0)
    village.up()
    village.until(village.is_up)
    assert village.machine.looks_for_operations <= 6


def test_a_breakpoint_is_waited_out(village: Village) -> None:
    begin(village)
    (api,) = village.processes("api")
    village.machine.trace(api, "gdb (pid 99)")
    village.until(lambda: shown(village)["held"] is not None)
    assert shown(village)["held"].startswith(
        f"held: node (pid {api.pid}) is stopped by gdb (pid 99); accepts"
    )
    village.advance(600)
    village.machine.trace(api, None)
    village.until(lambda: shown(village)["held"] is None)
    village.advance(60)
    assert village.transitions("api") == []


def test_a_server_that_hangs_is_still_restarted(village: Village) -> None:
    begin(village)
    village.machine.signal(village.processes("api")[0], "SIGSTOP")
    village.until(lambda: village.engine.apps["api"].restarts == 1)


@pytest.mark.parametrize("kind", ["tcp", "http"])
def test_what_fails_just_after_a_suspend_is_not_counted(village: Village, kind: str) -> None:
    check = {"tcp": "failures = 1", "http": 'http = "/", failures = 1'}[kind]
    begin(village, file=f"{PROJECT}check = {{ {check} }}\n")
    (api,) = village.processes("api")
    village.machine.suspended += 3600.0
    village.machine.signal(api, "SIGSTOP")  # it is swapped in again, or reads a disk that has to spin up
    village.advance(14.0)
    assert shown(village)["held"].startswith("held: the machine was suspended for 1h; ")
    village.machine.signal(api, "SIGCONT")
    village.until(lambda: shown(village)["held"] is None)
    assert (village.transitions("api"), shown(village)["restarts"]) == ([], 0)


def test_a_manager_that_was_stopped_does_not_count_what_fails_at_first(village: Village) -> None:
    begin(village, PAUSING, file=IMPATIENT)
    village.advance(15.0 - village.host.now() % 1)
    village.host.stop(8.0)
    village.advance(0.5)
    assert shown(village)["held"].startswith("held: procman itself did not run for ")
    village.advance(30.0)
    assert (shown(village)["held"], shown(village)["restarts"]) == (None, 0)


def test_a_check_that_was_under_way_when_the_manager_was_stopped_does_not_count(village: Village) -> None:
    begin(village, file=f'{PROJECT}check = {{ http = "/", failures = 1 }}\n')
    (api,) = village.processes("api")
    village.machine.signal(api, "SIGSTOP")
    village.until(lambda: village.engine.apps["api"].probing, step=0.01)
    village.machine.signal(api, "SIGCONT")
    village.host.stop(4.0)
    village.advance(0.1)
    assert shown(village)["restarts"] == 0
    assert shown(village)["held"].startswith("held: procman itself did not run for ")


def test_a_refusal_that_is_heard_late_does_not_count_either(village: Village) -> None:
    begin(village, PAUSING, file=IMPATIENT)
    village.advance(15.0)
    village.until(lambda: village.engine.apps["api"].probing, step=0.0005)  # its listener has closed
    village.host.stop(20.0)
    village.advance(0.1)
    assert shown(village)["restarts"] == 0
    assert shown(village)["held"].startswith("held: procman itself did not run for ")


def test_an_app_that_came_up_while_the_manager_was_stopped_is_not_restarted(village: Village) -> None:
    village.machine.programs["node server.js"] = server(after=5.0)
    village.up()
    village.advance(2.0)
    village.host.stop(60.0)
    village.until(village.is_up, within=3.0)
    assert village.starts("node server.js") == 1


def test_a_failed_check_has_what_each_address_answered(village: Village) -> None:
    begin(village)
    close_port(village)
    village.until(lambda: shown(village)["state"] == "unhealthy")
    assert village.engine._circle.supervised["api"].checks[-1].answers == (
        ("127.0.0.1:3000", "ECONNREFUSED"),
        ("[::1]:3000", "ECONNREFUSED"),
    )


def test_a_listener_that_opens_while_its_absence_is_proven_counts(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(village)
    listeners, calls = village.host.listeners, 0

    def late() -> tuple[Listener, ...] | None:
        nonlocal calls
        calls += 1
        return () if calls == 1 else listeners()

    monkeypatch.setattr(village.host, "listeners", late)
    village.until(lambda: calls > 2)
    village.advance(1.0)
    assert village.transitions("api") == []
    assert shown(village)["verdict"] == "own"
