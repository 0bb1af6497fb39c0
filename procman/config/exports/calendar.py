"""A cron expression as other tools have it."""

from __future__ import annotations

import re

_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()  # noqa: SIM905
_WORDS = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}  # fmt: skip
_LOWEST = {"minute": 0, "hour": 0, "day": 1, "month": 1, "weekday": 0}


def on_calendar(expression: str) -> str | None:
    """Return systemd's `OnCalendar` of a cron expression, or None: it has none."""
    fields = _fields(expression)
    if fields is None or (
        fields["day"] != "*" and fields["weekday"] != "*"
    ):  # either in cron, both in systemd
        return None
    parts = {name: _component(name, text) for name, text in fields.items()}
    days = ",".join(map(_day, fields["weekday"].split(","))) if fields["weekday"] != "*" else ""
    if None in parts.values() or not re.fullmatch(r"(?:[A-Z][a-z]{2}(?:\.\.[A-Z][a-z]{2})?,?)*", days):
        return None
    date = f"*-{parts['month']}-{parts['day']} {parts['hour']}:{parts['minute']}:00"
    return f"{days} {date}" if days else date


def start_calendar(expression: str) -> list[dict[str, int]] | None:
    """Return launchd's `StartCalendarInterval` of a cron expression, or None: it has none that is short."""
    fields = _fields(expression)
    if fields is None:
        return None
    found: list[dict[str, int]] = [{}]
    for name, key in zip(_LOWEST, ("Minute", "Hour", "Day", "Month", "Weekday"), strict=True):
        if fields[name] == "*":
            continue
        numbers = fields[name].split(",")
        if not all(number.isdecimal() for number in numbers) or len(found) * len(numbers) > 64:
            return None
        found = [{**each, key: int(number)} for each in found for number in numbers]
    return found


def cron_job(expression: str) -> str | None:
    """Return the `schedule` of a CronJob that means the same, or None: Kubernetes reads fewer forms.

    It knows no `L` and no `#`, and Sunday as 0 alone.
    """
    if expression.startswith("@"):
        return expression
    fields = _fields(expression)
    if fields is None:
        return None
    for name, text in fields.items():
        for part in text.split(","):
            match = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?", part)
            if not match or (match[2] and int(match[2]) < int(match[1])):
                return None
            if name == "weekday" and "7" in (match[1], match[2]) and match[3]:
                return None
    fields["weekday"] = ",".join(map(_from_sunday, fields["weekday"].split(",")))
    return " ".join(fields.values())


def _from_sunday(part: str) -> str:
    """Return days of the week without a 7: `5-7` is `5-6,0`."""
    first, _, last = part.partition("-")
    if first == "7":
        return "0"
    if last != "7":
        return part
    return "0-6" if first == "0" else f"{first}-6,0"


def _fields(expression: str) -> dict[str, str] | None:
    fields = _WORDS.get(expression.strip().lower(), expression).lower().split()
    for number, month in enumerate(_MONTHS, 1):
        fields = [field.replace(month, str(number)) if at == 3 else field for at, field in enumerate(fields)]
    for number, day in enumerate(_DAYS[:7]):
        fields = [
            field.replace(day.lower(), str(number)) if at == 4 else field for at, field in enumerate(fields)
        ]
    return dict(zip(_LOWEST, fields, strict=True)) if len(fields) == 5 else None


def _component(name: str, text: str) -> str | None:
    if name == "weekday":
        return text
    parts = []
    for part in text.split(","):
        match = re.fullmatch(r"(?:(\*)|(\d+)(?:-(\d+))?)(?:/(\d+))?", part)
        if not match:
            return None
        first = "*" if match[1] else match[2]
        if match[4]:  # every so many, from the first on
            first = str(_LOWEST[name]) if match[1] else match[2]
        span = f"{first}..{match[3]}" if match[3] else first
        parts.append(f"{span}/{match[4]}" if match[4] else span)
    return ",".join(parts)


def _day(part: str) -> str:
    first, _, last = part.partition("-")
    if not (
        first.isdecimal() and int(first) < len(_DAYS) and (not last or (last.isdecimal() and int(last) < 8))
    ):
        return "?"
    return f"{_DAYS[int(first)]}..{_DAYS[int(last)]}" if last else _DAYS[int(first)]
