"""npm for tests of real apps: its environment, packages installed once for all, and apps that use them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real.project import Project

# What belongs together in one `node_modules`; all of them run on Node 20.
EXAMPLES = ("express@5", "vite@8", "@vitejs/plugin-react@6", "react@19", "react-dom@19")
SERVERS = ("express@5", "nodemon@3", "tsx@4", "concurrently@9")
VITE_WITH_ESBUILD = ("vite@6",)  # the last one that needs it
NEST = (
    *("@nestjs/cli@11", "@nestjs/common@11", "@nestjs/core@11", "@nestjs/platform-express@11"),
    *("@types/node@20", "reflect-metadata@0.2", "rxjs@7", "typescript@5"),
)
NEXT = ("next@16", "react@19", "react-dom@19")

# How this machine reaches its registry; a project of the tests has a home of its own.
REACH = ("npm_config_", "node_", "ssl_", "http_proxy", "https_proxy", "no_proxy")

# Checks come often, but what counts as down is what users have: 3 failures over 3 seconds.
HEAD = """
[defaults]
check_interval = "200ms"
backoff = { initial = "50ms", max = "100ms" }
"""

EXPRESS = """
const express = require('express')
const app = express()
app.get('/', (request, response) => response.send('version VERSION'))
app.listen(process.env.PORT, 'localhost')
"""

# `root` is the folder of all tests, where `node_modules` is too: Turbopack reads nothing outside of it.
NEXT_CONFIG = """
const { realpathSync } = require('fs')
const { join } = require('path')
module.exports = {
  turbopack: { root: join(realpathSync(join(__dirname, 'node_modules')), '../../..') },
  rewrites: async () => [{ source: '/version', destination: '/VERSION.txt' }],
}
"""

NEXT_LAYOUT = """
import './style.css'
export default function Layout({ children }) {
  return <html><body>{children}</body></html>
}
"""

# A PostCSS configuration is what Turbopack has a worker process for.
NEXT_FILES = {
    "next.config.js": NEXT_CONFIG,
    "postcss.config.js": "module.exports = { plugins: {} }",
    "app/layout.js": NEXT_LAYOUT,
    "app/page.js": "export default function Page() { return <p>version VERSION</p> }",
    "app/style.css": "p { color: black }",
}

Install = Callable[[tuple[str, ...]], Path]


@dataclass(frozen=True, slots=True)
class NpmApp:
    """An app that `npm run dev` starts: what it needs, that script, and its files.

    `VERSION` in a file stands for two digits, which an edit changes.
    """

    packages: tuple[str, ...]
    script: str
    files: Mapping[str, str]

    def lay(self, folder: Path, modules: Path) -> None:
        """Make the folder of the app."""
        folder.mkdir()
        (folder / "node_modules").symlink_to(modules)
        package = {"private": True, "scripts": {"dev": self.script}}
        (folder / "package.json").write_text(json.dumps(package))
        for name in self.files:
            self.edit(folder, name, 0)

    def edit(self, folder: Path, name: str, version: int) -> None:
        """Write one of its files, as it is in this version."""
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(self.files[name].replace("VERSION", f"{version:02}"))


def give_up(why: str) -> None:
    """Skip, or fail where npm is a part of the deal."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="session")
def npm_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the variables with which npm works from any home, with its user's cache and no logs in there."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        give_up("`node` and `npm` are not on the path")
    kept = {name: value for name, value in os.environ.items() if name.lower().startswith(REACH)}
    cache = subprocess.run(["npm", "config", "get", "cache"], stdout=subprocess.PIPE, text=True, check=True)
    return {
        "npm_config_userconfig": str(Path.home() / ".npmrc"),
        **kept,
        "npm_config_cache": cache.stdout.strip(),
        "npm_config_logs_dir": str(tmp_path_factory.mktemp("npm-logs")),
        "npm_config_prefer_offline": "true",
        "npm_config_update_notifier": "false",
        "npm_config_audit": "false",
        "npm_config_fund": "false",
        "NEXT_TELEMETRY_DISABLED": "1",
    }


@pytest.fixture(scope="session")
def install(
    tmp_path_factory: pytest.TempPathFactory, npm_environment: Mapping[str, str]
) -> Iterator[Install]:
    """Return what gives the `node_modules` with these packages, installed for the first who asks.

    All folders of tests share them, and all processes that run tests of one session at the same time. The
    last to end removes them: they are half a gigabyte, and pytest keeps what three sessions have made.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    home = root / "npm"

    def install(packages: tuple[str, ...]) -> Path:
        folder = home / "+".join(packages).replace("/", "-")
        folder.mkdir(parents=True, exist_ok=True)
        report = folder / "report"
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not report.exists():
                report.write_text(npm_install(packages, folder, npm_environment))
        if error := report.read_text():
            give_up(f"npm can't install from its registry: {error}")
        return folder / "node_modules"

    with (root / "npm.users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        yield install
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(home, ignore_errors=True)


def npm_install(packages: tuple[str, ...], folder: Path, environment: Mapping[str, str]) -> str:
    """Install packages in a folder, and return why that failed, or nothing."""
    done = subprocess.run(
        ["npm", "install", *packages],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=110,
        check=False,
    )
    return done.stderr.strip()[-300:] if done.returncode else ""


@pytest.fixture
def npm(project: Project, npm_environment: Mapping[str, str]) -> None:
    """Let npm work in the project of the test."""
    project.environment |= npm_environment


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
