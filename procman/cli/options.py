"""Options and arguments that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def seconds(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Return a duration as seconds: spelled as in the file, or a number."""
    if value is None:
        return None
    from procman.core.values import Bad, duration

    try:
        written: str | float = float(value)
    except ValueError:
        written = value
    try:
        return duration(0.0)(written)
    except Bad as bad:
        raise click.BadParameter(bad.message, context, parameter) from bad


def moment(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Return a point in time: `10m` ago, or as ISO 8601 spells it (local time, unless it says another)."""
    if value is None:
        return None
    import time
    from datetime import datetime

    from procman.core.values import Bad, duration

    try:
        return time.time() - duration(0.0)(value)
    except Bad:
        pass
    try:
        return datetime.fromisoformat(value).timestamp()
    except ValueError as error:
        message = f"expected how long ago (`10m`) or a time (`2026-11-23T09:00`), got `{value}`"
        raise click.BadParameter(message, context, parameter) from error


def app_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the apps that a shell may complete; see `completing`."""
    from procman.cli.completing import app_names

    return app_names(context, parameter, incomplete)


def keys(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the keys that a shell may complete; see `completing`."""
    from procman.cli.completing import keys

    return keys(context, parameter, incomplete)


apps = click.argument("apps", nargs=-1, metavar="[APPS]...", shell_complete=app_names)
some_apps = click.argument("apps", nargs=-1, required=True, metavar="APPS...", shell_complete=app_names)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
no_wait = click.option("--no-wait", is_flag=True, help="Return at once, not when it is done.")
timeout = click.option(
    "--timeout", callback=seconds, metavar="DURATION", help="Wait no longer than this, then exit with 124."
)
since = click.option(
    "--since", callback=moment, metavar="TIME", help="From `10m` ago, or a time of day and date."
)
until = click.option("--until", callback=moment, metavar="TIME", help="Up to that time.")
