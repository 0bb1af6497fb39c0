"""The whole engine on a simulated machine: hours of it in a moment, and no process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from procman.config.diagnostics import InvalidConfig
from procman.config.read import read_config
from procman.core.identity import MARKER
from procman.core.journal import Record
from procman.engine.engine import Engine
from procman.engine.events import Problem, Reloaded, Transition
from procman.host.base import ANY_PORT, Ended
from tests.fakes.host import FakeHost
from tests.fakes.machine import Process
from tests.fakes.programs import Child, Listen, Program, Taken, Way, npm, server
from tests.simulation.village import Village

PROJECT = """\
[apps.api]
command = "node server.js"
port = 3000

[apps.web]
command = "npm run dev"
port = 5173
depends_on = ["api"]

[apps.worker]
command = "node worker.js"
"""

Found = Callable[[str], Village]


@pytest.fixture
def found(tmp_path: Path) -> Iterator[Found]:
    villages: list[Village] = []

    def make(text: str = PROJECT) -> Village:
        village = Village(tmp_path, text)
        village.machine.programs.update(
            {
                "node server.js": server(after=0.3),
                "npm run dev": npm(server(after=0.5)),
                "node worker.js": Program(),
            }
        )
        villages.append(village)
        return village

    yield make
    for village in villages:
        village.end()


def started(found: Found, text: str = PROJECT) -> Village:
    village = found(text)
    village.up()
    village.until(village.is_up)
    village.notices.clear()
    return village


def test_apps_start_in_the_order_of_their_dependencies(found: Found) -> None:
    village = found(PROJECT)
    village.up()
    village.until(village.is_up)
    order = [command for _, command in village.machine.starts]
    assert order.index("node server.js") < order.index("npm run dev")
    moves = [(n.app, n.new) for n in village.notices if isinstance(n, Transition)]
    assert moves.index(("api", "running")) < moves.index(("web", "starting"))


def test_apps_stop_in_the_reverse_order_each_proven_gone(found: Found) -> None:
    village = started(found)
    village.engine.shutdown()
    village.until(lambda: village.ended)
    stopped = [text.split(":")[0] for text in village.receipts()]
    assert stopped.index("stopped web") < stopped.index("stopped api")


def test_a_kill_of_any_process_of_the_tree_makes_one_new_tree(found: Found) -> None:
    village = started(found)
    for level in range(3):
        before = village.pids("web")
        assert len(before) == 3, "npm, sh and node"
        village.machine.signal(village.machine.processes[before[level]], "SIGKILL")
        village.advance(0.1)
        village.until(village.is_up)
        after = village.pids("web")
        assert len(after) == 3
        assert not set(before) & set(after), "nothing of the old tree is left"


def test_the_first_restart_after_health_comes_within_milliseconds(found: Found) -> None:
    village = started(found)
    village.machine.signal(village.processes("worker")[0], "SIGKILL")
    died = village.host.now()
    village.until(lambda: village.starts("node worker.js") == 2, step=0.001)
    assert village.host.now() - died < 0.02


def test_a_closed_listener_is_seen_at_once_whatever_the_interval_is(found: Found) -> None:
    village = started(found, PROJECT.replace("port = 3000", 'port = 3000\ncheck_interval = "5m"'))
    village.advance(60)
    (api,) = village.processes("api")
    village.machine.close(next(socket for socket in village.machine.sockets if socket.owner is api))
    assert village.until(lambda: village.states()["api"] == "unhealthy", step=0.005) < 0.1
    took = village.until(lambda: village.engine.apps["api"].restarts == 1)
    assert 2.9 < took < 3.5, "`failures` x `retry_interval`"


def test_a_hung_server_is_found_by_its_queue_and_replaced(found: Found) -> None:
    village = started(found)
    (api,) = village.processes("api")
    village.machine.signal(api, "SIGSTOP")
    village.until(lambda: village.verdict("api") == "hung")
    village.until(lambda: village.engine.apps["api"].restarts == 1)
    village.until(village.is_up)


def test_a_stranger_on_the_port_is_named_waited_for_and_costs_no_restart(found: Found) -> None:
    village = found(PROJECT)
    stranger = village.machine.start(Program(listens=(Listen(3000),)), "python3 -m http.server 3000")
    village.advance(1)
    village.up()
    village.advance(30)
    assert village.states() == {"api": "waiting", "web": "waiting", "worker": "running"}
    app = village.engine.apps["api"]
    assert f"pid {stranger.pid}" in app.reason
    assert "http.server" in app.reason
    assert (app.restarts, app.starts) == (0, ())
    village.machine.signal(stranger, "SIGTERM")
    village.until(village.is_up, within=5)


def test_a_listener_that_a_dying_server_of_the_app_still_holds_is_no_stranger(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    village = started(found)
    (listening,) = (each for each in village.machine.sockets if each.owner in village.processes("api"))
    listening.owner = village.machine.start(Program(), "a process without descriptors")
    monkeypatch.setattr(village.host, "holder", lambda listener: None)
    village.until(lambda: village.states()["api"] == "unhealthy")
    assert village.verdict("api") == "closed"


def test_an_app_that_moves_to_the_next_port_is_called_moved_and_left_alone(found: Found) -> None:
    village = found(PROJECT)
    village.machine.programs["npm run dev"] = npm(server(after=0.5, taken=Taken.NEXT))
    village.up()
    village.until(lambda: village.states()["web"] == "starting")
    village.machine.start(Program(listens=(Listen(5173, taken=Taken.STAY),)), "stranger")
    village.advance(90)
    app = village.engine.apps["web"]
    assert village.verdict("web") == "moved"
    assert app.listening == ("127.0.0.1:5174",)
    assert app.restarts == 0


def test_only_what_an_edit_changes_is_touched(found: Found) -> None:
    village = started(found)
    before = {app: village.pids(app) for app in village.engine.apps}
    village.edit("port = 3000", 'port = 3000\ncheck_interval = "2s"')
    village.advance(1)
    assert {app: village.pids(app) for app in village.engine.apps} == before
    assert village.engine.configs["api"].check_interval == 2.0
    village.edit("node worker.js", "node worker.js --fast")
    village.machine.programs["node worker.js --fast"] = Program()
    village.advance(1)
    village.until(village.is_up)
    assert village.pids("worker") != before["worker"]
    assert (village.pids("api"), village.pids("web")) == (before["api"], before["web"])


def test_an_app_that_leaves_the_file_is_ended_and_one_that_comes_is_started(found: Found) -> None:
    village = started(found)
    village.edit('[apps.worker]\ncommand = "node worker.js"', '[apps.cron]\ncommand = "node cron.js"')
    village.machine.programs["node cron.js"] = Program()
    village.advance(1)
    village.until(village.is_up)
    assert set(village.states()) == {"api", "web", "cron"}
    assert village.pids("worker") == []


def test_an_invalid_edit_changes_nothing_and_says_so(found: Found) -> None:
    village = started(found)
    before = {app: village.pids(app) for app in village.engine.apps}
    village.edit("port = 3000", "port = 99999")
    village.advance(1)
    config = village.engine.status()["manager"]["config"]
    assert config["state"] == "rejected"
    assert "expected 1 to 65535, got 99999" in config["error"]
    assert {app: village.pids(app) for app in village.engine.apps} == before
    village.edit("port = 99999", "port = 3000")
    village.advance(1)
    assert village.engine.status()["manager"]["config"]["state"] == "applied"


def test_a_file_that_is_caught_half_written_is_read_again(found: Found) -> None:
    village = started(found)
    text = village.file.read_text()
    village.file.write_text("")
    village.advance(0.1)
    village.file.write_text(text.replace("node worker.js", "node worker2.js"))
    village.machine.programs["node worker2.js"] = Program()
    village.advance(1)
    assert village.engine.status()["manager"]["config"]["state"] == "applied"
    assert village.engine.configs["worker"].command.text == "node worker2.js"


def test_who_is_ended_by_its_parent_before_its_turn_is_named_too(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    village = started(found)
    npm_pid, shell_pid, _node_pid = pids = village.pids("web")
    signal = village.machine.signal

    def pass_on(process: Process, name: str) -> None:
        if process.pid == npm_pid:
            village.machine.end(village.machine.processes[shell_pid], Ended(None, name))
        signal(process, name)

    monkeypatch.setattr(village.machine, "signal", pass_on)
    village.engine.stop(["web"])
    village.until(lambda: village.states()["web"] == "stopped")
    (receipt,) = village.receipts()
    assert all(f" {pid}" in receipt for pid in pids), receipt


def test_whatever_has_left_the_group_and_the_session_is_ended_too(found: Found) -> None:
    village = found(PROJECT)
    stubborn = Program(ignores=frozenset({"SIGTERM"}))
    village.machine.programs["node worker.js"] = Program(
        children=(Child(stubborn, way=Way.ORPHAN), Child(Program(), way=Way.SESSION)), drains={"SIGTERM": 0.1}
    )
    village.up()
    village.advance(5)
    assert len(village.pids("worker")) >= 3
    village.engine.stop(["worker"])
    village.advance(9)
    assert village.states()["worker"] == "stopping", "not stopped while something lives"
    village.until(lambda: village.states()["worker"] == "stopped")
    assert village.pids("worker") == []
    assert any("SIGKILL after 10s" in text for text in village.receipts())


def test_a_new_manager_takes_the_same_processes_back(found: Found) -> None:
    village = started(found)
    village.machine.signal(village.processes("worker")[0], "SIGKILL")
    village.advance(0.1)
    village.until(village.is_up)
    before = {app: village.pids(app) for app in village.engine.apps}
    village.kill_manager()
    village.machine.advance(30)
    village.manage()
    village.up()
    village.advance(2)
    assert {app: village.pids(app) for app in village.engine.apps} == before
    assert village.is_up()
    assert village.engine.apps["worker"].restarts == 1, "counts are kept"
    assert len(village.machine.starts) == 4, "none was started again"


def test_an_exit_while_no_manager_ran_is_mended_by_the_next(found: Found) -> None:
    village = started(found)
    village.kill_manager()
    village.machine.signal(village.processes("worker")[0], "SIGKILL")
    village.machine.advance(1)
    village.manage()
    village.up()
    village.until(village.is_up)
    assert len(village.pids("worker")) == 1


def test_what_left_the_file_while_no_manager_ran_is_ended_by_the_next(found: Found) -> None:
    village = started(found)
    village.kill_manager()
    village.edit('[apps.worker]\ncommand = "node worker.js"\n', "")
    village.manage()
    village.until(lambda: "worker" not in village.states())
    assert village.pids("worker") == []


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"null", b'{"version": 99}', b"\xff\xfe", b'{"version": 1, "boot": "another", "app": {}}'],
)
def test_a_damaged_record_hides_no_app_and_harms_no_stranger(found: Found, damage: bytes) -> None:
    village = started(found)
    before = {app: village.pids(app) for app in village.engine.apps}
    village.kill_manager()
    for record in (village.home / "run").glob("*.json"):
        record.write_bytes(damage)
    stranger = village.machine.start(Program(), "stranger")
    village.manage()
    village.up()
    village.until(village.is_up)
    assert {app: village.pids(app) for app in village.engine.apps} == before
    assert stranger.pid in village.machine.processes


def until_its_start_took_too_long(village: Village, app: str) -> None:
    """Let time pass until the `start_timeout` of the app's process is over, by as little as nobody sees."""
    village.machine.advance(village.processes(app)[0].born + 61.0 - village.machine.now)


