"""Programs that keep apps running, each driven as its users would: one small class for each.

A rival gets a folder of its own and apps as names with their words. What it can't do raises `Unable`, and is
left out of the tables. Whatever it started is ended by pid when its context ends.
"""

from __future__ import annotations

from collections.abc import Callable

from bench import peers
from bench.peers import Missing, Peer
from bench.rivals.base import Apps, Rival, Unable, alive, end, marked, parent, running
from bench.rivals.circus import Circus
from bench.rivals.honcho import Honcho
from bench.rivals.monit import HttpMonit, Monit
from bench.rivals.ours import CheckedProcman, Procman, SeldomCheckedProcman
from bench.rivals.pm2 import Pm2
from bench.rivals.runit import S6, Runit
from bench.rivals.supervisord import CheckedSupervisord, Supervisord

__all__ = [
    "FIND",
    "Apps",
    "CheckedProcman",
    "CheckedSupervisord",
    "HttpMonit",
    "Missing",
    "Monit",
    "Procman",
    "Rival",
    "SeldomCheckedProcman",
    "Supervisord",
    "Unable",
    "alive",
    "available",
    "end",
    "marked",
    "parent",
    "running",
]

FIND: dict[type[Rival], Callable[[], Peer] | None] = {
    Procman: None,
    Supervisord: peers.supervisord,
    Circus: peers.circus,
    Honcho: peers.honcho,
    Pm2: peers.pm2,
    Runit: peers.runit,
    S6: peers.s6,
    Monit: peers.monit,
}


def available(names: list[str], say: Callable[[str], None]) -> dict[type[Rival], Peer | None]:
    """Return the rivals that are named, or all, as far as they are to be had; `say` is told of others."""
    found: dict[type[Rival], Peer | None] = {}
    for kind, find in FIND.items():
        if names and kind.name not in names:
            continue
        try:
            found[kind] = find() if find is not None else None
        except Missing as error:
            say(f"{kind.name}: not here, {error}")
    return found
