"""Whose port it is: an app is up when its own process answers, and a stranger is named and never fought."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.real.project import APP, Project, command, http, is_open, table, until


@contextlib.contextmanager
def stranger(port: int, **options: object) -> Iterator[int]:
    """Have a server on a port that belongs to no project, and yield its pid."""
    words = [f"{key}={value}" for key, value in {"port": port, **options}.items()]
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(APP), "serve", *words], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"listens on {port}\n"
        try:
            yield process.pid
        finally:
            process.kill()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0", "::"])
def test_an_app_on_any_loopback_address_is_up(project: Project, address: str) -> None:
    port = project.port()
    project.up(table("web", command("serve", bind=address), port=port))
    app = project.app("web")
    assert (app["state"], app["verdict"]) == ("running", "own")
    assert app["listening"] == [f"[{address}]:{port}" if ":" in address else f"{address}:{port}"]


def test_a_stranger_on_the_port_is_named_and_waited_for(project: Project) -> None:
    port = project.port()
    project.write(table("web", command("serve"), port=port))
    with stranger(port) as pid:
        project.do("up", "--no-wait")
        app = project.until_app("web", state="waiting", verdict="stranger")
        line = f"{sys.executable} -I -S {APP} serve port={port}"
        assert f"pid {pid} (`{line[:79]}" in app["message"], (
            "of 80 characters of a longer one, the last is `…`"
        )
        assert os.getcwd() in app["message"]
        assert app["pids"] == []
        assert project.run("up").code == 1
    app = project.until_app("web", state="running")
    assert app["restarts"] == 0
    assert app["verdict"] == "own"


def test_a_stranger_that_takes_the_port_during_a_restart_is_waited_for(project: Project) -> None:
    port = project.port()
    project.up(table("web", command("serve"), port=port))
    project.do("stop", "web")
    with stranger(port, bind="::1"):
        project.do("start", "--no-wait", "web")
        project.until_app("web", state="waiting", verdict="stranger")
    assert project.until_app("web", state="running")["restarts"] == 0


@pytest.mark.parametrize(("by", "restarts"), [("its user", 0), ("the manager", 1)])
def test_a_stranger_that_is_faster_in_the_middle_of_a_restart_is_named_and_waited_for(
    project: Project, by: str, restarts: int
) -> None:
    port = project.port()
    project.up(table("web", command("serve", deaf=1), port=port, stop_timeout='"1h"'))
    old = project.app("web")["pid"]
    if by == "its user":
        project.do("restart", "--no-wait", "web")
        project.until_app("web", state="stopping")
    os.kill(old, signal.SIGUSR1)  # it closes its port, which makes the manager restart it if nobody did yet
    project.until_app("web", state="stopping")
    until(lambda: not is_open(port), "a closed port")
    with stranger(port) as pid:
        os.kill(old, signal.SIGKILL)
        app = project.until_app("web", state="waiting", verdict="stranger", restarts=restarts)
        assert f"pid {pid}" in app["message"]
    app = project.until_app("web", state="running", verdict="own", restarts=restarts)
    assert app["pid"] != old


@pytest.mark.parametrize(("every", "loopback"), [("0.0.0.0", "127.0.0.1"), ("::", "::1")])
def test_a_stranger_on_loopback_beside_ours_on_every_address_is_told(
    project: Project, every: str, loopback: str
) -> None:
    port = project.port()
    # Both ask for SO_REUSEPORT, as a cluster of workers does: else the second could not bind.
    project.up(table("web", command("serve", bind=every, reuseport=1), port=port))
    before = project.app("web")["pid"]
    with stranger(port, bind=loopback, reuseport=1) as pid:
        app = project.until_app("web", state="unhealthy", verdict="stranger")
        assert f"pid {pid}" in app["message"]
        assert (app["pid"], app["restarts"]) == (before, 0)
    app = project.until_app("web", state="running", verdict="own")
    assert (app["pid"], app["restarts"]) == (before, 0)


def test_an_app_that_moves_to_another_port_is_told_where_it_is(project: Project) -> None:
    port, other = project.port(), project.port()
    run = command("serve", port=other)
    project.write(table("web", run, port=port))
    project.do("up", "--no-wait")
    app = project.until_app("web", verdict="moved")
    assert app["listening"] == [f"127.0.0.1:{other}"]
    assert f"listens on 127.0.0.1:{other} instead of port {port}" in app["check"]["last"]
    assert app["state"] == "starting"


def test_a_port_that_an_app_opens_and_closes_at_once_is_not_up(project: Project) -> None:
    port = project.port()
    probe = (
        "import os, socket, time\n"
        "for _ in range(3):\n"
        "    with socket.create_server(('127.0.0.1', int(os.environ['PORT']))): time.sleep(0.02)\n"
        "    time.sleep(0.5)\n"
        "time.sleep(600)\n"
    )
    program = project.path("probe.py")
    program.write_text(probe)
    project.write(table("web", f"['{sys.executable}', '-I', '-S', '{program}']", port=port))
    project.do("up", "--no-wait")
    assert project.run("wait", "web", "--timeout", "3s").code == 124
    assert "-> running" not in project.manager_log()


def test_an_http_check_asks_our_own_server_and_not_the_one_beside_it(project: Project) -> None:
    port = project.port()
    with stranger(port, bind="::1", status=500):
        project.write(table("web", command("serve"), port=port, check=http()))
        project.do("up", "--no-wait")
        project.until_app("web", state="waiting", verdict="stranger")
    project.until_app("web", state="running")
    with stranger(port, bind="::1", status=500):
        project.do("wait", "web")
        app = project.app("web")
        assert (app["state"], app["verdict"]) == ("running", "own")


def test_the_app_gets_its_port_in_its_words_and_its_environment(project: Project) -> None:
    port = project.port()
    project.up(
        table(
            "web",
            "['sh', '-c', 'echo {name} {port} $PORT; sleep 600']",
            port=port,
            check='{ log = "web" }',
            check_interval='"1h"',  # it never listens
        )
    )
    assert project.lines("web") == [f"web {port} {port}"]


def test_a_stop_waits_until_the_port_is_free_on_both_families(project: Project) -> None:
    port = project.port()
    project.up(table("web", command("serve", bind="127.0.0.1,::1"), port=port))
    project.do("stop", "web")
    assert not is_open(port)
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family, socket.SOCK_STREAM) as mine:
            mine.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            mine.bind((address, port))


def test_a_process_that_stays_without_its_port_is_replaced_whole(project: Project) -> None:
    port = project.port()
    project.up(
        table("web", command("watcher"), port=port, check='{ failures = 2, retry_interval = "100ms" }')
    )
    old = project.app("web")["pids"]
    os.kill(old[-1], 9)
    app = project.until_app("web", state="running", restarts=1)
    assert not set(old) & set(app["pids"])
    assert "app crashed - waiting for file changes" in project.lines("web")


def test_nobody_but_the_app_is_asked_when_the_port_is_open(project: Project) -> None:
    port = project.port()
    project.up(table("web", command("serve"), port=port))
    assert until(lambda: is_open(port), "its port")
    assert project.app("web")["check"]["last"] == f"127.0.0.1:{port} accepts connections"
