"""What is kept of an app that failed, and how busy those are that live, with real processes."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

from procman.core.journal import Kind, Record
from procman.history.read import records
from tests.real.project import Project, command, table


def kept(project: Project, app: str) -> list[Record]:
    """Return what is kept of an app so far."""
    return list(records(project.home / "history.db", apps=[app]))


def evidence(project: Project, app: str) -> Record:
    """Return the first evidence that is kept of an app."""

    def look() -> Record | None:
        return next((each for each in kept(project, app) if each.kind is Kind.EVIDENCE), None)

    return project.until(look, f"no evidence is kept of `{app}`")


def test_a_hung_server_leaves_its_tree_its_queue_its_checks_and_its_last_lines(project: Project) -> None:
    port = project.port()
    check = '{ tcp = true, timeout = "200ms", failures = 2 }'
    project.up(table("web", command("parent"), port=port, check=check))
    leader, server = project.app("web")["pids"]
    os.kill(server, signal.SIGSTOP)
    seen = evidence(project, "web")
    found: Any = seen.data
    states = [(each["pid"], each["parent"], each["doing"]) for each in found["processes"]]
    assert states == [(leader, project.manager(), "sleeping"), (server, leader, "stopped")]
    for each in found["processes"]:
        assert each["command"].endswith("app.py parent")
        assert each["memory_bytes"] > 1_000_000
        assert each["cpu_s"] > 0
        assert each["age_s"] > 0
        assert each["descriptors"] >= 3
    (listening,) = found["sockets"]["listening"]
    assert listening["address"] == f"127.0.0.1:{port}"
    assert listening["queue"] >= 2, "one connection of each failed check"
    assert [each["outcome"] for each in found["checks"][-3:]] == ["up", "down", "down"]
    assert f"listens on {port}" in json.dumps(found["lines"])
    signals = [each for each in kept(project, "web") if each.kind is Kind.SIGNAL]
    assert signals[0].number > seen.number
    assert seen.text.startswith("its tree was 2 processes with ")
    assert f"stopped: python {server}" in seen.text or f" {server}; " in seen.text
    project.until_app("web", state="running", restarts=1)


def test_a_crash_leaves_its_last_lines_and_costs_no_look(project: Project) -> None:
    project.write(table("worker", command("leave", after=1.5, code=3), restart='"never"'))
    project.do("up")
    project.until_app("worker", state="completed")
    seen = evidence(project, "worker")
    assert seen.data["processes"] == []
    assert "leaves" in json.dumps(seen.data["lines"])
    assert seen.text == "no process of its tree was left"


def test_a_stop_and_a_restart_leave_no_evidence(project: Project) -> None:
    project.up(table("web", command("serve"), port=project.port()))
    project.do("restart", "web")
    project.do("stop", "web")

    def is_told() -> bool:
        told = [each for each in kept(project, "web") if each.kind is Kind.STATE]
        return bool(told) and told[-1].data["new"] == "stopped"

    project.until(is_told, "the stop is not in the history")
    assert Kind.EVIDENCE not in {each.kind for each in kept(project, "web")}


def test_a_wide_status_tells_who_is_busy_and_how_large_the_trees_are(project: Project) -> None:
    busy = json.dumps(["sh", "-c", "while :; do :; done & wait"])
    project.write(table("busy", busy), table("idle", command("parent"), port=project.port()))
    project.do("up")
    apps = {app["name"]: app for app in project.do("status", "--wide", "--json").json["apps"]}
    assert 10 < apps["busy"]["cpu_percent"] <= 110, "one thread that never rests, on a busy machine"
    assert apps["busy"]["cpu_s"] > 0.1
    assert 0 <= apps["idle"]["cpu_percent"] < 50
    assert apps["idle"]["memory_bytes"] > 2_000_000
    headings = project.do("status", "--wide").out.splitlines()[0]
    assert " ".join(headings.split()) == "APP STATE PORT PID UPTIME RESTARTS CPU MEMORY LAST EVENT"
    project.do("stop", "busy")
    project.until_app("busy", state="stopped")
    assert "cpu_percent" not in project.app("idle")
    (stopped,) = project.do("status", "busy", "--wide", "--json").json["apps"]
    assert (stopped["cpu_s"], stopped["cpu_percent"], stopped["memory_bytes"]) == (None, None, None)
