"""`procman logs`: reads the files themselves, so it works without a manager and can't slow one down."""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click

from procman.cli import exits, options, render, talk
from procman.cli.choose import choose
from procman.cli.failure import Failure
from procman.cli.project import Project, find_project
from procman.core.config import AppConfig, Command
from procman.core.values import Bad, duration
from procman.core.view import spell_time
from procman.logs.read import Follower, Line, Stream, clean, last_lines, lines, merge, plain, previous_run

LINES = 100  # of each app, unless something else is asked for
_STREAMS = {"out": Stream.OUT, "err": Stream.ERR}


def moment(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Return a point in time: `10m` ago, or as ISO 8601 spells it (local time, unless it says another)."""
    if value is None:
        return None
    try:
        return time.time() - duration(0.0)(value)
    except Bad:
        pass
    try:
        return datetime.fromisoformat(value).timestamp()
    except ValueError as error:
        message = f"expected how long ago (`10m`) or a time (`2026-11-23T09:00`), got `{value}`"
        raise click.BadParameter(message, context, parameter) from error


def pattern(context: click.Context, parameter: click.Parameter, value: str | None) -> re.Pattern[str] | None:
    """Return a regular expression."""
    try:
        return None if value is None else re.compile(value)
    except re.error as error:
        raise click.BadParameter(
            f"`{value}` is no regular expression: {error}", context, parameter
        ) from error


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are asked for."""

    count: int | None
    since: float | None
    until: float | None
    grep: re.Pattern[str] | None
    stream: Stream | None
    previous: bool

    def matches(self, line: Line) -> bool:
        """Return whether a line has what `--grep` asks for."""
        return self.grep is None or self.grep.search(_text(line)) is not None

    def of(self, folder: Path, app: str) -> Iterable[Line]:
        """Return the lines of one app."""
        run = None
        if self.previous:
            run = previous_run(folder, app)
            if run is None:
                return ()
        whole = self.grep is not None or self.since is not None or self.until is not None
        if not whole and self.count is not None:
            return last_lines(folder, app, self.count, run, self.stream)
        found = filter(self.matches, lines(folder, app, self.since, self.until, run, self.stream))
        return found if self.count is None else deque(found, maxlen=self.count)


@dataclass(frozen=True, slots=True)
class Form:
    """How a line is shown."""

    prefixes: render.Prefixes | None
    coloured: bool
    timestamps: bool
    as_json: bool

    def show(self, line: Line) -> str:
        """Return a line as text."""
        if self.as_json:
            return render.as_json(
                {
                    "app": line.app,
                    "at": spell_time(line.at),
                    "stream": line.stream.label,
                    "run": line.run,
                    "text": line.text.decode(errors="replace"),
                    "partial": line.partial,
                    "continues": line.continues,
                }
            )
        prefix = self.prefixes.of(line.app) if self.prefixes is not None else ""
        at = f"{spell_time(line.at)} " if self.timestamps else ""
        return f"{prefix}{at}{safe(line, coloured=self.coloured)}"


def safe(line: Line, *, coloured: bool) -> str:
    """Return what an app has printed, with nothing in it that steers the terminal."""
    text = line.text.decode(errors="replace")
    return clean(text) if coloured else plain(text)


def _text(line: Line) -> str:
    return plain(line.text.decode(errors="replace"))


@click.command()
@options.apps
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option(
    "-n",
    "--lines",
    "count",
    type=click.IntRange(0),
    metavar="COUNT",
    help=f"How many lines of each app; {LINES}, unless a time is given.",
)
@click.option("--since", callback=moment, metavar="TIME", help="From `10m` ago, or a time of day and date.")
@click.option("--until", callback=moment, metavar="TIME", help="Up to that time.")
@click.option("--grep", callback=pattern, metavar="RE", help="Lines that a regular expression matches.")
@click.option("--stream", type=click.Choice(tuple(_STREAMS)), help="What went to stdout, or to stderr.")
@click.option("--previous", is_flag=True, help="The run before the last one.")
@click.option("--timestamps", is_flag=True, help="With the time of each line, in UTC.")
@click.option("--no-prefix", is_flag=True, help="Without the name of the app.")
@click.option("--json", "as_json", is_flag=True, help="Print each line as a JSON document.")
@click.pass_obj
def command(
    file: str | None,
    apps: tuple[str, ...],
    follow: bool,
    count: int | None,
    since: float | None,
    until: float | None,
    grep: re.Pattern[str] | None,
    stream: str | None,
    previous: bool,
    timestamps: bool,
    no_prefix: bool,
    as_json: bool,
) -> int:
    """Show what APPS have printed, by time. Works without a manager, too."""
    if follow and (since is not None or until is not None or previous):
        raise click.UsageError("`--follow` goes with none of `--since`, `--until` and `--previous`")
    project = find_project(file)
    names, known = _names(project, apps)
    if count is None and since is None and until is None and not previous:
        count = LINES
    wanted = Wanted(count, since, until, grep, _STREAMS[stream] if stream else None, previous)
    coloured = talk.wants_colour(sys.stdout)
    prefixes = None if no_prefix else render.Prefixes(known, coloured=coloured)
    form = Form(prefixes, coloured, timestamps, as_json)
    source = _followed(project.logs, names if apps else None, wanted) if follow else None
    for line in source or merge(wanted.of(project.logs, name) for name in names):
        click.echo(form.show(line), color=True)
    return exits.DONE


def _followed(folder: Path, names: Sequence[str] | None, wanted: Wanted) -> Iterator[Line]:
    follower = Follower(folder, names, last=wanted.count, stream=wanted.stream)
    return filter(wanted.matches, follower)


def _names(project: Project, patterns: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the apps that are meant, and all that there are.

    An app that has left the file is one of them when it is named. Where the file does not read, what is in
    the folder of the logs is all that is known.
    """
    kept = (
        sorted(each.name for each in project.logs.iterdir() if each.is_dir()) if project.logs.is_dir() else []
    )
    logged = {name: AppConfig(name, Command(())) for name in kept}
    try:
        apps = project.read().enabled_apps()
    except Failure:
        if not logged:
            raise
        apps = logged
    known = {**apps, **{name: app for name, app in logged.items() if name not in apps}}
    return choose(patterns, known if patterns else apps), tuple(known)
