"""The command group: one file a command, imported when it is called."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

import click

from procman.cli import exits, habits, talk
from procman.cli.failure import Failure

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# In the order of the overview; each is in the module of its name, or of the one in `MODULES`.
COMMANDS = {
    "up": "start the manager if none runs, then the apps",
    "down": "stop every app, then the manager",
    "status": "show every app: its state, its port, its last event",
    "logs": "show what apps have printed",
    "why": "tell the story of what went wrong with apps, and why",
    "events": "show all that has happened",
    "report": "show how well apps did: availability, incidents, time to repair",
    "start": "start apps, and what they depend on",
    "stop": "stop apps, each with everything it has started",
    "restart": "end the run of apps and begin another",
    "wait": "wait until apps are healthy, stopped or completed",
    "signal": "send a signal to everything that apps have started",
    "run": "run a command once, in an app's folder and environment",
    "attach": "show an app's terminal and type into it; Ctrl-] leaves",
    "reload": "apply the file now; each edit is applied by itself too",
    "plan": "show what applying the file would do",
    "check": "validate the file",
    "init": "write a commented file from what this folder already says",
    "get": "show what holds by the file, defaults included",
    "env": "show what environment apps get, and where each variable comes from",
    "set": "set one key in the file; comments and layout stay",
    "add": "add an app to the file",
    "remove": "take apps out of the file",
    "import": "write the file from another tool's: a Procfile, compose.yaml, supervisord.conf…",
    "export": "write files for another tool: systemd, launchd, compose, Kubernetes, a Procfile",
    "service": "start the apps with the machine: systemd, launchd, a Windows service",
    "upgrade": "replace the running manager by the installed version; no app notices",
    "ports": "show who listens where on this machine, and whose that is",
    "free": "end what holds a port: an orphan at once, anybody else if you say so",
    "doctor": "check this machine, the state folder and each app, and say what to do",
    "completion": "print the script that lets a shell complete commands and apps",
    "version": "show the version of procman",
}
MODULES = {"import": "import_file"}  # those of another name than their command: `import` is a keyword
ALIASES = {"ps": "status", "ls": "status", "history": "events"}
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Lazy(click.Group):
    """A group whose commands are imported one at a time: `status` pays for nothing else."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands but the aliases."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name or alias."""
        name = ALIASES.get(cmd_name, cmd_name)
        if name not in COMMANDS:
            return None
        module = MODULES.get(name, name)
        command = import_module(f"procman.cli.{module}").command
        assert isinstance(command, click.Command), f"procman/cli/{module}.py has a command"
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that `args` begin with, or fail with the nearest name."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            hint = habits.hint(args[0], [*COMMANDS, *ALIASES])
            raise Failure(exits.USAGE, f"there is no command `{args[0]}`", hint)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that begin with what was typed: no command is imported for it."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, from the table above: no command is imported for it."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Lazy, invoke_without_command=True, context_settings=_SETTINGS)
@click.option("-f", "--file", metavar="FILE", help="The project's file; also `PROCMAN_FILE`.")
@click.option("-V", "--version", is_flag=True, help="As `procman version`.")
@click.pass_context
def procman(context: click.Context, file: str | None, version: bool) -> None:
    """Keep a project's apps running, and prove that each answers on its own port.

    The apps are declared in `portwatch.toml`, looked for from the current folder upwards; a `Procfile` is
    enough too. APPS are names, globs (`web*`) and tags (`@front`); without any, all are meant.
    """
    context.obj = file
    if version:
        command = procman.get_command(context, "version")
        assert command is not None, "it is in the table"
        context.invoke(command)
        context.exit()
    if context.invoked_subcommand is None:
        click.echo(_OVERVIEW)


_OVERVIEW = """\
procman keeps a project's apps running

  procman up          start the apps of portwatch.toml; Ctrl-C stops them
  procman up -d       the same in the background
  procman status      what runs, and what does not and why
  procman logs -f     what the apps print
  procman down        stop everything

`procman --help` lists all commands, `procman COMMAND --help` the options of one"""


def run(words: Sequence[str]) -> int:
    """Run the command that `words` name, and return its exit code."""
    try:
        # Not procman.main(), which would make a broken pipe and Ctrl-C exits of its own.
        with procman.make_context("procman", list(words)) as context:
            result = procman.invoke(context)
    except Failure as failure:
        return failure.tell()
    except click.NoSuchOption as error:
        near = difflib.get_close_matches(error.option_name, error.possibilities or (), 1)
        hint = f"did you mean `{near[0]}`?" if near else _usage(error)
        talk.fail(f"there is no option `{error.option_name}`", hint)
        return exits.USAGE
    except click.UsageError as error:
        talk.fail(_ours(error.format_message()), _usage(error))
        return exits.USAGE
    except click.exceptions.Exit as end:
        return end.exit_code
    return result if isinstance(result, int) else exits.DONE


def _usage(error: click.UsageError) -> str:
    path = error.ctx.command_path if error.ctx is not None else "procman"
    return f"`{path} --help` shows how it is used"


def _ours(text: str) -> str:
    """Return a message of click's the way ours are written: names in backticks, no capital, no full stop."""
    text = re.sub(r"'(-[\w-]+|[A-Z]+\.*|\[[A-Z]+\]\.*)'", r"`\1`", text)
    return text[:1].lower() + text[1:].removesuffix(".")
