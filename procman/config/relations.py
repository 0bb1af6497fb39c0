"""What must hold between the apps of a file: ports, and who waits for whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from procman.config.declared import Declared
from procman.config.instances import names_of
from procman.config.names import closest
from procman.config.problems import Problem, Problems
from procman.core.config import AppConfig, CheckKind, Condition, Restart
from procman.core.order import find_cycle


def check_relations(tables: Mapping[str, Declared], apps: Mapping[str, Declared], problems: Problems) -> None:
    """Note the ports that two apps share, and the dependencies that can never hold.

    Args:
        tables: what the file says, by the name of the table; dependencies are between tables.
        apps: the same by app, where a table may have several.
        problems: takes what is wrong.
    """
    _check_ports({name: app for name, app in apps.items() if app.get("enabled", True)}, problems)
    enabled = {name: app for name, app in tables.items() if app.get("enabled", True)}
    for app in tables.values():
        for index, (name, condition) in enumerate(_waits(app)):
            problem = _dependency_problem(app, name, condition, tables, enabled)
            if problem:
                item = name if condition else index  # only a table has conditions
                problems.add(Problem(("apps", app.name, "depends_on", item), *problem))
    _check_cycles(tables, problems)


def resolve_conditions(
    apps: Mapping[str, AppConfig], declared: Mapping[str, Declared]
) -> dict[str, AppConfig]:
    """Return the apps with their dependencies; without a condition they wait for health, if it is checked.

    An app that another waits for to be completed is not restarted after an exit without an error, unless its
    own `restart` says otherwise: else nobody could ever wait for it. Who waits for a table of several
    instances waits for them all.
    """
    members = names_of(declared)
    awaited = {
        each
        for app in declared.values()
        for name, condition in _waits(app)
        if condition is Condition.COMPLETED
        for each in members.get(name, ())
    }

    def usual(name: str) -> Condition:
        return Condition.STARTED if apps[name].check.kind is CheckKind.NONE else Condition.HEALTHY

    def resolved(app: AppConfig) -> AppConfig:
        waits = [(each, said) for name, said in _waits(declared[app.name]) for each in members[name]]
        if app.name in awaited and declared[app.name].get("restart") is None:
            app = replace(app, restart=Restart.ON_FAILURE)
        return replace(app, depends_on=tuple((name, said or usual(name)) for name, said in waits))

    return {name: resolved(app) for name, app in apps.items()}


def _waits(app: Declared) -> tuple[tuple[str, Condition | None], ...]:
    """Return what the app declares to depend on; nothing where that is wrong already."""
    waits = app.own.get("depends_on", ())
    return waits if isinstance(waits, tuple) else ()


def _check_ports(enabled: Mapping[str, Declared], problems: Problems) -> None:
    owners: dict[int, str] = {}
    for app in enabled.values():
        port = app.own.get("port")
        if not isinstance(port, int):
            continue
        owner = owners.setdefault(port, app.name)
        if owner != app.name:
            message = f"{port} is the port of `{owner}` already"
            beside = ("apps", enabled[owner].table, "port")
            problems.add(Problem(("apps", app.table, "port"), message, beside=beside))


def _dependency_problem(
    app: Declared,
    name: str,
    condition: Condition | None,
    apps: Mapping[str, Declared],
    enabled: Mapping[str, Declared],
) -> tuple[str, str | None] | None:
    """Return the message and hint for a dependency that can never hold, or None."""
    if name == app.name:
        return "an app cannot wait for itself", None
    if name not in apps:
        close = closest(name, apps)
        known = "apps are " + ", ".join(f"`{other}`" for other in apps)
        return f"no app is called `{name}`", f"did you mean `{close}`?" if close else known
    if name not in enabled and app.name in enabled:
        return f"`{name}` is not enabled", f"enable `{name}`, or take it out here"
    if apps[name].get("schedule") is not None:
        return f"`{name}` runs at certain times: nothing can wait for it", f"take `{name}` out here"
    if condition is Condition.COMPLETED and apps[name].get("restart") is Restart.ALWAYS:
        hint = f'set `restart = "on-failure"` or `"never"` for `{name}`, or leave it out'
        return f'`{name}` never completes: its `restart` is "always"', hint
    return None


def _check_cycles(apps: Mapping[str, Declared], problems: Problems) -> None:
    """Note every cycle of two apps or more, each app in one of them at most."""
    waits = {app.name: [name for name, _ in _waits(app) if name != app.name] for app in apps.values()}
    while cycle := find_cycle(waits):
        first = min(cycle[:-1], key=list(apps).index)
        at = cycle.index(first)
        path = (*cycle[at:-1], *cycle[:at], first)
        message = f"a cycle: {' -> '.join(path)}"
        problems.add(
            Problem(
                ("apps", first, "depends_on"), message, "no app of it can start first: take one of them out"
            )
        )
        waits = {name: others for name, others in waits.items() if name not in cycle}
