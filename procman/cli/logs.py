"""`procman logs`: reads the files themselves, so it works without a manager and can't slow one down."""

from __future__ import annotations

import re
import shlex
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

import click

from procman.cli import exits, options, render, talk
from procman.cli.choose import choose
from procman.cli.failure import Failure
from procman.cli.project import Project, find_project
from procman.core.config import AppConfig, Command
from procman.core.view import spell_time
from procman.logs.read import Follower, Line, Stream, clean, last_lines, lines, merge, plain, previous_run
from procman.logs.within import Overrun, within

LINES = 100  # of each app, unless something else is asked for
PAGE = 1 << 16  # characters that are written together
AT_MOST_S = 1.0  # for the search in one line; of a few microseconds at most it takes a tenth of one
_STREAMS = {"out": Stream.OUT, "err": Stream.ERR}


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

    @property
    def needs_all(self) -> bool:
        """Whether every line has to be looked at to know which are wanted."""
        return self.grep is not None or self.since is not None or self.until is not None

    def matches(self, line: Line) -> bool:
        """Return whether a line has what `--grep` asks for; what procman says of lost lines is never hidden.

        Raises:
            Failure: it takes too long to know.
        """
        grep = self.grep
        if grep is None or line.stream is Stream.MANAGER:
            return True
        text = plain(line.text.decode(errors="replace"))
        try:
            return within(AT_MOST_S, lambda: grep.search(text) is not None)
        except Overrun:
            raise _too_slow(grep.pattern, line.app, len(text)) from None

    def of(self, folder: Path, app: str) -> Iterable[Line]:
        """Return the lines of one app."""
        run = None
        if self.previous:
            run = previous_run(folder, app)
            if run is None:
                talk.note(f"of `{app}` no run before the last one is kept")
                return ()
        if not self.needs_all and self.count is not None:
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


def _too_slow(pattern: str, app: str, length: int) -> Failure:
    took = f"took more than {AT_MOST_S:g}s in a line of {length:,} characters of `{app}`"
    quick = f"`procman logs {app} -n 1000000 | grep -E {shlex.quote(pattern)}`"
    return Failure(
        exits.USAGE,
        f"to look for `{pattern}` {took}",
        f"write it without a repetition in a repetition (`a+`, not `(a+)+`), or type {quick}",
    )


@click.command()
@options.apps
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option(
    "-n",
    "--lines",
    "--tail",
    "count",
    type=click.IntRange(0),
    metavar="COUNT",
    help=f"How many lines of each app; {LINES}, unless a time is given.",
)
@options.since
@options.until
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
    if follow and (until is not None or previous):
        raise click.UsageError("`--follow` goes neither with `--until` nor with `--previous`")
    project = find_project(file)
    if count is None and since is None and until is None and not previous:
        count = LINES
    wanted = Wanted(count, since, until, grep, _STREAMS[stream] if stream else None, previous)
    coloured = talk.wants_colour(sys.stdout)
    try:
        names, known = _names(project, apps)
        prefixes = None if no_prefix else render.Prefixes(known, coloured=coloured)
        form = Form(prefixes, coloured, timestamps, as_json)
        if follow:
            found = _followed(project.logs, names if apps else None, wanted)
        else:
            found = merge(wanted.of(project.logs, name) for name in names)
        _print(found, form, at_once=follow)
    except PermissionError as error:
        raise Failure(
            exits.FAILED,
            f"`{error.filename}` can't be read: {error.strerror}",
            "it belongs to the user who ran the manager: ask as that one",
        ) from error
    return exits.DONE


def _print(found: Iterable[Line], form: Form, *, at_once: bool) -> None:
    """Print lines, each at once or many together; what a terminal can't spell gets a substitute.

    Together also where somebody has set `PYTHONUNBUFFERED`: a write per line takes as long as all the rest.
    """
    out = sys.stdout
    if isinstance(out, TextIOWrapper):
        out.reconfigure(errors="replace")
    page, size = [], 0
    try:
        for line in found:
            page.append(f"{form.show(line)}\n")
            size += len(page[-1])
            if at_once or size >= PAGE:
                text, page, size = "".join(page), [], 0  # first: Ctrl-C may come right after the flush
                out.write(text)
                out.flush()
    finally:
        out.write("".join(page))


def _followed(folder: Path, names: Sequence[str] | None, wanted: Wanted) -> Iterator[Line]:
    """Yield what is asked for of what is there, and then what comes."""
    last = None if wanted.needs_all else wanted.count
    follower = Follower(folder, names, last, wanted.since, wanted.stream)
    found: Iterator[Line] = filter(wanted.matches, follower.look(ends=True))
    if wanted.needs_all and wanted.count is not None:
        found = _last_of_each(found, wanted.count)
    yield from found
    yield from filter(wanted.matches, follower)


def _last_of_each(found: Iterable[Line], count: int) -> Iterator[Line]:
    """Yield the last lines of each app, by time."""
    kept: dict[str, deque[Line]] = {}
    for line in found:
        kept.setdefault(line.app, deque(maxlen=count)).append(line)
    return merge(kept.values())


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
