"""`procman init` in real npm projects: what it writes is valid, and runs them where it says that they listen.

`make test` has those that install in seconds; `PROCMAN_NPM=all` has all of them, in seven minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.npm import get, give_up
from tests.real.npm_kinds import KINDS, Kind
from tests.real.project import Project

pytestmark = [pytest.mark.npm, pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.usefixtures("npm")]

LONG = 800.0  # s for the install and the first build of the largest
CHOSEN = [kind for kind in KINDS if kind.light or os.environ.get("PROCMAN_NPM") == "all"]

ROOT = {
    "name": "shop",
    "private": True,
    "workspaces": ["apps/*", "packages/*"],
    "scripts": {"dev": 'concurrently -k -n api,web "npm run dev -w api" "npm run dev -w web"'},
    "devDependencies": {"concurrently": "9"},
}
API = {
    "name": "api",
    "private": True,
    "scripts": {"dev": "node --watch server.mjs"},
    "dependencies": {"greet": "*"},
}
WEB = {"name": "web", "private": True, "scripts": {"dev": "vite"}, "devDependencies": {"vite": "8"}}
GREET = {
    "name": "greet",
    "private": True,
    "version": "1.0.0",
    "main": "index.js",
    "scripts": {"build": "true"},
}
SERVER = """
import { createServer } from 'node:http'
import greet from 'greet'
createServer((request, response) => response.end(greet())).listen(process.env.API_PORT ?? @PORT@, '127.0.0.1')
"""


@pytest.fixture
def npm_project(project: Project) -> Iterator[Project]:
    """Return a project whose packages are removed after the test: pytest would keep gigabytes of them."""
    yield project
    for modules in project.folder.glob("**/node_modules"):
        shutil.rmtree(modules, ignore_errors=True)


def lock(project: Project) -> str:
    """Make the lock file, as a project in a repository has it, and return what installs by npm's own word.

    A registry that lags behind has not all of the optional packages that others ask for (Rollup has 26, one
    for each platform); npm leaves them out, and `npm ci` refuses what `npm install` has made then.
    """
    made = npm(project, "install", "--package-lock-only")
    if made.returncode:
        give_up(f"npm can't reach its registry: {made.stderr.strip()[-300:]}")
    return "npm install" if npm(project, "ci", "--dry-run").returncode else "npm ci"


def npm(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    """Run npm in a project to its end."""
    return subprocess.run(
        ["npm", *words],
        cwd=project.folder,
        env=project.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=LONG,
        check=False,
    )


def found(project: Project) -> dict[str, dict[str, object]]:
    """Let `init` write the file, prove that it is valid, and return what it says of each app."""
    document = project.do("init", "--json").json
    assert document["written"]
    assert project.file.read_text() == document["text"]
    project.do("check")
    return {app["name"]: app for app in document["apps"]}


@pytest.mark.parametrize("kind", CHOSEN, ids=lambda kind: kind.name)
def test_a_project_runs_as_it_is_on_the_port_that_was_found(npm_project: Project, kind: Kind) -> None:
    project, port = npm_project, npm_project.port()
    kind.lay(project.folder, port)
    install = lock(project)

    app = found(project)[kind.name]
    assert (app["command"], app["port"], app["prepare"]) == (kind.command, port, install)

    project.do("up", "-d", patience=LONG)
    status = project.app(kind.name)
    assert (status["state"], status["verdict"], status["port"]) == ("running", "own", port)
    project.until(lambda: get(port), "an answer", 60)  # Create React App compiles before it answers
    assert project.app(kind.name)["restarts"] == 0


def test_a_monorepo_is_installed_once_and_each_workspace_is_an_app(npm_project: Project) -> None:
    project, port, other = npm_project, npm_project.port(), npm_project.port()
    lay(project.folder, {"package.json": ROOT, "apps/api/package.json": API, "apps/web/package.json": WEB})
    lay(project.folder, {"packages/greet/package.json": GREET})
    (project.path("packages/greet") / "index.js").write_text("module.exports = () => 'hello'")
    (project.path("apps/api") / "server.mjs").write_text(SERVER.replace("@PORT@", str(port)))
    (project.path("apps/web") / "index.html").write_text("<p>hello</p>")
    (project.path("apps/web") / "vite.config.mjs").write_text(
        f"export default {{ server: {{ port: {other} }} }}"
    )
    install = lock(project)

    apps = found(project)
    assert list(apps) == ["install", "api", "web"]
    assert [app["prepare"] for app in apps.values()] == [install, None, None]
    assert (apps["api"]["port"], apps["web"]["port"]) == (port, other)

    project.do("up", "-d", patience=LONG)
    states = {name: (app["state"], app["verdict"]) for name, app in project.apps().items()}
    assert states == {"install": ("completed", None), "api": ("running", "own"), "web": ("running", "own")}
    assert get(port) == "hello"
    assert "<p>hello</p>" in get(other)


def lay(folder: Path, files: dict[str, object]) -> None:
    """Write manifests."""
    for name, document in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))