@pytest.mark.parametrize("age", [61.0, 3600.0])
def test_an_app_outlives_the_loss_of_its_record_at_any_age(found: Found, age: float) -> None:
    village = started(found)
    until_its_start_took_too_long(village, "api")
    village.advance(age - 61.0)
    before = {app: village.pids(app) for app in village.engine.apps}
    village.kill_manager()
    for record in (village.home / "run").glob("*.json"):
        record.unlink()
    village.manage()
    village.until(village.is_up)
    assert {app: village.pids(app) for app in village.engine.apps} == before


def test_an_app_that_came_up_while_no_manager_ran_is_left_alone(found: Found) -> None:
    village = found(PROJECT)
    village.machine.programs["node server.js"] = server(after=20.0)
    village.up()
    village.advance(10)
    before = village.pids("api")
    village.kill_manager()
    until_its_start_took_too_long(village, "api")
    village.manage()
    village.until(village.is_up)
    assert village.pids("api") == before


def test_an_app_that_has_left_the_file_is_not_said_to_be_restarted_for_its_pipes(found: Found) -> None:
    village = started(found)
    village.kill_manager()
    village.edit('[apps.worker]\ncommand = "node worker.js"\n', "")
    for pipe in (village.home / "run").glob("worker.*.out"):
        pipe.unlink()
    village.manage()
    village.until(lambda: "worker" not in village.states())
    assert village.starts("node worker.js") == 1
    assert not [notice for notice in village.notices if isinstance(notice, Problem)]


