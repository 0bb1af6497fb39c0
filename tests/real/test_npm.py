"""Real npm apps: Vite, Express, nodemon and `node --watch`, and the repository's own example."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.real.project import APP, REPOSITORY, Project, http, is_alive, is_open, table
from tests.real.test_ports import stranger

pytestmark = [pytest.mark.npm, pytest.mark.slow]

PACKAGES = ("express@5", "nodemon@3", "vite@8", "@vitejs/plugin-react@6", "react@19", "react-dom@19")
EXAMPLES = REPOSITORY / "examples"
# How this machine reaches its registry; a project of the tests has a home of its own.
REACH = ("npm_config_", "node_", "ssl_", "http_proxy", "https_proxy", "no_proxy")

# Checks come often, but what counts as down is what users have: 3 failures over 3 seconds.
HEAD = """
[defaults]
check_interval = "200ms"
backoff = { initial = "50ms", max = "100ms" }
"""

SERVER = """
const express = require('express')
const app = express()
app.get('/', (request, response) => response.send('VERSION'))
app.listen(process.env.PORT, 'localhost')
"""


def give_up(why: str) -> None:
    """Skip, or fail where npm is a part of the deal."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="session")
def npm_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the variables with which npm works from any home, with one cache for all tests."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        give_up("`node` and `npm` are not on the path")
    kept = {name: value for name, value in os.environ.items() if name.lower().startswith(REACH)}
    return {
        "npm_config_userconfig": str(Path.home() / ".npmrc"),
        **kept,
        "npm_config_cache": str(tmp_path_factory.mktemp("npm-cache")),
        "npm_config_update_notifier": "false",
        "npm_config_audit": "false",
        "npm_config_fund": "false",
    }


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory, npm_environment: Mapping[str, str]) -> Path:
    """Return a `node_modules` with everything that the apps of these tests need."""
    folder = tmp_path_factory.mktemp("npm")
    install = subprocess.run(
        ["npm", "install", *PACKAGES],
        cwd=folder,
        env={**os.environ, **npm_environment},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    if install.returncode:
        give_up(f"npm can't install from its registry: {install.stderr.strip()[-300:]}")
    return folder / "node_modules"


@pytest.fixture
def project(project: Project, npm_environment: Mapping[str, str]) -> Project:
    """Return the project of the test, in which npm works."""
    project.environment |= npm_environment
    return project


@pytest.fixture
def vite(project: Project, modules: Path) -> Path:
    """Return a folder of the project with the example's page in it, and its modules."""
    folder = project.path("web")
    shutil.copytree(EXAMPLES / "web", folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (folder / "node_modules").symlink_to(modules)
    return folder


def get(port: int, path: str = "/") -> str:
    """Return what a server answers on either loopback address, or nothing."""
    for host in ("127.0.0.1", "[::1]"):
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=5) as answer,
        ):
            text: str = answer.read().decode()
            return text
    return ""


def name_of(pid: int) -> str:
    """Return the kernel's name of a process."""
    return Path(f"/proc/{pid}/comm").read_text().strip()


def test_whichever_process_of_a_vite_app_is_killed_one_new_tree_takes_its_place(
    project: Project, vite: Path
) -> None:
    port = project.port()
    run = '"npm run dev -- --port {port} --strictPort"'
    project.write(table("web", run, cwd='"web"', port=port), head=HEAD)
    project.do("up", patience=60)
    for count, victim in enumerate(("node", "sh", "npm"), 1):
        old = project.app("web")["pids"]
        npm, shell, *inner = old
        assert name_of(npm).startswith("npm")
        assert name_of(shell) == "sh"
        os.kill({"npm": npm, "sh": shell, "node": inner[0]}[victim], signal.SIGKILL)
        app = project.until_app("web", 40, state="running", restarts=count, verdict="own")
        assert not [pid for pid in old if is_alive(pid)]
        assert len(app["pids"]) == len(old)
        commands = project.processes().values()
        assert len([words for words in commands if words.startswith("npm run dev")]) == 1
        assert "<div id=" in get(port)


def test_a_vite_app_that_moves_to_another_port_is_named(project: Project, vite: Path) -> None:
    port = project.port()
    run = '"while [ ! -e go ]; do sleep 0.05; done; exec npm run dev -- --port {port}"'
    project.write(table("web", run, shell="true", cwd='"web"', port=port), head=HEAD)
    project.do("up", "--no-wait")
    project.until_app("web", state="starting")
    with stranger(port, bind="::1") as pid:  # after procman has looked, before Vite does
        (vite / "go").touch()
        app = project.until_app("web", 40, verdict="moved")
        assert app["state"] == "starting"
        assert all(not each.endswith(f":{port}") for each in app["listening"])
        assert app["listening"][0] in app["check"]["last"]
        assert f"port {port} is held by pid {pid}" in app["check"]["last"]
        assert str(APP) in app["check"]["last"]


