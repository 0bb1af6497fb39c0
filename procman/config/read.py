"""The file to the model: `Config`, or every error that is in it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from procman.config.apps import build_app
from procman.config.declared import Declared
from procman.config.diagnostics import Diagnostic, EmptyFile, InvalidConfig, MissingFile
from procman.config.instances import expand
from procman.config.names import closest
from procman.config.overlay import read_document
from procman.config.problems import Problem, Problems
from procman.config.procfile import is_procfile, parse_procfile
from procman.config.references import References
from procman.config.relations import check_relations, resolve_conditions
from procman.config.source import Source, read_source
from procman.config.tables import Values, build, read_table
from procman.core.config import Config, HistoryBudget, LogBudget, ManagerConfig
from procman.core.fields import APP, DEFAULTS, HISTORY, LOGS, MANAGER
from procman.core.kinds import NAME, NAME_RULE
from procman.core.values import quoted, wrong_type

__all__ = ["Diagnostic", "EmptyFile", "InvalidConfig", "MissingFile", "parse_config", "read_config"]

_TABLES = ("manager", "defaults", "apps")
_EXAMPLE = 'declare one: `[apps.web]` with `command = "npm run dev"`'
# What other tools call the table of all apps.
_APPS = ("app", "service", "services", "program", "programs", "process", "processes", "procs", "daemons")


def read_config(path: str, *, shown_as: str | None = None) -> Config:
    """Return what the file at `path` says: a `portwatch.toml`, or a `Procfile` by its name.

    Args:
        path: of the file; relative paths in it are relative to its folder.
        shown_as: how to name it in errors; by default the path, relative if it is inside the current folder.

    Raises:
        InvalidConfig: it is wrong; `MissingFile` and `EmptyFile` are kinds of it.
    """
    return parse_config(read_source(path, shown_as=shown_as))


def read_in_place(path: str, place: str) -> Config:
    """Return what the file at `path` would say if it stood at `place`, where it may not be yet.

    Raises:
        InvalidConfig: it is wrong; errors name `path`, and those of the local file of `place` that one.
    """
    if is_procfile(path) != is_procfile(place):  # one takes the place of the other, under its own name
        place = os.path.join(os.path.dirname(place), os.path.basename(path))
    return parse_config(read_source(path, place=place))


def parse_config(source: Source) -> Config:
    """Return what a file that was read says.

    Raises:
        InvalidConfig: it is wrong; all errors of the file, in its order.
    """
    if is_procfile(source.path):
        return parse_procfile(source)
    document = read_document(source)
    problems = Problems()
    config = _config(document, source, problems)
    if problems or config is None:
        raise InvalidConfig(problems.diagnostics(source))
    return config


def _config(document: Mapping[str, object], source: Source, problems: Problems) -> Config | None:
    for key, raw in document.items():
        if key not in _TABLES:
            problems.add(_unknown_table(key, raw))
    manager = read_table(MANAGER, document.get("manager", {}), ("manager",), "manager", problems)
    defaults = read_table(DEFAULTS, document.get("defaults", {}), ("defaults",), "defaults", problems)
    tables = _declared(document, manager, defaults, problems)
    declared = expand(tables, problems)
    check_relations(tables, declared, problems)
    references = References(declared, source.folder)
    apps = {name: build_app(app, source.folder, problems, references) for name, app in declared.items()}
    complete = {name: app for name, app in apps.items() if app is not None}
    if problems:
        return None
    logs = build(LogBudget, LOGS, manager.get("logs", {}))
    history = build(HistoryBudget, HISTORY, manager.get("history", {}))
    return Config(
        file=source.path,
        folder=source.folder,
        local_file=None if source.local is None else source.local.path,
        manager=build(ManagerConfig, MANAGER, {**manager, "logs": logs, "history": history}),
        apps=resolve_conditions(complete, declared),
    )


def _declared(
    document: Mapping[str, object], manager: Values, defaults: Values, problems: Problems
) -> dict[str, Declared]:
    """Return what the file says about each app that has a table."""
    tables = document.get("apps", {})
    if not isinstance(tables, dict):
        bad = wrong_type("a table of apps", tables, "each app has a table of its own: `[apps.web]`")
        problems.add_bad(("apps",), bad)
        return {}
    if not tables and not problems:
        message = "the file declares no apps" if "apps" not in document else "there are no apps in it"
        problems.add(Problem(("apps",), message, _EXAMPLE))
    declared = {}
    for name, raw in tables.items():
        path = ("apps", name)
        if not NAME.fullmatch(name):
            problems.add(Problem(path, f"expected a name of {NAME_RULE}, got {quoted(name)}", key=True))
        if isinstance(raw, dict):
            own = read_table(APP, raw, path, "app", problems)
            declared[name] = Declared(name, own, defaults, manager)
        else:
            problems.add_bad(path, wrong_type("a table", raw, _instead(name, raw)))
    return declared


def _instead(name: str, raw: object) -> str | None:
    """Return what to write for something that is no table, where the table of an app belongs."""
    if name in APP:
        return f"`{name}` is a key of an app: it goes under `[apps.NAME]`"
    return f"write `{name} = {{ command = {quoted(raw)} }}`" if isinstance(raw, str) else None


def _unknown_table(key: str, raw: object) -> Problem:
    """Return the problem of something at the top level that does not belong there."""
    close = closest(key, _TABLES)
    hint = f"did you mean `[{close}]`?" if close else "known are `[manager]`, `[defaults]` and `[apps.NAME]`"
    if key in APP:
        hint = f"`{key}` is a key of an app: it goes under `[apps.NAME]`"
    elif isinstance(raw, dict) and key.lower() in _APPS:
        inner = next((name for name, value in raw.items() if isinstance(value, dict)), "NAME")
        hint = f"an app is written `[apps.{inner}]`"
    elif isinstance(raw, dict) and "command" in raw:
        hint = f"an app is written `[apps.{key}]`"
    return Problem((key,), f"unknown {'table' if isinstance(raw, dict) else 'key'}", hint, key=True)
