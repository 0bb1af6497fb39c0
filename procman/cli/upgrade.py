"""`procman upgrade`."""

from __future__ import annotations

import time

import click

from procman import __version__
from procman.cli import exits, options, render
from procman.cli.failure import Failure
from procman.cli.project import Project, find_project
from procman.control.ask import Lost, NotRunning, Refused
from procman.control.client import call
from procman.control.protocol import Frame, Request

PATIENCE = 30.0  # seconds for the new version to answer
RETRY = 0.05  # seconds between looks


@click.command()
@options.as_json
@click.pass_obj
def command(file: str | None, as_json: bool) -> int:
    """Replace the running manager by the installed version; no app notices.

    The manager stays the same process, so apps stay its children. A version that can't start changes nothing.
    Only an app with `tty = true` is restarted, for its terminal ends with the old version.
    """
    project = find_project(file)
    before = _ping(project)
    try:
        for _ in call(project.home, Request("upgrade")):
            pass
    except Lost:  # what answers no more has become the new one
        after = _wait_for_new(project)
    except (NotRunning, Refused) as error:
        raise project.failure(error) from error
    if as_json:
        click.echo(render.as_json({"pid": after["pid"], "from": before["version"], "to": after["version"]}))
    else:
        click.echo(f"manager {after['pid']} runs version {after['version']} now; it was {before['version']}")
    return exits.DONE


def _ping(project: Project) -> Frame:
    return list(project.call(Request("ping")))[-1]


def _wait_for_new(project: Project) -> Frame:
    """Return what the new manager says of itself; the socket is the same, so only its start is waited for."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return list(call(project.home, Request("ping")))[-1]
        except (Lost, NotRunning, Refused) as error:
            if isinstance(error, NotRunning) or time.monotonic() > deadline:
                message = f"version {__version__} of the manager does not answer: {error}"
                hint = f"`{project.home}/manager.log` may say why; `procman up` takes the apps back"
                raise Failure(exits.FAILED, message, hint) from error
        time.sleep(RETRY)
