"""Many port checks at once: of more than can be connected to, most are answered by one look at all listeners.

A connection takes 0.3 ms with all that belongs to it, so 1,000 apps checked each second would take a third
of a processor. The kernel's list shows each listener with its inode, which is the app's own for as long as it
is there (no other socket gets the number before it is closed), and how many connections wait in its queue. So
an app whose listeners are those of its newest full check, with nothing waiting in them, is as it was then.

What that can't tell is whether a program that nobody connects to would still answer. So as many apps as may
be connected to are, those first that were longest ago; with no more than that in the project, every check
does.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

from procman.core.app import Outcome, State
from procman.core.config import CheckKind, PortPolicy
from procman.core.verdict import Verdict
from procman.engine.listening import Listening, Seen
from procman.engine.supervised import Supervised

CONNECTS = 50.0  # a second: 1.5 % of a processor
EARLY = 0.25  # of its interval that a check may come before its time, so that four looks serve all


class Rounds:
    """Chooses how apps are checked; owned by the event loop's thread."""

    def __init__(self, listening: Listening) -> None:
        self._listening = listening
        self._allowed = CONNECTS  # connections that may be made now
        self._counted_at = -math.inf
        self._demand = 0.0
        self._demanded_at = -math.inf

    def split(
        self, due: Supervised, everyone: Collection[Supervised], now: float
    ) -> tuple[list[Supervised], list[Supervised]]:
        """Return the apps that are as they were, and those that are to be checked; `due` is among either."""
        if not _is_steady(due) or self._recent_demand(everyone, now) <= CONNECTS:
            return [], [due]
        seen = self._listening.recent()
        together = [each for each in everyone if each is due or (_is_steady(each) and _is_near(each, now))]
        same = [each for each in together if seen is not None and _is_as_it_was(each, seen)]
        turn = sorted((each for each in same if _is_due(each, now)), key=lambda each: each.connected_at)
        asked = {each.name for each in turn[: self._take(now, len(turn))]}
        quiet = [each for each in same if each.name not in asked]
        silent = {each.name for each in quiet}
        return quiet, [
            each for each in together if each.name not in silent and (each is due or _is_due(each, now))
        ]

    def _recent_demand(self, everyone: Iterable[Supervised], now: float) -> float:
        """Return the demand as it was at most a second ago: to count it takes 0.7 ms with 1,000 apps."""
        if now - self._demanded_at >= 1.0:
            self._demand, self._demanded_at = _demand(everyone), now
        return self._demand

    def _take(self, now: float, wanted: int) -> int:
        """Return how many of so many connections may be made now."""
        self._allowed = min(CONNECTS, self._allowed + CONNECTS * (now - self._counted_at))
        self._counted_at = now
        taken = min(wanted, int(self._allowed))
        self._allowed -= taken
        return taken


def _demand(everyone: Iterable[Supervised]) -> float:
    """Return how many checks of listeners that are well are due in a second."""
    return sum(1 / each.config.check_interval for each in everyone if _is_steady(each))


def _is_steady(supervised: Supervised) -> bool:
    """Return whether a look at the app's listeners may be enough: a healthy app with a check by TCP."""
    app, config = supervised.app, supervised.config
    return (
        app.state is State.RUNNING
        and app.verdict is Verdict.OWN
        and app.last_outcome is Outcome.UP
        and not app.probing
        and bool(app.sockets)
        and config.check.kind is CheckKind.TCP
        and config.port_policy is not PortPolicy.FOLLOW
        and supervised.checked_with is config
    )


def _is_due(supervised: Supervised, now: float) -> bool:
    at = supervised.app.probe_at
    return at is not None and at <= now


def _is_near(supervised: Supervised, now: float) -> bool:
    at = supervised.app.probe_at
    return at is not None and at - now <= EARLY * supervised.config.check_interval


def _is_as_it_was(supervised: Supervised, seen: Seen) -> bool:
    """Return whether those listen on the app's port that its newest full check found, and nobody waits."""
    port = supervised.config.port
    on_port = [] if port is None else seen.on(port)
    return {each.inode for each in on_port} == set(supervised.app.sockets) and not any(
        each.queue for each in on_port
    )
