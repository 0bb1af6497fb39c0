"""`procman start`."""

from __future__ import annotations

import click

from procman.cli import deeds, options


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
    return deeds.start(file, apps, no_wait=no_wait, timeout=timeout, as_json=as_json)
