"""What `ports`, `free` and `doctor` print, as text: pure functions of what was found on the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from procman.cli.render import age, columns, counted, printable
from procman.cli.talk import BOLD, DIM, GREEN, RED, YELLOW, paint
from procman.control.local import Finding, Grade

HEADINGS = ("PORT", "FAMILY", "ADDRESS", "PID", "AGE", "WHOSE", "FOLDER", "COMMAND")
_WHOSE_COLOURS = {"app": (GREEN,), "orphan": (YELLOW,)}
_GRADE_COLOURS = {Grade.OK: (GREEN,), Grade.WARN: (YELLOW,), Grade.FAIL: (RED, BOLD)}

Row = Mapping[str, Any]


def ports(rows: Sequence[Row], *, width: int | None = None, coloured: bool = False) -> str:
    """Return one line for each port and process, under a line of headings."""
    if not rows:
        return "nobody listens on this machine"
    colours = [_WHOSE_COLOURS.get(row["whose"], (DIM,)) for row in rows] if coloured else None
    lines = [tuple(map(printable, _cells(row))) for row in rows]
    return columns(HEADINGS, lines, width=width, column=HEADINGS.index("WHOSE"), colours=colours)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        str(row["port"]),
        "IPv4+6" if len(row["families"]) > 1 else row["families"][0],
        ", ".join(row["addresses"]),
        "?" if row["pid"] is None else str(row["pid"]),
        "?" if row["age_s"] is None else age(row["age_s"]),
        whose(row),
        row["cwd"] or "?",
        row["command"] or "?",
    )


def whose(row: Row) -> str:
    """Return whose a listener is: `web (this project)`."""
    match row["whose"]:
        case "app":
            return f"{row['app']} (this project)"
        case "orphan":
            since = datetime.fromisoformat(row["since"]).astimezone()
            return f"orphan of this project since {since:%Y-%m-%d %H:%M} ({row['app']})"
        case "project":
            return f"{row['app']} (another project)"
        case "stranger":
            return "stranger"
    return "?"


def holder(row: Row) -> str:
    """Return who holds a port, in words: ``pid 4711 (`node server.js`) in /srv/shop, started 2h3m ago``."""
    of = {"project": f"`{row['app']}` of another project, ", "orphan": f"an orphan of `{row['app']}`, "}
    where = f" in {row['cwd']}" if row["cwd"] else ""
    text = f"pid {row['pid']} (`{row['command']}`){where}, started {age(row['age_s'])} ago"
    return printable(of.get(row["whose"], "") + text)


def findings(found: Sequence[Finding], *, coloured: bool = False) -> str:
    """Return every finding on a line of its own, what to type under it, and the sum."""
    widest = max((len(each.subject) for each in found), default=0)
    lines = []
    for each in found:
        grade = each.grade.value.ljust(4)
        shown = paint(grade, *_GRADE_COLOURS[each.grade]) if coloured else grade
        lines.append(f"{shown}  {each.subject.ljust(widest)}  {printable(each.text)}")
        if each.hint is not None:
            lines.append(f"{' ' * (widest + 8)}hint: {printable(each.hint)}")
    count = {grade: sum(each.grade is grade for each in found) for grade in Grade}
    good, doubtful, bad = f"{count[Grade.OK]} ok", count[Grade.WARN], count[Grade.FAIL]
    return "\n".join([*lines, "", f"{good}, {counted(doubtful, 'warning')}, {counted(bad, 'failure')}"])


def findings_document(found: Sequence[Finding]) -> dict[str, Any]:
    """Return the findings for `--json`."""
    checks = [
        {"subject": each.subject, "grade": each.grade.value, "text": each.text, "hint": each.hint}
        for each in found
    ]
    return {"healthy": all(each.grade is not Grade.FAIL for each in found), "checks": checks}
