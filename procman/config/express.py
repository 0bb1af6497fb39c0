"""The model back to plain TOML values, and those to text: what `procman get` prints."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum

import tomlkit

from procman.config.keys import Key
from procman.core import kinds
from procman.core.config import AppConfig, Check, CheckKind, Command, Config
from procman.core.fields import APP, CHECK, CHECK_KINDS, MANAGER, Field, Table
from procman.core.secrets import HIDDEN, hide, show_command
from procman.core.values import duration_text, size_text

_OF_HTTP = ("status", "headers")


def plain(table: Table, config: object) -> dict[str, object]:
    """Return the values in force of a table, as the file would have them; without what is not set."""
    values = {field.key: _value(field, config) for field in table.values()}
    return {key: value for key, value in values.items() if value is not None}


def in_force(config: Config | None, document: Mapping[str, object], key: Key) -> object:
    """Return the plain value of a key, or None: it is not set, and there is no default.

    Args:
        config: what the file means; None if that is wrong, and only what is written counts.
        document: the file as plain values. [defaults] is taken from it: the model has it in every app.
        key: a key or a table.
    """
    top, *rest = key.path
    if top == "defaults" or config is None:
        value = _at(document, key.path)
        return default_of(key.field) if value is None and top == "defaults" and key.field else value
    if top == "manager":
        return _at(plain(MANAGER, config.manager), key.inside)
    first = next((each for each in config.apps.values() if each.table == rest[0]), None)
    app = config.apps.get(rest[0], first)
    return None if app is None else _at(plain(APP, app), key.inside)


def differences(key: str, old: object, new: object) -> Iterator[tuple[str, object, object]]:
    """Yield what differs between two values of a key; of tables, each key in them that does."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for inner in dict.fromkeys((*old, *new)):
            yield from differences(f"{key}.{inner}", old.get(inner), new.get(inner))
    elif old != new:
        yield key, old, new


def masked(value: object, inside: Sequence[str]) -> object:
    """Return a plain value without the secrets in its environments, headers and command lines.

    Args:
        value: what stands at `inside`.
        inside: the keys to it, in the table of an app or of [defaults].
    """
    if isinstance(value, Mapping):
        return {key: masked(item, (*inside, key)) for key, item in value.items()}
    if isinstance(value, str) and len(inside) > 1 and inside[-2] in ("env", "headers"):
        return hide(inside[-1], value)
    if inside and inside[-1] in ("command", "prepare", "exec"):
        words = [value] if isinstance(value, str) else value
        if isinstance(words, list) and HIDDEN in (safe := show_command(map(str, words))):
            return safe
    return value


def default_of(field: Field) -> object:
    """Return the plain value of a key that nobody sets, or None."""
    return None if field.default is None else tomllib.loads(f"value = {field.default}")["value"]


def toml_text(value: object) -> str:
    """Return a plain value as TOML, on one line."""
    if isinstance(value, Mapping):
        items = ", ".join(f"{_key(key)} = {toml_text(item)}" for key, item in value.items())
        return f"{{ {items} }}" if items else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml_text, value))}]"
    return tomlkit.item(value).as_string()


def toml_lines(values: Mapping[str, object], header: tuple[str, ...] = ()) -> str:
    """Return a table as lines, below its header if it is to have one."""
    lines = [f"[{'.'.join(map(_key, header))}]"] if header else []
    return "\n".join([*lines, *(f"{_key(key)} = {toml_text(value)}" for key, value in values.items())])


def _at(value: object, keys: Sequence[str]) -> object:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _key(name: str) -> str:
    return tomlkit.key(name).as_string()


def _value(field: Field, config: object) -> object:
    if isinstance(config, AppConfig) and field.key == "command":
        return _plain(field, config.command)
    value = field.of(config)
    if isinstance(value, Check):
        return _check(value)
    return plain(field.table, value) if field.table is not None else _plain(field, value)


def _check(check: Check) -> dict[str, object] | None:
    if check.kind is CheckKind.NONE:
        return None
    left_out = {*CHECK_KINDS, *(() if check.kind is CheckKind.HTTP else _OF_HTTP)} - {check.kind.value}
    fields = {key: field for key, field in CHECK.items() if key not in left_out | {"tcp"}}
    chosen: dict[str, object] = {"tcp": True} if check.kind is CheckKind.TCP else {}
    return chosen | plain(fields, check)


def _plain(field: Field, value: object) -> object:
    match value:
        case Command():
            return value.text if value.shell else shlex.join(value.words)
        case Enum():
            return value.value
        case tuple() if field.takes is kinds.STATUS:
            return ",".join(f"{low}" if low == high else f"{low}-{high}" for low, high in value)
        case tuple() if field.takes in (kinds.ENVIRONMENT, kinds.HEADERS):
            return dict(value)
        case tuple() if field.takes is kinds.LIMITS:
            return {name: "unlimited" if most is None else most for name, most in value}
        case () | None:
            return default_of(field)
        case tuple() if field.takes is kinds.DEPENDENCIES:
            return {name: condition.value for name, condition in value}
        case tuple():
            return list(value)
        case int() | float() if field.kind == "duration":
            return duration_text(value)
        case int() if field.kind == "size":
            return size_text(value)
        case float():
            return int(value) if value.is_integer() else value
    return value
