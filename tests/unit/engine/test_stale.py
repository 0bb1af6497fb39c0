"""What is stale of an app: told by what lies on disk, without running anything."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from procman.core.config import AppConfig, Command
from procman.core.fields import Change
from procman.core.plan import AppChange, FieldChange, Plan, Verb
from procman.engine.stale import KEPT_FOR, Digests, Staleness, digests_of
from procman.engine.supervised import Supervised

NODE = "web", Command(("npm", "run", "dev"))


@dataclass
class Running:
    """As much of a supervised app as is looked at."""

    config: AppConfig
    env_files: Digests = ()
    run: object | None = "a run"

    @property
    def name(self) -> str:
        return self.config.name


class Project:
    """A folder with an app, and what is stale of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.staleness = Staleness(str(folder), {"PATH": str(folder / "bin")})

    def write(self, path: str, text: str = "{}", at: float | None = None) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        if at is not None:
            os.utime(file, (at, at))
        return file

    def app(self, cwd: str = ".", **more: Any) -> AppConfig:
        return AppConfig(*NODE, cwd=os.path.normpath(self.folder / cwd), **more)

    def stale(self, app: Running | AppConfig, waiting: Plan | None = None, now: float = 0.0) -> list[str]:
        running = Running(app) if isinstance(app, AppConfig) else app
        return self.staleness.of(cast(Supervised, running), waiting, now)

    def node(self, version: str) -> None:
        """Put a node on the PATH that is at home where nvm would have it."""
        program = self.write(f"nvm/versions/node/v{version}/bin/node", "")
        program.chmod(0o755)
        (self.folder / "bin").mkdir(exist_ok=True)
        (self.folder / "bin" / "node").symlink_to(program)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_nothing_is_stale_of_an_app_without_anything(project: Project) -> None:
    assert project.stale(project.app()) == []


def test_an_env_file_with_another_content_is_told_and_one_with_the_same_is_not(project: Project) -> None:
    path = project.write(".env", "A=1\n", at=100)
    config = project.app(env_file=(str(path),))
    running = Running(config, digests_of(config))
    assert project.stale(running) == []
    project.write(".env", "A=1\n", at=200)
    assert project.stale(running) == []
    project.write(".env", "A=2\n", at=300)
    assert project.stale(running) == ["`.env` has changed since it was started"]
    path.unlink()
    assert project.stale(running) == ["`.env` has changed since it was started"]


def test_the_digest_of_an_env_file_holds_nothing_of_its_values(project: Project) -> None:
    path = project.write(".env", "TOKEN=hunter2\n")
    [(_, digest)] = digests_of(project.app(env_file=(str(path),)))
    assert len(digest) == 32
    assert "hunter2" not in digest


def test_an_env_file_that_is_a_pipe_is_not_waited_for(project: Project) -> None:
    path = project.folder / ".env"
    os.mkfifo(path)
    assert digests_of(project.app(env_file=(str(path),))) == ((str(path), ""),)


def test_nothing_on_disk_is_stale_for_an_app_that_does_not_run(project: Project) -> None:
    path = project.write(".env")
    assert project.stale(Running(project.app(), ((str(path), "other"),), run=None)) == []


@pytest.mark.parametrize(
    ("lock", "marker"),
    [
        ("package-lock.json", ".package-lock.json"),
        ("npm-shrinkwrap.json", ".package-lock.json"),
        ("pnpm-lock.yaml", ".modules.yaml"),
        ("yarn.lock", ".yarn-integrity"),
        ("yarn.lock", ".yarn-state.yml"),
    ],
)
def test_a_lock_file_that_is_newer_than_the_packages_is_told(
    project: Project, lock: str, marker: str
) -> None:
    project.write("package.json")
    project.write(lock, at=100)
    project.write(f"node_modules/{marker}", at=200)
    assert project.stale(project.app()) == []
    project.write(lock, at=300)
    assert project.stale(project.app(), now=KEPT_FOR) == [f"`{lock}` is newer than `node_modules`"]


def test_the_lock_file_of_a_workspace_counts_for_its_packages(project: Project) -> None:
    project.write("package-lock.json", at=300)
    project.write("node_modules/.package-lock.json", at=200)
    project.write("packages/web/package.json")
    assert project.stale(project.app("packages/web")) == ["`package-lock.json` is newer than `node_modules`"]


def test_what_was_never_installed_is_not_stale(project: Project) -> None:
    project.write("package.json")
    project.write("package-lock.json")
    assert project.stale(project.app()) == []


def test_an_app_without_a_package_has_no_old_packages(project: Project) -> None:
    project.write("package-lock.json", at=300)
    project.write("node_modules/.package-lock.json", at=200)
    assert project.stale(project.app()) == []


def test_another_node_than_is_asked_for_is_told(project: Project) -> None:
    project.node("18.1.0")
    project.write(".nvmrc", "20\n")
    assert project.stale(project.app()) == [".nvmrc asks for node `20`, and it has 18"]
    project.write(".nvmrc", "18\n")
    assert project.stale(project.app(), now=KEPT_FOR) == []


def test_a_node_without_its_version_in_the_path_has_it_in_its_header(project: Project) -> None:
    program = project.write("opt/node/bin/node", "")
    program.chmod(0o755)
    (project.folder / "bin").symlink_to(program.parent)
    project.write("opt/node/include/node/node_version.h", "#define NODE_MAJOR_VERSION 16\n")
    project.write(".node-version", "20\n")
    assert project.stale(project.app()) == [".node-version asks for node `20`, and it has 16"]


def test_a_node_of_an_unknown_version_is_not_judged(project: Project) -> None:
    project.write("bin/node", "").chmod(0o755)
    project.write(".nvmrc", "20\n")
    assert project.stale(project.app()) == []


def test_packages_are_looked_at_once_in_a_while(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    app = project.app()
    assert project.stale(app) == []
    project.node("18.1.0")
    project.write(".nvmrc", "20\n")
    assert project.stale(app, now=KEPT_FOR - 1) == []
    assert project.stale(app, now=KEPT_FOR) != []


def test_an_edit_that_waits_makes_the_apps_stale_that_it_would_change(project: Project) -> None:
    field = FieldChange("port", "1", "2", Change.RESTART)
    waiting = Plan((AppChange("web", Verb.RESTART, (field,)), AppChange("api", Verb.REMOVE)))
    assert project.stale(project.app(), waiting) == ["`port` differs in the edited file"]
    gone = Plan((AppChange("web", Verb.REMOVE),))
    assert project.stale(project.app(), gone) == ["the edited file takes it out"]
