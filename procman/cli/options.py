"""Options and arguments that several commands share."""

from __future__ import annotations

import click


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


apps = click.argument("apps", nargs=-1, metavar="[APPS]...")
some_apps = click.argument("apps", nargs=-1, required=True, metavar="APPS...")
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
no_wait = click.option("--no-wait", is_flag=True, help="Return at once, not when it is done.")
timeout = click.option(
    "--timeout", callback=seconds, metavar="DURATION", help="Wait no longer than this, then exit with 124."
)
