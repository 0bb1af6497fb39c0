"""Makes the page of figures and its chart from what a run has kept: `python -m bench.page`.

No figure is typed by hand: `tests/unit/bench/test_page.py` compares what is there with what this makes.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
DOCS = HERE.parent / "docs"
PAGE, CHART = DOCS / "BENCHMARKS.md", DOCS / "benchmarks.svg"
BEGIN, END = "<!-- figures: python -m bench.page -->", "<!-- end of figures -->"
OURS = "procman"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, and one panel of the chart if it has a title there."""

    key: str
    text: str
    unit: str
    chart: str = ""


ROWS = (
    Row("memory 1", "memory (PSS) of its own processes, 1 app", "MB"),
    Row("memory 10", "10 apps", "MB"),
    Row("memory 100", "100 apps", "MB", "memory, 100 apps (MB)"),
    Row("memory 1000", "1,000 apps", "MB"),
    Row("idle wakeups", "wakeups a minute, 100 idle apps", "", "wakeups a minute, 100 idle apps"),
    Row("idle cpu", "CPU a minute, 100 idle apps", "ms"),
    Row("start", "100 apps started, from nothing to the last exec", "ms", "start of 100 apps (ms)"),
    Row("kill", "`kill -9` of an app to its replacement", "ms", "killed app to replacement (ms)"),
    Row("closed", "port closed, process alive, to the replacement", "ms"),
    Row("hung", "app hangs (SIGSTOP) to its replacement", "ms"),
    Row(
        "edit", "one of 50 apps edited, to its replacement", "ms", "edit of 1 of 50 apps to replacement (ms)"
    ),
    Row("status", "status of 100 apps, as a command", "ms", "status command, 100 apps (ms)"),
    Row("stop", "100 apps stopped, until none is left", "ms", "stop of 100 apps (ms)"),
    Row(
        "survivors",
        "of 8 hostile processes, left after a stop",
        "",
        "hostile processes left after a stop (of 8)",
    ),
    Row("apps that died with it", "of 3 apps, ended by `kill -9` of the manager", ""),
    Row("apps twice", "of 3 apps, running twice after its new start", ""),
    Row("checked each second", "1,000 apps checked each second", "% of a core"),
    Row("memory 1000 checked", "memory meanwhile", "MB"),
)


def medians(found: Mapping[str, Any], key: str) -> dict[str, float]:
    """Return the median of each rival that has samples of a measurement."""
    return {
        name: statistics.median(values) for name, values in found["samples"].get(key, {}).items() if values
    }


def spell(value: float) -> str:
    """Return a figure with as many digits as mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 or value != int(value) else f"{value:.0f}"


def table(found: Mapping[str, Any]) -> list[str]:
    """Return the lines of a table in Markdown: medians, and the best of each line in bold."""
    rivals = list(found["versions"])
    lines = ["| | " + " | ".join(rivals) + " |", "| --- |" + " ---: |" * len(rivals)]
    for row in ROWS:
        values = medians(found, row.key)
        if not values:
            continue
        best = min(values.values())
        cells = [
            "-"
            if name not in values
            else f"**{spell(values[name])}**"
            if values[name] == best
            else spell(values[name])
            for name in rivals
        ]
        unit = f", {row.unit}" if row.unit else ""
        lines.append(f"| {row.text}{unit} | " + " | ".join(cells) + " |")
    return lines


def better(found: Mapping[str, Any]) -> list[str]:
    """Return a line for each measurement in which a peer is better than we are."""
    lines = []
    for row in ROWS:
        values = medians(found, row.key)
        ours = values.pop(OURS, None)
        ahead = sorted((value, name) for name, value in values.items() if ours is not None and value < ours)
        if ahead and ours is not None:
            names = ", ".join(f"{name} {spell(value)}" for value, name in ahead)
            lines.append(f"- {row.text}: {names}; procman {spell(ours)}{f' {row.unit}' if row.unit else ''}")
    return lines


def figures(found: Mapping[str, Any]) -> str:
    """Return the part of the page that a run has made."""
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    lines = [BEGIN, "", f"![medians of each rival]({CHART.name})", "", *table(found), ""]
    loads = ", ".join(f"{name} {load}" for name, load in found["loads"].items())
    lines += [f"Medians. {versions}.", "", *(f"- {line}" for line in found["machine"])]
    lines.append(f"- load average when the turn of each had come: {loads}")
    lines += [f"- {line.strip()}" for line in found["missing"]]
    lines += [
        f"- failed: {key}, {name}: {reason}"
        for key, failed in found["failures"].items()
        for name, reason in failed.items()
    ]
    lines += ["", "### Where a peer is better", "", *(better(found) or ["- nowhere in this run"]), "", END]
    return "\n".join(lines)


def render_page(text: str, found: Mapping[str, Any]) -> str:
    """Return the page with the figures in their place."""
    head, _, rest = text.partition(BEGIN)
    return head + figures(found) + rest.partition(END)[2]


WIDTH, PANEL, BAR, LABEL, AFTER = 720, 34, 15, 100, 70  # px; the label is left of a bar, its value behind it


def render_chart(found: Mapping[str, Any]) -> str:
    """Return the chart: a panel for each measurement, a bar for each rival, the longest as wide as that."""
    body, top = [], 10
    for row in ROWS:
        values = medians(found, row.key)
        if not row.chart or not values:
            continue
        body.append(f'<text x="8" y="{top + 16}" class="title">{row.chart}</text>')
        top += PANEL - 8
        longest = max(values.values()) or 1.0
        for name, value in values.items():
            wide = max(1.0, (WIDTH - LABEL - AFTER) * value / longest)
            kind = "ours" if name == OURS else "bar"
            body.append(
                f'<text x="{LABEL - 8}" y="{top + 11}" class="name">{name}</text>'
                f'<rect x="{LABEL}" y="{top}" width="{wide:.1f}" height="{BAR - 3}" class="{kind}"/>'
                f'<text x="{LABEL + wide + 6:.1f}" y="{top + 11}">{spell(value)}</text>'
            )
            top += BAR
        top += 10
    style = (
        "text{font:11px sans-serif;fill:#444}.title{font-weight:bold;fill:#222}.name{text-anchor:end}"
        ".bar{fill:#b8c4ce}.ours{fill:#2a7de1}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" '
        f'width="{WIDTH}" height="{top}">\n'
        f'<style>{style}</style>\n<rect width="100%" height="100%" fill="#fff"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results of two runs: of a rival that is in both, those of the newer."""
    fresh = set(new["versions"])
    merged: dict[str, Any] = {"machine": new["machine"], "missing": new["missing"]}
    versions = {**old.get("versions", {}), **new["versions"]}
    merged["versions"] = {name: versions[name] for name in sorted(versions, key=lambda name: name != OURS)}
    merged["loads"] = {**old.get("loads", {}), **new["loads"]}
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


def keep(found: Mapping[str, Any]) -> None:
    """Put the results of a run into the file, beside those of other rivals."""
    old = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(merge(old, found), indent=1) + "\n")


def main() -> int:
    """Write the page and the chart."""
    found = json.loads(RESULTS.read_text())
    PAGE.write_text(render_page(PAGE.read_text(), found))
    CHART.write_text(render_chart(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
