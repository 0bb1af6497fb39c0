"""The turn of one rival: in a folder of its own, with apps that say when they begin."""

from __future__ import annotations

import os
import select
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import footprint
from bench.peers import Peer
from bench.project import free_ports
from bench.rivals import Apps, Rival, alive, running
from bench.stamps import Program, Stamp, Stamps, ms, now

SETTLE = 1.5  # s after a start: supervisord calls an app started after one
BETWEEN = 1.2  # s between replacements of an app: runit waits where a run was shorter than a second
LOOK = 0.002  # s between looks for the last process
PATIENCE = 300.0  # s for 1,000 apps

GOLDEN = 0.618  # its multiples are spread evenly, however many there are

Crowd = Callable[[Stamps], Apps]  # of where its apps say what they do


def crowd(program: Program, count: int, *, ports: bool = False) -> Crowd:
    """Return so many of the apps that do nothing else, or listen at a port as well."""
    taken = free_ports(count) if ports else [None] * count
    return lambda stamps: {f"app-{n:04}": program.command(stamps, port) for n, port in enumerate(taken)}


class Turn:
    """A rival that may be started with these apps; nothing of it is left behind."""

    def __init__(self, kind: type[Rival], peer: Peer | None, apps: Crowd, *, logged: bool = False) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="procman-bench-", ignore_cleanup_errors=True)
        folder = Path(self._folder.name)
        self.stamps = Stamps(folder / "stamps")
        self._running = running(kind, peer, folder, apps(self.stamps), logged=logged)
        self.rival = self._running.__enter__()
        self.pids: list[int] = []  # of all apps that have begun

    def __enter__(self) -> Turn:
        return self

    def __exit__(self, *_: object) -> None:
        self._running.__exit__(None, None, None)
        self.stamps.close()
        self._folder.cleanup()

    def start(self, expected: int | None = None) -> list[Stamp]:
        """Start all, and return what was said by so many processes (one for each app) as they began."""
        self.rival.start()
        stamps = self.stamps.take(len(self.rival.apps) if expected is None else expected, PATIENCE)
        self.pids = [stamp.pid for stamp in stamps]
        self.rival.seen |= set(self.pids) | footprint.descendants(self.rival.root)
        return stamps

    def stop(self) -> float:
        """Stop all, and return the ms until it says so and none is left."""
        begin = now()
        self.rival.stop()
        while any(map(alive, self.pids)):
            if ms(begin, now()) > PATIENCE * 1e3:
                raise TimeoutError("an app has not ended")
            time.sleep(LOOK)
        return ms(begin, now())

    def replaced(self, patience: float = 30.0) -> Stamp:
        """Return what the next app says that begins."""
        while True:
            (stamp,) = self.stamps.take(1, patience)
            if stamp.what == "began":
                self.pids.append(stamp.pid)
                return stamp

    def pause(self, number: int) -> None:
        """Wait until the next failure, each time differently if the rival looks periodically."""
        time.sleep(BETWEEN + self.rival.period * (number * GOLDEN % 1.0))

    def ended(self, pid: int, act: Callable[[], None], patience: float) -> int:
        """Do something to an app, and return when its process had ended.

        Raises:
            TimeoutError: nobody has ended it.
        """
        process = os.pidfd_open(pid)
        try:
            act()
            if not select.select([process], [], [], patience)[0]:
                raise TimeoutError(f"nobody has ended it within {patience:g} s")
            return now()
        finally:
            os.close(process)

    def own(self) -> set[int]:
        """Return the pids of the rival's own processes."""
        return self.rival.own(set(self.pids))
