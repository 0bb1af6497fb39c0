"""Checks: one call, one answer. A check asks every address at once, and the first that passes is enough.

Sockets on the loop's readiness, without streams and tasks: 100 apps are 200 connects in a round.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

from procman import __version__
from procman.core.config import Check, CheckKind
from procman.host.base import Answer, Cancellable, Health, ProbeOrder
from procman.host.exec_probe import ExecProbe, PipedOutput, Spawn

STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d)? +(\d{3})\b")
ANSWER_LIMIT = 8192  # bytes of an HTTP answer that are read for its status
UNRESOLVED_FOR = 30.0  # s before a name that had no address is looked up again
LOOPBACKS = ("127.0.0.1", "::1")

# Our own trouble: it says nothing about the app.
OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EPERM, errno.EACCES})
# This machine does not have such an address; for a loopback that means one family is switched off.
NO_SUCH_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETUNREACH, errno.EHOSTUNREACH})
# What a check has come to when its addresses differ; what could not be asked might have passed.
WORST_FIRST = (Health.NOT_MADE, Health.TIMED_OUT, Health.FAILED, Health.REFUSED)


def make_probe(
    loop: asyncio.AbstractEventLoop, order: ProbeOrder, on_answer: Callable[[Answer], None], spawn: Spawn
) -> Cancellable:
    """Begin the check; `on_answer` is called once, unless it is cancelled before."""
    match order.check.kind:
        case CheckKind.EXEC:
            return ExecProbe(loop, order, on_answer, spawn, PipedOutput)
        case CheckKind.HTTP | CheckKind.TCP | CheckKind.LOG | CheckKind.NONE:
            return SocketProbe(loop, order, on_answer)
        case _ as unreachable:
            assert_never(unreachable)


def place(address: str, port: int) -> str:
    """Return `127.0.0.1:80` or `[::1]:80`."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


@dataclass(slots=True)
class Attempt:
    """A check of one address."""

    address: str
    where: str
    socket: socket.socket | None = None
    received: bytes = b""
    health: Health | None = None  # None: not known yet
    detail: str = ""
    answer: str = ""  # the same in a word or two, for programs: `ECONNREFUSED`, `HTTP 500`
    missing: bool = False  # this machine has no such address


