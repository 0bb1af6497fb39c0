"""Ends orphans: processes of this project, proven by their marker, that belong to no present run."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from procman.core.config import AppConfig
from procman.core.identity import Member
from procman.core.receipt import Receipt
from procman.core.verdict import Listener
from procman.engine.ending import TreeEnding
from procman.engine.listening import Listening
from procman.host.base import Host, Run, Unseen

AGAIN = 1.0  # seconds between SIGKILLs to what survives one


class Reclaimer:
    """Ends the orphans of one project; owned by the event loop's thread.

    Args:
        host: the operating system.
        project: what the markers of all runs of the project begin with.
        tell: called with the receipt of every orphan that was ended, or would not end.
        on_gone: called after each that was ended: its port is free.
    """

    def __init__(
        self, host: Host, project: str, tell: Callable[[Receipt], None], on_gone: Callable[[], None]
    ) -> None:
        self._host = host
        self._project = project
        self._tell = tell
        self._on_gone = on_gone
        self._endings: dict[str, TreeEnding] = {}

    def reclaim(self, listener: Listener, current: Collection[str], config: AppConfig) -> bool:
        """Begin to end the orphan that holds `listener`; return whether there is one.

        Args:
            listener: what is in the way.
            current: the markers of the runs that are somebody's.
            config: of the app that wants the port; the orphan is ended as that would be.
        """
        try:
            marked = self._host.marked(self._project)
        except Unseen:
            return False
        for marker, members in marked.items():
            if marker not in current and listener.inode in (self._host.sockets_of(members) or ()):
                self.end(marker, members, listener.port, config)
                return True
        return False

    def end(
        self, marker: str, members: Collection[Member], port: int | None, config: AppConfig | None
    ) -> None:
        """Begin to end the processes of one run, if that is not under way: as `config` says, or at once."""
        if marker in self._endings:
            return
        oldest = min(members, key=lambda member: member.born)
        ending = TreeEnding(
            self._host,
            f"an orphan of {marker.removeprefix(self._project).rpartition(':')[0]}",
            Run(oldest.identity, marker),
            port,
            Listening(self._host),
            leader_reaped=True,
            on_gone=partial(self._gone, marker),
            on_survivors=self._tell,
        )
        self._endings[marker] = ending
        if config is None:
            self._force(marker)
        else:
            ending.begin(config.stop_signal)
            self._host.call_at(self._host.now() + config.stop_timeout, partial(self._force, marker))

    def _force(self, marker: str) -> None:
        ending = self._endings.get(marker)
        if ending is not None:
            self._host.call_at(self._host.now() + AGAIN, partial(self._force, marker))
            ending.force()

    def _gone(self, marker: str, receipt: Receipt) -> None:
        del self._endings[marker]
        self._tell(receipt)
        self._on_gone()
