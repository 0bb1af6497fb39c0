"""`procman check`."""

from __future__ import annotations

import click

from procman.cli import exits, options, render
from procman.cli.failure import shown
from procman.cli.project import find_project


@click.command()
@options.as_json
@click.pass_obj
def command(file: str | None, as_json: bool) -> int:
    """Validate the file: every error with its line, column, and what was expected.

    No manager is asked. `procman -f FILE check` validates another file.
    """
    project = find_project(file)
    if as_json:
        return _as_json(project.file)
    count = len(project.read().enabled_apps())
    click.echo(f"{shown(project.file)} is valid: {render.counted(count, 'app')}")
    return exits.DONE


def _as_json(file: str) -> int:
    from procman.config.diagnostics import InvalidConfig
    from procman.config.read import read_config

    try:
        apps = list(read_config(file).enabled_apps())
        errors = []
    except InvalidConfig as error:
        apps = []
        errors = [
            {
                "file": each.file,
                "line": each.line,
                "column": each.column,
                "message": each.message,
                "hint": each.hint,
            }
            for each in error.diagnostics
        ]
    click.echo(render.as_json({"file": file, "valid": not errors, "apps": apps, "errors": errors}))
    return exits.USAGE if errors else exits.DONE
