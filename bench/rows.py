"""What is measured, as a reader is told of it: the lines of the tables, and which of them the chart shows."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OURS = "procman"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table, and one panel of the chart if it has a title there.

    Attributes:
        key: of its samples.
        text: what was measured.
        unit: of its samples.
        chart: its title in the chart.
        more: more of it is better.
        neutral: it is there to compare others with, and nobody is better or worse in it.
        why: by the names of peers, what may well make them better in it.
    """

    key: str
    text: str
    unit: str = ""
    chart: str = ""
    more: bool = False
    neutral: bool = False
    why: Mapping[str, str] = field(default_factory=dict)


_IN_C = "small C programs, which keep no output here and check nothing"
_SMALL = {"runit": _IN_C, "s6": _IN_C, "honcho": "restarts and checks nothing"}
_NEVER = "never looks whether its settings were changed"
_IDLE = {"pm2": _NEVER, "s6": _NEVER, "runit": _IN_C}
_STOP = dict.fromkeys(("honcho", "circus", "runit", "s6"), "does not look for what has left its app")
_TOLD = "is told which app to begin anew, and compares nothing"
# Measured with a line of 100 bytes a write: 188 MB/s into a pipe, 160 into a named one, however it is read.
_PIPE = dict.fromkeys(
    ("supervisord", "circus", "runit", "s6", "cat > file"),
    "a pipe without a name; one that outlives its reader takes a tenth more for a write",
)

TABLES: Mapping[str, tuple[Row, ...]] = {
    "What it costs": (
        Row("memory 1", "memory with 1 app", "MB", why=_SMALL),
        Row("memory 10", "memory with 10 apps", "MB", why=_SMALL),
        Row("memory 100", "memory with 100 apps", "MB", "memory with 100 apps, MB", why=_SMALL),
        Row("memory 1000", "memory with 1,000 apps", "MB", "memory with 1,000 apps, MB", why=_SMALL),
        Row(
            "idle wakeups",
            "wakeups a minute, 100 idle apps",
            chart="wakeups a minute, 100 idle apps",
            why=_IDLE,
        ),
        Row("idle cpu", "CPU a minute, 100 idle apps", "ms", why=_IDLE),
    ),
    "What one waits for": (
        Row(
            "start",
            "start of 100 apps, from nothing",
            "ms",
            "start of 100 apps, ms",
            why={"honcho": "begins no manager beside itself, and keeps nothing"},
        ),
        Row(
            "stop",
            "stop of 100 apps",
            "ms",
            "stop of 100 apps, ms",
            why=_STOP,
        ),
        Row("kill", "crash of an app to its replacement", "ms", "crash to replacement, ms"),
        Row(
            "edit",
            "edit of one of 50 apps to its replacement",
            "ms",
            "edit of one of 50 apps, ms",
            why={"runit": _TOLD},
        ),
        Row("edit others", "other apps begun anew by that edit"),
        Row(
            "status",
            "`status` of 100 apps",
            "ms",
            "status of 100 apps, ms",
            why={"runit": "in C; a bare interpreter takes longer"},
        ),
        Row("bare", "the bare interpreter beside it", "ms", neutral=True),
    ),
    "Apps that live and do not work": (
        Row("closed noticed", "closed port to the end of its process", "ms"),
        Row("closed", "closed port to the replacement", "ms", "closed port to replacement, ms"),
        Row("hung noticed", "hang to the end of its process", "ms"),
        Row("hung", "hang to the replacement", "ms", "hung app to replacement, ms"),
        Row("checked cpu", "1,000 ports checked each second", "% of a core"),
        Row("checked memory", "memory while they are checked", "MB"),
    ),
    "Output": (
        Row(
            "log bulk",
            "large writes",
            "MB/s",
            "output kept, large writes, MB/s",
            more=True,
            why={"cat > file": "knows neither times nor streams, and rotates nothing"},
        ),
        Row("log bulk cpu", "CPU for a GiB of large writes", "s"),
        Row("log bulk lost", "lines lost in large writes"),
        Row(
            "log lines",
            "a write for each line",
            "MB/s",
            "output kept, a write for each line, MB/s",
            more=True,
            why=_PIPE,
        ),
        Row("log lines cpu", "CPU for a GiB of written lines", "s"),
        Row("log lines lost", "lines lost of written lines"),
    ),
    "The worst day": (
        Row("survivors", "of 8 hostile processes, left after a stop", chart="hostile processes left of 8"),
        Row("owner died", "manager killed: of 4 apps, died with it"),
        Row("owner twice", "manager killed: of 4 apps, running twice after its new start"),
        Row(
            "owner lost",
            "manager killed: of 5,000 lines printed meanwhile, lost",
            chart="lines lost of 5,000 when the manager is killed",
        ),
    ),
}
ROWS = tuple(row for rows in TABLES.values() for row in rows)


def medians(found: Mapping[str, Any], key: str) -> dict[str, float]:
    """Return the median of each rival that has samples of a measurement."""
    return {
        name: statistics.median(values) for name, values in found["samples"].get(key, {}).items() if values
    }


def spell(value: float) -> str:
    """Return a figure with as many digits as mean something."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"
