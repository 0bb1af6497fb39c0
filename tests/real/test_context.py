"""What its user does while an app fails, for real: npm, git, node's debugger, a machine that is paused."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.test_context import make_repository
from tests.real.project import Project, command, http, table, until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("npm"), pytest.mark.npm]

WHILE = 1.5  # s for which nothing may happen: five times what makes a restart
WAIT = "touch begun; while [ ! -e go ]; do sleep 0.02; done"
# SIGHUP closes its port, SIGUSR2 is a crash.
SERVER = """
const server = require('http').createServer((request, response) => response.end('ok'))
server.listen(process.env.PORT, '127.0.0.1')
setInterval(() => undefined, 1000)
process.on('SIGHUP', () => server.close())
process.on('SIGUSR2', () => process.exit(1))
"""


@pytest.fixture
def web(project: Project) -> Path:
    """Return the folder of an app whose `npm install`, and whose `git checkout`, waits for a file."""
    folder = make_repository(project.path("web"))
    scripts = {"dev": "node server.js", "preinstall": WAIT}
    (folder / "package.json").write_text(json.dumps({"private": True, "scripts": scripts}))
    (folder / "server.js").write_text(SERVER)
    hook = folder / ".git/hooks/post-checkout"
    hook.write_text(f"#!/bin/sh\n{WAIT}\n")
    hook.chmod(0o755)
    return folder


@contextlib.contextmanager
def under_way(project: Project, folder: Path, *words: str) -> Iterator[int]:
    """Have a command of the user's under way in a folder, and give its pid."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        words, cwd=folder, env=project.environment, stdin=quiet, stdout=quiet, stderr=quiet
    ) as process:
        try:
            project.until((folder / "begun").exists, f"{words} is under way")
            yield process.pid
        finally:
            (folder / "go").touch()
            process.wait()


def stays(project: Project, **wanted: object) -> None:
    """Prove that the status of the app says the same for a while."""
    ends = time.monotonic() + WHILE
    while time.monotonic() < ends:
        app = project.app("web")
        assert {key: app[key] for key in wanted} == wanted
        time.sleep(0.05)


@pytest.mark.parametrize("words", [("npm", "install"), ("git", "checkout", "-q", "other")])
@pytest.mark.parametrize("failure", ["closes its port", "crashes"])
def test_an_app_that_fails_during_an_operation_is_restarted_once_that_has_ended(
    project: Project, web: Path, words: tuple[str, ...], failure: str
) -> None:
    if shutil.which(words[0]) is None:
        pytest.skip(f"`{words[0]}` is not on the path")
    project.up(table("web", '"npm run dev"', cwd='"web"', port=project.port()))
    old = project.app("web")
    with under_way(project, web, *words) as pid:
        os.kill(old["pids"][-1], signal.SIGHUP if failure == "closes its port" else signal.SIGUSR2)
        name = " ".join(words[:2])
        detail = "exited with code 1" if failure == "crashes" else f"nothing listens on port {old['port']}"
        held = f"held: `{name}` is running in web (pid {pid}); {detail}"
        app = project.until_app("web", held=held)
        expected = ("waiting", []) if failure == "crashes" else ("running", old["pids"])
        assert (app["state"], app["pids"]) == expected
        stays(project, held=held, state=app["state"], pids=app["pids"], restarts=app["restarts"])
        assert held in project.do("status").out
    app = project.until_app("web", state="running", held=None, restarts=1, verdict="own")
    assert app["pid"] != old["pid"]


def test_an_app_that_is_killed_during_an_install_is_replaced_at_once(project: Project, web: Path) -> None:
    project.up(table("web", '"npm run dev"', cwd='"web"', port=project.port()))
    with under_way(project, web, "npm", "install"):
        os.kill(project.app("web")["pids"][-1], signal.SIGKILL)
        project.until_app("web", state="running", restarts=1, verdict="own")


def test_an_app_at_a_breakpoint_is_left_alone_until_its_debugger_goes(project: Project, web: Path) -> None:
    run = '["node", "--inspect=127.0.0.1:0", "server.js"]'
    check = http(timeout='"200ms"', failures=1)
    project.up(table("web", run, cwd='"web"', port=project.port(), check=check))
    old = project.app("web")
    listening = re.compile(r"ws://127\.0\.0\.1:(\d+)/")
    (port,) = project.until(lambda: listening.findall("\n".join(project.lines("web"))), "its inspector")
    client = ["node", "inspect", f"127.0.0.1:{port}"]
    pipe = subprocess.PIPE
    with subprocess.Popen(client, stdin=pipe, stdout=pipe, bufsize=0) as debugger:
        assert debugger.stdin is not None
        assert debugger.stdout is not None
        said = b""
        while b"debug>" not in said:
            said += debugger.stdout.read(1000)
        debugger.stdin.write(b"pause\n")  # at the next line that it runs: of its answer to a check
        app = project.until(lambda: (app := project.app("web"))["held"] and app, "a held check")
        assert app["held"].startswith(
            f"held: a debugger is connected to node (pid {old['pid']}) on port {port}; "
        )
        stays(project, state="running", pid=old["pid"], restarts=0)
        debugger.kill()
    app = project.until_app("web", state="running", held=None, verdict="own")
    assert (app["pid"], app["restarts"]) == (old["pid"], 0)


def test_a_machine_that_was_paused_with_manager_and_app_costs_no_restart(project: Project) -> None:
    check = http(timeout='"200ms"', failures=1)
    project.up(table("web", command("serve"), port=project.port(), check=check))
    old, manager = project.app("web"), project.manager()
    os.kill(manager, signal.SIGSTOP)
    os.kill(old["pid"], signal.SIGSTOP)
    time.sleep(4.0)  # what a paused machine takes; a manager that notices less than 2 s would cry wolf
    os.kill(manager, signal.SIGCONT)
    app = project.until(lambda: (app := project.app("web"))["held"] and app, "a held check")
    assert app["held"].startswith("held: procman itself did not run for ")
    stays(project, state="running", pid=old["pid"], restarts=0)
    os.kill(old["pid"], signal.SIGCONT)
    app = project.until_app("web", state="running", held=None, verdict="own")
    assert (app["pid"], app["restarts"]) == (old["pid"], 0)


def test_a_stopped_app_is_hung_and_no_debugger_is_suspected(project: Project) -> None:
    project.up(table("web", command("serve"), port=project.port(), check=http(timeout='"200ms"')))
    os.kill(project.app("web")["pid"], signal.SIGSTOP)
    until(lambda: project.app("web")["restarts"] == 1, "a restart")
    project.until_app("web", state="running", held=None)