def test_a_stop_that_was_under_way_is_finished_by_the_next_manager(found: Found) -> None:
    village = found(PROJECT)
    village.machine.programs["node worker.js"] = Program(ignores=frozenset({"SIGTERM"}))
    village.up()
    village.until(village.is_up)
    village.engine.stop(["worker"])
    village.advance(1)
    village.kill_manager()
    village.manage()
    village.until(lambda: village.states()["worker"] == "stopped")
    assert village.pids("worker") == []


def test_an_app_that_dies_again_and_again_is_slowed_down_and_given_up(found: Found) -> None:
    village = found(PROJECT)
    village.machine.programs["node worker.js"] = Program(exits_after=1.2, code=1)
    village.up()
    village.until(lambda: village.states()["worker"] == "failed", within=600)
    assert village.starts("node worker.js") == 10
    assert "gave up after 10 starts within 10m" in village.engine.apps["worker"].reason


def test_nothing_due_leaves_one_timer_for_each_steady_check(found: Found) -> None:
    village = started(found, '[apps.worker]\ncommand = "node worker.js"\n')
    steps = len(village.notices)
    village.advance(3600)
    assert len(village.notices) == steps
    assert village.engine.apps["worker"].wake_at is None


def test_an_app_that_is_followed_is_up_on_the_port_it_took(found: Found) -> None:
    village = found(PROJECT.replace("port = 5173", 'port = 5173\nport_policy = "follow"'))
    village.machine.programs["npm run dev"] = npm(server(after=0.5, taken=Taken.NEXT))
    village.machine.start(Program(listens=(Listen(5173),)), "python3 -m http.server 5173")
    village.advance(1)
    village.up()
    village.until(village.is_up)
    app = village.engine.apps["web"]
    assert village.verdict("web") == "moved"
    assert "listens on 127.0.0.1:5174 instead of port 5173" in app.reason
    node = village.processes("web")[2]
    village.machine.close(next(socket for socket in village.machine.sockets if socket.owner is node))
    assert village.until(lambda: village.states()["web"] == "unhealthy", step=0.005) < 0.1


