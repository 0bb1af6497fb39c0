"""`procman check`."""

from __future__ import annotations

import click

from procman.cli import exits, options, render, talk
from procman.cli.failure import shown
from procman.cli.project import find_project

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procman.config.diagnostics import Diagnostic
    from procman.core.config import Config


@click.command()
@options.as_json
@click.pass_obj
def command(file: str | None, as_json: bool) -> int:
    """Validate the file: every error with its line, column, and what was expected.

    A `cwd` that does not exist is told as a warning: the app could not be started now. No manager is asked.
    `procman -f FILE check` validates another file.
    """
    project = find_project(file)
    if as_json:
        return _as_json(project.file)
    config = project.read()
    click.echo(f"{shown(project.file)} is valid: {render.counted(len(config.enabled_apps()), 'app')}")
    for each in _warnings(config):
        talk.warn_as_is(each.render())
    return exits.DONE


def _warnings(config: Config) -> tuple[Diagnostic, ...]:
    from procman.config.folders import missing_folders

    return missing_folders(config)


def _as_json(file: str) -> int:
    from procman.config.diagnostics import InvalidConfig
    from procman.config.read import read_config

    apps: list[str] = []
    errors: tuple[Diagnostic, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    try:
        config = read_config(file)
        apps, warnings = list(config.enabled_apps()), _warnings(config)
    except InvalidConfig as error:
        errors = error.diagnostics
    document = {
        "file": file,
        "valid": not errors,
        "apps": apps,
        "errors": [_document(each) for each in errors],
        "warnings": [_document(each) for each in warnings],
    }
    click.echo(render.as_json(document))
    return exits.USAGE if errors else exits.DONE


def _document(said: Diagnostic) -> dict[str, object]:
    return {
        "file": said.file,
        "line": said.line,
        "column": said.column,
        "message": said.message,
        "hint": said.hint,
    }
