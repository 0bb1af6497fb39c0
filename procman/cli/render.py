"""What commands print, as text: pure functions of what the manager has answered."""

from __future__ import annotations

from procman.cli.talk import BOLD, DIM, GREEN, RED, YELLOW, paint
from procman.core.units import spell_size

TYPE_CHECKING = False  # `typing` takes `status` 2 ms, and so does `datetime`: see `entry`
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    App = Mapping[str, Any]

HEADINGS = ("APP", "STATE", "PORT", "PID", "UPTIME", "RESTARTS", "LAST EVENT")
WIDE_HEADINGS = (*HEADINGS[:-1], "CPU", "MEMORY", HEADINGS[-1])
NARROWEST = 12  # columns that the last event keeps on a terminal, however narrow
SPARED = ("PID", "UPTIME", "RESTARTS")  # what makes room for it on a terminal where a line would not fit
PALETTE = ("36", "33", "32", "35", "34", "96", "93", "92", "95", "94")  # for the names of apps
_STATE_COLOURS = {"running": (GREEN,), "completed": (GREEN,), "failed": (RED, BOLD), "stopped": (DIM,)}
_SIGNS = {"add": "+", "remove": "-", "restart": "~", "live": "~", "next start": "~", "rename": "~"}

_ASKED = "hint: `procman plan` shows it field by field, `procman reload` applies it"


def status(
    document: Mapping[str, Any],
    *,
    now: float,
    width: int | None = None,
    coloured: bool = False,
    wide: bool = False,
) -> str:
    """Return the whole of `procman status`.

    Args:
        document: what the manager answers.
        now: seconds since the epoch, for how long it is to a next start.
        width: of the terminal, or None when nothing is to be cut.
        coloured: whether states may be coloured.
        wide: whether to show what the trees use.
    """
    text = table(document["apps"], now=now, width=width, coloured=coloured, wide=wide)
    config, history = document["manager"]["config"], document["manager"].get("history_problem")
    if history is not None:  # an older manager does not know the key
        text = f"{history}\n\n{text}"
    if config["state"] == "edited":
        return f"the file was edited and is not applied: {config['waiting']}\n{_ASKED}\n\n{text}"
    if config["state"] != "rejected":
        return text
    return f"the file was rejected, the last good one stays in force:\n\n{config['error']}\n\n{text}"


def table(
    apps: Sequence[App],
    *,
    now: float,
    width: int | None = None,
    coloured: bool = False,
    wide: bool = False,
) -> str:
    """Return a line for each app under one of headings; on a narrow terminal without what can be spared."""
    if not apps:
        return "no app is enabled"
    lines: list[Sequence[str]] = [
        WIDE_HEADINGS if wide else HEADINGS,
        *(_row(app, now, wide) for app in apps),
    ]
    for heading in SPARED:
        if width is not None and sum(_widths(lines)) + 2 * (len(lines[0]) - 1) + NARROWEST > width:
            spared = lines[0].index(heading)
            lines = [(*line[:spared], *line[spared + 1 :]) for line in lines]
    colours = [_STATE_COLOURS.get(app["state"], (YELLOW,)) for app in apps] if coloured else None
    return columns(lines[0], lines[1:], width=width, column=1, colours=colours)


def unwell(apps: Sequence[App]) -> str | None:
    """Return the first app of which there is something to explain, if there is one."""
    return next((app["name"] for app in apps if app["state"] in ("failed", "unhealthy", "backoff")), None)


def columns(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    width: int | None,
    column: int,
    colours: Sequence[Sequence[str]] | None,
) -> str:
    """Return rows under their headings, each column as wide as it needs to be, and the last one cut.

    Args:
        headings: one for each column.
        rows: of as many cells.
        width: of the terminal, or None when nothing is to be cut.
        column: the number of the one that is coloured.
        colours: its colours in each row, or None when nothing is to be coloured.
    """
    lines = [headings, *rows]
    widths = _widths(lines)
    room = None if width is None else max(NARROWEST, width - sum(widths) - 2 * len(widths))
    texts = []
    for number, line in enumerate(lines):
        cells = [cell.ljust(size) for cell, size in zip(line, widths, strict=False)]
        if colours is not None and number:
            cells[column] = paint(cells[column], *colours[number - 1])
        text = "  ".join([*cells, _cut(line[-1], room)]).rstrip()
        texts.append(paint(text, BOLD) if colours is not None and not number else text)
    return "\n".join(texts)


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    """Return how wide each column is but the last one, which may be cut."""
    return [max(len(line[each]) for line in lines) for each in range(len(lines[0]) - 1)]


def _row(app: App, now: float, wide: bool) -> tuple[str, ...]:
    port = "-" if app["port"] is None else str(app["port"])
    return (
        app["name"],
        app["state"],
        f"{port} {app['verdict']}" if app["verdict"] else port,
        "-" if app["pid"] is None else str(app["pid"]),
        "-" if app["uptime_s"] is None else age(app["uptime_s"]),
        str(app["restarts"]),
        *(_usage(app) if wide else ()),
        _event(app, now),
    )


def _usage(app: App) -> tuple[str, str]:
    busy, memory = app["cpu_percent"], app["memory_bytes"]
    return "-" if busy is None else f"{busy:.1f}%", "-" if memory is None else spell_size(memory)


