"""`procman service`: has the apps start with the machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from procman.cli import exits, options, render, talk
from procman.cli.failure import Failure, shown
from procman.cli.project import Project, find_project
from procman.control.service import (
    DIALECTS,
    Installation,
    NotDone,
    Told,
    Wish,
    become_manager,
    open_service,
    running_manager,
    text_for,
)

T = TypeVar("T")

_whose = click.option(
    "--system/--user",
    "system",
    default=None,
    help="Of the machine, or yours alone; by default the machine's for root.",
)
_as = click.option(
    "--as", "user", metavar="USER", help="With --system: as whom; by default the owner of the file."
)


@click.group()
def command() -> None:
    """Start the apps with the machine, by systemd, launchd or as a Windows service.

    The manager is the service: it starts the apps, is started again when it dies or hangs, and takes them
    back then as they are.
    """


@command.command()
@_whose
@_as
@click.option(
    "--linger/--no-linger",
    default=None,
    help="Run also while you are not logged in; asked for in a terminal.",
)
@options.as_json
@click.pass_obj
def install(
    file: str | None, system: bool | None, user: str | None, linger: bool | None, as_json: bool
) -> int:
    """Have the apps start with the machine, and now.

    Says what it did. What is as it should be stays so: run it again after procman or the file has moved.
    """
    project, service, wish = _subject(file, system, user)
    rival = _do(lambda: open_service(project.file, system=not service.manager.system))
    if rival.is_there and not service.is_there:
        whose = "of the machine" if rival.manager.system else "of this user"
        hint = f"`procman service uninstall --{'system' if rival.manager.system else 'user'}` first"
        raise Failure(exits.USAGE, f"a service {whose} is installed already: `{rival.path}`", hint)
    lingers = _do(service.manager.lingers)
    if linger is None and lingers is False and sys.stdin.isatty() and not as_json:
        linger = click.confirm("Run the apps also while you are not logged in (lingering)?", default=True)
    other = _do(lambda: running_manager(project.home))
    if other is not None and other == _do(lambda: service.manager.state(service.name)).pid:
        other = None
    return _tell(service, _do(lambda: service.install(wish, linger=bool(linger), other=other)), as_json)


@command.command()
@_whose
@options.as_json
@click.pass_obj
def uninstall(file: str | None, system: bool | None, as_json: bool) -> int:
    """Stop the service with its apps, and have it start no more."""
    service = _open(find_project(file), system)
    return _tell(service, _do(service.uninstall), as_json)


@command.command()
@_whose
@_as
@options.as_json
@click.pass_obj
def status(file: str | None, system: bool | None, user: str | None, as_json: bool) -> int:
    """Show whether the service is installed, runs, and still fits.

    Exits with 3 if it does not run.
    """
    project = find_project(file)
    service = _open(project, system)
    found = _do(lambda: service.manager.state(service.name))
    unfit = _unfit(file, system, user) if service.is_there else []
    document = {
        "name": service.name,
        "kind": service.manager.kind,
        "system": service.manager.system,
        "file": str(service.path) if service.is_there else None,
        "enabled": found.is_enabled,
        "state": found.word,
        "manager": found.pid,
        "says": found.text or None,
        "ended": found.error or None,
        "lingers": service.manager.lingers(),
        "unfit": unfit,
    }
    if as_json:
        click.echo(render.as_json(document))
    else:
        click.echo("\n".join(_lines(document)))
        if not service.is_there:
            talk.hint(f"`procman service install` starts the apps of `{shown(project.file)}` at boot")
        elif unfit:
            talk.hint("`procman service install` renews it")
    return exits.DONE if found.pid is not None else exits.NOT_RUNNING


@command.command("print")
@_whose
@_as
@click.option("--for", "kind", type=click.Choice(tuple(DIALECTS)), help="Of another service manager.")
@click.pass_obj
def print_(file: str | None, system: bool | None, user: str | None, kind: str | None) -> int:
    """Print what `install` would write, and change nothing."""
    _, service, wish = _subject(file, system, user)
    text = _do(lambda: service.text(wish) if kind is None else text_for(kind, wish, service.name))
    click.echo(text, nl=False)
    return exits.DONE


@command.command(hidden=True)
@click.pass_obj
def run(file: str | None) -> int:
    """Become the manager: what the service runs."""
    project = find_project(file)
    become_manager(project.file, project.home)


def _unfit(file: str | None, system: bool | None, user: str | None) -> list[str]:
    """Return in what the service that is installed does not fit, or why that can't be told."""
    try:
        _, service, wish = _subject(file, system, user)
        return _do(lambda: service.unfit(wish))
    except Failure as failure:
        return [f"can't be told: {failure.message.splitlines()[0]}"]


def _subject(file: str | None, system: bool | None, user: str | None) -> tuple[Project, Installation, Wish]:
    project = find_project(file)
    service = _open(project, system)
    if user is not None and not service.manager.system:
        raise Failure(exits.USAGE, "`--as` needs `--system`: a service of yours runs as you")
    return project, service, Wish(project.read(), service.manager.system, os.environ, user, project.home)


def _open(project: Project, system: bool | None) -> Installation:
    """Return the service that is meant: the one that is installed, else for root that of the machine."""
    whose = _is_root() if system is None else system
    service = _do(lambda: open_service(project.file, system=whose))
    if system is None and not service.is_there:
        other = _do(lambda: open_service(project.file, system=not whose))
        return other if other.is_there else service
    return service


def _is_root() -> bool:
    return not hasattr(os, "geteuid") or os.geteuid() == 0  # Windows has services of the machine alone


def _do(act: Callable[[], T]) -> T:
    try:
        return act()
    except NotDone as error:
        raise Failure(exits.FAILED, error.message, error.hint) from error


def _tell(service: Installation, told: Told, as_json: bool) -> int:
    if as_json:
        click.echo(render.as_json({"name": service.name, "done": told.lines, "hints": told.hints}))
        return exits.DONE
    click.echo("\n".join(told.lines))
    for hint in told.hints:
        talk.hint(hint)
    return exits.DONE


def _lines(document: dict[str, Any]) -> list[str]:
    whose = "of the machine" if document["system"] else "of this user"
    if document["file"] is None:
        return [f"no service is installed, {whose} ({document['kind']})"]
    runs = f", manager {document['manager']}" if document["manager"] is not None else ""
    ended = f"; it ended with: {document['ended']}" if document["ended"] else ""
    lines = [
        f"{document['name']}, {whose} ({document['kind']}): {document['state']}{runs}{ended}",
        f"  file      {document['file']}",
        f"  starts    {_starts(document)}",
    ]
    if document["says"]:
        lines.append(f"  says      {render.printable(document['says'])}")
    lines += [f"  unfit     {each}" for each in document["unfit"]]
    return lines


def _starts(document: dict[str, Any]) -> str:
    if not document["enabled"]:
        return "only by hand: it is not enabled"
    if document["system"] or document["lingers"]:
        return "with the machine"
    return "when you log in, and ends when you have logged out"
