"""`procman init`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from procman.cli import exits, options, render, talk
from procman.cli.failure import Failure, shown
from procman.config.discover.draft import command_text, draft
from procman.config.discover.findings import App, Discovery
from procman.config.discover.look import discover
from procman.config.locate import search
from procman.config.procfile import is_procfile
from procman.config.source import CONFIG_NAME

_HEADINGS = ("APP", "RUNS", "PORT", "FOUND IN")


@click.command()
@click.argument("folder", required=False)
@click.option("--print", "only_print", is_flag=True, help="Print the file, and write nothing.")
@options.as_json
@click.pass_obj
def command(file: str | None, folder: str | None, only_print: bool, as_json: bool) -> int:
    """Write a commented `portwatch.toml` from what FOLDER (by default the current one) already says.

    It reads `package.json` scripts, workspaces, lock files, the ports in configurations of frameworks and in
    programs, `.env`, a Procfile, Python projects and a Makefile. Nothing is run, and no file is ever
    overwritten. Where nothing is found, the file is an example to fill in, and the exit code 1.
    """
    target = _target(file, folder)
    if os.path.lexists(target) and not only_print:
        message = f"`{shown(target)}` is there already, and `init` overwrites nothing"
        raise Failure(exits.USAGE, message, "`procman init --print` shows what it would write")
    discovery = discover(Path(target).parent)
    text = draft(discovery)
    if not only_print:
        _write(target, text)
    if as_json:
        click.echo(render.as_json(_document(discovery, target, text, written=not only_print)))
    elif only_print:
        click.echo(text, nl=False)
    else:
        _tell(discovery, target)
    return exits.DONE if discovery.apps else exits.FAILED


def _target(file: str | None, folder: str | None) -> str:
    """Return the absolute path of the file to write."""
    named = file or os.environ.get("PROCMAN_FILE")
    if file and folder:
        raise Failure(exits.USAGE, "expected FOLDER or `-f FILE`, got both")
    path = os.path.join(folder, CONFIG_NAME) if folder else named or CONFIG_NAME
    target = os.path.abspath(path)
    if is_procfile(target):
        raise Failure(exits.USAGE, f"`{shown(target)}` is the name of a Procfile, and `init` writes TOML")
    if not os.path.isdir(os.path.dirname(target)):
        raise Failure(exits.USAGE, f"there is no folder `{shown(os.path.dirname(target))}`")
    return target


def _write(target: str, text: str) -> None:
    """Make a new file; one that somebody else makes in this moment is left alone."""
    try:
        with open(target, "x", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        message = f"`{shown(target)}` cannot be written: {error.strerror or error}"
        raise Failure(
            exits.FAILED, message, f"see who may with `ls -ld {shown(os.path.dirname(target))}`"
        ) from error


def _tell(discovery: Discovery, target: str) -> None:
    """Say what was found, and what to type next."""
    if discovery.apps:
        rows = [_row(app) for app in discovery.apps]
        click.echo(render.columns(_HEADINGS, rows, width=None, column=0, colours=None))
    for note in discovery.notes:
        talk.note(f"note: {render.printable(note)}")
    if above := _above(target):
        folder = shown(os.path.dirname(target))
        where = "this folder" if folder == "." else f"`{folder}`"
        talk.note(f"note: {where} lies in the project of `{shown(above)}`, and has a file of its own now")
    is_found = target == os.path.abspath(CONFIG_NAME)  # by a command that is typed here
    up = "procman up" if is_found else f"procman -f {shown(target)} up"
    if discovery.apps:
        click.echo(f"wrote {shown(target)}: {render.counted(len(discovery.apps), 'app')}")
        talk.hint(f"`{up}` runs them; the file says where each was found")
    else:
        click.echo(f"found no app here; wrote {shown(target)}, an example to fill in")
        talk.hint(f"say in `{shown(target)}` what to run, then type `{up}`")


def _row(app: App) -> tuple[str, ...]:
    runs = app.found.prepare if app.found.installs and app.found.prepare else command_text(app)
    port = "-" if app.port is None else str(app.port)
    what = f" ({app.found.what})" if app.found.what and not app.found.installs else ""
    runs = runs.replace("{port}", port)
    return app.name, render.printable(runs), port, render.printable(app.found.source + what)


def _above(target: str) -> str | None:
    """Return the file of the project that the folder of `target` lies in."""
    found = search(os.path.dirname(os.path.dirname(target)))
    if found is None or found == target:  # above `/` is `/` itself
        return None
    return found if os.path.basename(found) == CONFIG_NAME else None


def _document(discovery: Discovery, target: str, text: str, *, written: bool) -> dict[str, Any]:
    apps = [
        {
            "name": app.name,
            "command": app.found.command,
            "cwd": app.found.cwd,
            "port": app.port,
            "port_from": app.port_reason or None,
            "prepare": app.found.prepare,
            "depends_on": app.waits_for,
            "found_in": app.found.source,
            "what": app.found.what or None,
        }
        for app in discovery.apps
    ]
    return {"file": target, "written": written, "apps": apps, "notes": discovery.notes, "text": text}
