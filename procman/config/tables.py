"""A raw TOML table to the parsed values of its keys, by the tables of `core.fields`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar, cast

from procman.config.names import unknown_key
from procman.config.positions import Path
from procman.config.problems import Problem, Problems
from procman.core.fields import Table
from procman.core.values import Bad
from procman.core.values import table as as_table

Values = dict[str, Any]  # what parsing gave, by key; a table in it is a `Values` of its own
WRONG = object()  # stands for a value with a problem: it was meant to be there, so nothing more is said of it
T = TypeVar("T")


def read_table(table: Table, raw: object, path: Path, name: str, problems: Problems) -> Values:
    """Return the parsed values of the keys, `WRONG` for one that has a problem, which is noted.

    Args:
        table: the keys it may have.
        raw: what stands in the file.
        path: where it stands.
        name: what it is, for `names.unknown_key`.
        problems: takes what is wrong.
    """
    try:
        items = as_table(raw)
    except Bad as bad:
        problems.add_bad(path, bad)
        return {}
    values: Values = {}
    for key, item in items.items():
        field = table.get(key)
        if field is None:
            unknown = unknown_key(key, table, name)
            problems.add(Problem((*path, key), unknown.message, unknown.hint, key=True))
            meant = table.get(unknown.meant or "")
            if meant is not None and meant.table is None:
                values.setdefault(meant.key, WRONG)
            continue
        value = WRONG if field.table is None else {}
        try:
            value = field.parse(item)
        except Bad as bad:
            problems.add_bad((*path, key), bad)
        inner = field.table
        values[key] = value if inner is None else read_table(inner, value, (*path, key), key, problems)
    return values


def merged(*layers: Mapping[str, Any]) -> Values:
    """Return the values of all layers, the last one winning."""
    return {key: value for layer in layers for key, value in layer.items()}


def build(of: Callable[..., T], table: Table, values: Mapping[str, Any]) -> T:
    """Return the dataclass of a table; a key without a value keeps the default."""
    return cast(T, _same(of, *((table[key].attribute, value) for key, value in values.items())))


@lru_cache(maxsize=64)
def _same(of: Callable[..., object], *values: tuple[str, Any]) -> object:
    """Return one object for equal values: most apps have their `backoff` from [defaults], or none."""
    return of(**dict(values))
