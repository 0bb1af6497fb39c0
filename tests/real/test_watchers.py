"""Apps that restart their own server on an edit: left alone while they do, and restarted once they can't."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.real.npm import EXPRESS, HEAD, NEST, NEXT, NEXT_FILES, SERVERS, Install, NpmApp, get
from tests.real.project import Project, http, is_alive, table

pytestmark = [pytest.mark.npm, pytest.mark.slow, pytest.mark.usefixtures("npm")]

EDITS = 20

TYPESCRIPT = """
import express from 'express'
const text: string = 'version VERSION'
express().get('/', (request, response) => response.send(text)).listen(process.env.PORT, 'localhost')
"""

NEST_MAIN = """
import 'reflect-metadata'
import { Controller, Get, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'

@Controller()
class Page {
  @Get()
  answer() {
    return 'version VERSION'
  }
}

@Module({ controllers: [Page] })
class App {}

NestFactory.create(App).then((app) => app.listen(process.env.PORT))
"""

NEST_OPTIONS = """
{ "compilerOptions": { "target": "es2022", "module": "commonjs", "outDir": "dist", "skipLibCheck": true,
  "experimentalDecorators": true, "emitDecoratorMetadata": true, "incremental": true } }
"""

NEST_FILES = {
    "src/main.ts": NEST_MAIN,
    "tsconfig.json": NEST_OPTIONS,
    "nest-cli.json": '{ "sourceRoot": "src" }',
}

# What the rewrite of each version of its configuration leads to: a file, as a page is compiled for seconds.
NEXT_ANSWERS = {f"public/{version:02}.txt": f"version {version:02}" for version in range(EDITS + 1)}


@dataclass(frozen=True, slots=True)
class Watcher:
    """An app that watches its source: the file that is edited, and the path at which its version is shown."""

    app: NpmApp
    edited: str
    path: str = "/"

    def shows(self, port: int, version: int) -> bool:
        """Return whether it serves this version."""
        return f"version {version:02}" in get(port, self.path)


NEXT_APP = NpmApp(NEXT, "next dev -p $PORT", {**NEXT_FILES, **NEXT_ANSWERS})
WATCHERS = {
    "nodemon": Watcher(NpmApp(SERVERS, "nodemon server.js", {"server.js": EXPRESS}), "server.js"),
    "node": Watcher(NpmApp(SERVERS, "node --watch server.js", {"server.js": EXPRESS}), "server.js"),
    "tsx": Watcher(NpmApp(SERVERS, "tsx watch server.ts", {"server.ts": TYPESCRIPT}), "server.ts"),
    "nest": Watcher(NpmApp(NEST, "nest start --watch", NEST_FILES), "src/main.ts"),
    "next": Watcher(NEXT_APP, "next.config.js", "/version"),
}
PAGE = Watcher(NEXT_APP, "app/page.js")


def begin(
    project: Project, install: Install, watchers: Mapping[str, Watcher], **keys: object
) -> dict[str, int]:
    """Bring watchers up, with their first versions served, and return the port of each."""
    ports = {name: project.port() for name in watchers}
    for name, watcher in watchers.items():
        watcher.app.lay(project.path(name), install(watcher.app.packages))
    tables = [
        table(name, '"npm run dev"', cwd=f'"{name}"', port=port, **keys) for name, port in ports.items()
    ]
    project.write(*tables, head=HEAD)
    project.do("up", patience=60)
    for name, watcher in watchers.items():
        await_version(project, watcher, ports[name], 0)
    return ports


def await_version(project: Project, watcher: Watcher, port: int, version: int) -> None:
    """Wait until a watcher serves this version."""
    what = f"version {version} of {watcher.edited} by {watcher.app.script}"
    project.until(lambda: watcher.shows(port, version), what, 60)


@pytest.mark.parametrize("names", [("nodemon", "node", "tsx"), ("nest",), ("next",)], ids=" ".join)
def test_watchers_that_restart_their_own_servers_are_never_restarted_on_top_of_that(
    project: Project, install: Install, names: tuple[str, ...]
) -> None:
    """Those of one project are edited at once, as by a change of branch."""
    watchers = {name: WATCHERS[name] for name in names}
    keys = {} if "next" in names else {"check": http()}  # by HTTP, Next would compile its page for seconds
    ports = begin(project, install, watchers, **keys)
    first = before = project.apps()
    for version in range(1, EDITS + 1):
        for name, watcher in watchers.items():
            watcher.app.edit(project.path(name), watcher.edited, version)
        for name, watcher in watchers.items():
            await_version(project, watcher, ports[name], version)
            app = project.until_app(name, state="running", verdict="own")
            assert (app["pid"], app["restarts"]) == (first[name]["pid"], 0)
            assert app["pids"] != before[name]["pids"], f"{name} has not restarted its own server"
        before = project.apps()
    log = project.manager_log()
    assert [log.count(f"{name}: waiting -> starting") for name in names] == [1] * len(names)
    assert "is held by" not in log, "its own server is no stranger, also while that is dying"


def test_edits_of_a_page_cost_no_restart(project: Project, install: Install) -> None:
    port = begin(project, install, {"next": PAGE})["next"]
    first = project.app("next")
    for version in range(1, EDITS + 1):
        PAGE.app.edit(project.path("next"), PAGE.edited, version)
        await_version(project, PAGE, port, version)
        app = project.until_app("next", state="running", verdict="own")
        assert (app["pid"], app["restarts"]) == (first["pid"], 0)


@pytest.mark.parametrize("name", ["nodemon", "node", "tsx"])
def test_a_watcher_that_sits_on_a_dead_server_is_noticed_and_restarted_by_the_rule(
    project: Project, install: Install, name: str
) -> None:
    watcher = WATCHERS[name]
    check = http(failures=2, retry_interval='"300ms"')
    port = begin(project, install, {name: watcher}, check=check, check_interval='"5m"')[name]
    old = project.app(name)["pids"]
    (project.path(name) / watcher.edited).write_text("this is (no program")
    app = project.until_app(name, 30, state="unhealthy")
    assert app["verdict"] == "closed"
    project.until(lambda: project.app(name)["restarts"] == 1, "a restart", 30)
    assert not [pid for pid in old if is_alive(pid)]
    watcher.app.edit(project.path(name), watcher.edited, 1)
    project.until_app(name, 30, state="running")
    assert watcher.shows(port, 1)
