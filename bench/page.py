"""Makes the page of figures and its chart from what a run has kept: `python -m bench.page`.

No figure is typed by hand: `tests/unit/bench/test_page.py` compares what is there with what this makes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from bench.chart import render_chart
from bench.goals import TARGETS
from bench.rows import OURS, ROWS, TABLES, Row, medians, spell

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
DOCS = HERE.parent / "docs"
PAGE, CHART = DOCS / "BENCHMARKS.md", DOCS / "benchmarks.svg"
BEGIN, END = "<!-- figures: python -m bench.page -->", "<!-- end of figures -->"

Found = Mapping[str, Any]


def tables(found: Found) -> list[str]:
    """Return the lines of the tables in Markdown, each with the rivals that have figures in it."""
    lines: list[str] = []
    for title, rows in TABLES.items():
        rows = tuple(row for row in rows if _said_of(found, row))
        said = set().union(*(_said_of(found, row) for row in rows))
        rivals = [name for name in found["turns"] if name in said]
        rivals += sorted(said.difference(rivals))  # `cat` has no turn of its own
        if rivals:
            lines += [""] * bool(lines) + [f"| {title} | " + " | ".join(rivals) + " |"]
            lines += ["| --- |" + " ---: |" * len(rivals), *(_line(found, row, rivals) for row in rows)]
    return lines


def _said_of(found: Found, row: Row) -> set[str]:
    """Return the rivals of which there is a figure, or a failure."""
    return {*medians(found, row.key), *found["failures"].get(row.key, ())}


def _line(found: Found, row: Row, rivals: Sequence[str]) -> str:
    """Return a line: medians, the ratio of each to ours, and the best in bold if they differ."""
    values = {name: value for name, value in medians(found, row.key).items() if name in rivals}
    best = (
        (max if row.more else min)(values.values(), default=None) if len(set(values.values())) > 1 else None
    )
    cells = []
    for name in rivals:
        if name not in values:
            cells.append("failed" if name in found["failures"].get(row.key, ()) else "-")
            continue
        text = spell(values[name])
        if values[name] == best and not row.neutral:
            text = f"**{text}**"
        if name != OURS and not row.neutral and values.get(OURS) and values[name]:
            text += f" ({spell_ratio(values[name] / values[OURS])})"
        cells.append(text)
    return f"| {_named(row)} | " + " | ".join(cells) + " |"


def _named(row: Row) -> str:
    return f"{row.text}, {row.unit}" if row.unit else row.text


def spell_ratio(ratio: float) -> str:
    """Return a ratio with two digits."""
    return f"×{ratio:,.0f}" if ratio >= 9.95 else f"×{ratio:.2g}"


def verdicts(found: Found) -> list[str]:
    """Return the table of what procman wants to reach, and whether it does; nothing of a run without it."""
    if OURS not in found["turns"]:
        return []
    return ["| what procman wants to reach | this run | |", "| --- | ---: | --- |"] + [
        target.verdict(found) for target in TARGETS
    ]


def better(found: Found) -> list[str]:
    """Return a line for each measurement in which a peer is better than we are, and why if we know."""
    lines = []
    for row in ROWS:
        values = medians(found, row.key)
        ours = values.pop(OURS, None)
        if ours is None or row.neutral:
            continue
        ahead = sorted(
            ((value, name) for name, value in values.items() if (value > ours if row.more else value < ours)),
            reverse=row.more,
        )
        if ahead:
            unit = f" {row.unit}" if row.unit else ""
            lines.append(f"- {row.text}: {_with_reasons(row, ahead)}; procman {spell(ours)}{unit}")
    return lines


def _with_reasons(row: Row, ahead: Sequence[tuple[float, str]]) -> str:
    """Return these peers with their figures, and a reason behind those that share it."""
    parts = []
    for reason, group in groupby(ahead, lambda each: row.why.get(each[1])):
        peers = ", ".join(f"{name} {spell(value)}" for value, name in group)
        parts.append(f"{peers} ({reason})" if reason else peers)
    return ", ".join(parts)


def origin(found: Found) -> list[str]:
    """Return what the figures mean nothing without: machine, versions, when, how busy, what is missing."""
    turns = found["turns"]
    quick = [name for name, turn in turns.items() if turn["quick"]]
    lines = [f"- {line}" for line in found["machine"]]
    lines.append("- versions: " + ", ".join(f"{name} {turn['version']}" for name, turn in turns.items()))
    began = sorted(turn["began"] for turn in turns.values())
    minutes = sum(turn["seconds"] for turn in turns.values()) / 60
    lines.append(
        f"- measured in turns that began from {began[0]} to {began[-1]} UTC, {minutes:.0f} min in all"
    )
    loads = ", ".join(f"{name} {turn['load']}" for name, turn in turns.items())
    lines.append(f"- load average when the turn of each had come: {loads}")
    if quick:
        lines.append(f"- short, with few samples (`--quick`): {', '.join(quick)}")
    lines += [f"- {line}" for line in found["missing"]]
    lines += [
        f"- failed: {key}, {name}: {reason}"
        for key, failed in found["failures"].items()
        for name, reason in failed.items()
    ]
    return lines


def figures(found: Found) -> str:
    """Return the part of the page that a run has made."""
    lines = [BEGIN, "", f"![medians of each rival]({CHART.name})", "", *tables(found), ""]
    lines += ["Medians; in parentheses how many times procman's that is; the best of each line is bold.", ""]
    lines += [
        *origin(found),
        "",
        "## Where a peer is better",
        "",
        *(better(found) or ["- nowhere in this run"]),
    ]
    lines += ["", "## Goals", "", *verdicts(found), "", END]
    return "\n".join(lines)


def render_page(text: str, found: Found) -> str:
    """Return the page with the figures in their place."""
    head, _, rest = text.partition(BEGIN)
    return head + figures(found) + rest.partition(END)[2]


def merge(old: Found, new: Found) -> dict[str, Any]:
    """Return the results of two runs: of a rival that is in both, those of the newer."""
    fresh = set(new["turns"])
    turns = {**old.get("turns", {}), **new["turns"]}
    merged: dict[str, Any] = {
        "machine": new["machine"],
        "missing": new["missing"],
        "turns": {name: turns[name] for name in sorted(turns, key=lambda name: name != OURS)},
    }
    for part in ("samples", "failures"):
        merged[part] = {
            key: kept
            for key in dict.fromkeys([*old.get(part, {}), *new[part]])
            if (
                kept := {
                    **{n: v for n, v in old.get(part, {}).get(key, {}).items() if n not in fresh},
                    **new[part].get(key, {}),
                }
            )
        }
    return merged


def keep(found: Found, *, alone: bool = True) -> None:
    """Put the results of a run into the file: alone, or beside those of rivals that are not in it."""
    old = {} if alone or not RESULTS.exists() else json.loads(RESULTS.read_text())
    RESULTS.write_text(json.dumps(merge(old, found), indent=1) + "\n")


def main() -> int:
    """Write the page and the chart."""
    found = json.loads(RESULTS.read_text())
    PAGE.write_text(render_page(PAGE.read_text(), found))
    CHART.write_text(render_chart(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
