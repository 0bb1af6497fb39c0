"""When `prepare` is due: by its inputs, and by what it has left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from procman.core.config import AppConfig, Command
from procman.engine.prepare import OUTPUTS, Prepared, fingerprint


@pytest.fixture
def app(tmp_path: Path) -> AppConfig:
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "package.json").write_text('{"dependencies": {"vite": "1"}}')
    return AppConfig("web", Command(("x",)), cwd=str(folder), prepare=Command(("npm", "ci")))


def fresh(app: AppConfig) -> Prepared:
    """Return what a manager knows that has just begun."""
    return Prepared(Path(app.cwd).parent / "prepared.json")


def test_it_is_due_once_and_then_with_other_inputs(app: AppConfig) -> None:
    assert fresh(app).is_due(app)
    fresh(app).succeed(app)
    assert not fresh(app).is_due(app)
    Path(app.cwd, "package-lock.json").write_text("{}")
    assert fresh(app).is_due(app)


@pytest.mark.parametrize("name", OUTPUTS)
def test_it_is_due_when_what_it_has_left_is_gone(app: AppConfig, name: str) -> None:
    left = Path(app.cwd, name)
    left.mkdir()
    fresh(app).succeed(app)
    assert not fresh(app).is_due(app)
    left.rename(left.with_suffix(".gone"))
    assert fresh(app).is_due(app)
    left.with_suffix(".gone").rename(left)
    assert not fresh(app).is_due(app)


def test_what_it_never_made_is_not_missed(app: AppConfig) -> None:
    prepared = fresh(app)
    prepared.succeed(app)
    Path(app.cwd, "node_modules").mkdir()
    Path(app.cwd, "node_modules").rmdir()
    assert not prepared.is_due(app)


def test_packages_at_the_top_of_a_workspace_are_missed_too(app: AppConfig) -> None:
    top = Path(app.cwd).parent
    (top / "package.json").write_text('{"workspaces": ["web"]}')
    (top / "package-lock.json").write_text("{}")
    (top / "node_modules").mkdir()
    fresh(app).succeed(app)
    assert not fresh(app).is_due(app)
    (top / "node_modules").rmdir()
    assert fresh(app).is_due(app)


def test_what_an_older_version_has_kept_holds(app: AppConfig) -> None:
    Path(app.cwd).parent.joinpath("prepared.json").write_text(json.dumps({"web": fingerprint(app)}))
    assert not fresh(app).is_due(app)


@pytest.mark.parametrize("kept", ["", "[]", '{"web": 1}', '{"web": null}', '{"web": []}', '{"web": {}}'])
def test_a_damaged_file_costs_one_that_was_not_needed(app: AppConfig, kept: str) -> None:
    Path(app.cwd).parent.joinpath("prepared.json").write_text(kept)
    assert fresh(app).is_due(app)
