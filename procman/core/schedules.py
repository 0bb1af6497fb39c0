"""Cron expressions: what one means, and when its next time is.

cronsim does what cron of Debian does, also where clocks are changed: an app of `30 2 * * *` runs once in the
night that has no 2:30, and once in the night that has two. It is imported only where there is a schedule.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
FIELDS = ("minute", "hour", "day-of-month", "month", "day-of-week")


class BadSchedule(ValueError):
    """An expression that is no schedule, and which of its fields is wrong, if it is one."""

    def __init__(self, message: str, field: int | None = None) -> None:
        super().__init__(message)
        self.field = field


def check(expression: str) -> None:
    """Make sure that an expression has times.

    Raises:
        BadSchedule: it has none.
    """
    from cronsim import CronSim, CronSimError

    if expression.startswith("@"):
        if expression not in NAMED:
            raise BadSchedule(f"known names are {', '.join(f'`{name}`' for name in NAMED)}")
        return
    parts = expression.split()
    if len(parts) != len(FIELDS):
        raise BadSchedule(f"it has five fields: {', '.join(FIELDS)}")
    try:
        next(CronSim(expression, datetime(2000, 1, 1)))
    except CronSimError as error:
        name = str(error).removeprefix("Bad ")
        at = FIELDS.index(name) if name in FIELDS else None
        raise BadSchedule(str(error) if at is None else f"`{parts[at]}` is no {name}", at) from error
    except StopIteration as error:
        raise BadSchedule("there is no such day in 50 years") from error


def next_time(expression: str, after: float, zone: tzinfo) -> float:
    """Return the first time of a schedule after another one, both in seconds since the epoch.

    Args:
        expression: one that `check` has let through.
        after: the time after which it is to be.
        zone: whose clock the expression means.
    """
    from cronsim import CronSim

    found = CronSim(NAMED.get(expression, expression), datetime.fromtimestamp(after, zone))
    times = (each.astimezone(UTC).timestamp() for each in found)
    # From 2:05 in the second hour of a night that has two, cronsim goes on with 2:30 of the first: the past.
    return next(at for at in times if at > after)


def spell(at: float, zone: tzinfo) -> str:
    """Return a time for people, on their clock: `2026-11-24 03:00`."""
    return f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M}"
