"""The JSON Schema of `portwatch.toml`, from the tables of `core.fields`: completion and help in editors.

`python -m procman.config.schema > procman/config/portwatch.schema.json` writes it, and a test fails when it
is stale. It is draft 7, which Taplo and Even Better TOML read. A schema cannot say all that `procman check`
does: what it lets through may still be wrong, what it rejects is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from procman.core.fields import APP, CHECK_KINDS, DEFAULTS, MANAGER, Field, Table
from procman.core.kinds import NAME

FILE = Path(__file__).with_name("portwatch.schema.json")

_SHORT = {"give_up": {"type": "integer", "enum": [0]}}  # what may stand instead of a table


def schema() -> dict[str, Any]:
    """Return the schema of a whole file."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "portwatch.toml",
        "description": "The apps that procman keeps running.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "manager": _table(MANAGER)
            | {"description": "What holds for every app that does not say otherwise."},
            "defaults": _table(DEFAULTS) | {"description": "Any key of an app; every app inherits it."},
            "apps": {
                "description": "A table for each app, by its name.",
                "type": "object",
                "minProperties": 1,
                "additionalProperties": False,
                "patternProperties": {f"^{NAME.pattern}$": _table(APP)},
            },
        },
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {key: _field(field) for key, field in table.items()},
    }


def _field(field: Field) -> dict[str, Any]:
    found: dict[str, Any] = {"description": _description(field)}
    if field.default is not None:
        found["default"] = _plain(field.default)
    return found | dict(_value(field))


def _value(field: Field) -> Mapping[str, Any]:
    if field.table is None:
        return field.takes.schema
    inside = _table(field.table)
    if field.key == "check":  # one kind at most
        pairs = [(a, b) for i, a in enumerate(CHECK_KINDS) for b in CHECK_KINDS[i + 1 :]]
        inside["not"] = {"anyOf": [{"required": list(pair)} for pair in pairs]}
    return {"anyOf": [inside, _SHORT[field.key]]} if field.key in _SHORT else inside


def _description(field: Field) -> str:
    """Return the sentence of the reference, without what only Markdown shows."""
    absent = "" if field.default is not None or field.absent in ("none", "required") else field.absent
    return field.doc.replace("`", "") + (f" Default: {absent.replace('`', '')}." if absent else "")


def _plain(default: str) -> Any:  # noqa: ANN401 - of any type
    import tomllib

    return tomllib.loads(f"value = {default}")["value"]


def leave(home: Path) -> None:
    """See to it that `#:schema .procman/portwatch.schema.json` finds the schema in the state folder `home`.

    Raises:
        OSError: it could not be written; an editor does without.
    """
    made, place = FILE.read_bytes(), home / FILE.name
    try:
        if place.read_bytes() == made:
            return
    except OSError:
        pass
    fresh = home / f"{FILE.name}.new"
    fresh.unlink(missing_ok=True)  # also where it is a link to something that is not ours
    with open(fresh, "xb") as file:
        file.write(made)
    fresh.replace(place)


def text() -> str:
    """Return the schema as it stands in its file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":  # pragma: no cover - a test runs it in a process of its own
    print(text(), end="")
