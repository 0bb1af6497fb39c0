"""The machine misbehaves: packets to an app's port are lost, the clock on the wall is set back and forth."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.real.project import PROCMAN, Project, command, run_project, table

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


@pytest.fixture
def network() -> Iterator[list[str]]:
    """Return the words that run a command in a network of its own, which has nothing but a loopback."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "nsenter", "ip", "iptables"))):
        pytest.skip("it takes root, unshare, nsenter, ip and iptables")
    with subprocess.Popen(
        ["unshare", "-n", "sh", "-c", "echo made; exec sleep 1e6"], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        try:
            if holder.stdout.readline() != b"made\n":
                pytest.skip("no network of its own can be made here")
            inside = ["nsenter", "-t", str(holder.pid), "-n"]
            subprocess.run([*inside, "ip", "link", "set", "lo", "up"], check=True)
            yield inside
        finally:
            holder.kill()


def test_an_app_whose_packets_are_lost_is_hung_and_comes_back_with_them(
    network: list[str], project: Project
) -> None:
    port = project.port()
    drop = ["INPUT", "-p", "tcp", "--dport", str(port), "-j", "DROP"]
    if subprocess.run([*network, "iptables", "-A", *drop], check=False).returncode:
        pytest.skip("no packets can be dropped here")
    subprocess.run([*network, "iptables", "-D", *drop], check=True)
    project.procman = [*network, *PROCMAN]
    check = '{ failures = 2, timeout = "200ms", retry_interval = "100ms" }'
    project.up(table("web", command("parent"), port=port, check=check), table("other", command("stay")))
    before = project.apps()
    subprocess.run([*network, "iptables", "-A", *drop], check=True)
    app = project.until_app("web", state="unhealthy")
    assert app["verdict"] == "hung"
    assert "no answer within 0.2s" in app["message"]
    project.until_app("web", restarts=1)
    subprocess.run([*network, "iptables", "-D", *drop], check=True)
    after = project.until_app("web", state="running", verdict="own")
    alive = sorted(pid for pid, words in project.processes().items() if "app.py parent" in words)
    assert sorted(after["pids"]) == alive
    assert project.app("other")["pid"] == before["other"]["pid"]


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """Return a file: what is written into it is the time for the project whose environment names it."""
    if not LIBRARIES:
        pytest.skip("libfaketime is not installed")
    file = tmp_path / "clock"
    file.write_text("+0")
    return file


@pytest.fixture
def deceived(tmp_path: Path, clock: Path) -> Iterator[Project]:
    """Return a project that believes in that clock."""
    project_of = run_project(tmp_path / "project")
    project = next(project_of)
    project.environment |= {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    yield project
    next(project_of, None)


def test_a_clock_that_is_set_back_and_forth_disturbs_no_app_and_no_log(
    clock: Path, deceived: Project
) -> None:
    project = deceived
    project.up(
        table("web", command("parent"), port=project.port(), env='{ LD_PRELOAD = "" }'),
        table("counts", command("count", rate=200, lines=1_000_000), env='{ LD_PRELOAD = "" }'),
    )
    before = project.apps()
    for number, shift in enumerate(("+400d", "-3h", "+0"), 1):
        clock.write_text(shift)
        length = len(project.lines("counts"))
        project.until(lambda length=length: len(project.lines("counts")) > length, "it prints on")  # type: ignore[misc]
        os.kill(project.app("web")["pid"], 9)
        app = project.until_app("web", state="running", restarts=number)
        assert 0 <= app["uptime_s"] < 60
        assert 0 <= project.status()["manager"]["uptime_s"] < 300
    lines = project.lines("counts")
    assert lines == [f"line {number} of its output" for number in range(len(lines))]
    assert project.app("counts")["pid"] == before["counts"]["pid"]
    now = datetime.fromisoformat(project.app("web")["last_exit"]["at"]).timestamp()
    assert abs(now - datetime.now().timestamp()) < 300
    events = map(json.loads, project.do("events", "web", "--json").out.splitlines())
    spawned = [event["run"] for event in events if event["kind"] == "spawn"]
    assert spawned == [1, 2, 3, 4], "the history is in the order in which it happened, whatever its times say"
    assert project.do("why", "web").out
    assert project.do("report", "--json").json


@pytest.mark.skipif("PROCMAN_SOAK" not in os.environ, reason="a clock is looked at each minute: `make soak`")
def test_a_schedule_that_a_set_clock_has_passed_is_left_out_and_goes_on(
    clock: Path, deceived: Project
) -> None:
    deceived.up(table("yearly", '"true"', schedule='"0 3 1 1 *"'))

    def next_year() -> int:
        return int(deceived.app("yearly")["next_start_at"][:4])

    first = next_year()
    clock.write_text("+400d")
    deceived.until(lambda: next_year() > first, "it is planned anew", 90)
    left_out = "was left out: the machine was suspended, or its clock was set"
    deceived.until(lambda: left_out in deceived.manager_log(), "it says so")
    clock.write_text("-3h")
    deceived.until(lambda: next_year() == first, "it is planned anew", 90)
    assert deceived.app("yearly")["last_exit"] is None
