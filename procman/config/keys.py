"""What `procman set web.check.timeout 5s` names: a key of `core.fields`, and a value in TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection
from dataclasses import dataclass

import tomlkit

from procman.config.names import unknown_key
from procman.config.positions import locate
from procman.core import kinds
from procman.core.fields import APP, DEFAULTS, MANAGER, Field, Table
from procman.core.selection import UnknownApp
from procman.core.values import Bad

_TOP: dict[str, Table] = {"manager": MANAGER, "defaults": DEFAULTS}
_OPEN = (kinds.ENVIRONMENT, kinds.HEADERS, kinds.DEPENDENCIES)  # tables whose keys are their user's to choose


class WrongKey(Exception):
    """A key that the file has no place for."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Key:
    """A place in the file."""

    path: tuple[str, ...]  # from the top: `("apps", "web", "check", "timeout")`
    inside: tuple[str, ...]  # in the table of the app, of [defaults] or [manager]; `()` is the table itself
    parse: Callable[[object], object] | None = None  # raises `Bad`; None: any table
    field: Field | None = None  # None for a table itself, and for an entry such as `env.HOME`

    @property
    def shown(self) -> str:
        """The key as one would type it."""
        return ".".join(self.path[1:] if self.path[0] == "apps" else self.path)


def resolve(written: str, names: Collection[str]) -> Key:
    """Return what `APP.KEY[.SUBKEY]`, `defaults.KEY` or `manager.KEY` names; `apps.APP.KEY` is fine too.

    The name of an app may have dots: the longest name that fits is meant.

    Args:
        written: as it was typed.
        names: of the apps of the file.

    Raises:
        UnknownApp: it begins with no app.
        WrongKey: there is no such key.
    """
    top, dot, rest = written.partition(".")
    if top in _TOP:
        return _inside(rest.split(".") if dot else [], _TOP[top], top, (top,), written)
    if top == "apps" and (name := _app(rest, names)):
        return _of_app(rest, name, written)
    if name := _app(written, names):
        return _of_app(written, name, written)
    raise UnknownApp(rest.partition(".")[0] if top == "apps" and rest else top, tuple(names))


def toml_token(written: str, parse: Callable[[object], object]) -> str:
    """Return a typed value as TOML: as it is if it is TOML that the key takes, else as a string.

    What the key takes in neither way stays TOML, if it is, for its error to be about what was typed.
    """
    token = _token(written)
    if token is not None and _takes(parse, tomllib.loads(f"value = {token}")["value"]):
        return token
    if token is not None and not _takes(parse, written):
        return token
    return tomlkit.item(written).as_string()


def _app(written: str, names: Collection[str]) -> str | None:
    fitting = [name for name in names if written == name or written.startswith(f"{name}.")]
    return max(fitting, key=len, default=None)


def _of_app(written: str, name: str, shown: str) -> Key:
    parts = [] if written == name else written[len(name) + 1 :].split(".")
    return _inside(parts, APP, "app", ("apps", name), shown)


def _inside(parts: list[str], table: Table, name: str, base: tuple[str, ...], written: str) -> Key:
    keys: tuple[str, ...] = ()
    field: Field | None = None
    while parts:
        key, *parts = parts
        field = table.get(key)
        keys = (*keys, key)
        if field is None:
            unknown = unknown_key(key, table, name)
            raise WrongKey(f"{written}: {unknown.message}", unknown.hint)
        if not parts:
            break
        if field.takes in _OPEN:
            keys = (*keys, ".".join(parts))  # the name of a header or of an app may have dots
            return Key((*base, *keys), keys, _text)
        if field.table is None:
            raise WrongKey(f"{written}: `{key}` has no keys in it, it takes {field.kind}")
        table, name = field.table, key
    return Key((*base, *keys), keys, field.parse if field else None, field)


def _text(raw: object) -> str:
    """Return `raw` if it is a string: a variable is what was typed, and `1.50` is not 1.5."""
    if isinstance(raw, str):
        return raw
    raise Bad("expected a string")


def _token(written: str) -> str | None:
    """Return the one TOML value that a text is, without space and comment around it, or None."""
    text = f"value = {written}"
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError):
        return None
    if list(document) != ["value"]:
        return None
    span = locate(text.replace("\r\n", "\n")).values[("value",)]
    return text.replace("\r\n", "\n")[span.start : span.end]


def _takes(parse: Callable[[object], object], raw: object) -> bool:
    try:
        parse(raw)
    except Bad:
        return False
    return True