class SocketProbe:
    """A TCP or HTTP check, on the readiness of its sockets."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, order: ProbeOrder, on_answer: Callable[[Answer], None]
    ) -> None:
        assert order.port is not None, "only an app with a port is asked on it"
        self._loop = loop
        self._check = order.check
        self._port = order.port
        self._on_answer: Callable[[Answer], None] | None = on_answer
        self._begun = loop.time()
        self._attempts = [Attempt(each, place(each, order.port)) for each in order.addresses]
        self._timer = loop.call_later(order.check.timeout, self._time_out)
        for attempt in self._attempts:
            self._connect(attempt)
        if all(attempt.health is not None for attempt in self._attempts):
            loop.call_soon(self._finish)

    def cancel(self) -> None:
        """Close every connection and answer no more."""
        self._on_answer = None
        self._timer.cancel()
        for attempt in self._attempts:
            self._close(attempt)

    def _connect(self, attempt: Attempt) -> None:
        family = socket.AF_INET6 if ":" in attempt.address else socket.AF_INET
        try:
            attempt.socket = socket.socket(family, socket.SOCK_STREAM)
            attempt.socket.setblocking(False)
            code = attempt.socket.connect_ex((attempt.address, self._port))
            if code in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
                self._loop.add_writer(attempt.socket.fileno(), self._on_connected, attempt)
                return
        except OSError as error:
            code = error.errno or 0
        self._settle_error(attempt, code)

    def _on_connected(self, attempt: Attempt) -> None:
        connection = attempt.socket
        assert connection is not None, "only an open socket is watched"
        self._loop.remove_writer(connection.fileno())
        code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._settled(attempt, code)
        else:
            self._connected(attempt, connection)

    def _connected(self, attempt: Attempt, connection: socket.socket) -> None:
        try:
            ends = connection.getsockname()[:2], connection.getpeername()[:2]
        except OSError as error:  # it was connected, and is not any more
            self._settled(attempt, error.errno or 0)
            return
        # Nobody listens, the kernel picked this very port for our end, and TCP connected it to itself.
        if ends[0] == ends[1]:
            self._settled(attempt, errno.ECONNREFUSED)
        elif self._check.kind is not CheckKind.HTTP:
            self._settle(attempt, Health.PASSED, f"{attempt.where} accepts connections", "accepted")
            self._finish_if_known()
        else:
            self._ask(attempt, connection)

    def _ask(self, attempt: Attempt, connection: socket.socket) -> None:
        try:
            connection.send(request(self._check, attempt.address, self._port))  # its buffer is empty
            self._loop.add_reader(connection.fileno(), self._on_readable, attempt)
        except OSError as error:
            self._settled(attempt, error.errno or 0)

    def _on_readable(self, attempt: Attempt) -> None:
        assert attempt.socket is not None, "only an open socket is watched"
        try:
            chunk = attempt.socket.recv(ANSWER_LIMIT)
        except BlockingIOError:
            return
        except OSError as error:
            self._settled(attempt, error.errno or 0)
            return
        self._received(attempt, chunk)

    def _received(self, attempt: Attempt, chunk: bytes) -> None:
        """Take what came of an answer; nothing is its end."""
        attempt.received = without_interim(attempt.received + chunk)
        status = status_of(attempt.received)
        if status is not None:
            passed = any(low <= status <= high for low, high in self._check.status)
            detail = f"HTTP {status} from {attempt.where}{self._check.path}"
            self._settle(attempt, Health.PASSED if passed else Health.FAILED, detail, f"HTTP {status}")
        elif not chunk:
            detail = f"{attempt.where} closed the connection without an answer"
            self._settle(attempt, Health.FAILED, detail, "closed without an answer")
        elif b"\n" in attempt.received or len(attempt.received) >= ANSWER_LIMIT:
            self._settle(attempt, Health.FAILED, f"{attempt.where} does not speak HTTP", "not HTTP")
        self._finish_if_known()

    def _time_out(self) -> None:
        limit = f"{self._check.timeout:g}s"
        for attempt in self._attempts:
            if attempt.health is None:
                detail = f"no answer within {limit} from {attempt.where}"
                self._settle(attempt, Health.TIMED_OUT, detail, f"timed out after {limit}")
        self._finish()

    def _settled(self, attempt: Attempt, code: int) -> None:
        self._settle_error(attempt, code)
        self._finish_if_known()

    def _settle_error(self, attempt: Attempt, code: int) -> None:
        words, name = os.strerror(code).lower(), errno.errorcode.get(code, f"errno {code}")
        if code == errno.ECONNREFUSED:
            self._settle(attempt, Health.REFUSED, f"{attempt.where} refused", name)
        elif code in OURS:
            self._settle(attempt, Health.NOT_MADE, f"{attempt.where} could not be asked: {words}", name)
        elif code in NO_SUCH_ADDRESS:
            attempt.missing = True
            self._settle(attempt, Health.REFUSED, f"{attempt.where} can't be reached: {words}", name)
        elif code == errno.ETIMEDOUT:
            self._settle(attempt, Health.TIMED_OUT, f"{attempt.where} did not answer", name)
        else:
            self._settle(attempt, Health.FAILED, f"{attempt.where} broke the connection: {words}", name)

    def _settle(self, attempt: Attempt, health: Health, detail: str, answer: str) -> None:
        attempt.health, attempt.detail, attempt.answer = health, detail, answer
        self._close(attempt)

    def _close(self, attempt: Attempt) -> None:
        if attempt.socket is not None:
            if attempt.socket.fileno() >= 0:
                self._forget(attempt, attempt.socket)
            attempt.socket.close()
            attempt.socket = None

    def _forget(self, attempt: Attempt, connection: socket.socket) -> None:
        """Wait for nothing more of a connection that is about to be closed.

        The loop is given numbers: for a socket that it does not watch `selectors` makes a message with its
        addresses, five system calls for nothing.
        """
        self._loop.remove_writer(connection.fileno())
        self._loop.remove_reader(connection.fileno())

    def _finish_if_known(self) -> None:
        healths = [attempt.health for attempt in self._attempts]
        if Health.PASSED in healths or None not in healths:
            self._finish()

    def _finish(self) -> None:
        on_answer = self._on_answer
        if on_answer is None:
            return
        health, detail = self._verdict()
        answers = tuple((each.where, each.answer) for each in self._attempts if each.health is not None)
        self.cancel()
        on_answer(Answer(health, detail, self._loop.time() - self._begun, answers))

    def _verdict(self) -> tuple[Health, str]:
        if not self._attempts:
            return Health.FAILED, "its host has no address"
        passed = [each for each in self._attempts if each.health is Health.PASSED]
        if passed:
            return Health.PASSED, passed[0].detail
        if all(each.missing for each in self._attempts):  # out of local ports gives the same errno
            return Health.NOT_MADE, ", ".join(each.detail for each in self._attempts)
        there = [each for each in self._attempts if not each.missing]
        for health in WORST_FIRST:
            details = [each.detail for each in there if each.health is health]
            if details:
                return health, ", ".join(details)
        raise AssertionError("a finished check has an answer from every address")


def request(check: Check, address: str, port: int) -> bytes:
    """Return the HTTP request of a check.

    `Host: localhost` because the dev servers of Vite, Astro, SvelteKit and webpack answer 403 to names
    that they do not know.
    """
    host = "localhost" if address in LOOPBACKS else place(address, port).rpartition(":")[0]
    headers = {
        "Host": f"{host}:{port}",
        "User-Agent": f"procman-check/{__version__}",
        "Accept": "*/*",
        "Connection": "close",
    }
    own = {name.lower() for name, _value in check.headers}
    lines = [f"{name}: {value}" for name, value in headers.items() if name.lower() not in own]
    lines += [f"{name}: {value}" for name, value in check.headers]
    return "\r\n".join([f"GET {check.path} HTTP/1.1", *lines, "", ""]).encode("utf-8", "surrogateescape")


def status_of(received: bytes) -> int | None:
    """Return the status of an HTTP answer, or None while its first line is not complete, or not HTTP."""
    line, newline, _rest = received.partition(b"\n")
    match = STATUS_LINE.match(line) if newline else None
    status = int(match[1]) if match else 0
    return status if status >= 200 or status == 101 else None


def without_interim(received: bytes) -> bytes:
    """Return an HTTP answer without the `100 Continue` and `103 Early Hints` that may come before it."""
    while received.startswith((b"HTTP/1.1 100", b"HTTP/1.1 102", b"HTTP/1.1 103")):
        _interim, end, rest = received.partition(b"\r\n\r\n")
        if not end:
            break
        received = rest
    return received


@dataclass(slots=True)
class Resolver:
    """The addresses of hosts, looked up once."""

    now: Callable[[], float]
    _found: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _unresolved: dict[str, float] = field(default_factory=dict)  # name → when to try again

    def addresses(self, host: str) -> tuple[str, ...]:
        """Return the numeric addresses to check for `host`; none where its name means nothing here.

        `localhost` is both loopbacks whatever the machine says, because what a dev server binds for it
        differs from machine to machine. A wildcard is asked on its loopback. Any other name is resolved once,
        and that may block for as long as the system's resolver does.
        """
        match host:
            case "localhost":
                return LOOPBACKS
            case "0.0.0.0":
                return LOOPBACKS[:1]
            case "::":
                return LOOPBACKS[1:]
        if host not in self._found and self._unresolved.get(host, 0.0) <= self.now():
            with contextlib.suppress(OSError, UnicodeError):
                found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
                self._found[host] = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
            if host not in self._found:
                self._unresolved[host] = self.now() + UNRESOLVED_FOR
        return self._found.get(host, ())
