"""Clients without manners, all at once: who is refused is told why, and neither apps nor memory notice."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from procman.control import ask
from procman.control.server import MOST_CLIENTS
from tests.real.project import Project, command, table

MOST_MEMORY = 64 << 20  # bytes more than before


@pytest.fixture
def clients(project: Project) -> Iterator[contextlib.ExitStack]:
    """Return what holds connections, which are closed at the end."""
    project.up(table("web", command("serve"), port=project.port()), table("worker", command("stay")))
    with contextlib.ExitStack() as stack:
        yield stack


def connect(project: Project, clients: contextlib.ExitStack, sent: bytes = b"") -> socket.socket:
    """Return a new connection to the manager on which something was sent."""
    connection = clients.enter_context(ask.connect(str(project.home)))
    connection.sendall(sent)
    return connection


def last_frame(connection: socket.socket) -> dict[str, object]:
    """Return the last line of an answer."""
    with connection.makefile("rb") as lines:
        frame: dict[str, object] = json.loads(lines.readlines()[-1])
    return frame


def memory(pid: int) -> int:
    """Return how many bytes of memory a process has."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def demand_at_work(project: Project, restarts: int) -> None:
    """Demand that a death is noticed and mended."""
    (worker,) = [pid for pid, words in project.processes().items() if "app.py stay" in words]
    os.kill(worker, signal.SIGKILL)

    def is_replaced() -> bool:
        return [pid for pid, words in project.processes().items() if "app.py stay" in words] not in (
            [],
            [worker],
        )

    project.until(is_replaced, f"the end of `worker` is mended, for the {restarts}. time")


def test_a_crowd_is_refused_with_a_reason_and_holds_up_nobody(
    project: Project, clients: contextlib.ExitStack
) -> None:
    manager = project.manager()
    before = memory(manager)
    crowd = [connect(project, clients, b'{"v": 1, "verb": "follow"}\n') for _ in range(MOST_CLIENTS)]
    refused = connect(project, clients)
    frame = last_frame(refused)
    assert frame["kind"] == "busy"
    assert frame["message"] == f"{MOST_CLIENTS} commands are talking to the manager already"
    done = project.run("status")
    assert done.code == 1
    assert str(frame["message"]) in done.err
    demand_at_work(project, 1)
    assert memory(manager) - before < MOST_MEMORY
    for each in crowd:
        each.close()
    project.until(lambda: project.run("status").code == 0, "there is room again")
    assert project.manager() == manager
    assert project.app("worker")["restarts"] == 1


def test_half_messages_and_endless_ones_end_their_own_connection(
    project: Project, clients: contextlib.ExitStack
) -> None:
    manager = project.manager()
    before = memory(manager)
    half = [connect(project, clients, b'{"v": 1, "verb": "sta') for _ in range(50)]
    endless = connect(project, clients)
    with pytest.raises(ConnectionError):
        endless.sendall(b"x" * (100 << 20))
    demand_at_work(project, 1)
    assert project.apps()["web"]["state"] == "running"
    assert {str(last_frame(each)["message"]) for each in half} == {"no whole request came within 5s"}
    assert memory(manager) - before < MOST_MEMORY


def test_there_is_no_tcp_port(project: Project, clients: contextlib.ExitStack) -> None:
    manager = project.manager()
    links = [os.readlink(path) for path in Path(f"/proc/{manager}/fd").iterdir() if path.is_symlink()]
    held = {link[8:-1] for link in links if link.startswith("socket:[")}
    assert held
    for table_of in ("tcp", "tcp6", "udp", "udp6"):
        rows = Path(f"/proc/{manager}/net/{table_of}").read_text().splitlines()[1:]
        listening = {row.split()[9] for row in rows if table_of.startswith("udp") or row.split()[3] == "0A"}
        assert not held & listening
