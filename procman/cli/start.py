"""`procman start`."""

from __future__ import annotations

import click

from procman.cli import options
from procman.cli.project import find_project
from procman.cli.pursue import conclude, pursue
from procman.control.protocol import Request


@click.command()
@options.some_apps
@options.no_wait
@options.timeout
@options.as_json
@click.pass_obj
def command(
    file: str | None, apps: tuple[str, ...], no_wait: bool, timeout: float | None, as_json: bool
) -> int:
    """Start APPS and what they depend on, and return when they are up."""
    project = find_project(file)
    outcome = pursue(project, Request("start", apps, wait=not no_wait, timeout=timeout), quiet=as_json)
    return conclude(project, outcome, as_json=as_json)
