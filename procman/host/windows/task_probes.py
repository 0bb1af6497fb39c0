"""Checks for an event loop that tells when something is done, not when it could be: Windows has that one.

The verdicts are those of `probes.py`. Both kinds of loop run these, so the contract suite does on Linux.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import tempfile
from collections.abc import Callable
from typing import assert_never

from procman.core.config import CheckKind
from procman.host.base import Answer, Cancellable, ProbeOrder
from procman.host.exec_probe import OUTPUT_SHOWN, ExecProbe, Spawn
from procman.host.probes import ANSWER_LIMIT, Attempt, SocketProbe, request


def make_task_probe(
    loop: asyncio.AbstractEventLoop, order: ProbeOrder, on_answer: Callable[[Answer], None], spawn: Spawn
) -> Cancellable:
    """Begin the check; `on_answer` is called once, unless it is cancelled before."""
    match order.check.kind:
        case CheckKind.EXEC:
            return ExecProbe(loop, order, on_answer, spawn, FiledOutput)
        case CheckKind.HTTP | CheckKind.TCP | CheckKind.LOG | CheckKind.NONE:
            return TaskProbe(loop, order, on_answer)
        case _ as unreachable:
            assert_never(unreachable)


class TaskProbe(SocketProbe):
    """A TCP or HTTP check, a task for each address."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, order: ProbeOrder, on_answer: Callable[[Answer], None]
    ) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        super().__init__(loop, order, on_answer)

    def _connect(self, attempt: Attempt) -> None:
        family = socket.AF_INET6 if ":" in attempt.address else socket.AF_INET
        try:
            attempt.socket = socket.socket(family, socket.SOCK_STREAM)
            attempt.socket.setblocking(False)
        except OSError as error:
            self._settle_error(attempt, error.errno or 0)
            return
        self._tasks[attempt.address] = self._loop.create_task(self._converse(attempt, attempt.socket))

    async def _converse(self, attempt: Attempt, connection: socket.socket) -> None:
        try:
            await self._loop.sock_connect(connection, (attempt.address, self._port))
            self._connected(attempt, connection)
            if attempt.health is None:
                wanted = request(self._check, attempt.address, self._port)
                await self._loop.sock_sendall(connection, wanted)
            while attempt.health is None:
                self._received(attempt, await self._loop.sock_recv(connection, ANSWER_LIMIT))
        except ConnectionRefusedError:  # Windows has two numbers for it
            self._settled(attempt, errno.ECONNREFUSED)
        except OSError as error:
            if attempt.health is None:  # else it was closed meanwhile, by our own verdict
                self._settled(attempt, error.errno or 0)

    def _ask(self, attempt: Attempt, connection: socket.socket) -> None:
        """The task asks."""

    def _forget(self, attempt: Attempt, connection: socket.socket) -> None:
        task = self._tasks.pop(attempt.address, None)
        if task is not None and task is not asyncio.current_task(self._loop):
            task.cancel()


class FiledOutput:
    """A file, for where no pipe can be waited for; one that an orphan holds open stays on Windows."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._reading, self._path = tempfile.mkstemp(prefix="procman-check-")
        # A description of its own that only appends: what we read does not move where the command writes.
        self.writing = os.open(self._path, os.O_WRONLY | os.O_APPEND)

    def read(self) -> bytes:
        """Return the last bytes of what was printed until now."""
        size = os.fstat(self._reading).st_size
        os.lseek(self._reading, max(0, size - OUTPUT_SHOWN), os.SEEK_SET)
        return os.read(self._reading, OUTPUT_SHOWN)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._reading)
        with contextlib.suppress(OSError):
            os.unlink(self._path)
