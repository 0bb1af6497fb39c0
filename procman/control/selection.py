"""How names, globs and `@tag` choose apps where no manager is asked, and how a wrong one is explained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from procman.core.config import AppConfig, Command
from procman.core.selection import UnknownApp, select

__all__ = ["UnknownApp", "explain", "select", "select_shown"]


def explain(unknown: UnknownApp, names: Iterable[str]) -> tuple[str, str]:
    """Return the message and the hint for a name that means no app."""
    known = ", ".join(f"`{name}`" for name in names) or "none"
    near = f"did you mean `{unknown.suggestion}`? T" if unknown.suggestion else "t"
    return f"no app matches `{unknown.pattern}`", f"{near}he apps are {known}"


def select_shown(patterns: Sequence[str], apps: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return those apps of a status document that `patterns` mean; raises `UnknownApp`."""
    known = {
        app["name"]: AppConfig(app["name"], Command(()), tags=tuple(app["tags"]), family=app.get("family"))
        for app in apps
    }
    chosen = set(select(patterns, known))
    return [app for app in apps if app["name"] in chosen]
