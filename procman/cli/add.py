"""`procman add`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from procman.cli import exits, options
from procman.cli.editing import Change, Editing, no_table, value_text
from procman.cli.failure import Failure
from procman.config.commands import split
from procman.config.edit import NotATable, add_table, set_value
from procman.config.express import toml_text
from procman.config.keys import Key
from procman.core.kinds import NAME, NAME_RULE
from procman.core.values import Bad, quoted

_FORM = "`procman add NAME [KEY=VALUE]... -- COMMAND...`"


@click.command(context_settings={"allow_interspersed_args": False})  # else click would swallow the `--`
@options.as_json
@click.argument("words", nargs=-1, required=True, metavar="NAME [KEY=VALUE]... -- COMMAND...")
@click.pass_obj
def command(file: str | None, words: tuple[str, ...], as_json: bool) -> int:
    """Add an app at the end of the file; a running manager starts it.

    `procman add web port=5173 cwd=web check.http=/health -- npm run dev`: keys and values are those of
    `procman set`, without the name of the app. A command of one word is taken as the file would: quote it as
    a whole to keep quotes in it, and for a shell (`shell=true`).
    """
    name, settings, run = _parts(words)
    editing = Editing(file)
    if not NAME.fullmatch(name):
        raise Failure(exits.USAGE, f"expected a name of {NAME_RULE}, got {quoted(name)}")
    if name in editing.tables:
        hint = f"`procman set {name}.KEY VALUE` changes it"
        raise Failure(exits.USAGE, f"there is an app `{name}` already", hint)
    keys = [editing.key(f"apps.{name}.{written}", name) for written, _ in settings]
    tokens = [editing.token(key, value) for key, (_, value) in zip(keys, settings, strict=True)]
    if run:
        keys.insert(0, editing.key(f"apps.{name}.command", name))
        tokens.insert(0, _command(run))
    text = add_table(editing.source.text, ("apps", name))
    for key, token in zip(keys, tokens, strict=True):
        text = _set(text, key, token)
    changes = editing.write(text, keys)
    return editing.tell(changes, [f"added {name}", *map(_line, changes)], as_json=as_json)


def _parts(words: Sequence[str]) -> tuple[str, list[tuple[str, str]], list[str]]:
    """Return the name, the keys with their values, and the command."""
    name, *rest = words
    end = rest.index("--") if "--" in rest else len(rest)
    settings = []
    for word in rest[:end]:
        key, sign, value = word.partition("=")
        if not sign or not key:
            raise Failure(exits.USAGE, f"expected KEY=VALUE, got `{word}`", f"the form is {_FORM}")
        settings.append((key, value))
    return name, settings, rest[end + 1 :]


def _command(words: Sequence[str]) -> str:
    """Return a command as TOML: as a string where that means these very words, else as an array."""
    if len(words) == 1:
        return toml_text(words[0])
    line = " ".join(words)
    try:
        same = split(line) == tuple(words)
    except Bad:  # a shell operator, which is a word here
        same = False
    return toml_text(line if same else list(words))


def _set(text: str, key: Key, token: str) -> str:
    try:
        return set_value(text, key.path, token)
    except NotATable as error:
        raise no_table(error, key) from error


def _line(change: Change) -> str:
    return f"  {change['key']}: {value_text(change['new'])}"
