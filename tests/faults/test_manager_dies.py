"""The manager is killed: its apps live on, no line is lost, and the next one takes them back."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.real.project import Project, command, is_alive, is_open, table


def kill_manager(project: Project) -> None:
    """Kill the manager as the kernel does when memory is short."""
    pid = project.manager()
    os.kill(pid, signal.SIGKILL)
    project.until(lambda: not is_alive(pid), "the end of the manager")
    assert project.run("status").code == 3


def test_the_same_processes_are_taken_back(project: Project) -> None:
    port = project.port()
    project.up(
        table("web", command("parent"), port=port, depends_on='["worker"]'),
        table("worker", command("stay")),
        table("once", command("leave"), restart='"never"'),
        table("off", command("stay"), autostart="false"),
    )
    os.kill(project.app("web")["pid"], signal.SIGKILL)
    project.until_app("web", state="running", restarts=1)
    before = project.apps()
    kill_manager(project)
    assert is_open(port)
    project.do("up")
    after = project.apps()
    for name in ("web", "worker"):
        assert after[name]["pids"] == before[name]["pids"]
        assert after[name]["state"] == "running"
    assert after["web"]["verdict"] == "own"
    assert after["web"]["restarts"] == 1
    assert after["once"]["state"] == "completed", "what was done is not done again"
    assert after["off"]["state"] == "stopped"
    assert after["web"]["uptime_s"] > before["web"]["uptime_s"]
    os.kill(after["web"]["pids"][1], signal.SIGKILL)
    assert project.until_app("web", state="running", restarts=2)["pids"] != before["web"]["pids"]


def test_no_line_is_lost_or_doubled(project: Project) -> None:
    total = 30_000
    project.up(table("web", command("count", rate=10_000, lines=total)))
    pid = project.app("web")["pid"]
    for _ in range(3):
        time.sleep(0.2)  # of output
        kill_manager(project)
        time.sleep(0.2)  # of output that nobody reads: 60 KB in a pipe of 1 MiB
        project.do("up")
    assert project.app("web")["pid"] == pid
    project.until(
        lambda: project.lines("web")[-1:] == [f"line {total - 1} of its output"], "the last line", 30
    )
    assert project.lines("web") == [f"line {number} of its output" for number in range(total)]


def test_an_app_that_has_left_the_file_meanwhile_is_ended(project: Project) -> None:
    project.up(table("web", command("stay")), table("other", command("stay")))
    before = project.apps()
    kill_manager(project)
    project.write(table("web", command("stay")))
    project.do("up")
    project.until(lambda: set(project.apps()) == {"web"}, "the end of the other")
    assert not is_alive(before["other"]["pid"])
    assert project.app("web")["pid"] == before["web"]["pid"]


def test_an_app_whose_table_has_changed_meanwhile_is_restarted(project: Project) -> None:
    project.up(table("web", command("stay")), table("other", command("stay")))
    before = project.apps()
    kill_manager(project)
    project.write(table("web", command("stay", say="new")), table("other", command("stay")))
    project.do("up")
    project.until(lambda: project.lines("web")[-1:] == ["new"], "the new command")
    assert not is_alive(before["web"]["pid"])
    assert project.app("other")["pid"] == before["other"]["pid"]


def test_an_app_that_ended_meanwhile_is_started(project: Project) -> None:
    port = project.port()
    project.up(table("web", command("serve"), port=port))
    old = project.app("web")["pid"]
    kill_manager(project)
    os.kill(old, signal.SIGKILL)
    project.until(lambda: not is_alive(old), "its end")
    project.do("up")
    app = project.app("web")
    assert (app["state"], app["verdict"]) == ("running", "own")
    assert app["pid"] != old


def test_a_daemon_whose_leader_ended_meanwhile_is_not_doubled(project: Project) -> None:
    port = project.port()
    project.up(table("web", command("daemon", stays=1), port=port))
    leader, server = project.app("web")["pids"]
    kill_manager(project)
    os.kill(leader, signal.SIGKILL)
    project.do("up")
    app = project.until_app("web", state="running", verdict="own")
    assert not is_alive(leader)
    assert not is_alive(server) or app["pids"] == [server]
    assert len([words for words in project.processes().values() if " daemon" in words]) == len(app["pids"])


def test_down_without_a_manager_ends_what_is_left(project: Project) -> None:
    port = project.port()
    project.up(table("web", command("daemon", stays=1), port=port), table("worker", command("stay")))
    pids = [pid for app in project.apps().values() for pid in app["pids"]]
    kill_manager(project)
    done = project.do("down")
    assert not [pid for pid in pids if is_alive(pid)], done.text
    assert not is_open(port)
    assert not project.processes()


def test_an_up_in_the_middle_of_a_stop_goes_on_with_it(project: Project) -> None:
    project.up(table("web", command("stay", deaf=1), stop_timeout='"1s"'))
    project.until(lambda: project.lines("web"), "its first line")
    old = project.app("web")["pid"]
    project.do("stop", "--no-wait", "web")
    project.until_app("web", state="stopping")
    kill_manager(project)
    project.do("up")
    app = project.until_app("web", state="running")
    assert app["pid"] != old
    assert not is_alive(old)


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b"\xff\x00garbage", b'{"version": 999, "boot": "x"}', b'{"version": 1}'],
    ids=["empty", "truncated", "another type", "binary", "newer", "incomplete"],
)
def test_a_damaged_record_hides_no_app_and_starts_none_twice(project: Project, damage: bytes) -> None:
    port = project.port()
    project.up(table("web", command("parent"), port=port))
    before = project.app("web")["pids"]
    kill_manager(project)
    records = list((project.home / "run").glob("*.json"))
    assert records
    for record in records:
        record.write_bytes(damage)
    project.do("up")
    app = project.until_app("web", state="running", verdict="own")
    assert app["pids"] == before


@pytest.mark.parametrize("app", ["has ended", "lives"])
def test_a_record_that_names_a_stranger_does_it_no_harm(project: Project, app: str) -> None:
    project.up(table("web", command("stay")))
    old = project.app("web")["pid"]
    kill_manager(project)
    if app == "has ended":
        os.kill(old, signal.SIGKILL)
        project.until(lambda: not is_alive(old), "its end")
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as stranger:
        # Even with the right start time: what is not marked as the app's own is not the app's to end.
        started = Path(f"/proc/{stranger.pid}/stat").read_text().rpartition(")")[2].split()[19]
        (record,) = (project.home / "run").glob("*.json")
        text = record.read_text()
        forged = re.sub(rf"\[{old}, \d+\]", f"[{stranger.pid}, {started}]", text)
        assert forged != text
        record.write_text(forged)
        project.run("up")
        shown = project.app("web")["pids"]
        down = project.run("down")
        harmed = stranger.poll() is not None
        stranger.kill()
    assert not harmed, f"the stranger was ended: {down.out}"
    assert stranger.pid not in shown
    assert down.code == 0


def test_a_manager_that_is_killed_again_and_again_doubles_nothing(project: Project) -> None:
    port = project.port()
    project.up(table("web", command("serve"), port=port), table("worker", command("stay")))
    before = {name: app["pid"] for name, app in project.apps().items()}
    for _ in range(5):
        kill_manager(project)
        project.do("up")
        assert {name: app["pid"] for name, app in project.apps().items()} == before
    assert len([words for words in project.processes().values() if "app.py" in words]) == 2
