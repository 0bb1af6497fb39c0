"""A command's end of the control socket: one request, and its answer frame by frame."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from types import TracebackType

from procman.control.ask import Lost, Refused, connect, why
from procman.control.protocol import Frame, Request, decode, spell


class Conversation:
    """One request and its answer, frame by frame; owned by the thread that made it."""

    def __init__(self, home: str, request: Request) -> None:
        self._connection = connect(home)
        self._buffer = bytearray()
        self._process = _descriptor_of_peer(self._connection)
        with contextlib.suppress(OSError):  # it has answered already, and closed: that can be read
            self._connection.sendall(spell(request))

    def __enter__(self) -> Conversation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave; what was asked for goes on."""
        self._connection.close()
        if self._process is not None:
            os.close(self._process)
            self._process = None

    def replace(self, other: Conversation) -> None:
        """Become another conversation, whose answer follows on this one's."""
        self.close()
        self._connection, self._buffer, self._process = other._connection, other._buffer, other._process

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is something to `receive`."""
        return self._connection.fileno()

    def receive(self) -> list[Frame] | None:
        """Return the frames that one read completes, maybe none; None once the manager has hung up."""
        try:
            chunk = self._connection.recv(1 << 16)
        except TimeoutError as error:
            raise Lost(why(error)) from error
        except ConnectionError:
            chunk = b""
        if not chunk:
            return None
        *lines, rest = (self._buffer + chunk).split(b"\n")
        self._buffer = bytearray(rest)
        return [decode(bytes(line)) for line in lines]

    def send(self, data: bytes) -> int:
        """Send the beginning of `data` and return how much of it; all waits while the manager reads nothing.

        Raises:
            Lost: the manager has ended.
        """
        try:
            return self._connection.send(data)
        except OSError as error:
            raise Lost(why(error)) from error

    def frames(self) -> Iterator[Frame]:
        """Yield the frames of the answer up to the last, of type `done`.

        Only the first has to come within `PATIENCE`: from then on the manager waits for the apps.

        Raises:
            Lost: the answer stopped before its end.
            Refused: the answer is an error.
        """
        while (received := self.receive()) is not None:
            for frame in received:
                if frame["type"] == "error":
                    raise Refused(frame)
                yield frame
                if frame["type"] == "done":
                    return
                self._connection.settimeout(None)
        raise Lost("the manager ended in the middle of its answer")

    def wait_gone(self, timeout: float | None) -> bool:
        """Return whether the manager's process has ended within `timeout` seconds; None waits for ever.

        Where there are no pidfds the end of the connection has to do: it is the manager's last act.
        """
        watched = self._process if self._process is not None else self._connection.fileno()
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            readable, _, _ = select.select([watched], [], [], left)
            if not readable:
                return False
            if self._process is not None or not self._connection.recv(1 << 16):
                return True


def _descriptor_of_peer(connection: socket.socket) -> int | None:
    """Return a pidfd of the process that listens, or None where that can't be had."""
    if not hasattr(os, "pidfd_open") or not hasattr(socket, "SO_PEERCRED"):
        return None
    pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        return os.pidfd_open(pid) if pid > 0 else None
    except OSError:  # an old kernel, a sandbox, or it has ended: its connection tells
        return None


def call(home: str, request: Request) -> Iterator[Frame]:
    """Yield the frames of the answer to a request; raises as `Conversation` does."""
    with Conversation(home, request) as conversation:
        yield from conversation.frames()
