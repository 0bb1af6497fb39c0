"""`procman remove`."""

from __future__ import annotations

import click

from procman.cli import options
from procman.cli.editing import Editing
from procman.config.edit import remove


@click.command()
@options.some_apps
@options.as_json
@click.pass_obj
def command(file: str | None, apps: tuple[str, ...], as_json: bool) -> int:
    """Take apps out of the file; a running manager stops them.

    What stands in the table of an app goes with it; comments above and below it stay. An app that others
    depend on is not removed.
    """
    editing = Editing(file)
    text = editing.source.text
    names = editing.choose(apps)
    for name in names:
        text = remove(text, ("apps", name))
    editing.write(text, [])
    changes = [{"removed": name} for name in names]
    return editing.tell(changes, [f"removed {name}" for name in names], as_json=as_json)
