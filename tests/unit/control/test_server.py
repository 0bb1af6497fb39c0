"""The server over a fake engine: every verb, and every client that does not behave."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from procman.control import endpoint, server
from procman.control.protocol import Request, spell
from procman.core.app import State
from procman.engine.events import Problem
from tests.fakes.engine import FakeEngine, by_name
from tests.fakes.serving import ask, serving, until

Scenario = Callable[[Path, FakeEngine], Coroutine[Any, Any, None]]


def play(tmp_path: Path, scenario: Scenario, **options: Any) -> FakeEngine:
    """Run a scenario against a server in `tmp_path`."""

    async def run() -> FakeEngine:
        engine = FakeEngine()
        async with serving(tmp_path, engine, **options):
            await asyncio.wait_for(scenario(tmp_path, engine), 30)
        assert engine.listeners == [], "a request has left its subscription"
        return engine

    return asyncio.run(run())


async def request(home: Path, verb: str, *apps: str, **options: Any) -> list[dict[str, Any]]:
    return await ask(home, spell(Request(verb, apps, **options)))


def kinds(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["type"] for frame in frames]


def test_status_is_the_bare_document(tmp_path: Path) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        engine.run("web")
        (document,) = await request(home, "status")
        assert document == json.loads(json.dumps(engine.status()))
        assert by_name(document)["web"]["verdict"] == "own"

    play(tmp_path, scenario)


def test_a_wide_status_takes_two_looks_and_holds_nobody_up(tmp_path: Path) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        engine.run("web")
        wide = asyncio.create_task(request(home, "status", wide=True))
        await until(lambda: "look" in engine.calls)
        (narrow,) = await request(home, "status")
        assert not wide.done(), "the second look comes later"
        (document,) = await wide
        used = {"cpu_s": 12.345, "cpu_percent": 3.4, "memory_bytes": 210_000_000}
        assert by_name(document)["web"] == by_name(narrow)["web"] | used
        assert by_name(document)["api"]["cpu_percent"] is None
        assert not used.keys() & by_name(narrow)["web"].keys()

    assert play(tmp_path, scenario).calls == ["look"]


def test_up_answers_when_all_are_up(tmp_path: Path) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        frames = await request(home, "up")
        assert frames[0] == {"type": "chosen", "apps": ["api", "web", "worker"]}
        assert frames[-1] == {"type": "done", "code": 0, "apps": {"api": True, "web": True, "worker": True}}
        assert [frame["app"] for frame in frames if frame["type"] == "progress"] == ["api", "web", "worker"]

    assert play(tmp_path, scenario).calls == ["reload", "start api web worker"]


def test_up_of_one_app_is_about_what_it_depends_on_too_and_nothing_else(tmp_path: Path) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        frames = await request(home, "up", "web")
        assert {frame["app"] for frame in frames if "app" in frame} == {"api", "web"}
        assert engine.apps["worker"].state is State.STOPPED

    play(tmp_path, scenario)


def test_up_tells_what_does_not_come_up(tmp_path: Path) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        engine.broken = {"web": "gave up after 10 starts"}
        frames = await request(home, "up")
        failed = next(frame for frame in frames if frame["type"] == "progress" and not frame["reached"])
        assert (failed["app"], failed["state"], failed["reason"]) == (
            "web",
            "failed",
            "gave up after 10 starts",
        )
        assert frames[-1] == {"type": "done", "code": 1, "apps": {"api": True, "web": False, "worker": True}}

    play(tmp_path, scenario)


def test_no_wait_answers_at_once(tmp_path: Path) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        engine.never_up = {"web"}
        frames = await request(home, "up", wait=False)
        assert frames[-1]["code"] == 0
        assert frames[-1]["apps"] == {"api": None, "web": None, "worker": None}

    play(tmp_path, scenario)


def test_a_timeout_is_124_and_says_who_was_late(tmp_path: Path) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        engine.never_up = {"web"}
        frames = await request(home, "up", timeout=0.05)
        assert frames[-1] == {"type": "done", "code": 124, "apps": {"api": True, "web": None, "worker": True}}

    play(tmp_path, scenario)


def test_an_app_that_was_up_and_failed_while_others_still_started_is_not_up(tmp_path: Path) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        engine.never_up = {"web"}
        answer = asyncio.create_task(request(home, "up"))
        await until(lambda: engine.apps["worker"].state is State.RUNNING)
        engine.fail("worker", "exited with code 1")
        engine.run("web")
        assert (await answer)[-1] == {
            "type": "done",
            "code": 1,
            "apps": {"api": True, "web": True, "worker": False},
        }

    play(tmp_path, scenario)


def test_stop_answers_with_a_receipt_for_each(tmp_path: Path) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        engine.run("web")
        engine.run("worker")
        frames = await request(home, "stop", "w*")
        receipts = [frame["text"] for frame in frames if frame["type"] == "receipt"]
        assert receipts == [
            "stopped web: npm 4721, node 4722; port 5173 free after 0.3s",
            "stopped worker: npm 4731, node 4732; gone after 0.3s",
        ]
        assert frames[-1] == {"type": "done", "code": 0, "apps": {"web": True, "worker": True}}

    play(tmp_path, scenario)


def test_what_outlives_a_stop_is_5_and_not_waited_for(tmp_path: Path) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        engine.run("web")
        engine.survivors = {"web": ("node 4722 (state D)",)}
        frames = await request(home, "stop", "web")
        assert frames[-1] == {"type": "done", "code": 5, "apps": {"web": False}}
        down = await asyncio.to_thread(_first_of_down, home)
        assert down["code"] == 5

    play(tmp_path, scenario)


def _first_of_down(home: Path) -> dict[str, Any]:
    """Return the last frame of a `down` whose manager does not end."""
    with endpoint.connect(str(home), 10) as connection:
        connection.sendall(spell(Request("down")))
        with connection.makefile("rb") as lines:
            return next(frame for frame in map(json.loads, lines) if frame["type"] == "done")


def test_restart_reads_the_file_first_and_ends_in_a_new_run(tmp_path: Path) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        engine.run("web")
        frames = await request(home, "restart", "web")
        moves = [(frame["old"], frame["new"]) for frame in frames if frame["type"] == "transition"]
        assert moves == [
            ("running", "stopping"),
            ("stopping", "stopped"),
            ("stopped", "starting"),
            ("starting", "running"),
        ]
        assert "receipt" in kinds(frames)
        assert frames[-1]["code"] == 0

    assert play(tmp_path, scenario).calls == ["reload", "restart web"]


@pytest.mark.parametrize("verb", ["restart", "reload", "plan"])
def test_a_file_that_does_not_read_is_2_and_changes_nothing(tmp_path: Path, verb: str) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        engine.run("web")
        engine.rejection = "portwatch.toml:1:1: what is this"
        (frame,) = await request(home, verb)
        assert (frame["type"], frame["code"], frame["kind"]) == ("error", 2, "invalid file")
        assert frame["message"].startswith("portwatch.toml:1:1: what is this")
        assert engine.apps["web"].state is State.RUNNING

    play(tmp_path, scenario)


def test_start_goes_on_with_the_last_good_file(tmp_path: Path) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        engine.rejection = "portwatch.toml:1:1: what is this"
        assert (await request(home, "start", "api"))[-1]["code"] == 0

    play(tmp_path, scenario)


@pytest.mark.parametrize("verb", ["up", "start", "stop", "restart", "wait", "signal", "follow"])
def test_an_unknown_app_is_4_with_the_nearest_name(tmp_path: Path, verb: str) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        (frame,) = await request(home, verb, "wbe", signal="HUP")
        assert frame == {
            "type": "error",
            "code": 4,
            "kind": "unknown app",
            "message": "no app matches `wbe`",
            "hint": "did you mean `web`? The apps are `api`, `web`, `worker`",
        }

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("goal", "move", "code"),
    [
        ("healthy", lambda engine: engine.run("web"), 0),
        ("healthy", lambda engine: engine.fail("web", "gave up"), 1),
        ("stopped", lambda engine: engine.end("web"), 0),
        ("completed", lambda engine: engine.end("web"), 1),
    ],
)
def test_wait_answers_when_the_goal_is_reached_or_out_of_reach(
    tmp_path: Path, goal: str, move: Callable[[FakeEngine], None], code: int
) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        engine.move("web", State.STARTING, "started by its user")
        answer = asyncio.create_task(request(home, "wait", "web", goal=goal))
        await until(lambda: engine.listeners)
        move(engine)
        assert (await answer)[-1]["code"] == code

    play(tmp_path, scenario)


def test_runs_are_what_lives_of_each_app(tmp_path: Path) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        engine.run("web")
        (frame,) = await request(home, "runs")
        runs = [{"app": "web", "marker": "fake:web:1", "pids": [4721, 4722]}]
        assert frame == {"type": "done", "code": 0, "runs": runs}

    play(tmp_path, scenario)


def test_signal_names_whom_it_reached(tmp_path: Path) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        engine.run("web")
        for spelled in ("HUP", "SIGHUP", "hup", "1"):
            (frame,) = await request(home, "signal", "web", signal=spelled)
            assert frame == {"type": "done", "code": 0, "signal": "SIGHUP", "reached": {"web": ["node 4722"]}}
        (frame,) = await request(home, "signal", "api", signal="HUP")
        assert (frame["code"], frame["reached"]) == (1, {"api": []})
        for spelled in ("", "NOPE", "99", "-1"):
            (frame,) = await request(home, "signal", "web", signal=spelled)
            assert (frame["code"], frame["message"]) == (2, f"there is no signal `{spelled}`")

    play(tmp_path, scenario)


def test_down_hangs_up_only_after_the_manager_has_closed(tmp_path: Path) -> None:
    async def scenario() -> None:
        engine = FakeEngine()
        async with serving(tmp_path, engine) as running:
            engine.run("web")
            empty = asyncio.Event()
            engine.on_empty = empty.set
            answer = asyncio.create_task(request(tmp_path, "down"))
            follower = asyncio.create_task(request(tmp_path, "follow"))
            waiter = asyncio.create_task(request(tmp_path, "wait", "worker"))
            await empty.wait()
            assert not answer.done()
            refused = (await request(tmp_path, "up"))[-1]
            assert (refused["type"], refused["kind"]) == ("error", "stopping")
            await running.close()
            frames = await answer
            assert frames[-1] == {
                "type": "done",
                "code": 0,
                "apps": {"api": True, "web": True, "worker": True},
            }
            assert "receipt" in kinds(frames)
            assert (await follower)[-1] == {"type": "done", "code": 0}
            assert (await waiter)[-1]["code"] == 1
            assert not (tmp_path / "control.sock").exists()

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_a_server_that_ends_leaves_the_socket_of_its_successor(tmp_path: Path) -> None:
    async def scenario() -> None:
        first = server.Server(FakeEngine(), str(tmp_path))
        await first.start()
        async with serving(tmp_path, FakeEngine()):
            await first.close()
            assert (await request(tmp_path, "ping"))[-1]["code"] == 0

    asyncio.run(scenario())


def test_a_server_whose_folder_is_deleted_listens_in_the_new_one_and_keeps_its_clients(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"

    async def scenario() -> None:
        engine = FakeEngine()
        async with serving(home, engine) as running:
            reader, writer = await asyncio.open_unix_connection(home / "control.sock")
            writer.write(spell(Request("follow")))
            assert json.loads(await reader.readline())["type"] == "chosen"
            for _ in range(2):
                shutil.rmtree(home)
                with pytest.raises(OSError, match="No such file"):
                    running.renew()
                endpoint.prepare_home(str(home))
                running.renew()
                assert (await request(home, "ping"))[-1]["code"] == 0
            engine.run("web")
            assert json.loads(await reader.readline())["type"] == "transition"
            writer.close()
            await until(lambda: not engine.listeners)
        assert not (home / "control.sock").exists()

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_follow_passes_on_whatever_happens(tmp_path: Path) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        reader, writer = await asyncio.open_unix_connection(home / "control.sock")
        writer.write(spell(Request("follow")))
        assert json.loads(await reader.readline())["type"] == "chosen"
        engine.run("web")
        engine.reload()
        for listener in engine.listeners:
            listener(Problem(None, 1.0, "the disk is full, ignoring"))
        seen = [json.loads(await reader.readline()) for _ in range(3)]
        assert kinds(seen) == ["transition", "reloaded", "problem"]
        writer.close()
        await until(lambda: not engine.listeners)

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b'{"v": 1, "ve', "the request ends in the middle"),
        (b'{"v": 1}\n', "there is no verb None"),
        (b'{"v": 7, "verb": "status"}\n', "the manager speaks version 1 of the protocol, not 7"),
        (bytes(range(256)) * 4 + b"\n", "the request is not a line of JSON"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "the request is not a line of JSON"),
        (b"x" * 1_000_000, "the request is longer than 65536 bytes"),
        (b"x" * 1_000_000 + b"\n", "the request is longer than 65536 bytes"),
    ],
)
def test_what_is_no_request_gets_an_error_and_the_manager_lives(
    tmp_path: Path, data: bytes, complaint: str
) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        (frame,) = await ask(home, data, half_close=True)
        assert (frame["type"], frame["code"], frame["message"]) == ("error", 2, complaint)
        assert (await request(home, "ping"))[-1]["pid"] == os.getpid()

    play(tmp_path, scenario)


def test_a_command_of_another_version_is_told_of_upgrade_which_answers_it(tmp_path: Path) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        (frame,) = await ask(home, b'{"v": 2, "verb": "status", "of": "what is not known yet"}\n')
        assert frame["hint"].startswith("`procman upgrade` replaces the manager")
        assert (await ask(home, b'{"v": 2, "verb": "ping", "news": []}\n'))[-1]["pid"] == os.getpid()
        assert (await ask(home, b'{"v": 2, "verb": "upgrade"}\n'))[-1]["kind"] == "not upgraded"

    async def refuse(_: Any) -> str:
        return "it is only a test"

    play(tmp_path, scenario, upgrade=refuse)


def test_an_upgrade_gets_a_socket_that_is_open_when_its_trial_is_over(tmp_path: Path) -> None:
    home, open_after = tmp_path / "home", list[bool]()

    async def scenario() -> None:
        async def upgrade(listener: Callable[[], socket.socket]) -> str:
            shutil.rmtree(home)
            with pytest.raises(OSError, match="No such file"):
                running.renew()
            open_after.append(listener().fileno() >= 0)
            endpoint.prepare_home(str(home))
            running.renew()
            open_after.append(listener().fileno() >= 0)
            return "it is only a test"

        async with serving(home, FakeEngine(), upgrade=upgrade) as running:
            assert (await request(home, "upgrade"))[-1]["kind"] == "not upgraded"

    asyncio.run(asyncio.wait_for(scenario(), 30))
    assert open_after == [True, True]


def test_many_patterns_at_once_are_refused(tmp_path: Path) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        assert (await request(home, "wait", *["w*"] * 100, goal="stopped"))[-1]["code"] == 0
        (frame,) = await request(home, "wait", *["w*"] * 101)
        assert frame["message"].startswith("more than 100 patterns of names")
        assert (await request(home, "wait", *["web"] * 5000, goal="stopped"))[-1]["code"] == 0

    play(tmp_path, scenario)


def test_of_many_requests_at_once_one_is_answered_in_each_turn_of_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn, answered = 0, []

    def note(self: FakeEngine, before: object = None) -> dict[str, Any]:
        answered.append(turn)
        return {}

    async def scenario(home: Path, engine: FakeEngine) -> None:
        def count() -> None:
            nonlocal turn
            turn += 1
            asyncio.get_running_loop().call_soon(count)

        count()
        await asyncio.gather(*(request(home, "status") for _ in range(50)))

    monkeypatch.setattr(FakeEngine, "status", note)
    play(tmp_path, scenario)
    assert len(set(answered)) == len(answered) == 50


def test_a_request_that_does_not_end_is_given_up(tmp_path: Path) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        (frame,) = await ask(home, b'{"v": 1, "verb"')
        assert frame["message"] == "no whole request came within 0.05s"

    play(tmp_path, scenario, read_timeout=0.05)


def test_a_connection_without_a_request_is_no_event(tmp_path: Path) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        assert await ask(home, b"", half_close=True) == []

    play(tmp_path, scenario)


def test_a_client_that_closes_its_side_early_still_gets_what_is_known(tmp_path: Path) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        (document,) = await ask(home, spell(Request("status")), half_close=True)
        assert by_name(document).keys() == {"api", "web", "worker"}

    play(tmp_path, scenario)


def test_a_client_that_vanishes_while_it_waits_changes_nothing(tmp_path: Path) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        engine.never_up = {"web"}
        _, writer = await asyncio.open_unix_connection(home / "control.sock")
        writer.write(spell(Request("up")))
        await until(lambda: engine.listeners)
        writer.close()
        await until(lambda: not engine.listeners)
        assert engine.apps["web"].wanted
        assert engine.apps["web"].state is State.STARTING

    play(tmp_path, scenario)


def test_a_client_that_does_not_read_is_dropped_and_holds_up_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        with endpoint.connect(str(home), 10) as slow:
            slow.sendall(spell(Request("follow")))
            await until(lambda: engine.listeners)
            while engine.listeners:
                for listener in tuple(engine.listeners):
                    for _ in range(100):
                        listener(Problem("web", 1.0, "x" * 1000))
                assert (await request(home, "ping"))[-1]["code"] == 0
            received = await asyncio.to_thread(_read_all, slow)
        last = json.loads(received.splitlines()[-1])
        assert (last["type"], last["kind"]) == ("error", "too slow")
        assert len(received) < 3 * server.BUFFER_LIMIT

    with caplog.at_level(logging.WARNING, "procman.control"):
        play(tmp_path, scenario)
    assert "a client reads too slowly, its connection ends" in caplog.messages


def _read_all(connection: Any) -> bytes:
    received = bytearray()
    while chunk := connection.recv(1 << 16):
        received += chunk
    return bytes(received)


def test_one_client_too_many_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        first = asyncio.create_task(request(home, "follow"))
        await until(lambda: engine.listeners)
        (frame,) = await request(home, "ping")
        assert frame["kind"] == "busy"
        first.cancel()
        engine.shutdown()

    monkeypatch.setattr(server, "MOST_CLIENTS", 1)
    play(tmp_path, scenario)


CONNECT_AS_NOBODY = """
import os, socket, sys
os.setgid(65534)
os.setuid(65534)
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
print(connection.recv(1000).decode())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_another_user_is_refused_even_where_the_modes_let_it_in() -> None:
    async def scenario(home: Path, engine: FakeEngine) -> None:
        home.chmod(0o755)
        (home / "control.sock").chmod(0o666)
        words = (sys.executable, "-I", "-c", CONNECT_AS_NOBODY, str(home / "control.sock"))
        child = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
        output, _ = await child.communicate()
        assert json.loads(output)["kind"] == "denied"

    with tempfile.TemporaryDirectory() as folder:  # not pytest's own, which is closed to others further up
        play(Path(folder), scenario)


def test_a_bug_in_a_verb_is_one_command_s_trouble_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(self: FakeEngine) -> None:
        raise ZeroDivisionError

    async def scenario(home: Path, engine: FakeEngine) -> None:
        (frame,) = await request(home, "status")
        assert (frame["code"], frame["message"]) == (1, "the manager could not answer `status`")
        assert (await request(home, "ping"))[-1]["code"] == 0

    monkeypatch.setattr(FakeEngine, "status", explode)
    play(tmp_path, scenario)
    assert "could not answer `status`" in caplog.messages
