"""`procman up`."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable
from json import loads

import click

from procman.cli import exits, options, render, talk
from procman.cli.choose import choose
from procman.cli.failure import Failure, FileFailure
from procman.cli.project import Project, find_project
from procman.cli.pursue import conclude, hear
from procman.control.ask import Lost, NotRunning, Refused
from procman.control.client import Conversation, call
from procman.control.launch import LaunchFailed, Manager, ensure_manager
from procman.control.orphans import is_first
from procman.control.protocol import STOPPING, Request

ATTEMPTS = 5  # managers that may end under our hands before this is no accident


@click.command()
@options.apps
@click.option("-d", "--detach", is_flag=True, help="Return when all are up; they go on in the background.")
@click.option("--no-wait", is_flag=True, help="With -d: return at once.")
@options.timeout
@options.as_json
@click.option("--foreground", is_flag=True, help="Stay without a terminal too, as in a container.")
@click.option(
    "--log-format",
    type=click.Choice(("text", "json")),
    envvar="PROCMAN_LOG_FORMAT",
    default="text",
    help="How lines are printed; also `PROCMAN_LOG_FORMAT`.",
)
@click.option(
    "--stop-within",
    callback=options.seconds,
    metavar="DURATION",
    help="Kill what a signal has not stopped by then.",
)
@click.pass_obj
def command(
    file: str | None,
    apps: tuple[str, ...],
    detach: bool,
    no_wait: bool,
    timeout: float | None,
    as_json: bool,
    foreground: bool,
    log_format: str,
    stop_within: float | None,
) -> int:
    """Start the manager if none runs, then APPS with what they depend on.

    In a terminal their output follows, and Ctrl-C stops everything; a second Ctrl-C kills at once. Without a
    terminal this is `up -d`, but as the first process of a container, or with `--foreground`, it stays: it
    prints what happens, stops everything on SIGTERM, and ends when every app is completed or failed. Apps
    with `autostart = false` start only when they are named.
    """
    leaves = detach or no_wait or as_json or timeout is not None
    if leaves and foreground:
        raise click.UsageError("`--foreground` stays, so it goes with no option that makes `up` return")
    if leaves and is_first():
        message = "the first process of a container has to stay: with it everything ends"
        raise Failure(exits.USAGE, message, "leave out what makes `up` return, such as `--detach`")
    stays = foreground or is_first() or (sys.stdout.isatty() and not leaves)
    watched = sys.stdout.isatty() and not is_first() and log_format == "text" and stop_within is None
    if stays and not watched:
        from procman.cli.foreground import signals_as_bytes
        from procman.cli.standing import SIGNALS

        # Before all else: the kernel drops a signal that the first process of a container does not heed.
        with signals_as_bytes(SIGNALS) as signals:
            return _stand(find_project(file), apps, signals, log_format, stop_within)
    project = find_project(file)
    config = project.read()
    choose(apps, config.enabled_apps())  # a wrong name is refused before a manager is started for it

    def begin(manager: Manager) -> int:
        if stays:
            from procman.cli.foreground import Foreground

            _tell_of_service(project, manager)
            return Foreground(project, manager, apps, tuple(config.enabled_apps())).run()
        request = Request("up", apps, wait=not no_wait, timeout=timeout)
        code = _detached(project, request, as_json=as_json)
        if not as_json:
            _tell_of_service(project, manager)
        return code

    return _with_manager(project, begin)


def _stand(
    project: Project,
    apps: tuple[str, ...],
    signals: socket.socket,
    log_format: str,
    stop_within: float | None,
) -> int:
    """Start APPS and stay; see `standing`."""
    from procman.cli.standing import Standing
    from procman.cli.standing_log import StandingLog

    enabled = project.read().enabled_apps()
    choose(apps, enabled)

    def begin(manager: Manager) -> int:
        if is_first() and not manager.is_ours:
            message = f"manager {manager.pid} of another container has `{project.home}`"
            raise Failure(
                exits.FAILED, message, "give each container a state folder: `PROCMAN_HOME` names it"
            )
        log = StandingLog(tuple(enabled), project.logs, as_json=log_format == "json")

        def launch(then: str | None) -> Manager:
            return _manager(project, then)

        return Standing(project, manager, launch, apps, log, signals, stop_within).run()

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


def _manager(project: Project, then: str | None = None) -> Manager:
    try:
        manager = ensure_manager(project.file, project.home, then=then)
    except LaunchFailed as failed:
        if failed.code == exits.USAGE:
            raise FileFailure(failed.message) from failed
        raise Failure(failed.code, failed.message, failed.hint) from failed
    except (NotRunning, Lost, Refused) as error:
        raise project.failure(error) from error
    project.demand_same(manager.file)
    return manager


def _tell_of_service(project: Project, manager: Manager) -> None:
    """Say that there is a service for these apps, if their manager was started here and not by it."""
    if not manager.is_ours:
        return
    from procman.control.service import start_of_service

    service = start_of_service(project.file)
    if service is not None:
        name, start = service
        talk.hint(
            f"the service `{name}` starts these apps with the machine, and did not start this manager; "
            f"`procman down && {start}` makes it the service's"
        )


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
