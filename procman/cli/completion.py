"""`procman completion`: the script that lets a shell complete commands, options, apps and keys."""

from __future__ import annotations

import click

from procman.cli import exits
from procman.cli.completing import script

# Where each shell reads it from; the first line of what is printed says so.
INSTALLATION = {
    "bash": "procman completion bash > ~/.local/share/bash-completion/completions/procman",
    "zsh": "procman completion zsh > ~/.zfunc/_procman  # with `fpath+=~/.zfunc` before `compinit`",
    "fish": "procman completion fish > ~/.config/fish/completions/procman.fish",
    "powershell": "procman completion powershell >> $PROFILE",
}


@click.command()
@click.argument("shell", type=click.Choice(tuple(INSTALLATION)))
@click.pass_context
def command(context: click.Context, shell: str) -> int:
    """Print the script that lets SHELL complete commands, options, and the names of apps as they are now."""
    group = context.find_root().command
    assert isinstance(group, click.Group), "`completion` is a command of a group"
    text = script(group, shell).lstrip("\n")
    if shell == "zsh":  # its first line has to be `#compdef`
        head, _, rest = text.partition("\n")
        text = f"{head}\n# {INSTALLATION[shell]}\n{rest}"
    else:
        text = f"# {INSTALLATION[shell]}\n{text}"
    click.echo(text, nl=not text.endswith("\n"))
    return exits.DONE
