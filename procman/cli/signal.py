"""`procman signal`."""

from __future__ import annotations

import click

from procman.cli import exits, options, render, talk
from procman.cli.project import find_project
from procman.control.protocol import Request


@click.command()
@click.argument("signal", metavar="SIGNAL")
@options.some_apps
@options.as_json
@click.pass_obj
def command(file: str | None, signal: str, apps: tuple[str, ...], as_json: bool) -> int:
    """Send SIGNAL (`HUP`, `SIGUSR1`, `15`) to everything that APPS have started."""
    project = find_project(file)
    frames = list(project.call(Request("signal", apps, signal=signal)))
    answer = frames[-1]
    if as_json:
        click.echo(render.as_json({key: answer[key] for key in ("signal", "reached")}))
    for name, reached in answer["reached"].items():
        if reached and not as_json:
            click.echo(f"sent {answer['signal']} to {name}: {', '.join(reached)}")
    missed = [f"`{name}`" for name, reached in answer["reached"].items() if not reached]
    if missed:
        verb = "runs" if len(missed) == 1 else "run"
        talk.fail(f"nothing of {', '.join(missed)} {verb}", "`procman status` shows what does")
    return exits.FAILED if missed else exits.DONE
