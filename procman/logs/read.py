"""Reads logs back, from the files alone: no manager is asked, and none need run.

The folder is `<state>/logs`; each app has a folder of its name in it. A log that is not there is an empty
one.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from pathlib import Path

from procman.logs.backward import find_end, find_from, find_last
from procman.logs.backward import previous_run as _previous_run
from procman.logs.clean import clean, plain
from procman.logs.cursor import Cursor, Selection
from procman.logs.follow import Follower
from procman.logs.lines import LONGEST_PART, Line
from procman.logs.segments import Stream

__all__ = [
    "LONGEST_PART",
    "Follower",
    "Line",
    "Stream",
    "clean",
    "last_lines",
    "lines",
    "merge",
    "plain",
    "previous_run",
]


def lines(
    folder: Path,
    app: str,
    since: float | None = None,
    until: float | None = None,
    run: int | None = None,
    stream: Stream | None = None,
) -> Iterator[Line]:
    """Yield the lines of an app that began from `since` to `until`, in the order in which they ended.

    What is older than `since` or of an earlier run is not read. A line that has not ended comes last, marked
    `partial`.

    Args:
        folder: of the logs.
        app: whose log.
        since: seconds since the epoch, or None for as far back as is kept.
        until: likewise; no batch that was read later is looked at, also for the end of a line.
        run: one run's lines only.
        stream: one stream's lines only.
    """
    end = find_end(folder / app)
    place = None if since is None and run is None else find_from(folder / app, since, run)
    for line in _read_once(Cursor(folder, app, Selection(run, stream, until), place), end):
        if since is None or line.at >= since:
            yield line


def last_lines(
    folder: Path, app: str, count: int, run: int | None = None, stream: Stream | None = None
) -> Iterator[Line]:
    """Yield the last `count` lines of an app; a line that has not ended counts. Nothing older is read."""
    if count <= 0:
        return
    selection = Selection(run, stream)
    end = find_end(folder / app)
    place = find_last(folder / app, count, selection, end, with_unfinished=True)
    yield from _read_once(Cursor(folder, app, selection, place), end)


def merge(sources: Iterable[Iterable[Line]]) -> Iterator[Line]:
    """Yield the lines of several apps by time; the lines of each stay in their order."""
    return heapq.merge(*sources, key=lambda line: line.at)


def previous_run(folder: Path, app: str) -> int | None:
    """Return the run before the newest of which anything is kept."""
    return _previous_run(folder / app)


def _read_once(cursor: Cursor, end: tuple[int, int]) -> Iterator[Line]:
    """Yield the lines up to where the log ended at first: an app may print faster than anybody reads."""
    try:
        yield from cursor.read(end)
        yield from cursor.flush()
    finally:
        cursor.close()
