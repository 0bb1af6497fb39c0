"""`procman report`: reads the history itself, so it works without a manager."""

from __future__ import annotations

import sys
import time

import click

from procman.cli import exits, options, render, render_history, talk
from procman.cli.failure import Failure
from procman.cli.project import Project, find_project
from procman.cli.recorded import Recorded
from procman.core.journal import Kind
from procman.core.report import Figures, report
from procman.core.story import TELLING

PERIOD_S = 86400.0  # unless something else is asked for
KINDS = (Kind.MANAGER, *TELLING)  # all that figures are made of


@click.command()
@options.apps
@options.since
@options.until
@options.as_json
@click.pass_obj
def command(
    file: str | None, apps: tuple[str, ...], since: float | None, until: float | None, as_json: bool
) -> int:
    """Show how well APPS did: of the last 24 hours, unless a time is given.

    AVAILABLE is the share of UP in UP and DOWN. UP is the time that an app was `running`; DOWN the time
    from the first sign of trouble until it was again, given up or not. UNKNOWN is what nobody saw, because no
    manager ran. No time at all counts while an app is not wanted, or first comes up, or its user restarts it.

    MTBF, the mean time between failures, is UP for each incident; MTTR, the mean time to repair, how long it
    took until the app was `running` again. `procman why APP` tells of an incident.
    """
    project, now = find_project(file), time.time()
    recorded = Recorded(project)
    until = min(now, now if until is None else until)
    since = until - PERIOD_S if since is None else since
    if since >= until:
        raise click.UsageError("the period ends before it begins")
    chosen = recorded.choose(apps)
    kept = list(recorded.records(kinds=KINDS, until=until))
    told_until = now if _is_managed(project) else max((record.at for record in kept), default=now)
    found = report(kept, since, until, told_until)
    figures = {name: found.get(name, Figures(unknown_s=until - since)) for name in chosen}
    if as_json:
        click.echo(render.as_json(render_history.report_document(figures, since, until)))
        return exits.DONE
    coloured = talk.wants_colour(sys.stdout)
    click.echo(render_history.report(figures, since, until, coloured=coloured), color=True)
    return exits.DONE


def _is_managed(project: Project) -> bool:
    """Return whether a manager runs, so that what is not told did not happen."""
    try:
        project.ask_status()
    except Failure:
        return False
    return True
