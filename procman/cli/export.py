"""`procman export`: the apps as files of another tool."""

from __future__ import annotations

import os
import re
import shutil
import sys
from functools import partial

import click

from procman.cli import exits, options, render, talk
from procman.cli.choose import choose
from procman.cli.failure import Failure, FileFailure, shown
from procman.cli.project import find_project
from procman.config.diagnostics import InvalidConfig
from procman.config.exports.every import EXPORTS
from procman.config.exports.subject import Exported, Options, subjects
from procman.config.read import parse_config
from procman.config.source import read_source


def label(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return a name that Kubernetes takes for a namespace."""
    if value is None or re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", value):
        return value
    expected = "1 to 63 small letters, digits and `-`, which stands neither first nor last"
    raise click.BadParameter(f"expected {expected}, got `{value}`", context, parameter)


@click.command()
@click.argument("form", metavar="FORMAT", type=click.Choice(tuple(EXPORTS)))
@options.apps
@click.option("-o", "--output", metavar="DIR", help="Write files into this folder, not to the terminal.")
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@click.option("--user/--system", "user", default=True, help="systemd, launchd: for you, or for the machine.")
@click.option("--image", metavar="IMAGE", help="compose, kubernetes: the image that the apps run in.")
@click.option("--namespace", callback=label, metavar="NAME", help="kubernetes: where the objects belong.")
@click.option("--secrets", is_flag=True, help="kubernetes: write down what looks secret, too.")
@click.pass_obj
def command(
    file: str | None,
    form: str,
    apps: tuple[str, ...],
    output: str | None,
    force: bool,
    user: bool,
    image: str | None,
    namespace: str | None,
    secrets: bool,
) -> int:
    """Write APPS as files of another tool, and say what is not carried over.

    FORMAT is procfile, systemd, launchd, compose, dockerfile or kubernetes. What is lost is told beside it,
    with its place.
    """
    project = find_project(file)
    try:
        source = read_source(project.file)
        config = parse_config(source)
    except InvalidConfig as error:
        raise FileFailure(error.render()) from error
    names = choose(apps, config.enabled_apps())
    chosen = subjects(config, source, names)
    wishes = Options(system=not user, image=image, namespace=namespace, secrets=secrets, find=shutil.which)
    try:
        exported = EXPORTS[form](chosen, wishes)
    except InvalidConfig as error:  # an env file, whose values were asked for
        raise FileFailure(error.render()) from error
    if output is None:
        _print(exported)
    else:
        _write(exported, output, force=force)
    if exported.losses:
        losses = dict.fromkeys(exported.losses)
        lines = (f"  {render.printable(f'{each.place}: {each.what}: {each.why}')}" for each in losses)
        talk.note("\n".join(("not carried over as it is:", *lines)))
    return exits.DONE


def _print(exported: Exported) -> None:
    for index, (name, text) in enumerate(exported.files.items()):
        if len(exported.files) > 1:
            click.echo(f"{chr(10) if index else ''}# {name}")
        click.echo(text, nl=False)


def _write(exported: Exported, folder: str, *, force: bool) -> None:
    paths = {os.path.join(folder, name): text for name, text in exported.files.items()}
    there = [path for path in paths if os.path.lexists(path)]
    if there and not force:
        hint = "`--force` overwrites it" if len(there) == 1 else "`--force` overwrites them"
        raise Failure(exits.USAGE, f"{_listed(there)} there already; nothing was written", hint)
    try:
        os.makedirs(folder, exist_ok=True)
        for path, text in paths.items():
            mode = 0o600 if os.path.basename(path) in exported.private else 0o666
            with open(path, "w", encoding="utf-8", opener=partial(os.open, mode=mode)) as file:
                if mode == 0o600 and sys.platform != "win32":  # it may have been there with another one
                    os.fchmod(file.fileno(), mode)
                file.write(text)
            click.echo(f"wrote {shown(path)}")
    except OSError as error:
        raise Failure(
            exits.FAILED, f"`{shown(folder)}` cannot be written: {error.strerror or error}"
        ) from error


def _listed(paths: list[str]) -> str:
    names = ", ".join(f"`{shown(path)}`" for path in paths)
    return f"{names} {'is' if len(paths) == 1 else 'are'}"
