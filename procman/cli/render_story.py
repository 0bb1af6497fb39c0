"""The story of an incident as text: a pure function of what is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from procman.cli.render import columns, counted, printable
from procman.cli.render_history import clock, date, span
from procman.cli.talk import BOLD, DIM, paint
from procman.core.journal import Kind, Record
from procman.core.story import Incident, Standing
from procman.core.units import spell_duration, spell_size

FIRST, LAST = 40, 20  # entries of a long story; `--json` has all
LINES = 10  # of output
PROCESSES, CHECKS = 10, 5  # of the evidence
PROCESS_HEADINGS = ("PID", "STATE", "CPU", "MEMORY", "COMMAND")

Document = Mapping[str, Any]


def story(
    incident: Incident,
    *,
    kept: int,
    lines: Sequence[Document],
    stands: Standing | None,
    now: float,
    coloured: bool = False,
) -> str:
    """Return the story of an incident: what happened, then how, then what there was to see.

    Args:
        incident: what it is about.
        kept: how many the app has had.
        lines: what the app had printed last.
        stands: how it stands now; None where that is nothing new.
        now: seconds since the epoch.
        coloured: whether it may be coloured.
    """
    head = f"{incident.app}: {printable(incident.cause)}"
    parts = [
        "\n".join([paint(head, BOLD) if coloured else head, *_summary(incident, kept, stands, now)]),
        _timeline(incident, coloured),
        *_evidence(incident),
        _lines(lines, coloured),
    ]
    return "\n\n".join(part for part in parts if part is not None)


def standing(stands: Standing, now: float, known: str = "") -> str:
    """Return how an app stands, for a sentence; a reason that is `known` is not said again."""
    since = f"`{stands.state}` since {date(stands.since)} ({span(max(0.0, now - stands.since))})"
    reason = stands.reason.partition("\n")[0]
    return since if reason == known else f"{since}: {printable(reason)}"


def _summary(incident: Incident, kept: int, stands: Standing | None, now: float) -> list[str]:
    began = f"{date(incident.began)}, {span(max(0.0, now - incident.began))} ago"
    starts = len(incident.starts)
    rows = {
        "began": began + (f"; incident {incident.number} of {kept}" if kept > 1 else ""),
        "outcome": incident.outcome + (f" ({counted(starts, 'restart')})" if starts else ""),
        "remedy": None if incident.remedy is None else printable(incident.remedy),
        "now": None if stands is None else standing(stands, now, incident.cause),
    }
    return [f"  {key.ljust(7)}  {text}" for key, text in rows.items() if text is not None]


# The timeline


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of the timeline, made of one record or of several that say the same."""

    at: float
    text: str
    record: Record  # the newest of them
    again: int = 0  # how often the same was seen afterwards

    def told(self, began: float) -> str:
        if not self.again:
            return self.text
        times = counted(self.again, "more time")
        return f"{self.text}; the same {times} until {_offset(self.record.at - began)}"


def _entries(records: Iterable[Record]) -> list[_Entry]:
    """Return what is worth a line: equal checks in a row are told once, and so is a way through states."""
    entries: list[_Entry] = []
    for record in records:
        last = entries[-1] if entries else None
        if last is not None and _is_same_check(last.record, record):
            entries[-1] = replace(last, record=record, again=last.again + 1)
        elif last is not None and _goes_on(last.record, record):
            way = last.text.removesuffix(f": {_reason(record)}")
            text = f"{way} -> {record.data['new']}: {_reason(record)}"
            entries[-1] = replace(last, text=text, record=record)
        else:
            entries.append(_Entry(record.at, printable(record.text), record))
    return entries


def _is_same_check(before: Record, after: Record) -> bool:
    return before.kind is after.kind is Kind.CHECK and (before.text, before.run) == (after.text, after.run)


def _goes_on(before: Record, after: Record) -> bool:
    """Return whether a state was only passed through: nothing came between, and the reason is the same."""
    if not before.kind is after.kind is Kind.STATE:
        return False
    same_reason = before.data["reason"] == after.data["reason"]
    return bool(same_reason and before.data["new"] == after.data["old"])


