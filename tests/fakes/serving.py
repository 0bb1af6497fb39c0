"""A server with a fake engine in this process, and talk to it byte by byte."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from procman.control import endpoint
from procman.control.server import Server
from tests.fakes.engine import FakeEngine


@asynccontextmanager
async def serving(home: Path, engine: FakeEngine, **options: Any) -> AsyncIterator[Server]:
    """Serve an engine as long as the block lasts."""
    endpoint.prepare_home(str(home))
    server = Server(engine, str(home), **options)
    await server.start()
    try:
        yield server
    finally:
        await server.close()


async def ask(home: Path, data: bytes, *, half_close: bool = False) -> list[dict[str, Any]]:
    """Send bytes to a server, and return the lines of its answer."""
    return await asyncio.wait_for(asyncio.to_thread(_ask, home, data, half_close), 20)


def _ask(home: Path, data: bytes, half_close: bool) -> list[dict[str, Any]]:
    received = bytearray()
    with endpoint.connect(str(home), 15) as connection:
        try:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it does not want to hear more; what it has said can be read
        try:
            while chunk := connection.recv(1 << 16):
                received += chunk
        except ConnectionResetError:
            pass
    return [json.loads(line) for line in received.splitlines()]


async def until(condition: Callable[[], object]) -> None:
    """Return once a condition holds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)
