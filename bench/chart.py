"""Draws the chart of a run, as SVG: a panel for each measurement, a bar for each rival."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bench.rows import OURS, ROWS, Row, medians, spell

COLUMNS = 2
WIDTH, LABEL, AFTER, GAP = 430, 84, 62, 30  # px of a panel: the name is left of a bar, its value behind it
HEAD, BAR, FOOT = 28, 17, 18
EDGE = 16
FAR = 30.0  # from lowest to highest: where it is more, equal widths are equal factors

STYLE = """\
text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #57606a }
.title { font-weight: 600; fill: #1f2328 }
.scale { fill: #8c959f; font-weight: 400 }
.name { text-anchor: end }
.first { font-weight: 600; fill: #1f2328 }
.back { fill: #ffffff }
.bar { fill: #afb8c1 }
.ours { fill: #0969da }
.rule { stroke: #d8dee4 }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 }
.title, .first { fill: #f0f6fc }
.scale { fill: #6e7681 }
.back { fill: #0d1117 }
.bar { fill: #4b535d }
.ours { fill: #4493f8 }
.rule { stroke: #272e37 }
}"""


def render_chart(found: Mapping[str, Any]) -> str:
    """Return the chart."""
    panels = [
        (row, {name: value for name in found["turns"] if (value := values.get(name)) is not None})
        for row in ROWS
        if row.chart and (values := medians(found, row.key))
    ]
    tops = [EDGE] * COLUMNS
    body: list[str] = []
    for number, (row, values) in enumerate(panels):
        column = number % COLUMNS
        body += _panel(row, values, EDGE + column * (WIDTH + GAP), tops[column])
        if column == COLUMNS - 1 or number == len(panels) - 1:  # panels side by side begin at one height
            deepest = max(len(each) for _, each in panels[number - column : number + 1])
            tops = [tops[0] + HEAD + deepest * BAR + FOOT] * COLUMNS
    width = 2 * EDGE + COLUMNS * WIDTH + (COLUMNS - 1) * GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {tops[0]}" '
        f'width="{width}" height="{tops[0]}" role="img">\n'
        f"<title>procman beside its peers: medians of one run</title>\n<style>\n{STYLE}\n</style>\n"
        f'<rect width="100%" height="100%" rx="6" class="back"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


def _panel(row: Row, values: Mapping[str, float], left: int, top: int) -> list[str]:
    """Return a measurement's title, bars and values."""
    scale = Scale(list(values.values()))
    note = "more is better" if row.more else ""
    notes = ", ".join(each for each in (note, "×10 per line" if scale.is_log else "") if each)
    body = [
        f'<text x="{left}" y="{top + 14}" class="title">{row.chart}'
        + (f'<tspan class="scale" dx="8">{notes}</tspan>' if notes else "")
        + "</text>"
    ]
    down = top + HEAD - 4
    for at in scale.rules:
        x = left + LABEL + at * (WIDTH - LABEL - AFTER)
        body.append(f'<path d="M{x:.1f} {down}V{down + len(values) * BAR}" class="rule"/>')
    for name, value in values.items():
        wide = max(1.5, scale.part(value) * (WIDTH - LABEL - AFTER))
        mine = name == OURS
        body += [
            f'<text x="{left + LABEL - 8}" y="{down + 12}" class="name{" first" * mine}">{name}</text>',
            f'<rect x="{left + LABEL}" y="{down + 2}" width="{wide:.1f}" height="{BAR - 4}" rx="1.5" '
            f'class="{"ours" if mine else "bar"}"/>',
            f'<text x="{left + LABEL + wide + 6:.1f}" y="{down + 12}"{" class=" * mine}{chr(34) * mine}'
            f"{'first' * mine}{chr(34) * mine}>{spell(value)}</text>",
        ]
        down += BAR
    return body


class Scale:
    """Where values are between 0 and 1: in proportion, or by their factors where these are large."""

    def __init__(self, values: list[float]) -> None:
        some = [value for value in values if value > 0] or [1.0]
        self._highest = max(some)
        self.is_log = self._highest / min(some) > FAR
        self._floor = 10.0 ** math.floor(math.log10(min(some)) - 0.2)  # the shortest bar is still seen
        self._decades = math.log10(self._highest / self._floor)

    @property
    def rules(self) -> list[float]:
        """Return where a line is drawn for each power of ten; none where bars are in proportion."""
        return [each / self._decades for each in range(int(self._decades) + 1)] if self.is_log else []

    def part(self, value: float) -> float:
        """Return how far a bar reaches."""
        if value <= 0:
            return 0.0
        return math.log10(value / self._floor) / self._decades if self.is_log else value / self._highest
