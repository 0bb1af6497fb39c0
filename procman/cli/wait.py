"""`procman wait`."""

from __future__ import annotations

import click

from procman.cli import options
from procman.cli.project import find_project
from procman.cli.pursue import conclude, pursue
from procman.control.protocol import GOALS, Request


@click.command()
@options.apps
@click.option(
    "--for", "goal", type=click.Choice(GOALS), default="healthy", show_default=True, help="What to wait for."
)
@options.timeout
@options.as_json
@click.pass_obj
def command(file: str | None, apps: tuple[str, ...], goal: str, timeout: float | None, as_json: bool) -> int:
    """Wait until APPS are healthy, stopped or completed.

    Exits with 1 as soon as that can't be reached any more without somebody's help.
    """
    project = find_project(file)
    outcome = pursue(project, Request("wait", apps, goal=goal, timeout=timeout), quiet=as_json)
    return conclude(project, outcome, as_json=as_json)