def test_a_followed_app_that_moves_while_nobody_can_tell_where_to_is_left_alone(found: Found) -> None:
    village = found('[apps.api]\ncommand = "node server.js"\nport = 3000\nport_policy = "follow"\n')
    village.up()
    village.until(village.is_up)
    (api,) = village.processes("api")
    village.machine.readable = False
    village.machine.close(next(socket for socket in village.machine.sockets if socket.owner is api))
    village.machine._listen(api, Listen(3001))
    village.advance(60)
    assert (village.states()["api"], village.verdict("api")) == ("running", "unknown")
    village.machine.readable = True
    village.advance(20)
    assert (village.pids("api"), village.verdict("api")) == ([api.pid], "moved")


def test_an_app_that_was_followed_is_not_down_because_nobody_can_tell_where_it_listens(found: Found) -> None:
    village = found(PROJECT.replace("port = 5173", 'port = 5173\nport_policy = "follow"'))
    village.machine.programs["npm run dev"] = npm(server(after=0.5, taken=Taken.NEXT))
    stranger = village.machine.start(Program(listens=(Listen(5173),)), "python3 -m http.server 5173")
    village.advance(1)
    village.up()
    village.until(village.is_up)
    before = village.pids("web")
    village.machine.signal(stranger, "SIGKILL")
    village.machine.readable = False
    village.advance(60)
    assert (village.states()["web"], village.verdict("web")) == ("running", "unknown")
    village.machine.readable = True
    village.advance(20)
    assert (village.pids("web"), village.verdict("web")) == (before, "moved")


def orphan(village: Village, app: str, port: int) -> int:
    """Start a process that an earlier manager of this project lost sight of."""
    program = Program(listens=(Listen(port),), ignores=frozenset({"SIGTERM"}))
    marker = f"{village.engine._circle.runs.project}{app}:0"
    process = village.machine.start(program, "node old.js", environment={MARKER: marker})
    village.advance(0.1)
    return process.pid


def test_a_reclaimed_port_costs_its_orphan_and_nobody_else(found: Found) -> None:
    village = found(PROJECT.replace("port = 3000", 'port = 3000\nport_policy = "reclaim"'))
    lost = orphan(village, "api", 3000)
    stranger = village.machine.start(Program(listens=(Listen(5173),)), "stranger")
    village.up()
    village.until(lambda: village.states()["api"] == "running", within=30)
    assert lost not in village.machine.processes
    assert any(text.startswith("stopped an orphan of api: ") for text in village.receipts())
    assert stranger.pid in village.machine.processes, "what is not proven ours is left alone"
    village.machine.signal(stranger, "SIGKILL")


