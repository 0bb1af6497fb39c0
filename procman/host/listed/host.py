"""A POSIX system that has no `/proc`: processes and ports come from a list of them, ends from the kernel.

macOS is one. What it gives beyond POSIX is handed in, so that the tests run all of this on Linux, with the
same list of processes and another way to wait for an end.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence

from procman.core.identity import Identity, Member
from procman.host.base import (
    Cancellable,
    Ended,
    Order,
    Run,
)
from procman.host.listed.answers import ByListing
from procman.host.listed.listing import Listing
from procman.host.listed.table import Table
from procman.host.notices import Notices

if sys.platform != "win32":
    from procman.host.posix.host import Call, PosixHost

assert sys.platform != "win32"

# Calls back once, when the first of these pids has ended.
Wait = Callable[[asyncio.AbstractEventLoop, Sequence[int], Callable[[], None]], Cancellable]


class ListedHost(ByListing, PosixHost):
    """A host by a list of processes. Owned by the thread of the event loop, the main one."""

    def __init__(self, loop: asyncio.AbstractEventLoop, table: Table, boot: str, wait: Wait) -> None:
        """Take over the loop's SIGCHLD; `boot` names the present boot."""
        super().__init__(loop, Notices)
        self._listing = Listing(table, boot, self.now, self.wall)
        self._wait = wait
        self._waits: set[_Wait] = set()

    def close(self) -> None:
        """Let go of everything: no callback comes any more, and the processes live on."""
        super().close()
        for wait in tuple(self._waits):
            wait.cancel()

    # processes

    def spawn(self, order: Order, on_exit: Callable[[Ended], None]) -> Identity:
        """Start a process in a session of its own and return who it is.

        It is a child that is not reaped, so its row is there, unless it has ended: then nobody else will ever
        have this birth, and none is needed.
        """
        pid = self._start_child(order, on_exit)
        row = self._listing.table.row(pid)
        return Identity(pid, 0 if row is None else row.started, self._listing.boot)

    def _know_check(self, pid: int) -> None:
        self._listing.checks.add(pid)

    def _forget_child(self, pid: int) -> None:
        self._listing.checks.discard(pid)

    def tree(self, run: Run) -> tuple[Member, ...]:
        """Return every living process of the run: by descent, by session and by marker."""
        return self.trees([run])[0]

    def trees(self, runs: Sequence[Run]) -> list[tuple[Member, ...]]:
        """Return every living process of each run."""
        return self._listing.trees(runs)

    def is_stranger(self, run: Run) -> bool:
        """Return whether somebody else lives under the identity of the run's first process."""
        return self._listing.is_stranger(run)

    def adopt(self, run: Run, on_exit: Callable[[Ended], None]) -> bool:
        """Watch a process that a former manager started; how it ended only its parent is told.

        It is our own child if this very process was that manager: before an upgrade.
        """
        member = self.find(run.leader)
        if member is None:
            return False
        if self._is_child(run.leader.pid):
            self._children[run.leader.pid] = on_exit
        else:
            self.when_one_ends((member,), lambda: on_exit(Ended(None, None)))
        return True

    def _is_child(self, pid: int) -> bool:
        row = self._listing.table.row(pid)
        return row is not None and row.parent == os.getpid()

    def when_one_ends(self, members: Sequence[Member], callback: Callable[[], None]) -> Cancellable:
        """Call `callback` once, as soon as any of `members` has ended."""
        wait = _Wait(self._waits, callback)
        wait.inner = self._wait(self._loop, [member.pid for member in members], wait.run)
        # After the wait, for a pid that was given away before it is no end of anybody of these.
        if any(self.find(member.identity) is None for member in members):
            wait.inner.cancel()
            call = Call(wait.run)
            self._loop.call_soon(call.run)
            wait.inner = call
        return wait

    # ports


class _Wait:
    """A wait for an end, known to its host until it is over."""

    def __init__(self, all_of_them: set[_Wait], callback: Callable[[], None]) -> None:
        self.inner: Cancellable | None = None
        self._all = all_of_them
        self._callback = callback
        self._all.add(self)

    def cancel(self) -> None:
        """Make sure that the callback is not called any more."""
        self._all.discard(self)
        if self.inner is not None:
            self.inner.cancel()
            self.inner = None

    def run(self) -> None:
        """Call back, once."""
        if self in self._all:
            self.cancel()
            self._callback()
