"""Runs in cgroups of their own: what nothing else can tell, and what is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from procman.core.identity import MARKER, Identity, Member
from procman.host.base import Ended, Order, Run
from tests.contract.conftest import PATIENCE_S, RealWorld, Stage, stage_on
from tests.contract.test_adoption import PARENT

if sys.platform == "linux":
    from procman.host.linux import procfs
    from procman.host.linux.cgroups import Cgroups
    from procman.host.linux.host import LinuxHost

    BASE = Cgroups().base
else:
    BASE = None

pytestmark = pytest.mark.skipif(BASE is None, reason="this user may make no cgroup")

REPOSITORY = Path(__file__).parents[2]

WHEN_INSIDE = """
import os, signal, sys, time
while sys.argv[1] not in open("/proc/self/cgroup").read():
    time.sleep(0.001)
"""
DAEMON = (
    WHEN_INSIDE
    + """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve("/bin/sleep", ["sleep", "1000"], {})
    os._exit(0)
os.wait()
"""
)
BOMB = (
    WHEN_INSIDE
    + """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
reading, writing = os.pipe()
os.write(writing, bytes(199))
os.close(writing)
while os.read(reading, 1):
    if os.fork() == 0:
        os.setsid()
signal.pause()
"""
)
MANAGER = (
    WHEN_INSIDE
    + """
import asyncio
from procman.host import make_host
make_host(asyncio.new_event_loop())
print(open("/proc/self/cgroup").read(), flush=True)
"""
)


@pytest.fixture
def project() -> Iterator[str]:
    """Return what begins the markers of this test, which is to leave no cgroup of that name behind."""
    name = f"test-{os.getpid()}"
    yield f"{name}:"
    assert not os.path.exists(f"{BASE}/procman-{name}")


@pytest.fixture
def stage(project: str) -> Iterator[Stage]:
    """The real host."""
    with stage_on(RealWorld()) as stage:
        yield stage


def order(script: str, marker: str, *, waits: bool = True, output: int = -3) -> Order:
    """Return the order of a script, which waits until it is in the cgroup of its run."""
    inside = f"/procman-{marker.replace(':', '/', 1)}\n" if waits else ""
    arguments = (sys.executable, "-S", "-c", script, inside)
    return Order(arguments, False, str(REPOSITORY), {MARKER: marker}, -3, output, output)


def pids(members: Iterable[Member]) -> set[int]:
    """Return the pids of processes."""
    return {member.pid for member in members}


def daemon_of(stage: Stage, run: Run) -> int:
    """Wait until nothing but the daemon is left of the run, and has lost its marker; return its pid."""
    stage.until(lambda: [member.name for member in stage.host.tree(run)] == ["sleep"])
    (pid,) = pids(stage.host.tree(run))
    assert procfs.variable(pid, MARKER) is None
    return pid


def soon(holds: Callable[[], object]) -> None:
    """Wait until `holds` returns something true, or fail."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)


def test_a_daemon_without_marker_session_and_parent_is_found_and_ended(stage: Stage, project: str) -> None:
    started = stage.begin(order(DAEMON, f"{project}web:1"), f"{project}web:1")
    stage.until(lambda: started.ends)
    daemon = daemon_of(stage, started.run)
    assert [pids(tree) for tree in stage.host.trees([started.run])] == [{daemon}]
    assert list(map(pids, stage.host.marked(project).values())) == [{daemon}]
    assert os.getsid(daemon) not in (os.getsid(0), started.run.leader.pid)
    assert pids(stage.host.signal(stage.host.tree(started.run), "SIGTERM")) == {daemon}
    stage.until(lambda: stage.host.tree(started.run) == ())
    stage.until(lambda: not os.path.exists(f"{BASE}/procman-{project[:-1]}/web:1"))


def test_without_cgroups_that_daemon_is_nobodys(stage: Stage, project: str) -> None:
    assert isinstance(stage.host, LinuxHost)
    stage.host._cgroups.__dict__["base"] = None
    started = stage.begin(order(DAEMON, f"{project}web:1", waits=False), f"{project}web:1")
    stage.until(lambda: started.ends)
    (daemon,) = procfs.children(os.getpid())
    stage.until(lambda: procfs.command_line(daemon, "").startswith("sleep"))
    assert stage.host.tree(started.run) == ()
    os.kill(daemon, signal.SIGKILL)


def test_a_bomb_of_forks_ends_at_one_blow(stage: Stage, project: str) -> None:
    started = stage.begin(order(BOMB, f"{project}web:1"), f"{project}web:1")
    other = stage.begin(order("input()", f"{project}web:2"), f"{project}web:2")
    stage.until(lambda: len(stage.host.tree(started.run)) > 20)
    reached = stage.host.kill(started.run)
    assert started.run.leader in [member.identity for member in reached]
    assert len(reached) > 20
    stage.until(lambda: stage.host.tree(started.run) == ())
    stage.until(lambda: started.ends)
    assert started.ends == [Ended(None, "SIGKILL")]
    assert stage.host.kill(started.run) == ()
    assert other.run.leader.pid not in pids(reached)


