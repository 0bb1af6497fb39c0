"""Hostile trees: whatever an app has started, a stop ends all of it, proves it, and names it."""

from __future__ import annotations

import os
import re
import signal

import pytest

from tests.real.project import Project, command, is_alive, is_open, table


def receipt(project: Project, name: str, pids: list[int]) -> str:
    """Stop an app, demand that its receipt names these processes and that they are gone, and return it."""
    text = project.do("stop", name).out
    assert text.startswith(f"stopped {name}: ")
    for pid in pids:
        assert re.search(rf"\b{pid}\b", text), f"{pid} is not in: {text}"
        assert not is_alive(pid)
    left = [words for words in project.processes().values() if "app.py" in words]
    assert left == []
    return text


def test_a_daemon_that_holds_the_port_is_part_of_its_app(project: Project) -> None:
    port = project.port()
    project.up(table("web", command("daemon", stays=1), port=port))
    app = project.app("web")
    assert app["verdict"] == "own"
    assert len(app["pids"]) == 2
    assert os.getsid(app["pids"][1]) != os.getsid(app["pids"][0])
    receipt(project, "web", app["pids"])
    assert not is_open(port)


def test_a_daemon_whose_leader_has_ended_is_ended_before_the_app_starts_again(project: Project) -> None:
    port = project.port()
    project.write(table("web", command("daemon", **{"for": 0.5}), port=port, restart='"never"'))
    project.do("up", "--no-wait")
    project.until_app("web", state="completed")
    assert not is_open(port)
    assert not [words for words in project.processes().values() if "app.py" in words]


def test_a_detached_child_is_ended_with_its_app(project: Project) -> None:
    project.up(table("web", command("detached")))
    pids = project.until(lambda: len(found := project.app("web")["pids"]) == 2 and found, "its child")
    receipt(project, "web", pids)


def test_a_detached_child_is_ended_when_its_leader_is_killed(project: Project) -> None:
    project.up(table("web", command("detached")))
    pids = project.until(lambda: len(found := project.app("web")["pids"]) == 2 and found, "its child")
    os.kill(pids[0], signal.SIGKILL)
    app = project.until_app("web", state="running", restarts=1)
    assert not [pid for pid in pids if is_alive(pid)]
    assert app["pid"] not in pids


def test_a_grandchild_that_ignores_the_signal_is_killed_and_named(project: Project) -> None:
    project.up(table("web", command("stubborn"), stop_timeout='"300ms"'))
    project.until(lambda: "deaf" in project.lines("web"), "the grandchild")
    pids = project.app("web")["pids"]
    assert len(pids) == 3
    text = receipt(project, "web", pids)
    assert re.search(rf" {pids[-1]} \(SIGKILL after 0\.[3-9]", text)
    assert text.count("SIGKILL") == 1, "the others ended by the first signal"


def test_a_server_that_ignores_the_signal_is_killed_before_the_next_one_starts(project: Project) -> None:
    port = project.port()
    project.up(table("web", command("serve", deaf=1), port=port, stop_timeout='"300ms"'))
    old = project.app("web")["pid"]
    project.do("restart", "web")
    assert not is_alive(old)
    assert project.app("web")["verdict"] == "own"


def test_a_stopped_process_sees_the_signal(project: Project) -> None:
    project.up(table("web", command("stay", note=project.path("notes"))))
    pid = project.app("web")["pid"]
    os.kill(pid, signal.SIGSTOP)
    assert "SIGKILL" not in receipt(project, "web", [pid])
    assert project.path("notes").read_text().split() == ["started", "stopped"]


def test_an_app_that_forks_while_it_is_ended_is_ended_whole(project: Project) -> None:
    project.up(table("web", command("breeder", times=5)))
    project.until(lambda: "ready" in project.lines("web"), "its handler")
    receipt(project, "web", project.app("web")["pids"])


@pytest.mark.parametrize("words", [("stop", "web"), ("stop", "--force", "web"), ("down",)], ids=" ".join)
def test_a_crowd_of_sessions_is_ended_whole(project: Project, words: tuple[str, ...]) -> None:
    project.up(table("web", command("crowd", size=150)))
    project.until(lambda: "complete" in project.lines("web"), "the crowd")
    assert len(project.app("web")["pids"]) == 151
    project.do(*words)
    assert not [each for each in project.processes().values() if "app.py" in each]


def test_a_stranger_of_the_same_name_is_left_alone(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Project(tmp_path_factory.mktemp("other"))
    try:
        for each in (project, other):
            each.up(table("web", command("stay")))
        before = other.app("web")["pid"]
        project.do("down")
        assert other.app("web")["pid"] == before
    finally:
        other.close()
