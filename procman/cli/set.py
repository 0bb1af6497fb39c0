"""`procman set`."""

from __future__ import annotations

import click

from procman.cli import exits, options
from procman.cli.editing import Change, Editing, no_table, value_text
from procman.cli.failure import Failure
from procman.config.edit import NotATable, remove, set_value


@click.command()
@click.argument("key", shell_complete=options.keys)
@click.argument("value", required=False)
@click.option("--unset", is_flag=True, help="Take KEY out of the file, so that its default holds.")
@options.as_json
@click.pass_obj
def command(file: str | None, key: str, value: str | None, unset: bool, as_json: bool) -> int:
    """Set one key in the file; comments, order and layout stay, and a running manager applies it.

    KEY is APP.KEY, `defaults.KEY` or `manager.KEY`, and goes on into tables: `web.check.timeout`. VALUE is
    TOML where the key takes that, else a string: `5173`, `true`, `["a", "b"]`, `{http="/"}`, `5m`.
    A file that would be invalid is not written.
    """
    editing = Editing(file)
    place = editing.key(key)
    if unset == (value is not None):
        example = f"`procman set {place.shown} VALUE`, or `procman set {place.shown} --unset`"
        message = "expected a value or `--unset`, got both" if unset else "expected a value"
        raise Failure(exits.USAGE, message, example)
    if value is None:
        if not place.inside:
            hint = f"`procman remove {place.shown}` removes an app"
            raise Failure(exits.USAGE, f"`{place.shown}` is a table, not a key", hint)
        text = remove(editing.source.text, place.path)
    else:
        try:
            text = set_value(editing.source.text, place.path, editing.token(place, value))
        except NotATable as error:
            raise no_table(error, place) from error
    changes = editing.write(text, [place])
    lines = [_line(change) for change in changes]
    same = "written, and means what held before" if text != editing.source.text else "nothing to change"
    other = editing.overridden(place)
    same += f"; `{other}` has a value of its own for it" if other is not None else ""
    return editing.tell(changes, lines or [f"{place.shown}: {same}"], as_json=as_json)


def _line(change: Change) -> str:
    return f"{change['key']}: {value_text(change['old'])} -> {value_text(change['new'])}"
