"""Hostile npm trees: watchers, workers and services are ended whole, and replaced by one tree."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real.npm import (
    EXPRESS,
    HEAD,
    NEXT,
    NEXT_FILES,
    SERVERS,
    VITE_WITH_ESBUILD,
    Install,
    NpmApp,
    get,
)
from tests.real.project import Project, is_alive, is_open, table

pytestmark = [pytest.mark.npm, pytest.mark.slow, pytest.mark.usefixtures("npm")]

# An import of TypeScript is what tsx has the service for, unless it has compiled the same text before.
TYPESCRIPT = """
import express from 'express'
const text: string = 'page'
express().get('/', (request, response) => response.send(text)).listen(process.env.PORT, 'localhost')
"""
PAGE = {"index.html": '<script type="module" src="/main.ts"></script>', "main.ts": "const page: string = ''"}


@dataclass(frozen=True, slots=True)
class Tree:
    """An app of several processes: their kernel names, and a process in the middle by its command."""

    app: NpmApp
    names: tuple[str, ...]
    middle: str  # killed, it leaves orphans that hold the port


TREES = {
    "nodemon": Tree(
        NpmApp(SERVERS, "nodemon server.js", {"server.js": EXPRESS}),
        ("npm run dev", "sh", "node", "node"),
        "/.bin/nodemon",
    ),
    "tsx": Tree(
        NpmApp(SERVERS, "TSX_DISABLE_CACHE=1 tsx watch server.ts", {"server.ts": TYPESCRIPT}),
        ("npm run dev", "sh", "node", "node", "esbuild"),
        "/.bin/tsx",
    ),
    "concurrently": Tree(
        NpmApp(
            SERVERS,
            "concurrently 'node server.js' 'PORT=$OTHER_PORT node server.js'",
            {"server.js": EXPRESS},
        ),
        ("npm run dev", "sh", "node", "sh", "node", "sh", "node"),
        "/.bin/concurrently",
    ),
    "vite": Tree(
        NpmApp(VITE_WITH_ESBUILD, "vite --port $PORT --strictPort", PAGE),
        ("npm run dev", "sh", "node", "esbuild"),
        "sh -c vite",
    ),
    "next": Tree(
        NpmApp(NEXT, "next dev -p $PORT", NEXT_FILES),
        ("npm run dev", "sh", "node", "next-server (v1", "node"),
        "/.bin/next",
    ),
}


class Running:
    """A tree that runs as the app `web` of a project, on one port, or on two with `concurrently`."""

    def __init__(self, project: Project, tree: Tree, modules: Path) -> None:
        self.project, self.tree = project, tree
        self.ports = (project.port(), project.port())
        tree.app.lay(project.path("web"), modules)
        keys = {"cwd": '"web"', "port": self.ports[0], "env": f'{{ OTHER_PORT = "{self.ports[1]}" }}'}
        project.write(table("web", '"npm run dev"', **keys), head=HEAD)
        project.do("up", patience=60)
        self.pids = self.whole()

    def others(self) -> Mapping[int, str]:
        """Return every living process of the project but its manager, by pid, with its command line."""
        manager = self.project.manager()
        return {pid: words for pid, words in self.project.processes().items() if pid != manager}

    def whole(self) -> list[int]:
        """Return the processes of the tree once it is there, exactly once, and its own server answers."""
        wanted = Counter(self.tree.names)

        def look() -> list[int] | None:
            get(self.ports[0])  # Next has workers only after a page was asked for
            app, others = self.project.app("web"), self.others()
            is_whole = Counter(map(name_of, others)) == wanted and sorted(app["pids"]) == sorted(others)
            is_up = (app["state"], app["verdict"]) == ("running", "own")
            return list(app["pids"]) if is_whole and is_up else None

        return self.project.until(look, f"one tree of {self.tree.names}", 60)

    def middle(self) -> int:
        """Return the pid of the process in the middle."""
        (pid,) = (pid for pid, words in self.others().items() if self.tree.middle in words)
        return pid


def name_of(pid: int) -> str:
    """Return the kernel's name of a process, or nothing if it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


@pytest.fixture(params=TREES)
def running(request: pytest.FixtureRequest, project: Project, npm: None, install: Install) -> Running:
    """Return one of the trees, of which every process is there."""
    tree = TREES[request.param]
    return Running(project, tree, install(tree.app.packages))


def test_a_stop_ends_every_process_and_names_each(running: Running) -> None:
    text = running.project.do("stop", "web").out
    assert text.startswith("stopped web: npm ")
    for pid in running.pids:
        assert re.search(rf"\b{pid}\b", text), f"{pid} is not in: {text}"
        assert not is_alive(pid)
    assert f"; port {running.ports[0]} free after " in text
    assert not running.others()
    assert not any(map(is_open, running.ports))


def test_a_restart_leaves_nothing_of_the_old_tree(running: Running) -> None:
    running.project.do("restart", "web", patience=60)
    assert not [pid for pid in running.pids if is_alive(pid)]
    assert not set(running.pids) & set(running.whole())


def test_a_tree_that_has_lost_its_middle_is_replaced_by_one_whole_tree(running: Running) -> None:
    os.kill(running.middle(), signal.SIGKILL)
    running.project.until_app("web", 60, state="running", restarts=1, verdict="own")
    assert not [pid for pid in running.pids if is_alive(pid)]
    assert not set(running.pids) & set(running.whole())
    assert running.project.app("web")["restarts"] == 1
