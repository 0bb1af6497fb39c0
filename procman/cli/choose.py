"""The apps that a command's arguments mean, where no manager is asked; a wrong name ends the command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from procman.cli import exits
from procman.cli.failure import Failure
from procman.control.selection import UnknownApp, explain, select, select_shown
from procman.core.config import AppConfig


def choose(patterns: Sequence[str], apps: Mapping[str, AppConfig]) -> tuple[str, ...]:
    """Return the names that `patterns` mean, in file order."""
    try:
        return select(patterns, apps)
    except UnknownApp as unknown:
        raise Failure(exits.UNKNOWN_APP, *explain(unknown, apps)) from unknown


def choose_shown(patterns: Sequence[str], document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a status document with those apps alone that `patterns` mean."""
    apps = document["apps"]
    try:
        return {**document, "apps": select_shown(patterns, apps)}
    except UnknownApp as unknown:
        raise Failure(exits.UNKNOWN_APP, *explain(unknown, [app["name"] for app in apps])) from unknown
