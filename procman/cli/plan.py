"""`procman plan`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import click

from procman.cli import exits, options, render
from procman.cli.failure import FileFailure, shown
from procman.cli.project import Project, find_project
from procman.config.diagnostics import InvalidConfig
from procman.config.read import read_in_place
from procman.control.ask import Lost, NotRunning, Refused
from procman.control.client import call
from procman.control.protocol import Request
from procman.core.plan import make_plan, plan_data


@click.command()
@click.option(
    "-f", "--file", "fresh", metavar="FILE", help="Plan for FILE in the place of the project's file."
)
@options.as_json
@click.pass_obj
def command(file: str | None, fresh: str | None, as_json: bool) -> int:
    """Show what applying the file would do, field by field and why; nothing is done.

    `restart` ends the app's run and begins another, `live` leaves it running, `next start` waits for one.
    With `-f` FILE is read as if it stood where the project's file is. It is compared with what the manager
    runs; where none does, with the project's file.
    """
    project = find_project(file)
    found = _of_the_project(project) if fresh is None else _of(os.path.abspath(fresh), project)
    changes, manager = found["changes"], found.get("manager", [])  # an older manager has none to tell
    if as_json:
        click.echo(render.as_json({"changes": changes, "manager": manager}))
        return exits.DONE
    nothing = "the file is applied" if fresh is None else f"{shown(fresh)} says what is in force"
    click.echo(render.plan(changes, manager, nothing=nothing))
    return exits.DONE


def _of_the_project(project: Project) -> Mapping[str, Any]:
    *_, answer = project.call(Request("plan"))
    return answer


def _of(fresh: str, project: Project) -> Mapping[str, Any]:
    """Return the plan for a file that is not in place.

    The manager reads it itself: it is of the same user, and a text would have to fit into a request. It is
    read here before, so that it is named as seen from this folder if it is wrong.
    """
    try:
        config = read_in_place(fresh, project.file)
    except InvalidConfig as error:
        raise FileFailure(error.render()) from error
    try:
        *_, answer = call(project.home, Request("plan", file=fresh))
    except NotRunning:
        return plan_data(make_plan(project.read(), config))
    except (Lost, Refused) as error:
        raise project.failure(error) from error
    return answer
