"""`procman run`: a one-off in an app's folder and environment."""

from __future__ import annotations

import click

from procman.cli import exits, options
from procman.cli.choose import choose
from procman.cli.env import inherited_by
from procman.cli.failure import Failure, FileFailure
from procman.cli.project import find_project
from procman.config.diagnostics import InvalidConfig
from procman.config.environment import build_environment
from procman.control.one_off import NotRun, replace_by

CANNOT_RUN, NOT_FOUND = 126, 127  # as a shell says it


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("app", shell_complete=options.app_names)
@click.argument("words", nargs=-1, required=True, metavar="[--] COMMAND...", type=click.UNPROCESSED)
@click.pass_obj
def command(file: str | None, app: str, words: tuple[str, ...]) -> int:
    """Run COMMAND once, in the folder and with the environment that APP gets; its exit code is ours.

    It is no part of the app: nothing restarts it, and a stop of the app leaves it alone.
    """
    project = find_project(file)
    configs = project.read().enabled_apps()
    names = choose((app,), configs)
    if len(names) > 1:
        meant = ", ".join(f"`{name}`" for name in names)
        raise Failure(exits.USAGE, f"`{app}` means {meant}", "a one-off runs for one app: name it")
    config = configs[names[0]]
    inherited, _ = inherited_by(project)
    try:
        environment = build_environment(config, inherited)
    except InvalidConfig as error:
        raise FileFailure(error.render()) from error
    try:
        replace_by(words[1:] if words[0] == "--" else words, config.cwd, environment)
    except NotRun as error:
        hint = f"it is looked for on the PATH that `procman env {names[0]}` shows" if error.missing else None
        raise Failure(NOT_FOUND if error.missing else CANNOT_RUN, str(error), hint) from error
