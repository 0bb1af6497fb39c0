"""`procman env`: what an app gets, and which file and line each variable comes from."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import click

from procman.cli import exits, options, render, talk
from procman.cli.choose import choose
from procman.cli.failure import FileFailure, shown
from procman.cli.project import Project, find_project
from procman.config.diagnostics import InvalidConfig, Lines
from procman.config.environment import CWD, ENV, INSTANCES, MANAGER, PORT, USER, Origin, trace_environment
from procman.config.positions import locate
from procman.config.procfile import is_procfile
from procman.config.source import read_source
from procman.control.ask import Lost, NotRunning, Refused
from procman.control.client import call
from procman.control.local import variables_of
from procman.control.protocol import Request
from procman.core.config import AppConfig
from procman.core.secrets import HIDDEN, hide

HEADINGS = ("VARIABLE", "FROM", "VALUE")


@click.command()
@options.some_apps
@click.option("--own", is_flag=True, help="Leave out what is inherited and nothing of the project changes.")
@click.option("--show", is_flag=True, help="Show secrets too; not in JSON.")
@options.as_json
@click.pass_obj
def command(file: str | None, apps: tuple[str, ...], own: bool, show: bool, as_json: bool) -> int:
    """Show the environment that APPS get when they start now, and where each variable comes from.

    Values that look like secrets are hidden.
    """
    if show and as_json:
        raise click.UsageError("`--show` does not go with `--json`: a secret belongs in no document")
    project = find_project(file)
    configs = project.read().enabled_apps()
    inherited, note = inherited_by(project)
    places = Places(project)
    found = {
        name: _rows(places, configs[name].table, _trace(configs[name], inherited), own)
        for name in choose(apps, configs)
    }
    if as_json:
        hidden = {name: [_hidden(row) for row in rows] for name, rows in found.items()}
        click.echo(render.as_json({"apps": [{"name": name, "env": rows} for name, rows in hidden.items()]}))
        return exits.DONE
    for index, (name, rows) in enumerate(found.items()):
        if len(found) > 1:
            click.echo(f"{'' if not index else chr(10)}{name}:")
        click.echo(_table(rows, show=show))
    if note:
        talk.note(note)
    if not show and any(_hidden(row)["hidden"] for rows in found.values() for row in rows):
        talk.hint("`--show` shows what is hidden")
    return exits.DONE


class Places:
    """Where the variables of `env` stand in the file, or in the local one over it."""

    def __init__(self, project: Project) -> None:
        source = read_source(project.file)
        self._shown = shown(project.file)
        texts = () if is_procfile(project.file) else (source.local, source)
        self._texts = [(each.path, Lines(each.text), locate(each.text)) for each in texts if each is not None]

    def of_key(self, table: str, *key: str) -> str:
        """Return the place of a key of an app, in its table or in [defaults]."""
        for path in (("apps", table, *key), ("defaults", *key)):
            for file, lines, positions in self._texts:
                span = positions.keys.get(path)
                if span is not None:
                    return f"{shown(file)}:{lines.place(span.start)[0]}"
        return self._shown


def inherited_by(project: Project) -> tuple[Mapping[str, str], str | None]:
    """Return the environment of the manager, and what is to be said about it."""
    try:
        *_, answer = call(project.home, Request("environment"))
    except NotRunning:
        return os.environ, "no manager runs: what is inherited is the environment of this command"
    except (Lost, Refused) as error:
        raise project.failure(error) from error
    return answer["environment"], None


def _trace(config: AppConfig, inherited: Mapping[str, str]) -> tuple[Origin, ...]:
    try:
        account = {} if config.user is None else variables_of(config.user)
        return trace_environment(config, inherited, account)
    except InvalidConfig as error:
        raise FileFailure(error.render()) from error


def _rows(places: Places, table: str, origins: Iterable[Origin], own: bool) -> list[dict[str, Any]]:
    def spell(source: str, name: str) -> str:
        if source == ENV:
            return places.of_key(table, "env", name)
        return places.of_key(table, source.strip("`")) if source in (PORT, INSTANCES, USER, CWD) else source

    return [
        {
            "name": each.name,
            "value": each.value,
            "from": spell(each.source, each.name),
            "overrides": [spell(source, each.name) for source in each.overrides],
        }
        for each in origins
        if not own or each.source not in (MANAGER, CWD)
    ]


def _hidden(row: Mapping[str, Any]) -> dict[str, Any]:
    value = hide(row["name"], row["value"])
    is_hidden = value == HIDDEN and row["value"] != HIDDEN
    return {**row, "value": None if is_hidden else value, "hidden": is_hidden}


def _table(rows: Iterable[Mapping[str, Any]], *, show: bool) -> str:
    lines = []
    for row in rows:
        value = row["value"] if show else hide(row["name"], row["value"])
        over = f" (over {', '.join(row['overrides'])})" if row["overrides"] else ""
        lines.append(tuple(map(render.printable, (row["name"], row["from"] + over, value))))
    width = None if show else talk.width(sys.stdout)  # a value that was asked for is wanted whole
    return render.columns(HEADINGS, lines, width=width, column=0, colours=None)
