"""`procman ports`."""

from __future__ import annotations

import sys

import click

from procman.cli import exits, options, render, render_machine, talk
from procman.cli.machine import look, nearest_project, who_sees_more
from procman.control.local import rows


@click.command()
@options.as_json
@click.pass_obj
def command(file: str | None, as_json: bool) -> int:
    """Show every TCP port of this machine that is listened on: by whom, since when, and whose that is.

    An app of this project is named; so is what it has left behind without a manager, an orphan, and what
    belongs to another project. A manager need not run, and outside of a project all are strangers.
    """
    found = rows(look(nearest_project(file)))
    if as_json:
        click.echo(render.as_json({"listeners": found}))
    else:
        coloured, width = talk.wants_colour(sys.stdout), talk.width(sys.stdout)
        click.echo(render_machine.ports(found, width=width, coloured=coloured))
        hidden = sum(row["pid"] is None for row in found)
        if hidden:
            talk.note(f"{render.counted(hidden, 'port')} whose holder can't be seen: {who_sees_more()}")
    return exits.DONE