def _reason(record: Record) -> str:
    return printable(str(record.data["reason"]).partition("\n")[0])


def _timeline(incident: Incident, coloured: bool) -> str:
    began = incident.began
    rows = [(_when(each.at, began), each.told(began)) for each in _entries(incident.before)]
    own = [(_offset(each.at - began), each.told(began)) for each in _entries(incident.records)]
    own[0] = (clock(began), own[0][1])
    if len(own) > FIRST + LAST:
        left = len(own) - FIRST - LAST
        own[FIRST:-LAST] = [("…", f"{left} more lines; `procman why {incident.app} --json` has them all")]
    return _aligned([*rows, *own], coloured)


def _when(at: float, began: float) -> str:
    same_day = datetime.fromtimestamp(at).date() == datetime.fromtimestamp(began).date()
    return clock(at) if same_day else date(at)


def _offset(seconds: float) -> str:
    minutes, rest = divmod(max(0.0, round(seconds, 3)), 60)
    return f"+{int(minutes)}m{rest:06.3f}s" if minutes else f"+{rest:.3f}s"


def _aligned(rows: Sequence[tuple[str, str]], coloured: bool) -> str:
    width = max(len(when) for when, _ in rows)
    lines = []
    for when, text in rows:
        left = when.rjust(width)
        lines.append(f"  {paint(left, DIM) if coloured else left}  {text}")
    return "\n".join(lines)


# What there was to see


def _evidence(incident: Incident) -> list[str]:
    """Return what the app looked like when it was put down."""
    found = incident.evidence
    if found is None:
        return []
    seen = [part for part in (_processes(found.data), _sockets(found.data)) if part]
    parts = ["\n".join([f"its tree at {clock(found.at)}, before it was ended:", *seen])] if seen else []
    checks = _checks(found.data)
    return [*parts, checks] if checks else parts


def _processes(data: Document) -> str | None:
    processes = data.get("processes") or []
    rows = [
        (
            str(each["pid"]),
            printable(each["doing"]),
            spell_duration(each["cpu_s"]),
            spell_size(each["memory_bytes"]),
            printable(each["command"]),
        )
        for each in processes[:PROCESSES]
    ]
    if not rows:
        return None
    table = columns(PROCESS_HEADINGS, rows, width=None, column=0, colours=None)
    more = len(processes) - PROCESSES
    return _indented(table if more <= 0 else f"{table}\nand {more} more")


def _sockets(data: Document) -> str | None:
    sockets = data.get("sockets")
    if not sockets:
        return None
    listening = [
        f"{each['address']}" + (f" ({counted(each['queue'], 'connection')} waiting)" if each["queue"] else "")
        for each in sockets["listening"]
    ]
    texts = [f"listens on {', '.join(listening)}" if listening else "listens on nothing"]
    connections = sockets.get("connections")
    if connections:
        texts.append("connections: " + ", ".join(f"{count} {state}" for state, count in connections.items()))
    return _indented("\n".join(texts))


def _checks(data: Document) -> str | None:
    rows = []
    for each in (data.get("checks") or [])[-CHECKS:]:
        took = f" ({spell_duration(each['took_s'])})" if each["took_s"] >= 0.0005 else ""
        rows.append((clock(_seconds(each["at"])), f"{each['outcome']}: {printable(each['detail'])}{took}"))
    return f"{_the_last(rows, 'check')} of that run:\n{_aligned(rows, coloured=False)}" if rows else None


def _lines(lines: Sequence[Document], coloured: bool) -> str | None:
    said = [line for line in lines if line["text"].strip()][-LINES:]
    rows = [(clock(_seconds(each["at"])), _harmless(each["text"])) for each in said]
    return f"{_the_last(rows, 'line')} that it had printed:\n{_aligned(rows, coloured)}" if rows else None


def _harmless(text: str) -> str:
    """Return a line of output with its spaces, and nothing in it that steers the terminal."""
    return "".join(each if each.isprintable() else "�" for each in text.expandtabs().rstrip())


def _the_last(rows: Sequence[object], noun: str) -> str:
    return f"the last {noun}" if len(rows) == 1 else f"the last {counted(len(rows), noun)}"


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
