"""What procman wants to be beside its peers, and whether a run says that it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.report import Goal
from bench.rows import OURS, medians, spell

Found = Mapping[str, Any]
PYTHON_AND_NODE = ("supervisord", "circus", "honcho", "pm2")


@dataclass(frozen=True, slots=True)
class Target:
    """A goal: what is to hold, and the figure that a run has for it (None if it has none)."""

    text: str
    figure: Callable[[Found], float | None]
    goal: Goal
    unit: str = ""

    def verdict(self, found: Found) -> str:
        """Return the line of a table in Markdown."""
        value = self.figure(found)
        if value is None:
            return f"| {self.text} | - | not measured |"
        shown = f"{value:.2f} ×" if self.unit == "×" else f"{spell(value)} {self.unit}".rstrip()
        met = "met" if self.goal.is_met(value) else "**missed**"
        return f"| {self.text} | {shown} | {met} |"


def ours(key: str, found: Found) -> float | None:
    """Return the median of procman."""
    return medians(found, key).get(OURS)


def worst(key: str, found: Found) -> float | None:
    """Return the highest sample of procman: a goal of none is missed by one."""
    return max(found["samples"].get(key, {}).get(OURS, ()), default=None)


def within(key: str, other: str, found: Found) -> float | None:
    """Return procman's median divided by its median of something else."""
    return _divide(ours(key, found), ours(other, found))


def beside(key: str, peer: str, found: Found) -> float | None:
    """Return procman's median divided by that of a peer."""
    values = medians(found, key)
    return _divide(values.get(OURS), values.get(peer))


def beside_best(key: str, peers: tuple[str, ...], found: Found) -> float | None:
    """Return procman's median divided by the lowest of those of some peers."""
    values = medians(found, key)
    return _divide(values.get(OURS), min((values[name] for name in peers if name in values), default=None))


def _divide(value: float | None, by: float | None) -> float | None:
    return None if value is None or not by else value / by


def _logs(kind: str, title: str) -> tuple[Target, ...]:
    at_least = partial(Goal, or_more=True)
    return (
        Target(
            f"{title}: at least supervisord's speed",
            partial(beside, f"log {kind}", "supervisord"),
            at_least(1),
            "×",
        ),
        Target(f"{title}: at least 3 times pm2's", partial(beside, f"log {kind}", "pm2"), at_least(3), "×"),
        Target(f"{title}: no line lost", partial(worst, f"log {kind} lost"), Goal(0)),
    )


TARGETS = (
    Target(
        "memory with 100 apps below supervisord's", partial(beside, "memory 100", "supervisord"), Goal(1), "×"
    ),
    Target(
        "memory with 1,000 apps below twice that with 1",
        partial(within, "memory 1000", "memory 1"),
        Goal(2),
        "×",
    ),
    Target("at most 6 wakeups a minute with 100 idle apps", partial(ours, "idle wakeups"), Goal(6)),
    # 30 ms a minute are 0.05 %, which `top` shows as 0.1.
    Target(
        "CPU meanwhile that `top` shows as 0.0 %: below 30 ms a minute",
        partial(ours, "idle cpu"),
        Goal(30),
        "ms",
    ),
    Target("crash to replacement within 5 ms", partial(ours, "kill"), Goal(5), "ms"),
    Target(
        "closed port noticed within 20 ms, with a check every 5 minutes",
        partial(ours, "closed noticed"),
        Goal(20),
        "ms",
    ),
    Target("closed port to replacement within 20 ms", partial(ours, "closed"), Goal(20), "ms"),
    Target("edit of one of 50 apps to its replacement within 150 ms", partial(ours, "edit"), Goal(150), "ms"),
    Target("no other app touched by it", partial(worst, "edit others"), Goal(0)),
    Target(
        "`status` of 100 apps within 3 times the bare interpreter",
        partial(within, "status", "bare"),
        Goal(3),
        "×",
    ),
    Target(
        "`status` in at most half of supervisorctl's time",
        partial(beside, "status", "supervisord"),
        Goal(0.5),
        "×",
    ),
    Target("`status` in at most half of pm2's time", partial(beside, "status", "pm2"), Goal(0.5), "×"),
    Target("1,000 apps checked each second below 5 % of a core", partial(ours, "checked cpu"), Goal(5), "%"),
    *_logs("bulk", "output in large writes"),
    *_logs("lines", "a write for each line"),
    Target(
        "start of 100 ahead of every peer in Python or Node",
        partial(beside_best, "start", PYTHON_AND_NODE),
        Goal(1),
        "×",
    ),
    Target(
        "stop of 100 ahead of every peer in Python or Node",
        partial(beside_best, "stop", PYTHON_AND_NODE),
        Goal(1),
        "×",
    ),
    Target("no survivor of a stop", partial(worst, "survivors"), Goal(0)),
    Target("no app dies with a killed manager", partial(worst, "owner died"), Goal(0)),
    Target("none runs twice after its new start", partial(worst, "owner twice"), Goal(0)),
    Target("no line of output lost meanwhile", partial(worst, "owner lost"), Goal(0)),
)
