"""Real npm apps: Vite, and the repository's own example."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.real.npm import EXAMPLES, HEAD, Install, get
from tests.real.project import APP, REPOSITORY, Project, is_alive, is_open, table
from tests.real.test_ports import stranger

pytestmark = [pytest.mark.npm, pytest.mark.slow, pytest.mark.usefixtures("npm")]

EXAMPLE = REPOSITORY / "examples"


@pytest.fixture
def vite(project: Project, install: Install) -> Path:
    """Return a folder of the project with the example's page in it, and its modules."""
    folder = project.path("web")
    shutil.copytree(EXAMPLE / "web", folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (folder / "node_modules").symlink_to(install(EXAMPLES))
    return folder


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


@pytest.mark.parametrize(
    ("arguments", "hosts"),
    [
        ("", ["127.0.0.1", "[::1]"]),  # whichever this machine has first for `localhost`
        ("--host 127.0.0.1", ["127.0.0.1"]),
        ("--host ::1", ["[::1]"]),
    ],
)
def test_a_vite_app_is_up_on_one_loopback_address_alone(
    project: Project, vite: Path, arguments: str, hosts: list[str]
) -> None:
    port = project.port()
    run = f'"npm run dev -- --port {{port}} --strictPort {arguments}"'
    project.write(table("web", run, cwd='"web"', port=port), head=HEAD)
    project.do("up", patience=60)

    def demand_up() -> float:
        app = project.app("web")
        assert (app["state"], app["verdict"], app["restarts"]) == ("running", "own", 0)
        assert app["listening"] in [[f"{host}:{port}"] for host in hosts]
        since: float = app["since_s"]
        return since

    project.until(lambda: demand_up() > 1, "five more checks")
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


def test_the_example_goes_through_a_day(project: Project, install: Install) -> None:
    install(EXAMPLES)  # so that the cache has what `npm ci` asks for
    shutil.copytree(EXAMPLE, project.path("examples"), ignore=shutil.ignore_patterns("node_modules", "dist"))
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