def test_an_orphan_is_waited_for_where_the_policy_is_strict(found: Found) -> None:
    village = found(PROJECT)
    lost = orphan(village, "api", 3000)
    village.up()
    village.advance(30)
    assert village.states()["api"] == "waiting"
    assert lost in village.machine.processes
    village.machine.signal(village.machine.processes[lost], "SIGKILL")


@pytest.mark.parametrize("lives", [True, False])
def test_a_record_that_names_a_stranger_does_it_no_harm(found: Found, lives: bool) -> None:
    village = started(found)
    stranger = village.machine.start(Program(), "stranger")
    village.kill_manager()
    record = village.home / "run" / "worker.json"
    document = json.loads(record.read_text())
    document["leader"] = [stranger.pid, stranger.identity.started]
    record.write_text(json.dumps(document))
    if not lives:
        village.machine.signal(village.processes("worker")[0], "SIGKILL")
    village.manage()
    village.up()
    village.until(village.is_up)
    village.engine.stop(["worker"])
    village.until(lambda: village.states()["worker"] == "stopped")
    assert stranger.pid in village.machine.processes
    assert village.pids("worker") == []


def test_a_stop_that_waits_for_its_turn_is_not_forgotten_by_a_new_manager(found: Found) -> None:
    village = found(PROJECT)
    village.machine.programs["npm run dev"] = Program(
        listens=(Listen(after=0.1),), ignores=frozenset({"SIGTERM"})
    )
    village.up()
    village.until(village.is_up)
    village.engine.stop(["api", "web"])
    village.advance(1)
    assert village.states() == {"api": "running", "web": "stopping", "worker": "running"}
    village.kill_manager()
    village.manage()
    village.until(lambda: village.states() == {"api": "stopped", "web": "stopped", "worker": "running"})


def test_nothing_is_applied_while_the_manager_stops(found: Found) -> None:
    village = found(PROJECT)
    village.machine.programs["node worker.js"] = Program(ignores=frozenset({"SIGTERM"}))
    village.up()
    village.until(village.is_up)
    village.engine.shutdown()
    village.edit("npm run dev", "npm run other")
    village.engine.reload()
    village.until(lambda: village.ended, within=30)
    assert village.starts("npm run other") == 0
    village.manage()


def test_an_app_that_was_stopped_when_it_left_the_file_is_gone_at_once(found: Found) -> None:
    table = '[apps.worker]\ncommand = "node worker.js"\nautostart = false\n'
    village = found(PROJECT.replace('[apps.worker]\ncommand = "node worker.js"\n', table))
    village.up()
    village.advance(3)
    village.edit(table, "")
    village.advance(1)
    assert "worker" not in village.states()
    village.file.write_text(village.file.read_text() + table)
    village.advance(1)
    assert village.states()["worker"] == "stopped", "`autostart = false` holds for what comes back"


def test_a_rejected_file_that_is_mended_is_told(found: Found) -> None:
    village = started(found)
    village.edit("port = 3000", "port = 99999")
    village.advance(1)
    village.edit("port = 99999", "port = 3000")
    village.advance(1)
    told = [notice.error is None for notice in village.notices if isinstance(notice, Reloaded)]
    assert told == [False, True]


def test_a_plan_does_not_swallow_the_rejection_of_a_bad_file(found: Found) -> None:
    village = started(found)
    village.edit("port = 3000", "port = 99999")
    village.advance(0.1)
    with pytest.raises(InvalidConfig):
        village.engine.plan()
    village.advance(1)
    assert village.engine.status()["manager"]["config"]["state"] == "rejected"


def test_an_edit_of_a_failed_app_gives_it_another_chance(found: Found) -> None:
    village = found(PROJECT.replace('"node worker.js"', '"node worker.js"\nprepare = "npm cii"'))
    village.machine.programs["npm cii"] = Program(exits_after=0.1, code=1)
    village.machine.programs["npm ci"] = Program(exits_after=0.1, code=0)
    village.up()
    village.until(lambda: village.states()["worker"] == "failed")
    village.edit("npm cii", "npm ci")
    village.until(village.is_up)


def test_a_pattern_that_is_corrected_finds_the_line_that_was_printed(found: Found) -> None:
    text = '[apps.worker]\ncommand = "node worker.js"\ncheck = { log = "raedy" }\n'
    village = found(text)
    village.machine.programs["node worker.js"] = Program(writes=((0.1, b"ready\n"),))
    village.up()
    village.advance(5)
    assert village.states() == {"worker": "starting"}
    village.edit("raedy", "ready")
    village.until(village.is_up, within=2)


