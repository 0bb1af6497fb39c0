"""`procman why`: reads the history and the logs themselves, so it works without a manager."""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from procman.cli import exits, options, render, render_history, render_story, talk
from procman.cli.project import find_project
from procman.cli.recorded import Recorded
from procman.core.journal import Record
from procman.core.story import Incident, Standing, incidents, standing
from procman.core.view import spell_time
from procman.logs.read import Stream, lines, plain

LINES = 200  # that the app had printed, where no evidence has them
LOOKS_S = (10.0, 600.0, None)  # how far back they are looked for, if those are too few; None: all of the run


@click.command()
@options.apps
@click.option(
    "--last", "count", type=click.IntRange(1), default=1, metavar="COUNT", help="The last COUNT incidents."
)
@options.as_json
@click.pass_obj
def command(file: str | None, apps: tuple[str, ...], count: int, as_json: bool) -> int:
    """Tell the story of the last incident of APPS: what was seen, what was decided and why, how it ended.

    Without APPS it lists every app that has had one. An incident goes from the first sign of trouble until
    the app runs again or is given up; what its user asks for is none. It works without a manager.
    """
    project = find_project(file)
    recorded = Recorded(project)
    read = recorded.of_app if apps or as_json else recorded.signs
    past = [_past(name, read(name)) for name in recorded.choose(apps)]
    if as_json:
        told = [each.document(project.logs, count) for each in past if apps or each.incidents]
        click.echo(render.as_json({"apps": told}))
    elif apps:
        click.echo("\n\n".join(each.text(project.logs, count) for each in past), color=True)
        _hint(past)
    else:
        _list(past)
    return exits.DONE


@dataclass(frozen=True, slots=True)
class Past:
    """What is kept of one app."""

    name: str
    incidents: tuple[Incident, ...]
    stands: Standing | None

    def text(self, logs: Path, count: int) -> str:
        """Return the stories of its last incidents, or what else there is to say."""
        now, coloured = time.time(), talk.wants_colour(sys.stdout)
        if not self.incidents:
            if self.stands is None:
                return f"{self.name}: nothing is known of it yet"
            return f"{self.name}: no incident is known; {render_story.standing(self.stands, now)}"
        return "\n\n".join(
            render_story.story(
                incident,
                kept=len(self.incidents),
                lines=last_lines(logs, incident),
                stands=self._since(incident),
                now=now,
                coloured=coloured,
            )
            for incident in self.incidents[-count:]
        )

    def _since(self, incident: Incident) -> Standing | None:
        """Return how the app stands, if that came after the last of its incidents."""
        last, ended = incident is self.incidents[-1], incident.ended
        is_news = self.stands is not None and (ended is None or self.stands.since > ended)
        return self.stands if last and is_news else None

    def document(self, logs: Path, count: int) -> dict[str, Any]:
        """Return it for `--json`."""
        told = [
            render_history.incident_document(each, last_lines(logs, each)) for each in self.incidents[-count:]
        ]
        stands = self.stands
        return {
            "name": self.name,
            "state": None if stands is None else stands.state,
            "since": None if stands is None else spell_time(stands.since),
            "reason": None if stands is None else stands.reason,
            "incidents_kept": len(self.incidents),
            "incidents": told,
        }


def _past(name: str, records: Sequence[Record]) -> Past:
    return Past(name, incidents(records), standing(records))


def last_lines(logs: Path, incident: Incident) -> list[dict[str, Any]]:
    """Return what the app had printed when its run went down: as the evidence has it, else from its log."""
    evidence = incident.evidence
    if evidence is not None and evidence.data.get("lines") is not None:
        return list(evidence.data["lines"])
    turn = incident.turn
    if not turn.run:
        return []
    for back in LOOKS_S:
        since = None if back is None else turn.at - back
        found = deque(lines(logs, incident.app, since, turn.at, turn.run), maxlen=LINES)
        if len(found) == LINES:
            break
    return [
        {
            "at": spell_time(line.at),
            "stream": line.stream.label,
            "text": plain(line.text.decode(errors="replace")),
        }
        for line in found
        if line.stream is not Stream.MANAGER
    ]


def _list(past: Sequence[Past]) -> None:
    """Print the last incident of each app, the latest first."""
    latest = sorted((each.incidents[-1] for each in past if each.incidents), key=lambda each: -each.began)
    if latest:
        coloured, width = talk.wants_colour(sys.stdout), talk.width(sys.stdout)
        click.echo(render_history.listing(latest, width=width, coloured=coloured), color=True)
        talk.hint(f"`procman why {latest[0].app}` tells the whole story")
    elif any(each.stands for each in past):
        click.echo("no app has had an incident")
        talk.hint("`procman events` shows all that has happened")
    else:
        click.echo("nothing is known yet: no app has been started here")
        talk.hint("`procman up` starts all of them")


def _hint(past: Sequence[Past]) -> None:
    """Say what to type next: for the first app for which there is anything."""
    hints = filter(None, (hint(each, {other.name for other in past}) for each in past))
    text = next(hints, None)
    if text is not None:
        talk.hint(text)


def hint(past: Past, shown: Collection[str]) -> str | None:
    """Return what to type next after the story of an app; those of the apps that are `shown` need no hint."""
    name, stands = past.name, past.stands
    if stands is None:
        return f"`procman start {name}` starts it"
    if stands.state == "waiting":
        if (port := re.match(r"waits for port (\d+): ", stands.reason)) is not None:
            return f"`procman ports` shows whose that is, `procman free {port[1]}` ends it"
        if (other := re.match(r"waits for `([^`]+)`", stands.reason)) is not None and other[1] not in shown:
            return f"`procman why {other[1]}` tells why that is not ready"
    if stands.comes_back:
        return f"it starts again by itself once that is mended; `procman start {name}` tries at once"
    if stands.state == "failed":
        return f"`procman start {name}` starts it again, once it is mended"
    return None if past.incidents else f"`procman events {name}` shows all that has happened to it"
