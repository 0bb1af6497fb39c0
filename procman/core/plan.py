"""What a new configuration means for the apps that run: computed first, shown, then applied.

The differences are derived from the table of fields, so that no key can be forgotten.
"""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any, assert_never

from procman.core import kinds
from procman.core.config import AppConfig, Check, CheckKind, Command, Config
from procman.core.fields import APP, CHECK, CHECK_KINDS, MANAGER_ONLY, Change, Field, Table
from procman.core.frozen import Frozen
from procman.core.secrets import HIDDEN, hide
from procman.core.values import duration_text, size_text

SWITCH = {"enabled": APP["enabled"]}
OF_EVERY_CHECK = {key: field for key, field in CHECK.items() if key not in CHECK_KINDS}
_BARE_KEY = re.compile("[A-Za-z0-9_-]+")


# Why a change asks what it asks of a running app.
REASONS = {
    Change.RESTART: "its process was started with the old value",
    Change.LIVE: "the manager goes on with the new value; the process is not touched",
    Change.NEXT_START: "it is read when the app starts",
}


class Verb(Enum):
    """What is done to one app."""

    ADD = "add"
    REMOVE = "remove"
    RENAME = "rename"  # another name and nothing else: its run goes on
    RESTART = "restart"  # it is running something that is no longer declared
    LIVE = "live"  # it takes the change over as it runs
    NEXT_START = "next start"  # nothing to do now


class FieldChange(Frozen):
    """One key of one app that differs, its values as text, and what the change asks of a running app."""

    key: str  # dotted where it lies in a table: `check.timeout`, `env.PORT`
    old: str  # as one would write it in the file, or in words where nothing is written
    new: str
    change: Change


class AppChange(Frozen):
    """One app that differs between two configurations."""

    name: str
    verb: Verb
    fields: tuple[FieldChange, ...] = ()
    was: str | None = None  # RENAME: the name that it had

    @property
    def keys(self) -> str:
        """The keys that differ, for a sentence."""
        return ", ".join(f"`{field.key}`" for field in self.fields)


class Plan(Frozen):
    """Every app that differs, in the order of the new file, removed ones last; and what the manager heeds."""

    changes: tuple[AppChange, ...] = ()
    manager: tuple[FieldChange, ...] = ()  # keys of [manager] that no app has; it goes on with the new values

    def __bool__(self) -> bool:
        return bool(self.changes or self.manager)


def make_plan(old: Config | None, new: Config) -> Plan:
    """Return what makes the apps of `old` those of `new`."""
    before = old.enabled_apps() if old is not None else {}
    after = new.enabled_apps()
    known = old.apps if old is not None else {}
    renamed = _renamed(
        {name: app for name, app in before.items() if name not in new.apps},
        {name: app for name, app in after.items() if name not in known},
    )
    changes: list[AppChange] = []
    for name, app in after.items():
        if name in before:
            changes += _compare(before[name], app)
        elif name in renamed:
            was = renamed[name]
            field = FieldChange("name", _string(was), _string(name), Change.LIVE)
            changes.append(AppChange(name, Verb.RENAME, (field,), was))
        else:
            changes.append(AppChange(name, Verb.ADD, _switched(known.get(name), app)))
    for name, app in before.items():
        if name not in after and name not in renamed.values():
            changes.append(AppChange(name, Verb.REMOVE, _switched(app, new.apps.get(name))))
    manager = () if old is None else _differences(MANAGER_ONLY, old.manager, new.manager)
    return Plan(tuple(changes), tuple(manager))


def _renamed(gone: Mapping[str, AppConfig], come: Mapping[str, AppConfig]) -> dict[str, str]:
    """Return the old name of each app that has a new one and differs in nothing else.

    Two apps that are alike are not told apart: then each is a new one.
    """
    twins = {
        name: [old for old, each in gone.items() if replace(app, name=old, family=each.family) == each]
        for name, app in come.items()
    }
    claims = Counter(old for olds in twins.values() for old in olds)
    return {name: olds[0] for name, olds in twins.items() if len(olds) == 1 and claims[olds[0]] == 1}


def summarise(plan: Plan) -> str:
    """Return a plan on one line, for the log."""
    parts = [
        f"rename {change.was} to {change.name}"
        if change.was is not None
        else f"{change.verb.value} {change.name} {change.keys}".strip()
        for change in plan.changes
    ]
    if plan.manager:
        parts.append(f"live [manager] {', '.join(f'`{field.key}`' for field in plan.manager)}")
    return "; ".join(parts) or "no change"


def plan_data(plan: Plan) -> dict[str, Any]:
    """Return a plan as it is shown to programs."""
    changes = [
        {"app": change.name, "verb": change.verb.value, "fields": _fields_data(change.fields)}
        for change in plan.changes
    ]
    return {"changes": changes, "manager": _fields_data(plan.manager)}


