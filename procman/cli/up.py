"""`procman up`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from json import loads

import click

from procman.cli import exits, options, render, talk
from procman.cli.choose import choose
from procman.cli.failure import Failure, FileFailure, shown
from procman.cli.project import Project, find_project
from procman.cli.pursue import conclude, hear
from procman.control.ask import Lost, NotRunning, Refused
from procman.control.client import Conversation, call
from procman.control.launch import LaunchFailed, Manager, ensure_manager
from procman.control.protocol import STOPPING, Request

ATTEMPTS = 5  # managers that may end under our hands before this is no accident


@click.command()
@options.apps
@click.option("-d", "--detach", is_flag=True, help="Return when all are up; they go on in the background.")
@click.option("--no-wait", is_flag=True, help="With -d: return at once.")
@options.timeout
@options.as_json
@click.pass_obj
def command(
    file: str | None, apps: tuple[str, ...], detach: bool, no_wait: bool, timeout: float | None, as_json: bool
) -> int:
    """Start the manager if none runs, then APPS with what they depend on.

    In a terminal their output follows, and Ctrl-C stops everything; a second Ctrl-C kills at once. Without a
    terminal this is `up -d`. Apps with `autostart = false` start only when they are named.
    """
    project = find_project(file)
    config = project.read()
    choose(apps, config.enabled_apps())  # a wrong name is refused before a manager is started for it
    foreground = sys.stdout.isatty() and not (detach or no_wait or as_json or timeout is not None)

    def begin(manager: Manager) -> int:
        if foreground:
            from procman.cli.foreground import Foreground

            return Foreground(project, manager, apps, tuple(config.enabled_apps())).run()
        request = Request("up", apps, wait=not no_wait, timeout=timeout)
        return _detached(project, request, as_json=as_json)

    return _with_manager(project, begin)


def _with_manager(project: Project, begin: Callable[[Manager], int]) -> int:
    """Do something with the project's manager, which is started if none runs, or again if one is ending."""
    for _ in range(ATTEMPTS):
        manager = _manager(project)
        try:
            return begin(manager)
        except NotRunning:
            continue
        except Refused as refused:
            if refused.kind != STOPPING:
                raise project.failure(refused) from refused
            talk.note("the manager is stopping; a new one starts when it has ended")
            _wait_for_end(project)
        except Lost as lost:
            raise project.failure(lost) from lost
    raise Failure(
        exits.FAILED, f"{ATTEMPTS} managers ended at once", f"`{project.home}/manager.log` says more"
    )


def _manager(project: Project) -> Manager:
    try:
        manager = ensure_manager(project.file, project.home)
    except LaunchFailed as failed:
        if failed.code == exits.USAGE:
            raise FileFailure(failed.message) from failed
        raise Failure(failed.code, failed.message, failed.hint) from failed
    except (NotRunning, Lost, Refused) as error:
        raise project.failure(error) from error
    if manager.file != project.file:
        message = f"the manager in this folder runs `{shown(manager.file)}`, not `{shown(project.file)}`"
        hint = "stop it with `procman down`, or give each file a folder of its own with `PROCMAN_HOME`"
        raise Failure(exits.USAGE, message, hint)
    return manager


def _wait_for_end(project: Project) -> None:
    try:
        with Conversation(project.home, Request("ping")) as conversation:
            conversation.wait_gone(None)
    except (NotRunning, Lost):
        pass


def _detached(project: Project, request: Request, *, as_json: bool) -> int:
    outcome = hear(call(project.home, request), quiet=as_json)
    if request.wait and not as_json:
        status = loads(project.ask_status())
        chosen = [app for app in status["apps"] if app["name"] in outcome.chosen]
        coloured = talk.wants_colour(sys.stdout)
        click.echo(render.table(chosen, now=time.time(), width=talk.width(sys.stdout), coloured=coloured))
    return conclude(project, outcome, as_json=as_json)
