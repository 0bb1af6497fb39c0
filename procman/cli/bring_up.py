"""What `procman up` does; how it is typed is in `up`.

The manager is begun first and loads beside this (`control.beginning`), so what is imported up here is what
that takes, and everything else where it is used.
"""

from __future__ import annotations

import sys

from procman.cli import exits, talk
from procman.cli.failure import Failure, FileFailure
from procman.cli.project import Project, find_project
from procman.control.ask import Lost, NotRunning, Refused
from procman.control.beginning import Begun, LaunchFailed, begin_early
from procman.control.orphans import is_first

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from procman.control.launch import Manager
    from procman.control.protocol import Request

ATTEMPTS = 5  # managers that may end under our hands before this is no accident


def up(
    file: str | None,
    apps: tuple[str, ...],
    *,
    detach: bool = False,
    no_wait: bool = False,
    timeout: float | None = None,
    as_json: bool = False,
    foreground: bool = False,
    log_format: str = "text",
    stop_within: float | None = None,
) -> int:
    """Start the manager if none runs, then apps with what they depend on, and return the exit code."""
    leaves = detach or no_wait or as_json or timeout is not None
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
    begun = begin_early(project.file, project.home)
    try:
        enabled = _chosen(project, apps)
    except BaseException:
        if begun is not None:
            begun.drop()
        raise

    def begin(manager: Manager) -> int:
        if stays:
            from procman.cli.foreground import Foreground

            _tell_of_service(project, manager)
            return Foreground(project, manager, apps, enabled).run()
        from procman.control.protocol import Request

        request = Request("up", apps, wait=not no_wait, timeout=timeout)
        code = _detached(project, request, as_json=as_json)
        if not as_json:
            _tell_of_service(project, manager)
        return code

    return _with_manager(project, begin, begun)


def _chosen(project: Project, apps: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the enabled apps; a broken file or a wrong name ends the command here."""
    from procman.cli.choose import choose

    enabled = project.read().enabled_apps()
    choose(apps, enabled)
    return tuple(enabled)


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

    enabled = _chosen(project, apps)

    def begin(manager: Manager) -> int:
        if is_first() and not manager.is_ours:
            message = f"manager {manager.pid} of another container has `{project.home}`"
            raise Failure(
                exits.FAILED, message, "give each container a state folder: `PROCMAN_HOME` names it"
            )
        log = StandingLog(enabled, project.logs, as_json=log_format == "json")

        def launch(then: str | None) -> Manager:
            return _manager(project, then)

        return Standing(project, manager, launch, apps, log, signals, stop_within).run()

    return _with_manager(project, begin)


def _with_manager(project: Project, begin: Callable[[Manager], int], begun: Begun | None = None) -> int:
    """Do something with the project's manager, which is started if none runs, or again if one is ending."""
    from procman.control.protocol import STOPPING

    for _ in range(ATTEMPTS):
        manager = _manager(project, begun=begun)
        begun = None
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


def _manager(project: Project, then: str | None = None, begun: Begun | None = None) -> Manager:
    from procman.control.launch import ensure_manager

    try:
        manager = ensure_manager(project.file, project.home, then=then, begun=begun)
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
    from procman.control.client import Conversation
    from procman.control.protocol import Request

    try:
        with Conversation(project.home, Request("ping")) as conversation:
            conversation.wait_gone(None)
    except (NotRunning, Lost):
        pass


def _detached(project: Project, request: Request, *, as_json: bool) -> int:
    from procman.cli.pursue import conclude, hear
    from procman.control.client import call

    outcome = hear(call(project.home, request), quiet=as_json)
    if request.wait and not as_json:
        from json import loads

        from procman.cli.shown import show_apps

        status = loads(project.ask_status())
        chosen = [app for app in status["apps"] if app["name"] in outcome.chosen]
        show_apps(chosen)
    return conclude(project, outcome, as_json=as_json)
