"""Tells the service manager that started us how we are: the protocol of sd_notify(3), and of its journal.

A message is a datagram of `NAME=value` lines to the socket that `NOTIFY_SOCKET` names. It is a few lines of
our own because libsystemd would be a library with a compiler behind it; Podman, s6 and others speak it too.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Mapping

PATIENCE = 1.0  # seconds for a service manager to take what it must hear, such as `READY`


class Notifier:
    """The way to the service manager, if one waits for word; without one nothing is opened.

    What is said again later is not waited for: a service manager that is behind loses it.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._socket: socket.socket | None = None

    @property
    def is_heard(self) -> bool:
        """Whether anybody wants to know."""
        return self._address is not None

    def insist(self, **fields: object) -> bool:
        """Say what is said only once, and wait for a moment if it can't be taken at once."""
        return self._send(fields, PATIENCE)

    def tell(self, **fields: object) -> bool:
        """Say `NAME=value` for each field; return whether it was taken."""
        return self._send(fields, 0.0)

    def _send(self, fields: Mapping[str, object], timeout: float) -> bool:
        if self._address is None or sys.platform == "win32":
            return False
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.settimeout(timeout)
            text = "\n".join(f"{name}={_one_line(value)}" for name, value in fields.items())
            self._socket.sendto(text.encode(errors="replace"), self._address)
        except OSError:  # it is being restarted itself, or its queue is full
            return False
        return True

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _address(text: str) -> str | None:
    """Return the address of a socket: a path, or after `@` a name without a file (`unix(7)`, abstract)."""
    if text.startswith("@") and len(text) > 1:
        return f"\0{text[1:]}"
    return text if text.startswith("/") else None


def _one_line(value: object) -> str:
    return " ".join(str(value).split())


def monotonic_us() -> int:
    """Return the time that a reload is announced with: CLOCK_MONOTONIC in microseconds."""
    return time.monotonic_ns() // 1000


def watchdog(environment: Mapping[str, str]) -> float | None:
    """Return within how many seconds a heartbeat is expected of this very process, or None."""
    pid = environment.get("WATCHDOG_PID", "")
    if pid and pid != str(os.getpid()):
        return None
    text = environment.get("WATCHDOG_USEC", "")
    seconds = int(text) / 1e6 if text.isascii() and text.isdigit() else 0.0
    return seconds or None


def never_wait(descriptor: int) -> None:
    """Have what can't be written to a descriptor at once fail, where the system can do that."""
    if sys.platform != "win32":
        os.set_blocking(descriptor, False)


def is_journal(environment: Mapping[str, str], descriptor: int) -> bool:
    """Return whether what is written to a descriptor goes to the journal: there `<3>` begins an error."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    with contextlib.suppress(OSError):
        status = os.fstat(descriptor)
        return (device, inode) == (str(status.st_dev), str(status.st_ino))
    return False
