"""`procman status`; without an option, or with `--json` alone, it is answered by `cli.entry`."""

from __future__ import annotations

import json

import click

from procman.cli import exits, options, render
from procman.cli.project import find_project
from procman.cli.shown import show


@click.command()
@options.apps
@options.as_json
@click.option("--watch", is_flag=True, help="Show it anew at every change, until Ctrl-C.")
@click.option("--wide", is_flag=True, help="With the CPU time and the memory of each app's whole tree.")
@click.pass_obj
def command(file: str | None, apps: tuple[str, ...], as_json: bool, watch: bool, wide: bool) -> int:
    """Show every app: its state, who answers on its port, and what happened last.

    The exit code says whether a manager runs (0, or 3), not whether all is well.
    """
    project = find_project(file)
    if watch:
        from procman.cli.watch import watch_status

        return watch_status(project, apps, wide=wide)
    document = json.loads(project.ask_status(wide=wide))
    if apps:
        from procman.cli.choose import choose_shown

        document = choose_shown(apps, document)
    if as_json:
        click.echo(render.as_json(document))
        return exits.DONE
    show(document, wide=wide)
    return exits.DONE
