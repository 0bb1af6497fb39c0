"""HTTP checks against servers that answer in every way, byte by byte."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from procman.core.config import Check, CheckKind
from procman.host.base import Health
from procman.host.probes import Resolver, request, status_of, without_interim
from tests.contract.conftest import Stage, on_each

real = on_each("real", "tasks")

OK = b"HTTP/1.1 200 OK\r\n\r\n"


@contextlib.contextmanager
def answering(*chunks: bytes, reset: bool = False) -> Iterator[tuple[int, list[bytes]]]:
    """Serve one connection with these chunks; give the port, and what was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _peer = listener.accept()
            with connection:
                asked.append(connection.recv(65536))
                if reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                with contextlib.suppress(OSError):  # the check may have seen enough
                    for chunk in chunks:
                        connection.sendall(chunk)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], asked
        thread.join()


@pytest.mark.parametrize(
    ("chunks", "health", "detail"),
    [
        ((OK,), Health.PASSED, "HTTP 200 from {}/"),
        ((b"HTTP/1.0 204 \r\n",), Health.PASSED, "HTTP 204 from {}/"),
        ((b"HTTP/1.1 200\n",), Health.PASSED, "HTTP 200 from {}/"),
        ((b"HT", b"TP/1.1 2", b"00 O", b"K\r\n"), Health.PASSED, "HTTP 200 from {}/"),
        ((b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK,), Health.PASSED, "HTTP 200 from {}/"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n", OK), Health.PASSED, "HTTP 200 from {}/"),
        ((OK + b"x" * 1_000_000,), Health.PASSED, "HTTP 200 from {}/"),
        ((b"HTTP/1.1 503 Busy\r\n\r\n",), Health.FAILED, "HTTP 503 from {}/"),
        ((b"HTTP/1.1 101 Switching\r\n\r\n",), Health.FAILED, "HTTP 101 from {}/"),
        ((b"SSH-2.0-OpenSSH_9.2\r\n",), Health.FAILED, "{} does not speak HTTP"),
        ((b"x" * 20_000,), Health.FAILED, "{} does not speak HTTP"),
        ((), Health.FAILED, "{} closed the connection without an answer"),
        ((b"HTTP/1.1 200 OK",), Health.FAILED, "{} closed the connection without an answer"),
    ],
)
def test_an_answer_is_judged_by_its_status_line(
    real: Stage, chunks: tuple[bytes, ...], health: Health, detail: str
) -> None:
    with answering(*chunks) as (port, _asked):
        answer = real.probe(CheckKind.HTTP, port, host="127.0.0.1")
    assert (answer.health, answer.detail) == (health, detail.format(f"127.0.0.1:{port}"))


def test_a_reset_connection_is_a_failure(real: Stage) -> None:
    with answering(reset=True) as (port, _asked):
        answer = real.probe(CheckKind.HTTP, port, host="127.0.0.1")
    where = f"127.0.0.1:{port}"
    assert (answer.health, answer.detail) == (
        Health.FAILED,
        f"{where} broke the connection: connection reset by peer",
    )


def test_the_request_is_for_localhost_and_says_who_asks(real: Stage) -> None:
    with answering(OK) as (port, asked):
        real.probe(CheckKind.HTTP, port, host="127.0.0.1", path="/health?full=1", headers=(("X-Key", "1"),))
    first, *headers = asked[0].decode().split("\r\n")
    assert first == "GET /health?full=1 HTTP/1.1"
    assert f"Host: localhost:{port}" in headers
    assert "Connection: close" in headers
    assert "X-Key: 1" in headers
    assert any(header.startswith("User-Agent: procman-check/") for header in headers)


def test_a_header_of_the_app_replaces_ours() -> None:
    asked = request(Check(CheckKind.HTTP, headers=(("host", "app.example"),)), "::1", 80).decode()
    assert "host: app.example\r\n" in asked
    assert "Host:" not in asked


@pytest.mark.parametrize(
    ("address", "host"), [("192.0.2.1", "192.0.2.1:80"), ("2001:db8::1", "[2001:db8::1]:80")]
)
def test_an_address_that_is_no_loopback_is_asked_by_itself(address: str, host: str) -> None:
    assert f"Host: {host}\r\n" in request(Check(CheckKind.HTTP), address, 80).decode()


@pytest.mark.parametrize("received", [b"", b"HTTP/1.1 200 OK", b"HTTP/1.1 2\n", b"garbage 200 OK\n", b"\n"])
def test_no_status_is_read_out_of_what_has_none(received: bytes) -> None:
    assert status_of(received) is None


def test_an_interim_answer_without_an_end_is_kept() -> None:
    assert without_interim(b"HTTP/1.1 100 Continue\r\n") == b"HTTP/1.1 100 Continue\r\n"


def test_a_name_without_an_address_fails_its_check_and_is_tried_again_later(
    real: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[object] = []

    def getaddrinfo(host: str, *_args: object, **_more: object) -> list[object]:
        looked_up.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    now = [0.0]
    resolver = Resolver(lambda: now[0])
    assert (resolver.addresses("nowhere.test"), resolver.addresses("nowhere.test")) == ((), ())
    assert looked_up == ["nowhere.test"]
    now[0] = 31.0
    resolver.addresses("nowhere.test")
    assert len(looked_up) == 2
    answer = real.probe(CheckKind.TCP, 80, host="nowhere.test")
    assert (answer.health, answer.detail) == (Health.FAILED, "its host has no address")


def test_a_wildcard_is_asked_on_its_loopback() -> None:
    resolver = Resolver(lambda: 0.0)
    assert resolver.addresses("0.0.0.0") == ("127.0.0.1",)
    assert resolver.addresses("::") == ("::1",)
    assert resolver.addresses("[::1]") == ("::1",)
