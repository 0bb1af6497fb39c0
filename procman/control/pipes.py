"""The control channel of Windows: a named pipe, and a socket of our own at either end of it.

Client and server wait for sockets, which Windows can't do for pipes. So each pipe has two threads that carry
its bytes from and to one end of a pair of sockets. The other end is what `connect` returns, and what the
server reads. A client is there for a moment, and few are.

The calls of Windows are in `pipes_win32.py`. The tests run all of this over another thing that carries bytes.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading

TYPE_CHECKING = False  # `typing` takes 8 ms: see `ask`
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable
    from typing import Protocol

    Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

    class Pipe(Protocol):
        """One end of a connection; it may be read in one thread while it is written in another."""

        def read(self, most: int) -> bytes:
            """Return what comes, at least a byte; nothing once the other end, or this one, is closed."""
            ...

        def write(self, data: bytes) -> None:
            """Write all of it; raises OSError if the other end, or this one, is closed."""
            ...

        def close(self) -> None:
            """End the connection; what was written can still be read at the other end."""
            ...

    class Door(Protocol):
        """A name at which clients are let in."""

        def accept(self) -> Pipe | None:
            """Wait for a client; None once it is closed."""
            ...

        def close(self) -> None:
            """Let nobody in any more; who is in stays."""
            ...


NAME = "control.pipe"  # a file in the state folder, with the name of the pipe
PREFIX = "\\\\.\\pipe\\procman-"
AT_A_TIME = 1 << 16  # bytes


def make_name(home: str) -> str:
    """Write down a new name for the pipe of a state folder, and return it.

    Nobody can know it before, or he could have made a pipe of that name first, for our clients to talk to.

    Raises:
        OSError: it can't be written.
    """
    name = PREFIX + os.urandom(16).hex()
    path = os.path.join(home, NAME)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(name)
    return name


def name_of(home: str) -> str:
    """Return the name of the pipe of a state folder.

    Raises:
        FileNotFoundError: no manager has written one down.
        OSError: it can't be read.
    """
    with open(os.path.join(home, NAME), encoding="ascii", errors="replace") as file:
        name = file.read(len(PREFIX) + 32)
    if not name.startswith(PREFIX):
        raise FileNotFoundError(f"{NAME} names no pipe")
    return name


def bridge(pipe: Pipe) -> socket.socket:
    """Return a socket whose bytes are those of a pipe; its close closes the pipe."""
    ours, theirs = socket.socketpair()
    for carry in (_carry_in, _carry_out):
        threading.Thread(target=carry, args=(pipe, theirs), name="procman-pipe", daemon=True).start()
    return ours


def _carry_in(pipe: Pipe, there: socket.socket) -> None:
    """Run in a thread: carry what comes through the pipe to the socket, and its end too."""
    with contextlib.suppress(OSError):
        while data := pipe.read(AT_A_TIME):
            there.sendall(data)
    with contextlib.suppress(OSError):
        there.shutdown(socket.SHUT_WR)


def _carry_out(pipe: Pipe, there: socket.socket) -> None:
    """Run in a thread: carry what is written into the socket to the pipe; its end is the end of both."""
    with contextlib.suppress(OSError):
        while data := there.recv(AT_A_TIME):
            pipe.write(data)
    pipe.close()
    there.close()


class PipeServer:
    """Serves whoever comes through a door, in a task each; owned by the event loop's thread."""

    def __init__(self, door: Door, serve: Serve, limit: int) -> None:
        """Begin; `limit` is of a line, as for `asyncio.start_server`."""
        import asyncio

        self._loop = asyncio.get_running_loop()
        self._door = door
        self._serve = serve
        self._limit = limit
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()
        threading.Thread(target=self._let_in, name="procman-door", daemon=True).start()

    def close(self) -> None:
        """Let nobody in any more."""
        self._closed = True
        self._door.close()

    def _let_in(self) -> None:
        """Run in a thread: make a socket of each client, and hand it to the loop."""
        while (pipe := self._door.accept()) is not None:
            connection = bridge(pipe)
            try:
                self._loop.call_soon_threadsafe(self._begin, connection)
            except RuntimeError:  # the loop is closed
                connection.close()

    def _begin(self, connection: socket.socket) -> None:
        if self._closed:
            connection.close()
            return
        task = self._loop.create_task(self._converse(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, connection: socket.socket) -> None:
        import asyncio

        reader, writer = await asyncio.open_connection(sock=connection, limit=self._limit)
        await self._serve(reader, writer)