def _event(app: App, now: float) -> str:
    problem = app.get("log_problem")  # a manager that is older than this command does not know the key
    parts = [printable(each) for each in (app["message"], problem) if each]
    parts = parts or [printable(app["last_event"])]
    if app["next_start_at"] is not None:
        from datetime import datetime

        left = datetime.fromisoformat(app["next_start_at"]).timestamp() - now
        parts.append(f"next start in {age(max(0.0, left))}")
    if app["stale"]:
        parts.append(f"stale: {', '.join(app['stale'])}")
    return "; ".join(parts)


def age(seconds: float) -> str:
    """Return a span of time by its two largest units: `12s`, `3m12s`, `2d4h`."""
    whole = int(seconds)
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days}d{hours}h"
    if hours:
        return f"{hours}h{minutes}m"
    return f"{minutes}m{whole % 60}s" if minutes else f"{whole}s"


def printable(text: str) -> str:
    """Return a text on one line that can't steer the terminal; it may quote an app's output."""
    return "".join(each if each.isprintable() else "�" for each in " ".join(text.split()))


def _cut(text: str, room: int | None) -> str:
    return text if room is None or len(text) <= room else text[: room - 1] + "…"


def transition(frame: Mapping[str, Any]) -> str:
    """Return a change of state as a sentence: `web: running, answers on [::1]:5173`."""
    text = f"{frame['app']}: {frame['new']}, {printable(frame['reason'])}"
    if frame["new"] != "failed":
        return text
    return f"{text}\nhint: `procman why {frame['app']}` tells how it came to that"


def is_news(frame: Mapping[str, Any]) -> bool:
    """Return whether a notice is worth a line while the apps' own lines scroll by.

    A start is told by its end, a stop by its receipt; a restart by its reason.
    """
    if frame["type"] != "transition":
        return True
    if frame["new"] == "waiting":
        return bool(frame["old"] in ("stopping", "backoff"))
    return frame["new"] not in ("starting", "stopping", "stopped")


def notice(frame: Mapping[str, Any]) -> str:
    """Return anything that the manager has to tell, as lines."""
    tell: dict[str, Callable[[], str]] = {
        "transition": lambda: transition(frame),
        "receipt": lambda: printable(frame["text"]),
        "reloaded": lambda: reloaded(frame),
        "problem": lambda: f"{frame['app']}: {frame['text']}" if frame["app"] else str(frame["text"]),
    }
    return tell[frame["type"]]()


def reloaded(frame: Mapping[str, Any]) -> str:
    """Return what became of an edit."""
    if frame["error"] is None and frame.get("applied", True):  # an older manager does not know the key
        return f"the file is applied: {frame['summary']}"
    if frame["error"] is None:
        return f"the file was edited and is not applied: {frame['summary']}\n{_ASKED}"
    return f"the file was {frame['summary']}:\n{frame['error']}"


def progress(frame: Mapping[str, Any], width: int, *, coloured: bool = False) -> str:
    """Return what has become of one app that a command waits for: `web  running after 1.2s: …`."""
    state = frame["state"]
    if coloured:
        state = paint(state, *(_STATE_COLOURS.get(state, (YELLOW,)) if frame["reached"] else (RED,)))
    took = f"{frame['seconds']:.1f}s"
    return f"{frame['app'].ljust(width)}  {state} after {took}: {printable(frame['reason'])}"


def plan(
    changes: Sequence[Mapping[str, Any]],
    manager: Sequence[Mapping[str, Any]] = (),
    *,
    nothing: str = "the file is applied",
) -> str:
    """Return a plan field by field, `~ web  restart  command: "a" -> "b"`, and below it why.

    Args:
        changes: one for each app.
        manager: the fields of [manager], which come last.
        nothing: what is so if there is nothing to do.
    """
    rows = []
    its_own: list[Mapping[str, Any]] = []
    if manager:
        its_own = [{"app": "[manager]", "verb": "live", "fields": manager}]
    everything = (*changes, *its_own)
    for change in everything:
        fields = [f"{each['key']}: {each['old']} -> {each['new']}" for each in change["fields"]]
        details = [
            field if each["change"] == change["verb"] else f"{field} ({each['change']})"
            for field, each in zip(fields, change["fields"], strict=True)
        ]
        head = (f"{_SIGNS[change['verb']]} {change['app']}", change["verb"])
        rows += [(*(head if index == 0 else ("", "")), each) for index, each in enumerate(details or [""])]
    if not rows:
        return f"nothing to do: {nothing}"
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = [f"{a.ljust(first)}  {b.ljust(second)}  {printable(c)}".rstrip() for a, b, c in rows]
    # One line for each reason: an older manager gives none, and what adds or removes an app needs none.
    explained = [field for change in everything for field in change["fields"] if "why" in field]
    reasons = dict.fromkeys(f"{field['change']}: {field['why']}" for field in explained)
    return "\n".join([*lines, *([""] if reasons else []), *reasons])


def counted(count: int, noun: str) -> str:
    """Return `1 app`, `3 apps`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def as_json(document: object) -> str:
    """Return a document as one line of JSON."""
    import json

    from procman.control.protocol import harmless

    return harmless(json.dumps(document, ensure_ascii=False))


class Prefixes:
    """The beginning of every line of an app's output: `web │ `, padded and in the app's colour."""

    def __init__(self, names: Iterable[str], *, coloured: bool) -> None:
        self._names = list(names)
        self._width = max(map(len, self._names), default=0)
        self._coloured = coloured

    def of(self, name: str) -> str:
        """Return the prefix of an app's lines; one that came later gets the next colour."""
        if name not in self._names:
            self._names.append(name)
        text = f"{name.ljust(self._width)} │ "
        return paint(text, PALETTE[self._names.index(name) % len(PALETTE)]) if self._coloured else text
