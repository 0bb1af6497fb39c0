"""The folders that apps are to run in: a file may name one that is not there, and is hardly meant to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from procman.config.diagnostics import Diagnostic
from procman.config.overlay import read_document
from procman.config.problems import Problem, Problems
from procman.config.procfile import is_procfile
from procman.config.source import read_source
from procman.core.config import AppConfig, Config
from procman.core.values import quoted


def missing_folders(
    config: Config, names: Iterable[str] | None = None, *, shown_as: str | None = None
) -> tuple[Diagnostic, ...]:
    """Return where the file says to run apps in a folder that does not exist (now).

    Args:
        config: what the file says.
        names: apps of it to ask about; by default those that are enabled.
        shown_as: how to name the file.

    Raises:
        InvalidConfig: the file is not what `config` was read from any more, and invalid.
    """
    asked = config.enabled_apps() if names is None else names
    lost = [config.apps[name] for name in asked if not os.path.isdir(config.apps[name].cwd)]
    if not lost or is_procfile(config.file):  # whose folder is that of the apps
        return ()
    source = read_source(config.file, shown_as=shown_as)
    document: Mapping[str, Any] = read_document(source)
    problems = Problems()
    for app in lost:
        problems.add(_problem(app, document))
    return problems.diagnostics(source)


def _problem(app: AppConfig, document: Mapping[str, Any]) -> Problem:
    table = app.table
    own = "cwd" in document.get("apps", {}).get(table, {})
    path = ("apps", table, "cwd") if own else ("defaults", "cwd")
    there = app.cwd
    while not os.path.isdir(there):
        there = os.path.dirname(there)
    missing = os.path.relpath(app.cwd, there)
    return Problem(path, f"there is no folder {quoted(missing)} in `{there}`", "make it, or correct `cwd`")
