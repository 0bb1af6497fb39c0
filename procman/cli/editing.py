"""What `get`, `set`, `add` and `remove` share: the file as it is, and the way of a new text into it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import click

from procman.cli import exits
from procman.cli.choose import choose
from procman.cli.failure import Failure, FileFailure, shown
from procman.cli.project import find_project
from procman.cli.render import printable
from procman.config.diagnostics import InvalidConfig
from procman.config.edit import NotATable
from procman.config.express import differences, in_force, masked, toml_text
from procman.config.keys import Key, WrongKey, resolve, toml_token
from procman.config.positions import locate
from procman.config.procfile import is_procfile
from procman.config.read import parse_config
from procman.config.source import Source, read_source
from procman.config.syntax import parse_toml
from procman.config.write import ChangedMeanwhile, replace_text
from procman.control.protocol import harmless
from procman.control.selection import UnknownApp, explain
from procman.core.config import AppConfig, Command, Config
from procman.core.secrets import HIDDEN

Change = dict[str, Any]  # `key`, and its plain values in force: `old` and `new`


class Editing:
    """A `portwatch.toml` as it was read; with mistakes too, as long as it is TOML: an edit may mend them."""

    def __init__(self, file: str | None) -> None:
        path = find_project(file).file
        if is_procfile(path):
            message = f"`{shown(path)}` is a Procfile, and only a `portwatch.toml` can be edited"
            raise Failure(exits.USAGE, message, "edit it by hand: an app is a line `name: command`")
        try:
            self.source = read_source(path)
            self.document = parse_toml(self.source)
        except InvalidConfig as error:
            raise FileFailure(error.render()) from error
        tables = self.document.get("apps")
        self.tables: dict[str, object] = tables if isinstance(tables, dict) else {}
        self.config = _meaning(self.source)

    def choose(self, patterns: Sequence[str]) -> tuple[str, ...]:
        """Return the apps that names, globs and tags mean."""
        return choose(patterns, {name: _declared(name, table) for name, table in self.tables.items()})

    def key(self, written: str, *more: str) -> Key:
        """Return what a key names; `more` are apps that the file does not have yet."""
        return find_key(written, [*self.tables, *more])

    def overridden(self, key: Key) -> str | None:
        """Return the name of the local file if what it says of a key holds."""
        local = self.source.local
        return local.shown if local is not None and key.path in locate(local.text).values else None

    def token(self, key: Key, written: str) -> str:
        """Return a typed value as TOML."""
        if key.parse is None:
            known = f"`procman set {key.shown}.KEY VALUE`"
            raise Failure(exits.USAGE, f"`{key.shown}` is a table, not a key", f"name a key in it: {known}")
        try:
            written.encode()
        except UnicodeEncodeError as error:
            raise Failure(exits.USAGE, f"{key.shown}: expected UTF-8 text") from error
        return toml_token(written, key.parse)

    def write(self, text: str, keys: Iterable[Key]) -> list[Change]:
        """Put a new text in place if it is valid, and return what that changes of `keys`."""
        after = replace(self.source, text=text)
        try:
            config, document = parse_config(after), parse_toml(after)
        except InvalidConfig as error:
            raise FileFailure(f"{error.render()}\n\nnothing was written") from error
        changes = []
        for key in keys:
            old, new = in_force(self.config, self.document, key), in_force(config, document, key)
            changes += [_change(key, *each) for each in differences(key.shown, old, new)]
        if text != self.source.text:
            _put(self.source, text)
        return changes

    def tell(self, changes: Sequence[Change], lines: Iterable[str], *, as_json: bool) -> int:
        """Print what was changed, as lines or as JSON, and return the exit code."""
        if as_json:
            document = {"file": self.source.path, "changes": changes}
            text = json.dumps(document, ensure_ascii=False, default=str)
            click.echo(harmless(text))  # what was wrong may be a date
        else:
            click.echo("\n".join(lines))
        return exits.DONE


def find_key(written: str, names: Sequence[str]) -> Key:
    """Return what a key names, given the apps of the file."""
    try:
        return resolve(written, names)
    except UnknownApp as unknown:
        raise Failure(exits.UNKNOWN_APP, *explain(unknown, names)) from unknown
    except WrongKey as wrong:
        raise Failure(exits.USAGE, wrong.message, wrong.hint) from wrong


def no_table(error: NotATable, key: Key) -> Failure:
    """Return the failure of a key that was to be set in a plain value."""
    outer = ".".join(error.path[1:] if error.path[0] == "apps" else error.path)
    message = f"`{key.shown}` cannot be set: `{outer}` is written as `{printable(error.written)}`"
    return Failure(exits.USAGE, message, f"set all of it: `procman set {outer} VALUE`")


def value_text(value: object) -> str:
    """Return a value as the file has it, or that there is none."""
    return "none" if value is None else HIDDEN if value == HIDDEN else toml_text(value)


def _change(key: Key, shown: str, old: object, new: object) -> Change:
    deeper = shown[len(key.shown) + 1 :]  # one name in a table: that of a key or of a variable
    inside = (*key.inside, deeper) if deeper else key.inside
    return {"key": shown, "old": masked(old, inside), "new": masked(new, inside)}


def _meaning(source: Source) -> Config | None:
    try:
        return parse_config(source)
    except InvalidConfig:
        return None


def _declared(name: str, table: object) -> AppConfig:
    """Return as much of an app as is needed to choose it."""
    tags = table.get("tags") if isinstance(table, dict) else None
    tags = [tags] if isinstance(tags, str) else tags
    return AppConfig(name, Command(()), tags=tuple(map(str, tags)) if isinstance(tags, list) else ())


def _put(source: Source, text: str) -> None:
    try:
        replace_text(source, text)
    except ChangedMeanwhile as error:
        message = f"`{source.shown}` was edited by somebody else in this moment, so it was left alone"
        raise Failure(exits.FAILED, message, "run the command again") from error
    except OSError as error:
        message = f"`{source.shown}` cannot be written: {error.strerror or error}"
        raise Failure(exits.FAILED, message, f"see who may with `ls -l {source.shown}`") from error
