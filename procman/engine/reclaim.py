"""Ends orphans: processes of this project, proven by their marker, that belong to no present run."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from procman.core.receipt import Receipt
from procman.core.verdict import Listener
from procman.engine.ending import TreeEnding
from procman.host.base import Host, Run


class Reclaimer:
    """Frees ports that orphans of one project hold; owned by the event loop's thread.

    Args:
        host: the operating system.
        project: what the markers of all runs of the project begin with.
        tell: called with the receipt of every orphan that was ended, or would not end.
    """

    def __init__(self, host: Host, project: str, tell: Callable[[Receipt], None]) -> None:
        self._host = host
        self._project = project
        self._tell = tell
        self._endings: dict[str, TreeEnding] = {}

    def reclaim(self, listener: Listener, current: Collection[str], stop_timeout: float) -> bool:
        """Begin to end the orphan that holds `listener`; return whether there is one.

        Args:
            listener: what is in the way.
            current: the markers of the runs that are somebody's.
            stop_timeout: seconds until SIGKILL.
        """
        for marker, members in self._host.marked(self._project).items():
            if marker in current or listener.inode not in (self._host.sockets_of(members) or ()):
                continue
            if marker not in self._endings:
                oldest = min(members, key=lambda member: member.born)
                self._end(Run(oldest.identity, marker), listener.port, stop_timeout)
            return True
        return False

    def _end(self, run: Run, port: int, stop_timeout: float) -> None:
        name = run.marker.removeprefix(self._project).rpartition(":")[0]
        ending = TreeEnding(
            self._host,
            f"an orphan of {name}",
            run,
            port,
            on_gone=partial(self._gone, run.marker),
            on_survivors=self._tell,
        )
        self._endings[run.marker] = ending
        ending.begin("SIGTERM", leader_reaped=True)
        self._host.call_at(self._host.now() + stop_timeout, partial(self._force, run.marker))

    def _force(self, marker: str) -> None:
        ending = self._endings.get(marker)
        if ending is not None:
            ending.force()

    def _gone(self, marker: str, receipt: Receipt) -> None:
        del self._endings[marker]
        self._tell(receipt)
