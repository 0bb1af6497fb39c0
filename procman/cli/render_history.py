"""What `events` and `report` print, and `why` without a name, as text: pure functions of what is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from procman.cli.render import Prefixes, age, columns, printable
from procman.cli.talk import DIM, GREEN, RED, YELLOW, paint
from procman.core.journal import Record
from procman.core.report import Figures, total
from procman.core.story import Incident
from procman.core.units import spell_duration
from procman.core.view import spell_time

MANAGER = "procman"  # stands where the app would, for what is about none
LIST_HEADINGS = ("BEGAN", "APP", "OUTCOME", "WHAT HAPPENED")
REPORT_HEADINGS = (
    "APP",
    "AVAILABLE",
    "UP",
    "DOWN",
    "UNKNOWN",
    "INCIDENTS",
    "RESTARTS",
    "MTBF",
    "MTTR",
    "LONGEST",
)
GOOD = 0.999  # of availability: what is below is worth a look


def date(at: float) -> str:
    """Return the date and the time of day by local time, to the millisecond."""
    return datetime.fromtimestamp(at).isoformat(" ", "milliseconds")


def clock(at: float) -> str:
    """Return the time of day by local time, to the millisecond."""
    return date(at).partition(" ")[2]


def span(seconds: float) -> str:
    """Return how long something took: exact where it was short, else by its two largest units."""
    return spell_duration(seconds) if seconds < 60 else age(seconds)


def event(record: Record, prefixes: Prefixes, *, coloured: bool) -> str:
    """Return one record on a line: when, whose, what."""
    at = date(record.at)
    return (
        f"{paint(at, DIM) if coloured else at}  {prefixes.of(record.app or MANAGER)}{printable(record.text)}"
    )


def record_document(record: Record) -> dict[str, Any]:
    """Return a record for `--json`."""
    return {
        "number": record.number,
        "at": spell_time(record.at),
        "app": record.app,
        "kind": record.kind.value,
        "text": record.text,
        "run": record.run,
        "data": dict(record.data),
    }


def incident_document(incident: Incident, lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return an incident for `--json`, with what the app had printed last before it."""
    ended = incident.ended
    return {
        "number": incident.number,
        "began": spell_time(incident.began),
        "ended": None if ended is None else spell_time(ended),
        "took_s": None if ended is None else round(ended - incident.began, 3),
        "outcome": incident.outcome,
        "cause": incident.cause,
        "remedy": incident.remedy,
        "restarts": len(incident.starts),
        "before": [record_document(record) for record in incident.before],
        "records": [record_document(record) for record in incident.records],
        "lines": list(lines),
    }


def listing(latest: Sequence[Incident], *, width: int | None, coloured: bool) -> str:
    """Return one line for each incident under a line of headings."""
    rows = [
        (date(each.began).partition(".")[0], each.app, printable(each.outcome), printable(each.cause))
        for each in latest
    ]
    colours = [(DIM,) if each.is_over else (RED,) for each in latest] if coloured else None
    return columns(LIST_HEADINGS, rows, width=width, column=2, colours=colours)


def report(figures: Mapping[str, Figures], since: float, until: float, *, coloured: bool) -> str:
    """Return one line for each app under a line of headings, and one for all of them."""
    heads = [date(at).rpartition(":")[0] for at in (since, until)]
    rows = {**figures, "all": total(figures.values())} if len(figures) > 1 else dict(figures)
    cells = [(name, *_cells(each)) for name, each in rows.items()]
    colours = [_colour(each.availability) for each in rows.values()] if coloured else None
    table = columns(REPORT_HEADINGS, cells, width=None, column=1, colours=colours)
    return f"from {heads[0]} to {heads[1]}\n\n{table}"


def _cells(figures: Figures) -> tuple[str, ...]:
    return (
        _percent(figures.availability),
        _or_dash(figures.up_s),
        _or_dash(figures.down_s),
        _or_dash(figures.unknown_s),
        str(figures.incidents),
        str(figures.restarts),
        _or_dash(figures.between_failures_s),
        _or_dash(figures.to_repair_s),
        _or_dash(figures.longest_outage_s),
    )


def _percent(share: float | None) -> str:
    """Return a share; nothing but the whole is called 100%."""
    if share is None:
        return "-"
    return "100%" if share == 1 else f"{int(share * 10000) / 100:.2f}%"


def _or_dash(seconds: float | None) -> str:
    return span(seconds) if seconds else "-"


def _colour(availability: float | None) -> tuple[str, ...]:
    if availability is None:
        return (DIM,)
    return (GREEN,) if availability >= GOOD else (YELLOW,)


def report_document(figures: Mapping[str, Figures], since: float, until: float) -> dict[str, Any]:
    """Return a report for `--json`."""
    return {
        "since": spell_time(since),
        "until": spell_time(until),
        "apps": [{"name": name, **_figures_document(each)} for name, each in figures.items()],
        "total": _figures_document(total(figures.values())),
    }


def _figures_document(figures: Figures) -> dict[str, Any]:
    return {
        "availability": None if figures.availability is None else round(figures.availability, 6),
        "up_s": round(figures.up_s, 3),
        "down_s": round(figures.down_s, 3),
        "unknown_s": round(figures.unknown_s, 3),
        "other_s": round(figures.other_s, 3),
        "incidents": figures.incidents,
        "restarts": figures.restarts,
        "mean_time_between_failures_s": _rounded(figures.between_failures_s),
        "mean_time_to_repair_s": _rounded(figures.to_repair_s),
        "longest_outage_s": round(figures.longest_outage_s, 3),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
