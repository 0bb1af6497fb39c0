"""`procman up` and `procman status --watch` in a real terminal, with the fake manager behind it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from procman.cli import foreground
from procman.cli.project import Project
from procman.control.ask import NotRunning, ask_status
from procman.control.client import Conversation, call
from procman.control.launch import Manager
from procman.control.protocol import Request
from tests.fakes.engine import by_name
from tests.fakes.folder import EXAMPLE, Terminal, write_log

Open = Callable[..., Terminal]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without a manager."""
    for name in ("PROCMAN_FILE", "PROCMAN_HOME", "FAKE_ENGINE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "portwatch.toml").write_text(EXAMPLE)
    return tmp_path


@pytest.fixture
def terminal(folder: Path) -> Iterator[Open]:
    """Opens terminals with a command in them; whatever manager is left is stopped in the end."""
    opened: list[Terminal] = []

    def start(*words: str, **environment: str) -> Terminal:
        opened.append(Terminal(words, folder, environment))
        return opened[-1]

    yield start
    try:
        with Conversation(str(folder / ".procman"), Request("down", force=True)) as conversation:
            list(conversation.frames())
            conversation.wait_gone(10)
    except NotRunning:
        pass
    for each in opened:
        each.close()


def is_running(folder: Path) -> bool:
    try:
        ask_status(str(folder / ".procman"))
    except NotRunning:
        return False
    return True


def kill_manager(folder: Path) -> None:
    """End a manager's process, whatever it is waiting for."""
    with Conversation(str(folder / ".procman"), Request("ping")) as conversation:
        os.kill(list(conversation.frames())[-1]["pid"], signal.SIGKILL)
        assert conversation.wait_gone(10)


def test_ctrl_c_stops_everything_and_says_what(folder: Path, terminal: Open) -> None:
    up = terminal("up")
    up.expect("procman │ worker: running, no check is declared")
    write_log(folder / ".procman", "web", b"ready in 300 ms\n", time.time())
    up.expect("web     │ ready in 300 ms\n")
    up.type("\x03")
    assert up.wait() == 0
    assert "procman │ web: running, answers on [::1]:5173\n" in up.shown
    assert "procman │ stopping; Ctrl-C again kills at once\n" in up.shown
    assert "procman │ stopped web: npm 4721, node 4722; port 5173 free after 0.3s\n" in up.shown
    assert up.shown.endswith("procman │ stopped 3 apps\n")
    assert not is_running(folder)


def test_only_what_ctrl_c_has_stopped_is_counted(folder: Path, terminal: Open) -> None:
    up = terminal("up")
    up.expect("worker: running")
    list(call(str(folder / ".procman"), Request("stop", ("worker",))))
    up.expect("stopped worker")
    up.type("\x03")
    assert up.wait() == 0
    assert up.shown.endswith("procman │ stopped 2 apps\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_asks_it_to_end_is_ctrl_c(folder: Path, terminal: Open, number: signal.Signals) -> None:
    up = terminal("up")
    up.expect("worker: running")
    os.kill(up.process.pid, number)
    assert up.wait() == 0
    assert up.shown.endswith("procman │ stopped 3 apps\n")
    assert not is_running(folder)


def test_a_terminal_that_is_closed_takes_its_apps_with_it(folder: Path, terminal: Open) -> None:
    up = terminal("up")
    up.expect("worker: running")
    up.hang_up()
    assert up.process.wait(10) == 0
    assert not is_running(folder)


def test_a_second_ctrl_c_kills_at_once(folder: Path, terminal: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_ENGINE", json.dumps({"stuck": ["web"]}))
    up = terminal("up")
    up.expect("worker: running")
    up.type("\x03")
    up.expect("stopped api")
    up.type("\x03")
    assert up.wait() == 0
    assert "procman │ killing\n" in up.shown
    assert up.shown.index("stopped api") < up.shown.index("killing") < up.shown.index("stopped web")
    assert up.shown.endswith("procman │ stopped 3 apps\n")
    assert not is_running(folder)


def test_a_second_ctrl_c_that_comes_too_late_leaves_the_first_its_answer(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Request] = []

    def converse(home: str, request: Request) -> object:
        asked.append(request)
        if request.force:  # all was stopped in between, and the manager is gone
            raise NotRunning
        return object()

    monkeypatch.setattr(foreground, "Conversation", converse)
    project = Project(str(folder / "portwatch.toml"))
    up = foreground.Foreground(project, Manager(1, project.file, subprocess.Popen(["true"])), (), ())
    up._interrupt()
    first = up._down
    up._interrupt()
    assert up._down is first is not None
    assert [request.force for request in asked] == [False, True]
    assert capsys.readouterr().out.endswith("procman │ killing\n")
    up._manager.reap()


def test_what_survives_is_named_and_5(folder: Path, terminal: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_ENGINE", json.dumps({"survivors": {"web": ["node 4722 (state D)"]}}))
    up = terminal("up")
    up.expect("worker: running")
    up.type("\x03")
    assert up.wait() == 5
    assert "could not stop web: node 4722 (state D) survived SIGKILL" in up.shown
    assert up.shown.endswith("procman │ something survived the stop of web\n")
    kill_manager(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a service is written down in other words")
def test_up_says_that_there_is_a_service_and_who_has_the_apps_now(folder: Path, terminal: Open) -> None:
    unit = folder / "home/systemd/user/procman-shop.service"
    unit.parent.mkdir(parents=True)
    unit.write_text(f"[X-Procman]\nFile={folder / 'portwatch.toml'}\n")
    up = terminal("up", XDG_CONFIG_HOME=str(folder / "home"))
    up.expect("hint: the service `procman-shop` starts these apps with the machine, and did not start")
    up.expect("`procman down && systemctl --user start procman-shop`")
    up.expect("worker: running")
    joined = terminal("up", "-d", XDG_CONFIG_HOME=str(folder / "home"))
    assert joined.wait() == 0
    assert "hint" not in joined.shown, "it was said when the manager was started"
    up.type("\x03")
    assert up.wait() == 0


def test_a_second_up_joins_and_leaves_the_apps_alone(folder: Path, terminal: Open) -> None:
    first = terminal("up")
    first.expect("worker: running")
    second = terminal("up")
    write_log(folder / ".procman", "web", b"before\n", time.time())
    first.expect("before")
    for attempt in range(200):  # until the second one follows, too
        write_log(folder / ".procman", "web", f"line {attempt}\n".encode(), time.time())
        first.expect(f"line {attempt}")
        if "line" in second.peek():
            break
    second.type("\x03")
    assert second.wait() == 0
    assert second.shown.endswith("procman │ left; the apps go on, `procman down` stops them\n")
    assert by_name(json.loads(ask_status(str(folder / ".procman"))))["web"]["state"] == "running"


def test_a_down_from_elsewhere_ends_it(folder: Path, terminal: Open) -> None:
    up = terminal("up")
    up.expect("worker: running")
    with Conversation(str(folder / ".procman"), Request("down")) as conversation:
        list(conversation.frames())
        assert up.wait() == 0
    assert "procman │ stopped web: npm 4721" in up.shown
    assert up.shown.endswith("procman │ the manager was stopped\n")


def test_the_death_of_the_manager_is_told(folder: Path, terminal: Open) -> None:
    up = terminal("up")
    up.expect("worker: running")
    kill_manager(folder)
    assert up.wait() == 1
    assert "error: the manager has ended without a word; `procman up` takes its apps back" in up.shown


def test_only_the_apps_that_are_named_and_what_they_need_are_followed(folder: Path, terminal: Open) -> None:
    up = terminal("up", "web")
    up.expect("web: running")
    write_log(folder / ".procman", "worker", b"not this\n", time.time())
    write_log(folder / ".procman", "api", b"but this\n", time.time())
    up.expect("api     │ but this\n")
    up.type("\x03")
    assert up.wait() == 0
    assert "not this" not in up.shown


def test_each_app_has_a_colour(folder: Path, terminal: Open) -> None:
    up = terminal("up")
    up.expect("worker: running")
    write_log(folder / ".procman", "web", b"\x1b[31mred\x1b[2J\n", time.time())
    up.expect("web     │ red\n")
    assert "\x1b[33mweb     │ \x1b[0m\x1b[31mred\x1b[0m\r\n" in up.coloured


def test_no_color_is_heard(folder: Path, terminal: Open) -> None:
    up = terminal("up", NO_COLOR="1")
    up.expect("worker: running")
    write_log(folder / ".procman", "web", b"\x1b[31mred\x1b[2J\n", time.time())
    up.expect("web     │ red\n")
    assert "\x1b" not in up.coloured


def test_up_with_options_of_the_background_does_not_follow(folder: Path, terminal: Open) -> None:
    up = terminal("up", "-d")
    assert up.wait() == 0
    assert "APP     STATE    PORT" in up.shown
    assert is_running(folder)


def test_watch_shows_every_change_until_ctrl_c(folder: Path, terminal: Open) -> None:
    assert terminal("up", "-d").wait() == 0
    watch = terminal("status", "--watch")
    watch.expect("worker  running")
    for _ in call(str(folder / ".procman"), Request("stop", ("worker",))):
        pass
    watch.expect("worker  stopped")
    watch.type("\x03")
    assert watch.wait() == 130
    assert "Traceback" not in watch.shown


def test_watch_ends_with_the_manager(folder: Path, terminal: Open) -> None:
    assert terminal("up", "-d").wait() == 0
    watch = terminal("status", "--watch")
    watch.expect("worker  running")
    with Conversation(str(folder / ".procman"), Request("down")) as conversation:
        list(conversation.frames())
        conversation.wait_gone(10)
    assert watch.wait() == 0
    assert watch.shown.endswith("the manager has ended\n")


def test_logs_follow_until_ctrl_c(folder: Path, terminal: Open) -> None:
    write_log(folder / ".procman", "web", b"first\n", time.time())
    logs = terminal("logs", "-f", "web")
    logs.expect("web    │ first\n")
    write_log(folder / ".procman", "web", b"second\n", time.time())
    logs.expect("web    │ second\n")
    logs.type("\x03")
    assert logs.wait() == 130
    assert "Traceback" not in logs.shown
