"""`procman version`."""

from __future__ import annotations

import platform
import sys

import click

from procman import __version__
from procman.cli import exits, options, render


@click.command()
@options.as_json
def command(as_json: bool) -> int:
    """Show the version of procman and of the Python that runs it."""
    python = platform.python_version()
    if as_json:
        click.echo(render.as_json({"procman": __version__, "python": python, "platform": sys.platform}))
    else:
        click.echo(f"procman {__version__} (Python {python}, {sys.platform})")
    return exits.DONE
