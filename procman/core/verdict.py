"""Whose port is it: what the listening sockets of the machine mean for one app.

A connection is answered by the most specific listener: one bound to the very address beats one bound to
the wildcard of its family, and `::` answers IPv4 too unless it was asked not to. So "is the port open" is
asked per checked address, and the answer names the listener that really answers there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from enum import Enum

from procman.core.frozen import Frozen

WILDCARDS = ("0.0.0.0", "::")


class Verdict(Enum):
    """Who answers on an app's port."""

    OWN = "own"
    CLOSED = "closed"
    STRANGER = "stranger"
    MOVED = "moved"
    HUNG = "hung"
    UNKNOWN = "unknown"


class Listener(Frozen):
    """A TCP socket in the state LISTEN, as the kernel lists it."""

    address: str  # numeric, without brackets: 127.0.0.1, ::1, 0.0.0.0, ::
    port: int
    inode: int  # what a process's descriptor points at
    queue: int  # connections that the kernel accepted and the program did not yet
    ipv6_only: bool = False  # a wildcard of IPv6 that does not answer IPv4

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Judgement(Frozen):
    """A verdict, the listeners it rests on, and the stranger to be named if there is one."""

    verdict: Verdict
    listening: tuple[Listener, ...] = ()  # the app's own listeners: on its port, or where it moved to
    stranger: Listener | None = None
    own_addresses: tuple[str, ...] = ()  # the checked addresses on which the app itself answers


def judge(
    listeners: Iterable[Listener] | None,
    own_inodes: Collection[int] | None,
    port: int,
    addresses: tuple[str, ...],
) -> Judgement:
    """Return who answers for `port` on `addresses`, given every listener of the machine.

    Args:
        listeners: all sockets in LISTEN, or None where they can't be read.
        own_inodes: the sockets that the app's process tree holds, or None where they can't be read.
        port: the app's health port.
        addresses: what is checked, numeric: `127.0.0.1` and `::1` for `localhost`.
    """
    if listeners is None:
        return Judgement(Verdict.UNKNOWN)
    everyone = tuple(listeners)
    on_port = [each for each in everyone if each.port == port]
    # Strangers first: where two share an address (SO_REUSEPORT), the kernel gives some connections to each.
    on_port.sort(key=lambda each: own_inodes is not None and each.inode in own_inodes)
    answering = {address: found for address in addresses if (found := _answers(on_port, address)) is not None}
    if own_inodes is None:
        return Judgement(Verdict.UNKNOWN if answering else Verdict.CLOSED)
    mine = tuple(each for each in on_port if each.inode in own_inodes)
    for address, found in answering.items():
        shadowed = found not in mine and _answers(mine, address) is not None
        if shadowed:
            return Judgement(Verdict.STRANGER, mine, found)
    own_addresses = tuple(address for address, found in answering.items() if found in mine)
    if own_addresses:
        return Judgement(Verdict.OWN, mine, own_addresses=own_addresses)
    elsewhere = tuple(each for each in everyone if each.inode in own_inodes)
    stranger = next(iter(answering.values()), None)
    if elsewhere:
        return Judgement(Verdict.MOVED, elsewhere, stranger)
    return Judgement(Verdict.CLOSED if stranger is None else Verdict.STRANGER, (), stranger)


def _answers(listeners: Sequence[Listener], address: str) -> Listener | None:
    """Return the most specific of `listeners` for a connection to `address`, the first of equal ones."""
    is_ipv6 = ":" in address
    order = (address, "::") if is_ipv6 else (address, "0.0.0.0", "::")
    for bound in order:
        for each in listeners:
            if each.address == bound and (is_ipv6 or bound != "::" or not each.ipv6_only):
                return each
    return None


def follow(judgement: Judgement, port: int) -> int | None:
    """Return the port that an app has moved to: of several the next above its own, as Vite chooses."""
    if judgement.verdict is not Verdict.MOVED:
        return None
    return min((each.port for each in judgement.listening), key=lambda other: (other < port, other))


def is_loopback(address: str) -> bool:
    """Return whether a numeric address is this machine's own."""
    return address == "::1" or address.removeprefix("::ffff:").startswith("127.")


def in_the_way(listeners: Iterable[Listener] | None, port: int) -> Listener | None:
    """Return a listener that holds `port` on any address, or None when it is free or can't be told."""
    return next((each for each in listeners or () if each.port == port), None)