def test_the_next_manager_finds_the_daemon_of_a_dead_one(stage: Stage, project: str) -> None:
    asked = order(DAEMON, f"{project}web:1")
    words = json.dumps([asked.arguments, asked.environment])
    foster = subprocess.Popen(
        [sys.executable, "-c", PARENT, words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        text=True,
    )
    with foster:
        assert foster.stdout is not None
        manager, *leader = json.loads(foster.stdout.readline())
        run = Run(Identity(*leader), f"{project}web:1")
        stage.until(lambda: stage.host.find(run.leader) is None)
        os.kill(manager, signal.SIGKILL)
        daemon = daemon_of(stage, run)
        assert {marker: pids(found) for marker, found in stage.host.marked(project).items()} == {
            run.marker: {daemon}
        }
        assert stage.host.tree(Run(run.leader._replace(boot="another boot"), run.marker)) == ()
        assert pids(stage.host.kill(run)) == {daemon}
        stage.until(lambda: stage.host.tree(run) == ())
        foster.kill()


def test_what_dead_managers_have_left_empty_is_removed_at_the_first_start(stage: Stage, project: str) -> None:
    left = Path(f"{BASE}/procman-{project[:-1]}/api:7")
    left.mkdir(parents=True)
    started = stage.begin(order("", f"{project}web:1"), f"{project}web:1")
    stage.until(lambda: not left.exists() and started.ends)


def test_what_was_forked_before_is_moved_too_and_found_from_elsewhere(project: str) -> None:
    cgroups = Cgroups()
    marker = f"{project}web:1"
    with subprocess.Popen(["sh", "-c", "(sleep 1000 & wait) & sleep 1000"], start_new_session=True) as shell:
        soon(lambda: any(map(procfs.children, procfs.children(shell.pid))))
        cgroups.enter(marker, shell.pid)
        cgroups.close()
        assert len(cgroups.members(marker, [])) == 4
        elsewhere = Cgroups()
        elsewhere.__dict__["base"] = "/in/another/terminal"
        leader = procfs.stat(shell.pid)
        assert leader is not None
        assert len(elsewhere.members(marker, [leader])) == 3
        assert shell.pid in cgroups.kill(marker)
    soon(lambda: not cgroups.members(marker, []))
    cgroups.remove(marker)
    cgroups.close()


@contextmanager
def sleeping() -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that does nothing, and end it if nobody else has."""
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_run_that_is_still_moved_is_not_killed_unlisted(project: str) -> None:
    cgroups, may_go_on, marker = Cgroups(), threading.Event(), f"{project}web:1"
    with sleeping() as inside, sleeping() as outside:
        cgroups.enter(marker, inside.pid)
        cgroups.close()
        cgroups._do(partial(may_go_on.wait, PATIENCE_S))
        cgroups.enter(marker, outside.pid)
        assert cgroups.kill(marker) == set()
        may_go_on.set()
        cgroups.close()
        assert cgroups.kill(marker) == {inside.pid, outside.pid}
    soon(lambda: not cgroups.members(marker, []))
    cgroups.remove(marker)
    cgroups.close()


def test_a_manager_that_was_started_inside_an_app_leaves_the_cgroup(stage: Stage, project: str) -> None:
    reading, writing = os.pipe()
    started = stage.begin(order(MANAGER, f"{project}web:1", output=writing), f"{project}web:1")
    os.close(writing)
    stage.until(lambda: started.ends)
    with open(reading, encoding="utf-8") as output:
        path = next(line for line in output if line.startswith("0::"))
    assert path == f"0::{procfs.cgroup(os.getpid())}\n"


def test_we_do_not_end_ourselves(project: str) -> None:
    """As if a manager could not leave the cgroup of the app that it was started in."""
    script = """
import os, sys
from procman.host.linux.cgroups import Cgroups, _gather
cgroups = Cgroups()
cgroups._folders[sys.argv[1]] = folder = f"{cgroups.base}/{sys.argv[2]}"
_gather(folder, os.getpid())
print(cgroups.kill(sys.argv[1]), cgroups.members(sys.argv[1], []))
"""
    words = [f"{project}web:1", f"procman-{project[:-1]}/web:1"]
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, cwd=REPOSITORY, check=True
    )
    assert done.stdout == "set() []\n"
    cgroups = Cgroups()
    cgroups._folders[words[0]] = f"{cgroups.base}/{words[1]}"
    cgroups.remove(words[0])
    cgroups.close()


@pytest.mark.skipif(os.getuid() != 0, reason="to become another user")
def test_an_ordinary_user_goes_without(project: str) -> None:
    script = """
import os, sys, threading
from procman.host.linux.cgroups import Cgroups
os.setgroups([]); os.setgid(65534); os.setuid(65534)
cgroups = Cgroups()
cgroups.enter(sys.argv[1], os.getpid())
print(cgroups.base, cgroups.markers(sys.argv[1]), cgroups.members(sys.argv[1], []), threading.active_count())
"""
    command = [sys.executable, "-c", script, f"{project}web:1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert done.stdout == "None [] [] 1\n"
