"""What `start`, `stop`, `restart` and `down` do; how each is typed is in the file of its name. No click."""

from __future__ import annotations

from procman.cli import exits, render
from procman.cli.failure import Failure
from procman.cli.project import Project, find_project
from procman.cli.pursue import Outcome, conclude, hear, pursue
from procman.control.ask import Lost, NotRunning, Refused
from procman.control.client import Conversation
from procman.control.protocol import Request

PATIENCE = 10.0  # seconds for a manager that has nothing left to do to end


def start(
    file: str | None,
    apps: tuple[str, ...],
    *,
    no_wait: bool = False,
    timeout: float | None = None,
    as_json: bool = False,
) -> int:
    """Start apps and what they depend on, and return the exit code when they are up."""
    project = find_project(file)
    request = Request("start", apps, wait=not no_wait, timeout=timeout)
    return conclude(project, pursue(project, request, quiet=as_json), as_json=as_json)


def restart(
    file: str | None,
    apps: tuple[str, ...],
    *,
    no_wait: bool = False,
    timeout: float | None = None,
    as_json: bool = False,
) -> int:
    """End the run of apps and begin another, and return the exit code when they are up."""
    project = find_project(file)
    request = Request("restart", apps, wait=not no_wait, timeout=timeout)
    return conclude(project, pursue(project, request, quiet=as_json), as_json=as_json)


def stop(
    file: str | None,
    apps: tuple[str, ...],
    *,
    force: bool = False,
    no_wait: bool = False,
    timeout: float | None = None,
    as_json: bool = False,
) -> int:
    """Stop apps, print a receipt for each, and return the exit code when nothing of them is left."""
    project = find_project(file)
    request = Request("stop", apps, force=force, wait=not no_wait, timeout=timeout)
    outcome = pursue(project, request, quiet=as_json, progress=False)
    if not as_json:
        for name, stopped in outcome.reached.items():
            if stopped and name not in outcome.stopped:
                print(f"{name} was not running", flush=True)
    return conclude(project, outcome, as_json=as_json)


def down(file: str | None, *, force: bool = False, as_json: bool = False) -> int:
    """Stop every app, then the manager, print a receipt for each app, and return the exit code."""
    project = find_project(file)
    project.demand_its_manager()
    outcome = _stop_everything(project, force=force, quiet=as_json)
    if outcome.code == exits.DONE and not as_json:
        count = len(outcome.stopped)
        print(f"stopped {render.counted(count, 'app')}" if count else "no app was running", flush=True)
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
        from procman.control.beginning import LaunchFailed
        from procman.control.launch import ensure_manager, leaves_anything
        from procman.control.local import living_apps

        if not leaves_anything(project.home) and not living_apps(project.home):
            raise
        try:
            ensure_manager(project.file, project.home, then="down")
        except LaunchFailed as failed:
            raise Failure(failed.code, failed.message, failed.hint) from failed
