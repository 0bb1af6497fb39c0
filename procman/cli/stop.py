"""`procman stop`."""

from __future__ import annotations

import click

from procman.cli import options
from procman.cli.project import find_project
from procman.cli.pursue import conclude, pursue
from procman.control.protocol import Request


@click.command()
@options.some_apps
@click.option("--force", is_flag=True, help="Kill at once instead of waiting for `stop_timeout`.")
@options.no_wait
@options.timeout
@options.as_json
@click.pass_obj
def command(
    file: str | None,
    apps: tuple[str, ...],
    force: bool,
    no_wait: bool,
    timeout: float | None,
    as_json: bool,
) -> int:
    """Stop APPS, and return when everything they have started is gone and their ports are free.

    Prints a receipt for each. Exits with 5 if anything survived.
    """
    project = find_project(file)
    request = Request("stop", apps, force=force, wait=not no_wait, timeout=timeout)
    outcome = pursue(project, request, quiet=as_json, progress=False)
    if not as_json:
        for name, stopped in outcome.reached.items():
            if stopped and name not in outcome.stopped:
                click.echo(f"{name} was not running")
    return conclude(project, outcome, as_json=as_json)
