"""What a host answers from its list of processes alone, so that its class need not say it again."""

from __future__ import annotations

from collections.abc import Callable, Collection

from procman.core.identity import Identity, Member
from procman.core.verdict import Listener
from procman.host.base import Cancellable, Holder, Occupant, Operation, Vitals
from procman.host.listed.listing import Listing


class ByListing:
    """A part of a host; `_listing` is made by the whole one."""

    _listing: Listing

    def find(self, identity: Identity) -> Member | None:
        """Return the process if it still is the same one and alive."""
        return self._listing.find(identity)

    def vitals(self, members: Collection[Member]) -> tuple[Vitals, ...]:
        """Return what each of `members` that still lives does and uses."""
        return self._listing.vitals(members)

    def memory(self, members: Collection[Member]) -> int:
        """Return how many bytes of RAM these processes have; what they share counts for each of them."""
        return sum(each.memory_bytes for each in self.vitals(members))

    def boot(self) -> str:
        """Return what names the present boot."""
        return self._listing.boot

    def marked(self, prefix: str) -> dict[str, tuple[Member, ...]]:
        """Return every living process of ours whose marker begins with `prefix`, by marker."""
        return self._listing.marked(prefix)

    def operations(self) -> tuple[Operation, ...]:
        """Return the package installs and git operations that are under way."""
        return self._listing.operations()

    def listeners(self) -> tuple[Listener, ...] | None:
        """Return the TCP sockets in LISTEN that this user may see, of both families; a queue is not told."""
        return self._listing.listeners()

    def sockets_of(self, members: Collection[Member]) -> frozenset[int] | None:
        """Return the numbers of the processes' listeners, or None where one may not be asked."""
        return self._listing.sockets_of(members)

    def holder(self, listener: Listener) -> Holder | None:
        """Return a process that holds the listener, or None where it can't be told."""
        return self._listing.holder(listener)

    def occupants(self, listeners: Collection[Listener]) -> tuple[Occupant, ...]:
        """Return every process that holds one of the listeners, as far as this user can see them."""
        return self._listing.occupants(listeners)

    def watch_closed(self, callback: Callable[[int], None]) -> Cancellable | None:
        """Return None: no closed socket is announced."""
        return None
