"""`procman reload`."""

from __future__ import annotations

import click

from procman.cli import exits, options, render
from procman.cli.project import find_project
from procman.control.protocol import Request
from procman.core.view import spell_time


@click.command()
@options.as_json
@click.pass_obj
def command(file: str | None, as_json: bool) -> int:
    """Apply the file now; each edit is applied by itself too, unless `[manager] reload` says otherwise.

    An invalid file changes nothing: its errors are shown, and the exit code is 2.
    """
    for frame in find_project(file).call(Request("reload")):
        if frame["type"] != "reloaded":
            continue
        if as_json:
            document = {"at": spell_time(frame["at"]), "summary": frame["summary"]}
            click.echo(render.as_json(document))
        else:
            click.echo(render.reloaded(frame))
    return exits.DONE
