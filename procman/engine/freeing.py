"""Frees a port for its user: ends the trees that hold it, one after the other, and proves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from procman.core.config import AppConfig
from procman.core.receipt import Receipt
from procman.engine.ending import TreeEnding
from procman.engine.listening import Listening
from procman.engine.ports import Holding, Whose
from procman.host.base import Cancellable, Host, Run

TERM = "SIGTERM"
PATIENCE = 10.0  # s until SIGKILL, for what no file has a `stop_timeout` for
PROOF = 6.0  # s that what was killed has to be gone; beyond the patience of the ending itself


class Permit(Enum):
    """Whether those who hold a port may be ended for it."""

    FREE = "free"  # nobody holds it
    PROVEN = "proven"  # orphans of this project and nobody else: without being asked
    ASK = "ask"  # somebody's process: if its user says so
    RUNNING = "running"  # an app that its manager would start again: it is to be stopped
    UNSEEN = "unseen"  # who it is can't be read, and nobody is ended on a guess


@dataclass(frozen=True, slots=True)
class Target:
    """One tree to be ended, and how."""

    name: str  # for the receipt
    run: Run
    signal: str = TERM
    stop_timeout: float = PATIENCE


@dataclass(slots=True)
class Freed:
    """What became of it."""

    receipts: list[Receipt] = field(default_factory=list)

    @property
    def survived(self) -> bool:
        """Whether something outlived SIGKILL."""
        return any(receipt.survivors for receipt in self.receipts)

    @property
    def holder(self) -> str | None:
        """Who holds the port now, in words, or None when it is free."""
        return self.receipts[-1].port_holder if self.receipts else None


def permit(holdings: Sequence[Holding]) -> Permit:
    """Return what is to be done about those who hold a port."""
    kinds = {each.whose for each in holdings}
    if not kinds:
        return Permit.FREE
    if Whose.APP in kinds:
        return Permit.RUNNING
    if Whose.UNKNOWN in kinds:
        return Permit.UNSEEN
    return Permit.PROVEN if kinds == {Whose.ORPHAN} else Permit.ASK


def targets(holdings: Sequence[Holding], apps: Mapping[str, AppConfig]) -> tuple[Target, ...]:
    """Return what is to be ended for a port to be free.

    An orphan's whole run is ended as its app would be stopped. Of everybody else only the process that holds
    the port and its descendants are: where a parent and its children hold it together, as a cluster does,
    that is the parent.
    """
    holders = {each.occupant.pid for each in holdings if each.occupant is not None}
    found: dict[Run, Target] = {}
    for each in holdings:
        if each.occupant is None:
            continue
        if each.whose is Whose.ORPHAN and each.run is not None:
            config = apps.get(each.app or "")
            how = (config.stop_signal, config.stop_timeout) if config is not None else (TERM, PATIENCE)
            found.setdefault(each.run, Target(f"an orphan of {each.app}", each.run, *how))
        elif each.occupant.member.parent not in holders:
            identity = each.occupant.member.identity
            # A marker that no process can have: the tree is what descends from this one process.
            run = Run(identity, f"\0{identity.pid}:{identity.started}")
            found[run] = Target(f"what held port {each.port}", run)
    return tuple(found.values())


class Freeing:
    """The end of some trees; owned by the event loop's thread.

    Args:
        host: the operating system.
        port: what is to be free when the last of them is gone.
        targets: the trees, ended in this order.
        on_done: called once, when all are gone or one has survived.
    """

    def __init__(
        self, host: Host, port: int, targets: Sequence[Target], on_done: Callable[[Freed], None]
    ) -> None:
        self._host = host
        self._port = port
        self._left = list(targets)
        self._on_done = on_done
        self._freed = Freed()
        self._timer: Cancellable | None = None
        self._ending: TreeEnding | None = None

    def begin(self) -> None:
        """Begin with the first."""
        self._next()

    def _next(self) -> None:
        if not self._left:
            self._on_done(self._freed)
            return
        target = self._left.pop(0)
        port = None if self._left else self._port  # the others hold it still
        self._ending = TreeEnding(
            self._host,
            target.name,
            target.run,
            port,
            Listening(self._host),
            leader_reaped=True,
            on_gone=self._on_gone,
            on_survivors=self._on_survivors,
        )
        self._force_after(target.stop_timeout)
        self._ending.begin(target.signal)

    def _force_after(self, seconds: float) -> None:
        self._timer = self._host.call_at(self._host.now() + seconds, self._force)

    def _force(self) -> None:
        if self._ending is not None:
            self._force_after(PROOF)
            self._ending.force()

    def _on_gone(self, receipt: Receipt) -> None:
        self._settle(receipt)
        self._next()

    def _on_survivors(self, receipt: Receipt) -> None:
        if self._ending is not None:
            self._ending.cancel()
        self._settle(receipt)
        self._left.clear()
        self._next()

    def _settle(self, receipt: Receipt) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._ending = self._timer = None
        self._freed.receipts.append(receipt)