def _fields_data(fields: Sequence[FieldChange]) -> list[dict[str, str]]:
    return [
        {
            "key": field.key,
            "old": field.old,
            "new": field.new,
            "change": field.change.value,
            "why": REASONS[field.change],
        }
        for field in fields
    ]


def _switched(old: AppConfig | None, new: AppConfig | None) -> tuple[FieldChange, ...]:
    """Return the change of `enabled`, if it is what adds or removes the app."""
    return () if old is None or new is None else tuple(_differences(SWITCH, old, new))


def _compare(old: AppConfig, new: AppConfig) -> Iterator[AppChange]:
    """Yield the change of an app, if there is one."""
    found: dict[str, FieldChange] = {}
    for field in _differences(APP, old, new):
        found.setdefault(field.key, field)  # `shell` is of several commands; `command` comes first
    asked = {field.change for field in found.values()}
    fields = tuple(found.values())
    if Change.RESTART in asked:
        yield AppChange(new.name, Verb.RESTART, fields)
    elif fields:
        yield AppChange(new.name, Verb.LIVE if Change.LIVE in asked else Verb.NEXT_START, fields)


def _differences(table: Table, old: object, new: object, inside: str = "") -> Iterator[FieldChange]:
    for field in table.values():
        before, after = _value(field, old), _value(field, new)
        if before == after:
            continue
        key = inside + field.key
        match before, after:
            case Check(), Check() if before.kind is not after.kind:
                yield FieldChange(key, _show_kind(before), _show_kind(after), field.change)
                yield from _differences(OF_EVERY_CHECK, before, after, f"{key}.")
            case _ if field.table is not None:
                yield from _differences(field.table, before, after, f"{key}.")
            case Command(), Command() if _show(field, before) == _show(field, after):
                old_shell, new_shell = (json.dumps(each.shell) for each in (before, after))
                yield FieldChange("shell", old_shell, new_shell, field.change)
            case tuple(), tuple() if field.kind == "table of strings":
                yield from _entries(field, key, dict(before), dict(after))
            case tuple(), tuple() if field.takes is kinds.LIMITS:
                limits = [{name: _show_limit(most) for name, most in each} for each in (before, after)]
                yield from _limits(field, key, *limits)
            case _:
                yield FieldChange(key, _show(field, before), _show(field, after), field.change)


def _value(field: Field, config: object) -> object:
    """Return the value of a key; of `command` all, because its words do not say what a shell reads."""
    if isinstance(config, AppConfig) and field.key == "command":
        return config.command
    return field.of(config)


def _entries(field: Field, key: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[FieldChange]:
    """Yield each entry that differs, its value hidden where it is a secret."""
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            before, after = (_show_entry(name, kept.get(name)) for kept in (old, new))
            yield FieldChange(f"{key}.{_key(name)}", before, after, field.change)
    if old == new and any("${" in value for value in new.values()):  # `${VAR}` sees what stands before it
        yield FieldChange(key, _show(field, tuple(old)), _show(field, tuple(new)), field.change)


def _limits(field: Field, key: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[FieldChange]:
    """Yield each limit that differs."""
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            yield FieldChange(f"{key}.{name}", old.get(name, "none"), new.get(name, "none"), field.change)


def _show_limit(most: int | None) -> str:
    return '"unlimited"' if most is None else str(most)


def _show_entry(name: str, value: str | None) -> str:
    if value is None:
        return "none"
    shown = hide(name, value)
    return shown if shown == HIDDEN else _string(shown)


def _show_kind(check: Check) -> str:
    match check.kind:
        case CheckKind.NONE:
            return "none"
        case CheckKind.TCP:
            return "{ tcp = true }"
        case CheckKind.HTTP | CheckKind.EXEC | CheckKind.LOG:
            field = CHECK[check.kind.value]
            return f"{{ {field.key} = {_show(field, field.of(check))} }}"
        case _ as unreachable:
            assert_never(unreachable)


def _show(field: Field, value: object) -> str:
    """Return a value as one would write it in the file, or in words where nothing is written."""
    match value:
        case None | ():
            return field.default or field.absent
        case str():
            return _string(value)
        case Command():
            return _string(value.text if value.shell else shlex.join(value.words))
        case Enum():
            return _string(value.value)
        case float() if field.kind == "duration":
            return _string(duration_text(value))
        case int() if field.kind == "size":
            return _string(size_text(value))
        case tuple() if field.kind == "status codes":
            return _string(",".join(f"{low}" if low == high else f"{low}-{high}" for low, high in value))
        case tuple() if field.key == "depends_on":
            pairs = (f"{_key(name)} = {_string(condition.value)}" for name, condition in value)
            return "{ " + ", ".join(pairs) + " }"
        case tuple():
            return "[" + ", ".join(map(_string, value)) + "]"
        case _:
            return json.dumps(value)


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _string(name)


def _string(text: str) -> str:
    """Return a string as TOML spells it, in characters that a terminal only prints."""
    return "".join(c if c.isprintable() else _escape(c) for c in json.dumps(text, ensure_ascii=False))


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
