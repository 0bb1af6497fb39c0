"""`procman plan`."""

from __future__ import annotations

import click

from procman.cli import exits, options, render
from procman.cli.project import find_project
from procman.control.protocol import Request


@click.command()
@options.as_json
@click.pass_obj
def command(file: str | None, as_json: bool) -> int:
    """Show what applying the file would do, field by field; nothing is done.

    `restart` ends the app's run and begins another, `live` leaves it running, `next start` waits for one.
    """
    for frame in find_project(file).call(Request("plan")):
        if frame["type"] == "done":
            changes = frame["changes"]
            click.echo(render.as_json({"changes": changes}) if as_json else render.plan(changes))
    return exits.DONE
