"""Several apps of one table: `instances = 3` makes of `web` the apps `web.1`, `web.2` and `web.3`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from procman.config.declared import Declared
from procman.config.problems import Problem, Problems

LAST_PORT = 65535


def expand(tables: Mapping[str, Declared], problems: Problems) -> dict[str, Declared]:
    """Return what is declared of each app, in the order of the tables; ports count up.

    Args:
        tables: what the file says, by the name of the table.
        problems: takes what can't be.
    """
    apps: dict[str, Declared] = {}
    for name, declared in tables.items():
        count = declared.get("instances", 1)
        if not isinstance(count, int) or count == 1:  # anything else has a problem that is noted already
            apps.setdefault(name, declared)
            continue
        port = declared.own.get("port")
        if isinstance(port, int) and port + count - 1 > LAST_PORT:
            message = f"the last of {count} instances would have port {port + count - 1}"
            problems.add(Problem(declared.path("port"), message, f"ports end at {LAST_PORT}"))
            continue
        for number in range(1, count + 1):
            each = f"{name}.{number}"
            if each in tables:
                message = f"`{each}` is also what an instance of `{name}` is called"
                problems.add(Problem(("apps", each), message, "give it another name", key=True))
            own = {**declared.own, "port": port + number - 1} if isinstance(port, int) else declared.own
            apps[each] = replace(declared, name=each, own=own, family=name, instance=number)
    return apps


def names_of(apps: Mapping[str, Declared]) -> dict[str, tuple[str, ...]]:
    """Return the apps of each table, by its name."""
    names: dict[str, tuple[str, ...]] = {}
    for name, declared in apps.items():
        names[declared.table] = (*names.get(declared.table, ()), name)
    return names
