"""`attach` on the control socket: frames out, keys in, and neither side in the way of the other."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from procman.control import endpoint
from procman.control.attaching import BACKLOG
from procman.control.protocol import BadRequest, Keys, Resize, parse_input
from procman.core.app import Ending, Exit, State
from tests.fakes.engine import FakeEngine, FakeTerminal
from tests.fakes.serving import ask, serving, until


class Attached:
    """A client of `attach`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def frame(self) -> dict[str, Any]:
        """Return the next frame, with its bytes decoded."""
        async with asyncio.timeout(10):
            frame: dict[str, Any] = json.loads(await self._reader.readuntil(b"\n"))
        return frame | ({"data": b64decode(frame["data"])} if "data" in frame else {})


@asynccontextmanager
async def attach(
    home: Path, engine: FakeEngine, **options: object
) -> AsyncIterator[tuple[Attached, FakeTerminal]]:
    """Give a client that is attached to `web`, and its terminal."""
    engine.run("web")
    connection = endpoint.connect(str(home), 10)
    connection.setblocking(False)
    reader, writer = await asyncio.open_unix_connection(sock=connection, limit=1 << 20)
    writer.write(json.dumps({"v": 1, "verb": "attach", "apps": ["web"], **options}).encode() + b"\n")
    client = Attached(reader, writer)
    try:
        assert await client.frame() == {"type": "attached", "app": "web"}
        assert (await client.frame())["data"] == b"before"
        yield client, engine.terminals[-1]
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def run(scenario: Callable[[FakeEngine], Any], home: Path) -> None:
    """Play a scenario with a server."""

    async def play() -> None:
        engine = FakeEngine()
        async with serving(home, engine):
            await scenario(engine)

    asyncio.run(play())


def test_output_comes_as_it_is_printed(tmp_path: Path) -> None:
    async def scenario(engine: FakeEngine) -> None:
        async with attach(tmp_path, engine) as (client, terminal):
            terminal.on_output(b"\x1b[1m\xff\r\n")
            assert await client.frame() == {"type": "output", "data": b"\x1b[1m\xff\r\n"}

    run(scenario, tmp_path)


def test_keys_and_sizes_reach_the_terminal_in_order(tmp_path: Path) -> None:
    async def scenario(engine: FakeEngine) -> None:
        async with attach(tmp_path, engine, columns=90, rows=30) as (client, terminal):
            assert terminal.size == (90, 30)
            client.writer.write(Keys(b"one").spell() + Resize(120, 40).spell() + Keys(b"two\x00").spell())
            await until(lambda: terminal.typed == b"onetwo\x00")
            assert terminal.size == (120, 40)

    run(scenario, tmp_path)


def test_an_app_that_reads_nothing_gets_the_keys_later(tmp_path: Path) -> None:
    async def scenario(engine: FakeEngine) -> None:
        async with attach(tmp_path, engine) as (client, terminal):
            terminal.takes = 0
            client.writer.write(Keys(b"abc").spell())
            terminal.on_output(b"x")
            assert (await client.frame())["data"] == b"x"
            terminal.takes = 2
            await until(lambda: terminal.typed == b"abc")

    run(scenario, tmp_path)


def test_a_client_that_leaves_is_no_longer_attached(tmp_path: Path) -> None:
    async def scenario(engine: FakeEngine) -> None:
        async with attach(tmp_path, engine) as (client, terminal):
            client.writer.close()
            await until(lambda: terminal.has_left)
            assert engine.apps["web"].state is State.RUNNING

    run(scenario, tmp_path)


def test_a_slow_client_misses_output_and_is_told_how_much(tmp_path: Path) -> None:
    async def scenario(engine: FakeEngine) -> None:
        async with attach(tmp_path, engine) as (client, terminal):
            part, count = b"x" * 4000, 4 * BACKLOG // 4000
            for _ in range(count):
                terminal.on_output(part)
            got, missed = 0, 0
            while not missed:
                frame = await client.frame()
                got += len(frame.get("data", b""))
                missed = frame.get("bytes", 0)
            assert got + missed == count * len(part)
            assert 0 < got < 2 * BACKLOG
            terminal.on_output(b"after")
            assert (await client.frame())["data"] == b"after"

    run(scenario, tmp_path)


@pytest.mark.parametrize(
    ("ending", "exit_code", "code"),
    [
        (Ending.EXITED, 0, 0),
        (Ending.EXITED, 1, 1),
        (Ending.UNHEALTHY, 0, 1),
        (Ending.STOP, 143, 0),
        (Ending.RESTART, 143, 0),
        (None, 0, 1),
    ],
)
def test_the_end_of_the_run_ends_it_with_what_it_means(
    tmp_path: Path, ending: Ending | None, exit_code: int, code: int
) -> None:
    async def scenario(engine: FakeEngine) -> None:
        async with attach(tmp_path, engine) as (client, terminal):
            last = Exit(exit_code, None, 0.0, "ended by itself")
            engine.move("web", State.STOPPING, "the reason", ending=ending, last_exit=last)
            terminal.on_output(b"last words")
            terminal.on_end()
            assert (await client.frame())["data"] == b"last words"
            reason = "the reason" if ending is not None else "its terminal is gone"
            assert await client.frame() == {"type": "done", "code": code, "reason": reason}

    run(scenario, tmp_path)


def test_an_app_without_a_terminal_is_told_with_a_hint(tmp_path: Path) -> None:
    async def scenario(engine: FakeEngine) -> None:
        (frame,) = await ask(tmp_path, b'{"v": 1, "verb": "attach", "apps": ["web"]}\n')
        assert (frame["code"], frame["message"]) == (1, "`web` has no terminal")
        assert "tty = true" in frame["hint"]

    run(scenario, tmp_path)


@pytest.mark.parametrize("apps", ["[]", '["web", "api"]'])
def test_a_terminal_of_several_apps_is_refused(tmp_path: Path, apps: str) -> None:
    async def scenario(engine: FakeEngine) -> None:
        (frame,) = await ask(tmp_path, f'{{"v": 1, "verb": "attach", "apps": {apps}}}\n'.encode())
        assert frame["code"] == 2
        assert "means `api`, `web`" in frame["message"]

    run(scenario, tmp_path)


def test_a_client_that_sends_something_else_is_let_go(tmp_path: Path) -> None:
    async def scenario(engine: FakeEngine) -> None:
        async with attach(tmp_path, engine) as (client, terminal):
            client.writer.write(b"what?\n")
            frame = await client.frame()
            assert (frame["type"], frame["code"]) == ("error", 2)
            await until(lambda: terminal.has_left)

    run(scenario, tmp_path)


@pytest.mark.parametrize("value", [Keys(b""), Keys(bytes(range(256))), Resize(1, 10_000)])
def test_what_a_client_spells_is_what_is_parsed(value: Keys | Resize) -> None:
    assert parse_input(value.spell()) == value


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{}",
        b'{"type": "keys"}',
        b'{"type": "keys", "data": "not base64"}',
        b'{"type": "keys", "data": "\xc3\xa4"}',
        b'{"type": "keys", "data": 1}',
        b'{"type": "resize", "columns": 0, "rows": 24}',
        b'{"type": "resize", "columns": true, "rows": 24}',
        b'{"type": "resize", "columns": 80, "rows": 10001}',
        b"[" * 50_000,
    ],
)
def test_what_is_no_input_is_refused(line: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_input(line)


def test_bytes_are_spelled_as_base64() -> None:
    assert json.loads(Keys(b"\x1b[A").spell())["data"] == b64encode(b"\x1b[A").decode()