@pytest.fixture(params=["nodemon", "node --watch"])
def watched(request: pytest.FixtureRequest, project: Project, modules: Path) -> tuple[Path, str]:
    """Return the source of an Express app that restarts its own server on every edit, and its command."""
    folder = project.path("api")
    folder.mkdir()
    (folder / "node_modules").symlink_to(modules)
    source = folder / "server.js"
    source.write_text(SERVER.replace("VERSION", "version 0"))
    commands = {
        "nodemon": '["node_modules/.bin/nodemon", "server.js"]',
        "node --watch": '["node", "--watch", "server.js"]',
    }
    return source, commands[request.param]


def test_an_app_that_restarts_its_own_server_is_never_restarted_on_top_of_it(
    project: Project, watched: tuple[Path, str]
) -> None:
    source, run = watched
    port = project.port()
    project.write(table("api", run, cwd='"api"', port=port, check=http()), head=HEAD)
    project.do("up", patience=60)
    leader = project.app("api")["pid"]
    for edit in range(1, 6):
        text = f"version {edit}"
        source.write_text(SERVER.replace("VERSION", text))
        project.until(lambda text=text: get(port) == text, f"{text} is served", 30)
    app = project.until_app("api", state="running")
    assert (app["pid"], app["restarts"]) == (leader, 0)


def test_a_watcher_that_sits_on_a_dead_server_is_noticed_and_restarted_by_the_rule(
    project: Project, watched: tuple[Path, str]
) -> None:
    source, run = watched
    port = project.port()
    check = http(failures=2, retry_interval='"300ms"')
    project.write(table("api", run, cwd='"api"', port=port, check=check, check_interval='"5m"'), head=HEAD)
    project.do("up", patience=60)
    old = project.app("api")["pids"]
    source.write_text("this is (no program")
    app = project.until_app("api", 30, state="unhealthy")
    assert app["verdict"] == "closed"
    project.until(lambda: project.app("api")["restarts"] == 1, "a restart", 30)
    assert not [pid for pid in old if is_alive(pid)]
    source.write_text(SERVER.replace("VERSION", "mended"))
    project.until_app("api", 30, state="running")
    assert get(port) == "mended"


def test_the_example_goes_through_a_day(
    project: Project, npm_environment: Mapping[str, str], modules: Path
) -> None:
    del modules  # installed before, so that the cache has what `npm ci` asks for
    shutil.copytree(EXAMPLES, project.path("examples"), ignore=shutil.ignore_patterns("node_modules", "dist"))
    api, web = project.port(), project.port()
    text = (REPOSITORY / "portwatch.toml").read_text(encoding="utf-8")
    text = text.replace("3000", str(api)).replace("5173", str(web))
    project.file.write_text(text + HEAD)
    project.do("up", patience=110)
    apps = project.apps()
    assert {name: app["state"] for name, app in apps.items()} == dict.fromkeys(apps, "running")
    assert "<div id=" in get(web)
    assert "time" in get(web, "/api/time"), "the page reaches the API"

    os.kill(apps["api"]["pid"], signal.SIGKILL)
    project.until_app("api", 30, state="running", restarts=1, verdict="own")
    os.kill(project.app("api")["pid"], signal.SIGSTOP)
    project.until_app("api", 30, state="unhealthy", verdict="hung")
    project.until_app("api", 30, state="running", restarts=2)
    os.kill(apps["worker"]["pid"], signal.SIGKILL)
    project.until_app("worker", state="running", restarts=1)

    before = project.apps()
    project.file.write_text(text + HEAD.replace("200ms", "300ms"))
    project.do("reload")
    assert {name: app["pid"] for name, app in project.apps().items()} == {
        name: app["pid"] for name, app in before.items()
    }
    project.file.write_text(text.replace("node worker.js", "node worker.js --louder") + HEAD)
    project.until(lambda: project.app("worker")["pid"] not in (None, before["worker"]["pid"]), "a new worker")
    assert project.app("web")["pids"] == before["web"]["pids"]

    done = project.do("down", patience=40)
    assert "stopped 3 apps" in done.out
    assert not project.processes()
    assert not is_open(web)
    assert not is_open(api)
