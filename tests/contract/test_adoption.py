"""A manager dies, and another one takes over its processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from procman.core.identity import MARKER, Identity
from procman.host import make_host
from procman.host.base import Ended, Host, Order, Run
from procman.host.posix.fifo import waiting
from tests.contract.conftest import RealWorld, Stage, acting, actor, make_listed_host, stage_on
from tests.fakes.host import FakeHost
from tests.fakes.machine import Machine
from tests.fakes.programs import Child, Program, Way, npm
from tests.fakes.windows import FOLDER, FakeWindows, Kernel

if sys.platform == "linux":
    from procman.host.linux import procfs

PARENT = """
import asyncio, ctypes, json, os, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
pid = os.fork()
if pid == 0:
    os.setsid()  # nobody's orphans are in the session of the test
    from procman.host import make_host
    from procman.host.base import Order
    host = make_host(asyncio.new_event_loop())
    command, environment = json.loads(sys.argv[1])
    leader = host.spawn(Order(tuple(command), False, "/", environment, -3, -3, -3), print)
    print(json.dumps([os.getpid(), leader.pid, leader.started, leader.boot]), flush=True)
os.read(0, 1)
"""


@dataclass
class Orphaned:
    """A run whose manager was killed."""

    stage: Stage
    run: Run


def real(
    program: Program, marker: str, make: Callable[[asyncio.AbstractEventLoop], Host] = make_host
) -> Iterator[Orphaned]:
    """A manager below a subreaper that is not us, killed once its run has grown."""
    environment = {**acting(program, 1), MARKER: marker}
    with stage_on(RealWorld(make)) as stage:
        order = json.dumps([actor(), environment])
        foster = subprocess.Popen(
            [sys.executable, "-c", PARENT, order], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with foster:
            assert foster.stdout is not None
            manager, *leader = json.loads(foster.stdout.readline())
            run = Run(Identity(*leader), marker)
            stage.world.pass_time(0.3)  # a daemon's parent is one more for a moment
            stage.until(lambda: len(stage.host.tree(run)) == 3)
            run = Run(seen_as(stage.host, run), marker)
            os.kill(manager, signal.SIGKILL)
            stage.until(lambda: stage.host.tree(run)[0].parent == foster.pid)
            yield Orphaned(stage, run)
            while members := stage.host.tree(run):
                stage.host.signal(members, "SIGKILL")
            foster.kill()
        stage.until(lambda: not procfs.children(os.getpid()))


def seen_as(host: Host, run: Run) -> Identity:
    """Return the leader's identity as this host states it: not every host counts start times alike."""
    return next(each.identity for each in host.tree(run) if each.pid == run.leader.pid)


def listed(program: Program, marker: str) -> Iterator[Orphaned]:
    """The same, taken over by the host of a Mac."""
    yield from real(program, marker, make_listed_host)


def fake(program: Program, marker: str) -> Iterator[Orphaned]:
    """The same on a simulated machine."""
    machine = Machine()
    machine.programs["app"] = program
    manager = FakeHost(machine)
    leader = manager.spawn(Order(("app",), False, "/", {MARKER: marker}, -1, -1, -1), print)
    manager.advance(0.5)
    manager.die()

    class World:
        host = FakeHost(machine)

        def pass_time(self, seconds: float) -> None:
            self.host.advance(seconds)

    yield Orphaned(Stage(World()), Run(leader, marker))  # type: ignore[arg-type]


def windows(program: Program, marker: str) -> Iterator[Orphaned]:
    """The same on a simulated Windows; the successor has another view of the same kernel."""
    kernel = Kernel(Machine())
    kernel.machine.programs["app"] = program
    manager = FakeWindows(kernel, waiting)
    environment = {MARKER: marker, "PATH": FOLDER}
    leader = manager.host.spawn(Order(("app",), False, "/", environment, -1, -1, -1), print)
    kernel.machine.advance(0.5)
    manager.die()
    successor = FakeWindows(kernel, waiting)

    class World:
        host = successor.host

        def pass_time(self, seconds: float) -> None:
            kernel.machine.advance(seconds)

    yield Orphaned(Stage(World()), Run(leader, marker))  # type: ignore[arg-type]
    successor.die()


@pytest.fixture(params=[real, listed, fake, windows])
def orphaned(request: pytest.FixtureRequest) -> Iterator[Orphaned]:
    """A run of three: its leader, its child, and its daemon."""
    program = Program(children=(Child(Program()), Child(Program(), way=Way.ORPHAN)))
    yield from request.param(program, f"test.{os.getpid()}:adoption:1")


def test_the_whole_tree_is_found_by_its_marker(orphaned: Orphaned) -> None:
    host, run = orphaned.stage.host, orphaned.run
    members = host.tree(run)
    assert len(members) == 3
    (found,) = host.marked(run.marker.partition(":")[0]).values()
    assert {member.pid for member in found} == {member.pid for member in members}
    assert host.boot() == run.leader.boot


def test_the_rest_of_the_tree_is_found_when_the_leader_has_died(orphaned: Orphaned) -> None:
    stage, run = orphaned.stage, orphaned.run
    leader = [member for member in stage.host.tree(run) if member.identity == run.leader]
    ends: list[Ended] = []
    assert stage.host.adopt(run, ends.append)
    stage.host.signal(leader, "SIGKILL")
    stage.until(lambda: ends)
    assert ends[0] in (Ended(None, "SIGKILL"), Ended(None, None))
    rest = stage.host.tree(run)
    assert len(rest) == 2
    assert not stage.host.adopt(run, ends.append)
    stage.host.signal(rest[:1], "SIGKILL")
    stage.until(lambda: len(stage.host.tree(run)) == 1)
    stage.host.signal(stage.host.tree(run), "SIGKILL")
    stage.until(lambda: stage.host.tree(run) == ())
    assert len(ends) == 1


def test_a_run_of_another_boot_has_no_processes(orphaned: Orphaned) -> None:
    leader = orphaned.run.leader
    other = Run(Identity(leader.pid, leader.started, "another boot"), "no such marker")
    assert orphaned.stage.host.tree(other) == ()
    assert not orphaned.stage.host.adopt(other, print)


def test_a_recycled_leader_is_not_taken_for_the_run(orphaned: Orphaned) -> None:
    leader = orphaned.run.leader
    other = Run(Identity(leader.pid, leader.started + 1, leader.boot), "no such marker")
    assert orphaned.stage.host.tree(other) == ()


def test_npm_can_be_adopted_too() -> None:
    for orphaned in real(npm(Program()), f"test.{os.getpid()}:npm:1"):
        assert len(orphaned.stage.host.tree(orphaned.run)) == 3
