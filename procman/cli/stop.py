"""`procman stop`."""

from __future__ import annotations

import click

from procman.cli import deeds, options


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
    return deeds.stop(file, apps, force=force, no_wait=no_wait, timeout=timeout, as_json=as_json)
