"""`procman events`: reads the history itself, so it works without a manager and can't slow one down."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from procman.cli import exits, options, render, render_history, talk
from procman.cli.project import find_project
from procman.cli.recorded import Recorded
from procman.core.journal import Kind, Record

EVENTS = 100  # unless something else is asked for
KINDS = tuple(kind.value for kind in Kind)


@click.command()
@options.apps
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option(
    "-n",
    "count",
    type=click.IntRange(0),
    metavar="COUNT",
    help=f"How many of them, the newest; {EVENTS}, unless a time is given.",
)
@options.since
@options.until
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(KINDS),
    metavar="KIND",
    help=f"Of this kind; more than one may be named: {', '.join(KINDS)}.",
)
@click.option("--json", "as_json", is_flag=True, help="Print each event as a JSON document.")
@click.pass_obj
def command(
    file: str | None,
    apps: tuple[str, ...],
    follow: bool,
    count: int | None,
    since: float | None,
    until: float | None,
    kinds: tuple[str, ...],
    as_json: bool,
) -> int:
    """Show what has happened to APPS, and without any to managers and the file too, by local time.

    It works without a manager. `procman why` tells of one incident as a story.
    """
    if follow and until is not None:
        raise click.UsageError("`--follow` does not go with `--until`")
    recorded = Recorded(find_project(file))
    chosen = recorded.choose(apps)
    wanted = chosen if apps else None
    if count is None and since is None and until is None:
        count = EVENTS
    of_kinds = [Kind(kind) for kind in kinds] or None
    coloured = talk.wants_colour(sys.stdout)
    prefixes = render.Prefixes(chosen if apps else (*chosen, render_history.MANAGER), coloured=coloured)

    def found() -> Iterator[Record]:
        newest = recorded.newest()
        if not newest and not as_json:
            talk.note("nothing is kept yet: no manager has run here")
        for record in recorded.records(wanted, since, until, of_kinds, count):
            newest = max(newest, record.number)
            yield record
        if follow:
            yield from recorded.follow(wanted, of_kinds, newest)

    for record in found():
        if as_json:
            click.echo(render.as_json(render_history.record_document(record)))
        else:
            click.echo(render_history.event(record, prefixes, coloured=coloured), color=True)
    return exits.DONE
