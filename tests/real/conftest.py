"""A project for each test, and the manager's log under each that fails."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real.npm import install, npm, npm_environment
from tests.real.project import Project, run_project

__all__ = ["install", "npm", "npm_environment"]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Return a project of its own, of which nothing is left after the test."""
    yield from run_project(tmp_path / "project")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Put the manager's log under a failure."""
    report = yield
    project = getattr(item, "funcargs", {}).get("project")
    if report.failed and isinstance(project, Project):
        report.sections.append(("manager.log", project.manager_log()))
    return report
