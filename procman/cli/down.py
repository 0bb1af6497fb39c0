"""`procman down`."""

from __future__ import annotations

import click

from procman.cli import exits, options, render
from procman.cli.failure import Failure
from procman.cli.project import Project, find_project
from procman.cli.pursue import Outcome, conclude, hear
from procman.control.ask import Lost, NotRunning, Refused
from procman.control.client import Conversation
from procman.control.launch import LaunchFailed, ensure_manager, leaves_anything
from procman.control.protocol import Request

PATIENCE = 10.0  # seconds for a manager that has nothing left to do to end


@click.command()
@click.option("--force", is_flag=True, help="Kill at once instead of waiting for `stop_timeout`.")
@options.as_json
@click.pass_obj
def command(file: str | None, force: bool, as_json: bool) -> int:
    """Stop every app in reverse dependency order, then the manager.

    Prints a receipt for each: what was ended, and that its port is free. Exits with 5 if anything survived.
    """
    project = find_project(file)
    project.demand_its_manager()
    outcome = _stop_everything(project, force=force, quiet=as_json)
    if outcome.code == exits.DONE and not as_json:
        count = len(outcome.stopped)
        click.echo(f"stopped {render.counted(count, 'app')}" if count else "no app was running")
    return conclude(project, outcome, as_json=as_json)


def _stop_everything(project: Project, *, force: bool, quiet: bool) -> Outcome:
    try:
        _end_what_is_left(project)
        with Conversation(project.home, Request("down", force=force)) as conversation:
            outcome = hear(conversation.frames(), quiet=quiet, progress=False)
            if outcome.code == exits.DONE and not conversation.wait_gone(PATIENCE):
                message = f"every app is stopped, but the manager has not ended for {PATIENCE:g}s"
                raise Failure(exits.SURVIVED, message, f"`{project.home}/manager.log` says what it does")
    except (NotRunning, Lost, Refused) as error:
        raise project.failure(error) from error
    return outcome


def _end_what_is_left(project: Project) -> None:
    """Start a manager that ends what one before it has left, if none runs and there may be something."""
    try:
        Conversation(project.home, Request("ping")).close()
    except NotRunning:
        from procman.control.local import living_apps

        if not leaves_anything(project.home) and not living_apps(project.home):
            raise
        try:
            ensure_manager(project.file, project.home, then="down")
        except LaunchFailed as failed:
            raise Failure(failed.code, failed.message, failed.hint) from failed
