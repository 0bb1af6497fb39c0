"""The list of processes as psutil tells it, on macOS and Windows; the tests run it on Linux too.

Imported by no Linux manager: there `/proc` and netlink are 10 to 100 times as quick (decision 0001).
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import psutil

from procman.core.verdict import Listener
from procman.host.listed.table import Row, Used, Withheld, inode_of

# macOS writes down the wall time of a birth, and psutil moves it along when somebody sets the clock. An
# identity must not move, so that is taken back.
_BOOTED = psutil.boot_time()
_GONE = (psutil.NoSuchProcess, psutil.ZombieProcess)
_STATES = {
    psutil.STATUS_RUNNING: "R",
    psutil.STATUS_SLEEPING: "S",
    psutil.STATUS_IDLE: "I",
    psutil.STATUS_DISK_SLEEP: "D",
    psutil.STATUS_STOPPED: "T",
    psutil.STATUS_TRACING_STOP: "t",
}


class PsutilTable:
    """Asks psutil. Nothing is kept between two questions."""

    def rows(self) -> dict[int, Row]:
        """Return every living process by its pid."""
        found = (self.row(pid) for pid in psutil.pids())
        return {row.pid: row for row in found if row is not None}

    def row(self, pid: int) -> Row | None:
        """Return one process, if it lives."""
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                status = process.status()
                if status in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
                    return None
                parent, started = process.ppid(), _started(process)
                return Row(pid, parent, _session(pid), started, process.name()[:15], _STATES.get(status, "S"))
        except _GONE:
            return None
        except (psutil.AccessDenied, OSError):  # another user's, whose very existence is all that is told
            return None

    def variable(self, pid: int, name: str) -> str | None:
        """Return a variable of the environment that a process was started with."""
        try:
            value = psutil.Process(pid).environ().get(name)
        except _GONE:
            return None
        except (psutil.AccessDenied, OSError) as error:
            raise Withheld(pid) from error
        return None if value is None else str(value)

    def words(self, pid: int) -> tuple[str, ...]:
        """Return the command line of a process; nothing where it can't be read."""
        with contextlib.suppress(psutil.Error, OSError):
            return tuple(psutil.Process(pid).cmdline())
        return ()

    def folder(self, pid: int) -> str | None:
        """Return the folder that a process works in, or None where it can't be read."""
        with contextlib.suppress(psutil.Error, OSError):
            return str(psutil.Process(pid).cwd()) or None
        return None

    def used(self, pid: int) -> Used | None:
        """Return what a process uses."""
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                times, memory = process.cpu_times(), process.memory_info()
                return Used(
                    times.user + times.system, memory.rss, process.num_threads(), _descriptors(process)
                )
        except (psutil.Error, OSError):
            return None

    def listening(self, pid: int) -> tuple[Listener, ...]:
        """Return the TCP sockets in LISTEN of one process.

        Raises:
            Withheld: they are another user's.
        """
        try:
            return tuple(_listeners(pid, psutil.Process(pid).net_connections("tcp")))
        except _GONE:
            return ()
        except (psutil.AccessDenied, OSError) as error:
            raise Withheld(pid) from error

    def all_listening(self) -> tuple[tuple[int, Listener], ...]:
        """Return every TCP socket in LISTEN that this user may see, with a process that holds it.

        macOS tells root alone in one answer; of others' processes it tells nobody else.
        """
        try:
            everything = psutil.net_connections("tcp")
        except (psutil.AccessDenied, OSError):
            return tuple(self._one_by_one())
        return tuple(
            (each.pid or 0, listener) for each in everything for listener in _listeners(each.pid or 0, [each])
        )

    def _one_by_one(self) -> Iterator[tuple[int, Listener]]:
        for pid in psutil.pids():
            with contextlib.suppress(Withheld):
                yield from ((pid, listener) for listener in self.listening(pid))


def _listeners(pid: int, connections: list[Any]) -> Iterator[Listener]:
    for each in connections:
        if each.status == psutil.CONN_LISTEN:
            address, port = each.laddr
            yield Listener(address, port, inode_of(pid, address, port), 0)


def _started(process: psutil.Process) -> int:
    """Return when a process was born, in microseconds: a float of seconds is exact to a quarter of one."""
    moved = psutil.boot_time() - _BOOTED if sys.platform == "darwin" else 0.0
    return round((process.create_time() - (moved if abs(moved) >= 1 else 0.0)) * 1e6)


def _session(pid: int) -> int:
    if sys.platform == "win32":
        return 0
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def _descriptors(process: psutil.Process) -> int | None:
    with contextlib.suppress(psutil.Error, OSError):
        if sys.platform == "win32":
            return process.num_handles()
        return process.num_fds()
    return None
