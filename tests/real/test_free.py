"""Who listens where on this very machine, and what it takes to free a port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.real.project import APP, Project, command, is_alive, is_open, table, until


@contextmanager
def stranger(kind: str, **options: object) -> Iterator[subprocess.Popen[str]]:
    """Have a process that belongs to no project; it is ended if nobody has done so."""
    words = [sys.executable, "-I", "-S", str(APP), kind]
    words += [f"{key}={value}" for key, value in options.items()]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listens on")
        try:
            yield process
        finally:
            process.kill()


def listeners(project: Project, port: int) -> list[dict[str, Any]]:
    """Return what `procman ports` says of a port."""
    return [each for each in project.do("ports", "--json").json["listeners"] if each["port"] == port]


def kill_manager(project: Project) -> None:
    """`kill -9` the manager, and wait until it is gone."""
    pid = project.manager()
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid), "the manager's end")


def test_an_app_is_told_from_a_stranger_and_from_another_project(project: Project) -> None:
    port, theirs = project.port(), project.port()
    project.up(table("web", command("serve", bind="127.0.0.1,::1"), port=port))
    (app,) = listeners(project, port)
    assert (app["whose"], app["app"]) == ("app", "web")
    assert app["addresses"] == ["127.0.0.1", "::1"]
    assert app["families"] == ["IPv4", "IPv6"]
    assert app["pid"] in project.app("web")["pids"]
    assert app["cwd"] == str(project.folder)
    assert 0 <= app["age_s"] < 60
    with stranger("serve", port=theirs) as process:
        (other,) = listeners(project, theirs)
        assert (other["whose"], other["pid"]) == ("stranger", process.pid)
        text = project.do("ports").out
        assert "web (this project)" in text
        assert "stranger" in text
    elsewhere = Project(project.path("elsewhere"))
    elsewhere.write(table("api", command("serve"), port=theirs))
    (seen,) = [each for each in elsewhere.do("ports", "--json").json["listeners"] if each["port"] == port]
    assert (seen["whose"], seen["app"]) == ("project", "web")
    elsewhere.close()


def test_without_a_project_the_machine_is_shown_all_the_same(project: Project) -> None:
    port = project.port()
    outside = project.path("tmp")
    with stranger("serve", port=port) as process:
        done = project.run("ports", "--json", cwd=outside)
        assert done.code == 0, done.text
        assert (port, process.pid) in [(each["port"], each["pid"]) for each in done.json["listeners"]]


def test_the_orphan_of_a_killed_manager_is_named_and_freed_without_a_question(project: Project) -> None:
    port, beside = project.port(), project.port()
    project.up(table("web", command("serve"), port=port), table("api", command("serve"), port=beside))
    pids = project.app("web")["pids"]
    kill_manager(project)
    (row,) = listeners(project, port)
    assert (row["whose"], row["app"]) == ("orphan", "web")
    assert row["since"] is not None
    assert "orphan of this project since" in project.do("ports").out
    assert is_open(port)
    done = project.do("free", str(port))
    assert done.out.startswith("stopped an orphan of web: ")
    assert f"; port {port} free after" in done.out
    assert not any(map(is_alive, pids))
    assert not is_open(port)
    assert listeners(project, beside)[0]["whose"] == "orphan", "the other app is not touched"
    project.do("up", "--no-wait")
    project.until_app("web", state="running")


def test_an_orphan_that_does_not_listen_to_reason_is_killed_with_its_tree(project: Project) -> None:
    port = project.port()
    run = f"['sh', '-c', 'trap \"\" TERM; \"$0\" -I -S {APP} serve; true', '{sys.executable}']"
    project.up(table("web", run, port=port, stop_timeout='"300ms"'))
    pids = project.app("web")["pids"]
    assert len(pids) >= 2
    kill_manager(project)
    done = project.do("free", str(port))
    assert "SIGKILL after 0.3s" in done.out
    assert not any(map(is_alive, pids))


def test_a_running_app_is_left_to_its_manager(project: Project) -> None:
    port = project.port()
    project.up(table("web", command("serve"), port=port))
    before = project.app("web")
    done = project.run("free", str(port), "--yes")
    assert done.code == 1
    assert "hint: `procman stop web`" in done.err
    after = project.app("web")
    assert (after["state"], after["pid"]) == ("running", before["pid"])


def test_a_stranger_is_ended_only_with_yes(project: Project) -> None:
    port = project.port()
    project.write(table("web", command("serve"), port=port))
    with stranger("serve", port=port) as process:
        refused = project.run("free", str(port))
        assert refused.code == 1
        assert f"pid {process.pid}" in refused.err
        assert f"hint: `procman free {port} --yes` ends it" in refused.err
        assert process.poll() is None
        done = project.do("free", str(port), "--yes")
        assert done.out.startswith(f"stopped what held port {port}: ")
        assert process.wait(10) == -signal.SIGTERM
        assert project.do("free", str(port)).out == f"port {port} is free\n"


def test_a_port_that_another_takes_over_is_not_called_free(project: Project) -> None:
    port = project.port()
    project.write(table("web", command("serve"), port=port))
    with stranger("serve", port=port, reuseport=1) as first, socket.socket() as second:
        done = project.run("free", str(port), "--yes", "--json")
        assert (done.code, done.json["free"]) == (0, True)
        assert first.wait(10) == -signal.SIGTERM
        second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        second.bind(("127.0.0.1", port))
        second.listen()
        refused = project.run("free", str(port), "--json")
        assert (refused.code, refused.json["free"]) == (1, False)
        assert refused.json["holders"][0]["pid"] == os.getpid()


def test_the_doctor_tells_a_healthy_project_from_one_in_trouble(project: Project) -> None:
    port, taken = project.port(), project.port()
    project.up(table("web", command("serve"), port=port))
    done = project.run("doctor", "--json")
    found = [each for each in done.json["checks"] if each["subject"] in ("web", "manager", "orphans", "file")]
    assert {each["grade"] for each in found} == {"ok"}, found
    assert any(f"port {port} is its own" in each["text"] for each in found)
    kill_manager(project)
    with stranger("serve", port=taken) as process:
        project.write(table("web", command("serve"), port=port), table("api", "'nowhere'", port=taken))
        done = project.run("doctor")
        assert done.code == 1
        assert "one has died here: its socket is stale" in done.out
        assert "still run without a manager: web: " in done.out
        assert "its command `nowhere` is not found" in done.out
        assert f"port {taken} is held by pid {process.pid}" in done.out
        assert f"hint: `procman free {taken}` ends it" in done.out
    project.do("free", str(port))
