"""A process whose main thread has ended by pthread_exit(3) looks like a zombie, and its server is its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from procman.core.config import CheckKind
from procman.core.identity import MARKER
from procman.host.base import Health, Order, Run
from tests.contract.conftest import Stage, Started

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux's own")

if sys.platform == "linux":
    from procman.host.linux import procfs
    from procman.host.linux.host import LinuxHost

REPOSITORY = Path(__file__).parents[2]

# The GIL is let go of for the call, and what ends the thread does not come back for it.
HEADLESS = """
import ctypes, os, socket, threading

def serve():
    listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
    while True:
        listener.accept()[0].close()

threading.Thread(target=serve).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def start(real: Stage, port: int) -> Started:
    """Start a program that serves from another thread, and wait until it has lost its main one."""
    marker = f"test.{os.getpid()}.headless"
    environment = {MARKER: marker, "PORT": str(port)}
    order = Order((sys.executable, "-I", "-S", "-c", HEADLESS), False, "/", environment, -3, -3, -3)
    started = real.begin(order, marker)
    real.listening(port)
    real.until(lambda: state_of(started) == "Z")
    return started


def state_of(started: Started) -> str | None:
    """Return the state of a run's first process."""
    found = procfs.stat(started.run.leader.pid)
    return found.state if found is not None else None


def test_its_listener_is_its_own(real: Stage) -> None:
    port = real.world.free_port()
    started = start(real, port)
    pid = started.run.leader.pid
    (listener,) = [each for each in real.host.listeners() or () if each.port == port]
    members = real.host.tree(started.run)
    assert {member.pid for member in members} == {pid}
    assert listener.inode in (real.host.sockets_of(members) or ())
    holder = real.host.holder(listener)
    assert holder is not None
    assert holder.pid == pid
    (occupant,) = real.host.occupants([listener])
    assert (occupant.pid, occupant.marker) == (pid, started.run.marker)
    assert real.probe(CheckKind.TCP, port).health is Health.PASSED


def test_the_next_manager_knows_it_again(real: Stage) -> None:
    started = start(real, real.world.free_port())
    assert isinstance(real.host, LinuxHost)
    marked = real.host.marked(started.run.marker)
    assert {member.pid for member in marked[started.run.marker]} == {started.run.leader.pid}
    assert not real.host.is_stranger(started.run)
    assert real.host.is_stranger(Run(started.run.leader, "another"))


ORDINARY = """
import ctypes, os, signal, socket, threading, time  # what a child imports, while it can be read
from procman.host.linux import procfs
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, as after an exec: else /proc shows root's
os.environ["PORT"] = "0"
child = os.fork()
if child == 0:
    exec(HEADLESS)
try:
    deadline = time.monotonic() + 10
    while procfs.stat(child).state != "Z" or len(procfs.sockets(child)) != 1:
        assert time.monotonic() < deadline, (procfs.stat(child), procfs.sockets(child))
        time.sleep(0.005)
    try:
        os.listdir(f"/proc/{child}/fd")
    except PermissionError:
        print("refused")
finally:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def test_an_ordinary_user_who_is_refused_its_descriptors_sees_its_sockets() -> None:
    script = f"HEADLESS = {HEADLESS!r}\n{ORDINARY}"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "refused\n"


def test_one_that_is_really_dead_holds_nothing(real: Stage) -> None:
    process = subprocess.Popen(["true"])
    real.until(lambda: (found := procfs.stat(process.pid)) is not None and found.state == "Z")
    assert procfs.sockets(process.pid) == []
    assert procfs.variable(process.pid, "PATH") is None
    process.wait()
