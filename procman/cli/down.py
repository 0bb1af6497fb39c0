"""`procman down`."""

from __future__ import annotations

import click

from procman.cli import deeds, options


@click.command()
@click.option("--force", is_flag=True, help="Kill at once instead of waiting for `stop_timeout`.")
@options.as_json
@click.pass_obj
def command(file: str | None, force: bool, as_json: bool) -> int:
    """Stop every app in reverse dependency order, then the manager.

    Prints a receipt for each: what was ended, and that its port is free. Exits with 5 if anything survived.
    """
    return deeds.down(file, force=force, as_json=as_json)
