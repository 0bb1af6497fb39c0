"""`procman get`."""

from __future__ import annotations

from collections.abc import Mapping

import click

from procman.cli import exits, options, render, talk
from procman.cli.editing import find_key
from procman.cli.failure import FileFailure
from procman.cli.project import find_project
from procman.config.diagnostics import InvalidConfig
from procman.config.express import in_force, masked, toml_lines, toml_text
from procman.config.keys import Key
from procman.config.overlay import read_document
from procman.config.procfile import is_procfile
from procman.config.read import parse_config
from procman.config.source import read_source
from procman.core.config import Config

Document = Mapping[str, object]


@click.command()
@click.argument("key", required=False, shell_complete=options.keys)
@options.as_json
@click.pass_obj
def command(file: str | None, key: str | None, as_json: bool) -> int:
    """Show what holds by the file, defaults included, as TOML; no manager is asked.

    KEY is an app, APP.KEY, `defaults.KEY` or `manager.KEY`, and goes on into tables: `web.check.timeout`.
    Without it, all is shown. Values that look secret are hidden, unless KEY names the very one.
    """
    config, document = _read(find_project(file).file)
    if key is None:
        return _everything(config, document, as_json)
    place = find_key(key, tuple(dict.fromkeys((*_tables(config), *config.apps))))
    value = in_force(config, document, place)
    if isinstance(value, Mapping) or place.parse is None:
        value = masked(value or {}, place.inside)
    if as_json:
        click.echo(render.as_json({"key": place.shown, "value": value}))
    elif value is None:
        talk.note(f"{place.shown} is not set")
    else:
        click.echo(toml_lines(value) if isinstance(value, Mapping) else toml_text(value))
    return exits.DONE


def _read(file: str) -> tuple[Config, Document]:
    """Return what the file means, and its plain values; a Procfile has none."""
    try:
        source = read_source(file)
        return parse_config(source), {} if is_procfile(file) else read_document(source)
    except InvalidConfig as error:
        raise FileFailure(error.render()) from error


def _tables(config: Config) -> tuple[str, ...]:
    """Return the names of the tables of apps; one that has several instances shows the first of them."""
    return tuple(dict.fromkeys(app.table for app in config.apps.values()))


def _everything(config: Config, document: Document, as_json: bool) -> int:
    paths = [("manager",), *(("apps", name) for name in _tables(config))]
    tables = {path: masked(in_force(config, document, Key(path, ())), ()) for path in paths}
    if as_json:
        apps = {path[1]: values for path, values in tables.items() if len(path) > 1}
        click.echo(render.as_json({"manager": tables["manager",], "apps": apps}))
        return exits.DONE
    sections = [toml_lines(values, path) for path, values in tables.items() if isinstance(values, Mapping)]
    click.echo("\n\n".join(sections))
    return exits.DONE
