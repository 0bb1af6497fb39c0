"""The control channel of Windows, over pairs of sockets in the place of its pipes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import socket
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from procman.control import pipes

PATIENCE = 10.0


class SocketPipe:
    """One end of a connection, as a pipe is."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def read(self, most: int) -> bytes:
        try:
            return self._end.recv(most)
        except OSError:
            return b""

    def write(self, data: bytes) -> None:
        self._end.sendall(data)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)  # wakes who reads
        self._end.close()


class Door:
    """Lets in whoever calls `connect`."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[SocketPipe | None] = queue.Queue()

    def accept(self) -> SocketPipe | None:
        return self._waiting.get(timeout=PATIENCE)

    def close(self) -> None:
        self._waiting.put(None)

    def connect(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        self._waiting.put(SocketPipe(theirs))
        connection = pipes.bridge(SocketPipe(ours))
        connection.settimeout(PATIENCE)
        return connection


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each line with itself, until there is no more."""
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


def with_server(
    talk: Callable[[Door], None],
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] = echo,
) -> None:
    """Have a client talk, in a thread of its own, to a server that lives as long as it does."""

    async def play() -> None:
        door = Door()
        server = pipes.PipeServer(door, serve, 1 << 16)
        try:
            await asyncio.wait_for(asyncio.to_thread(talk, door), PATIENCE)
        finally:
            server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait_for(task, PATIENCE)

    asyncio.run(play())
    for thread in threading.enumerate():
        if thread.name.startswith("procman-"):
            thread.join(PATIENCE)
            assert not thread.is_alive(), "every thread ends with its connection"


def read_all(connection: socket.socket) -> bytes:
    found = b""
    while data := connection.recv(1 << 16):
        found += data
    return found


def test_a_line_comes_back_and_the_end_of_a_client_is_the_end_of_both() -> None:
    def talk(door: Door) -> None:
        with door.connect() as connection, connection.makefile("rwb") as file:
            for line in (b"one\n", b"two\n"):
                file.write(line)
                file.flush()
                assert file.readline() == line

    with_server(talk)


def test_a_long_answer_comes_whole_though_the_server_closes_behind_it() -> None:
    answer = os.urandom(3_000_000)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"give\n"
        writer.write(answer)
        writer.close()

    def talk(door: Door) -> None:
        with door.connect() as connection:
            connection.sendall(b"give\n")
            assert read_all(connection) == answer

    with_server(talk, serve)


def test_a_server_that_hangs_up_is_seen_as_the_end() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    def talk(door: Door) -> None:
        with door.connect() as connection:
            assert connection.recv(100) == b""

    with_server(talk, serve)


def test_a_server_sees_a_client_that_leaves() -> None:
    left = threading.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b"half"
        left.set()
        writer.close()

    def talk(door: Door) -> None:
        with door.connect() as connection:
            connection.sendall(b"half")
        assert left.wait(PATIENCE)

    with_server(talk, serve)


def test_several_clients_are_served_at_once() -> None:
    def talk(door: Door) -> None:
        connections = [door.connect() for _ in range(20)]
        for number, connection in enumerate(connections):
            connection.sendall(b"%d\n" % number)
        for number, connection in reversed(list(enumerate(connections))):
            assert connection.recv(100) == b"%d\n" % number
            connection.close()

    with_server(talk)


def test_who_came_in_while_the_server_was_closed_is_sent_away() -> None:
    async def play() -> None:
        server = pipes.PipeServer(Door(), echo, 1 << 16)
        server.close()
        ours, theirs = socket.socketpair()
        with ours:
            server._begin(theirs)
            ours.settimeout(PATIENCE)
            assert ours.recv(1) == b""

    asyncio.run(play())


def test_a_name_can_not_be_guessed_and_is_in_the_state_folder_for_its_owner(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pipes.name_of(str(tmp_path))
    first = pipes.make_name(str(tmp_path))
    assert pipes.name_of(str(tmp_path)) == first
    assert (tmp_path / pipes.NAME).stat().st_mode & 0o077 == 0
    second = pipes.make_name(str(tmp_path))
    assert second != first
    assert pipes.name_of(str(tmp_path)) == second
    assert len(second) == len(pipes.PREFIX) + 32


def test_a_file_that_names_no_pipe_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / pipes.NAME).write_text("C:\\Windows\\System32\\cmd.exe")
    with pytest.raises(FileNotFoundError, match="names no pipe"):
        pipes.name_of(str(tmp_path))