def test_a_port_alone_makes_no_app_ready_that_is_to_say_so(found: Found) -> None:
    keys = 'restart = "never"\nstart_timeout = "5s"\ncheck = { log = "ready" }\n'
    village = found(f'[apps.api]\ncommand = "node server.js"\nport = 3000\n{keys}')
    listens = Program(listens=(Listen(after=0.3),), writes=((20.0, b"ready\n"),))
    village.machine.programs["node server.js"] = listens
    village.up()
    village.until(lambda: village.states()["api"] == "unhealthy")
    village.advance(10)
    assert village.states() == {"api": "unhealthy"}
    village.until(village.is_up, within=6)


def test_a_line_that_came_while_no_manager_ran_decides_nothing_before_the_next_one_begins(
    found: Found,
) -> None:
    village = found('[apps.worker]\ncommand = "node worker.js"\ncheck = { log = "ready" }\n')
    village.machine.programs["node worker.js"] = Program(writes=((1.0, b"ready\n"),))
    village.up()
    village.advance(1.1)
    (village.home / "run" / "worker.json").unlink()  # so that it is taken back as one that starts
    village.kill_manager()
    told: list[Record] = []
    village.host = FakeHost(village.machine)
    config, environment = read_config(str(village.file)), {"PATH": "/bin"}
    village.engine = Engine(
        village.host, config, "", village.home, environment, village._on_empty, told.append
    )
    assert told == []
    village.engine.begin()
    assert village.is_up()


def test_lost_notices_disturb_no_app_without_a_port(found: Found) -> None:
    village = started(found, '[apps.worker]\ncommand = "node worker.js"\n')
    village.engine._on_listener_closed(ANY_PORT)
    village.advance(10)
    assert village.is_up()


@pytest.mark.parametrize(
    "damage",
    [
        {"state": "stopping"},
        {"state": "starting", "spawned_at": None},
        {"passes": "x"},
        {"since": None},
        {"wanted": 1},
    ],
)
def test_a_record_of_what_no_app_can_be_is_not_believed(found: Found, damage: dict[str, object]) -> None:
    village = started(found)
    before = village.pids("worker")
    village.kill_manager()
    record = village.home / "run" / "worker.json"
    document = json.loads(record.read_text())
    document["app"].update(damage)
    record.write_text(json.dumps(document))
    village.manage()
    village.up()
    village.until(village.is_up)
    assert village.pids("worker") == before


def test_what_nobody_can_need_any_more_is_swept_away(found: Found) -> None:
    village = started(found)
    village.kill_manager()
    run = village.home / "run"
    for name in ("old.json", "old.1.out", "old.1.err", "worker.99.out"):
        (run / name).touch()
    village.manage()
    left = {path.name for path in run.iterdir()}
    assert not left & {"old.json", "old.1.out", "old.1.err", "worker.99.out"}
    assert left >= {"worker.json", "worker.1.out", "api.1.err"}


def test_a_time_in_a_record_that_is_none_is_of_no_use(found: Found) -> None:
    village = started(found)
    village.kill_manager()
    record = village.home / "run" / "worker.json"
    document = json.loads(record.read_text())
    document["app"]["starts_at"] = "tomorrow"
    record.write_text(json.dumps(document))
    village.manage()
    village.until(village.is_up)
    assert [app["next_start_at"] for app in village.engine.status()["apps"]] == [None] * 3


def test_a_manager_that_has_lost_its_apps_to_another_one_ends_none_of_them(found: Found) -> None:
    village = started(found)
    village.engine.let_go()
    village.engine.shutdown(force=True)
    village.advance(60)
    assert all(village.pids(app) for app in ("api", "web", "worker"))
    village.host.die()
    village.manage()
    village.until(village.is_up)


def test_a_broken_env_file_is_no_word_about_an_app_that_is_checked_by_a_command(
    found: Found, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("A=1\n")
    village = found(
        '[apps.worker]\ncommand = "node worker.js"\nenv_file = ".env"\n'
        'check = { exec = "probe" }\ncheck_interval = "1s"\n'
    )
    village.machine.programs["probe"] = Program(exits_after=0.01)
    village.up()
    village.until(village.is_up)
    (tmp_path / ".env").write_text("broken line\n")
    village.advance(60)
    assert village.is_up()
    assert "could not be checked" in str(village.engine.apps["worker"].last_check)
