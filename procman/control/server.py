"""The manager's end of the control socket: takes clients, reads one request of each, and writes the answer.

No client can hold up the manager: requests are read within a time and a size, one is answered in each turn of
the loop, and answers go into a bounded buffer. What a client sends or leaves undone ends its own connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from procman.control import endpoint
from procman.control.contract import Engine
from procman.control.protocol import (
    LONGEST_REQUEST,
    STOPPING,
    BadRequest,
    Code,
    Frame,
    Keys,
    Request,
    Resize,
    encode,
    error,
    parse,
    parse_input,
)
from procman.control.verbs import answer
from procman.control.watching import Call

if TYPE_CHECKING:
    from procman.control.pipes import PipeServer

# Replaces this process, with the socket that it listens on then; or returns why it can't.
Upgrade = Callable[[Callable[[], socket.socket | None]], Awaitable[str]]
Incoming = asyncio.Queue[Keys | Resize]
READ_TIMEOUT = 5.0  # seconds for a whole request: a client has it ready when it connects
BUFFER_LIMIT = 1 << 20  # bytes of frames that wait for a slow client; 5,000 transitions
MOST_INCOMING = 16  # lines of an attached client that wait to be typed; then it has to
MOST_CLIENTS = 256  # of the descriptors that a manager needs for its apps
BETWEEN_LOOKS = 0.2  # seconds: who asks how busy an app is means now, and does not want to wait
FAREWELL = 2.0  # seconds for the last frames to reach their clients

_log = logging.getLogger("procman.control")


class Client:
    """One connection, and the frames on their way to it; owned by the event loop's thread.

    What is told in one turn of the loop is written at its end, all at once: each write wakes the client, and
    with 100 apps that stop it would be 300 times between one app and the next.
    """

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._lines: list[bytes] = []  # of this turn
        self._size = 0
        self.too_slow = asyncio.Event()

    def send(self, frame: Frame) -> None:
        """Put a frame into the buffer; one frame too many is the last, and says so."""
        if self.too_slow.is_set():
            return
        if self.backlog() > BUFFER_LIMIT:
            self.too_slow.set()
            _log.warning("a client reads too slowly, its connection ends")
            frame = error(Code.FAILED, "too slow", "this command read too slowly, so the manager dropped it")
        self.send_line(encode(frame))

    def backlog(self) -> int:
        """Return how many bytes wait to be read by the client, beyond what the kernel keeps for it."""
        return self._size + self._writer.transport.get_write_buffer_size()

    def send_line(self, line: bytes) -> None:
        """Put a line into the buffer, if anybody is left to get it."""
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._flush)
        self._lines.append(line)
        self._size += len(line)

    def _flush(self) -> None:
        lines, self._lines, self._size = self._lines, [], 0
        if lines and not self._writer.transport.is_closing():
            self._writer.write(b"".join(lines))

    def close(self) -> None:
        """End the connection once the buffer is empty."""
        self._flush()
        self._writer.close()

    def abort(self) -> None:
        """End the connection now."""
        self._writer.transport.abort()

    def owner(self) -> int | None:
        """Return the user at the other end, or None where the kernel does not tell.

        Where it does not, the modes of the folder (0700) and of the socket (0600) keep others out alone, or
        on Windows what the pipe says of who may open it.
        """
        return endpoint.peer(self._writer.get_extra_info("socket"))


class Server:
    """Serves one engine on the socket of one state folder; owned by the event loop's thread."""

    def __init__(
        self,
        engine: Engine,
        home: str,
        *,
        upgrade: Upgrade | None = None,
        read_timeout: float = READ_TIMEOUT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._home = home
        self._path = os.path.join(home, endpoint.SOCKET)
        self._upgrade = upgrade
        self._read_timeout = read_timeout
        self._clock = clock
        self._ended = asyncio.get_running_loop().create_future()
        self._server: asyncio.Server | PipeServer | None = None
        self._listener: socket.socket | None = None
        self._inode: int | None = None  # of the socket
        self._renewing: asyncio.Task[None] | None = None
        self._clients: dict[asyncio.Task[None], Client] = {}
        self._answers: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    async def start(self, listener: socket.socket | None = None) -> None:
        """Listen; from now on clients are served. The caller holds the lock in the state folder.

        Args:
            listener: that of the manager which this one has replaced in place, if it did.
        """
        if sys.platform == "win32":
            from procman.control import pipes, pipes_win32

            door = pipes_win32.WindowsDoor(pipes.make_name(self._home))
            self._server = pipes.PipeServer(door, self._serve, LONGEST_REQUEST)
            return
        # Not start_unix_server: from 3.13 on it looks for the socket by the address it was bound to, and
        # where the folder's path is too long for an address, that one lasts only as long as the binding.
        self._listener = listener or endpoint.listen(self._home)
        self._inode = _inode_of(self._path)
        self._server = await asyncio.start_server(self._serve, sock=self._listener, limit=LONGEST_REQUEST)

    def renew(self) -> None:
        """Listen in the state folder as it is now, for it was deleted; who is connected stays so.

        Raises:
            OSError: the socket can't be made.
        """
        listener = None if sys.platform == "win32" else endpoint.listen(self._home)
        self.retire()
        self._listener = listener
        self._renewing = asyncio.create_task(self.start(listener))

    def retire(self) -> None:
        """Take no more clients, and remove the socket: the lock may be released after this, not before."""
        if self._server is None:
            return
        if _inode_of(self._path) == self._inode:  # else somebody has deleted the folder and begun anew
            with contextlib.suppress(OSError):
                os.unlink(self._path)
        self._server.close()
        self._server = None

    async def close(self) -> None:
        """Take no more clients, tell those who wait for the end of every app, and end their connections."""
        self.retire()
        if not self._ended.done():
            self._ended.set_result(None)
        if self._answers:
            await asyncio.wait(tuple(self._answers), timeout=FAREWELL)
        for client in self._clients.values():
            client.close()
        if self._clients:
            await asyncio.wait(tuple(self._clients), timeout=FAREWELL)
        for client in self._clients.values():  # it does not read what it asked for
            client.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client, task = Client(writer), asyncio.current_task()
        assert task is not None, "asyncio serves each connection in a task"
        self._clients[task] = client
        try:
            await self._converse(reader, client)
        except ConnectionError:
            pass  # it left; nobody is waiting for anything
        finally:
            client.close()
            del self._clients[task]

    async def _converse(self, reader: asyncio.StreamReader, client: Client) -> None:
        refusal = self._refusal(client)
        if refusal is not None:
            client.send(refusal)
            return
        try:
            request = await self._read(reader)
        except BadRequest as mistake:
            client.send(error(Code.USAGE, "bad request", str(mistake), mistake.hint))
            return
        if request is None:
            return
        incoming: Incoming = asyncio.Queue(MOST_INCOMING)
        answering = asyncio.create_task(self._answer(request, client, incoming))
        self._answers.add(answering)
        leaving = asyncio.create_task(
            _pass_on(reader, client, incoming) if request.verb == "attach" else _end_of(reader)
        )
        dropping = asyncio.create_task(client.too_slow.wait())
        try:
            await asyncio.wait({answering, leaving, dropping}, return_when=asyncio.FIRST_COMPLETED)
            if request.verb == "down" and answering.done():
                await leaving
        finally:
            for each in (answering, leaving, dropping):
                each.cancel()
            self._answers.discard(answering)

    def _refusal(self, client: Client) -> Frame | None:
        if sys.platform != "win32" and client.owner() not in (None, 0, os.geteuid()):
            return error(Code.FAILED, "denied", "this manager belongs to another user")
        if len(self._clients) > MOST_CLIENTS:
            return error(Code.FAILED, "busy", f"{MOST_CLIENTS} commands are talking to the manager already")
        return None

    async def _read(self, reader: asyncio.StreamReader) -> Request | None:
        """Return the request of a new connection, or None if it ends without one."""
        try:
            async with asyncio.timeout(self._read_timeout):
                return parse(await reader.readuntil(b"\n"))
        except asyncio.IncompleteReadError as end:
            if not end.partial:
                return None
            raise BadRequest("the request ends in the middle") from None
        except asyncio.LimitOverrunError:
            raise BadRequest(f"the request is longer than {LONGEST_REQUEST} bytes") from None
        except TimeoutError:
            raise BadRequest(f"no whole request came within {self._read_timeout:g}s") from None

    async def _answer(self, request: Request, client: Client, incoming: Incoming) -> None:
        async with self._turn:  # of a hundred that came at once, one in each turn of the loop
            await asyncio.sleep(0)
        try:
            if request.verb == "status":
                client.send_line(encode(await self._status(request.wide)))
                return
            if request.verb == "upgrade":
                client.send(await self._replace())
                return
            call = Call(
                self._engine, request, client.send, self._ended, self._clock, client.backlog, incoming
            )
            client.send(await answer(call))
        except Exception:
            _log.exception("could not answer `%s`", request.verb)
            hint = f"`{os.path.join(self._home, endpoint.LOG)}` says more"
            client.send(error(Code.FAILED, "bug", f"the manager could not answer `{request.verb}`", hint))

    async def _status(self, wide: bool) -> dict[str, Any]:
        if not wide:
            return self._engine.status()
        before = self._engine.look()
        await asyncio.sleep(BETWEEN_LOOKS)
        return self._engine.status(before)

    async def _replace(self) -> Frame:
        """Become the installed version, and never return; or say why that can't be."""
        if self._upgrade is None or self._engine.closing:
            return error(Code.FAILED, STOPPING, "the manager is stopping")
        problem = await self._upgrade(lambda: self._listener)  # which may be another one by then
        hint = "the running version goes on; nothing has changed for any app"
        return error(Code.FAILED, "not upgraded", problem, hint)


def _inode_of(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except OSError:  # the folder was deleted
        return None


async def _end_of(reader: asyncio.StreamReader) -> None:
    """Return once the client has closed its side; what it still sends is not looked at."""
    with contextlib.suppress(ConnectionError):
        while await reader.read(4096):
            pass


async def _pass_on(reader: asyncio.StreamReader, client: Client, incoming: Incoming) -> None:
    """Pass on what an attached client sends, until it has closed its side or sends something else."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        try:
            while True:
                await incoming.put(parse_input(await reader.readuntil(b"\n")))
        except (BadRequest, asyncio.LimitOverrunError):
            client.send(error(Code.USAGE, "bad request", "neither keys nor the size of a window"))
