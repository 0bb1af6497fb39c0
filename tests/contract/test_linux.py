"""What only the real host can show: what children inherit, orphans, other users, the second ways."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from procman.core.config import CheckKind, Command
from procman.core.identity import MARKER, Identity
from procman.host.base import ANY_PORT, Ended, Health, Order, Run, SpawnError
from procman.host.base import Stage as SpawnStage
from tests.contract.conftest import Stage
from tests.contract.test_files import Watched
from tests.fakes.programs import Child, Program, Way, npm, server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux's own")

if sys.platform == "linux":
    from procman.host import notices
    from procman.host.linux import ports, procfs
    from procman.host.linux.host import LinuxHost

REPOSITORY = Path(__file__).parents[2]
NOBODY = 65534


def run_to_end(stage: Stage, order: Order) -> tuple[object, str]:
    """Start an order with its output to a pipe; return how it ended and what it said."""
    reading, writing = os.pipe()
    ends: list[object] = []
    stage.host.spawn(Order(*order_fields(order), stdout=writing, stderr=writing), ends.append)
    os.close(writing)
    stage.until(lambda: ends)
    with open(reading, encoding="utf-8") as output:
        return ends[0], output.read()


def order_fields(order: Order) -> tuple[tuple[str, ...], bool, str, dict[str, str], int]:
    """Return what comes before the outputs in an order."""
    return order.arguments, order.shell, order.cwd, order.environment, order.stdin


def order(*arguments: str, shell: bool = False, cwd: str = "/", **environment: str) -> Order:
    """Return an order with nothing to read or write."""
    environment.setdefault("PATH", os.defpath)
    return Order(arguments, shell, cwd, environment, -3, -3, -3)


def test_a_long_list_of_the_kernels_is_read_to_its_end() -> None:
    """As of children: 1300 took two reads, the first of 4092 bytes."""
    text = procfs.read("/proc/self/maps")
    assert len(text) > 4096
    assert text.count(b"\n") >= Path("/proc/self/maps").read_bytes().count(b"\n") - 2


def test_a_child_gets_its_environment_and_nothing_else(real: Stage) -> None:
    _end, said = run_to_end(real, order("env", A="1", PATH="/usr/bin:/bin"))
    assert sorted(said.split()) == ["A=1", "PATH=/usr/bin:/bin"]


def test_a_command_is_looked_for_on_the_childs_own_path(real: Stage, tmp_path: Path) -> None:
    script = tmp_path / "bin" / "only-here"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\necho found\n")
    script.chmod(0o755)
    for path in (str(script.parent), "bin"):
        _end, said = run_to_end(real, order("only-here", cwd=str(tmp_path), PATH=path))
        assert said == "found\n"


def test_a_shell_gets_the_text_as_it_is(real: Stage, tmp_path: Path) -> None:
    _end, said = run_to_end(real, order('echo "$A" | tr a b; pwd', shell=True, cwd=str(tmp_path), A="aa"))
    assert said == f"bb\n{tmp_path}\n"


@pytest.mark.parametrize(
    ("cwd", "command", "stage", "code"),
    [
        ("/no/such/folder", "true", SpawnStage.CWD, errno.ENOENT),
        ("/etc/passwd", "true", SpawnStage.CWD, errno.ENOTDIR),
        ("/", "/etc/passwd", SpawnStage.EXECUTE, errno.EACCES),
        ("/", "nul\0byte", SpawnStage.EXECUTE, errno.EINVAL),
    ],
)
def test_what_can_not_be_started_names_its_stage(
    real: Stage, cwd: str, command: str, stage: SpawnStage, code: int
) -> None:
    with pytest.raises(SpawnError) as raised:
        real.host.spawn(order(command, cwd=cwd), print)
    assert (raised.value.stage, raised.value.errno) == (stage, code)


@pytest.fixture
def no_descriptors() -> Iterator[Callable[[], None]]:
    """Return what takes every descriptor away until the test is over."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    held: list[int] = []

    def take() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 20, limits[1]))
        while True:
            try:
                held.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                return

    yield take
    for descriptor in held:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_without_descriptors_nothing_is_started_or_asked_and_it_is_our_trouble(
    real: Stage, no_descriptors: Callable[[], None]
) -> None:
    running = real.start(Program())
    members = real.host.tree(running.run)
    told: list[bool] = []
    no_descriptors()
    with pytest.raises(SpawnError) as raised:
        real.host.spawn(order("true"), print)
    assert raised.value.stage is SpawnStage.PIPES
    assert real.probe(CheckKind.TCP, 1).health is Health.NOT_MADE
    assert real.probe(CheckKind.EXEC, command=Command(("true",))).health is Health.NOT_MADE
    real.host.when_one_ends(members, lambda: told.append(True))
    os.kill(running.run.leader.pid, signal.SIGKILL)
    real.until(lambda: running.ends)


def test_a_child_starts_with_default_signals_whatever_we_were_started_with(tmp_path: Path) -> None:
    """As under `nohup sh -c 'procman up &'`."""
    script = """
import asyncio, os, signal, sys
from procman.host import make_host
from procman.host.base import Order
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTSTP):
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
loop = asyncio.new_event_loop()
make_host(loop).spawn(Order(("grep", "Sig[BI]", "/proc/self/status"), False, "/", dict(os.environ), 0, 1, 2),
                      lambda ended: loop.stop())
loop.run_forever()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=20
    )
    own = ~(1 << 31 | 1 << 32)  # 32 and 33 are glibc's, which ignores them in what it spawns
    inherited = dict(line.split() for line in done.stdout.splitlines())
    assert {name: int(bits, 16) & own for name, bits in inherited.items()} == {"SigBlk:": 0, "SigIgn:": 0}


def test_orphans_that_end_leave_no_zombies(real: Stage) -> None:
    daemon = Program(exits_after=0.1)
    started = real.start(
        Program(children=tuple(Child(daemon, way=Way.ORPHAN) for _ in range(5)), exits_after=1.0)
    )
    real.until(lambda: started.ends)
    real.until(lambda: procfs.children(os.getpid()) == [])


def test_a_child_that_somebody_else_here_waits_for_is_left_to_them_and_in_nobodys_way(real: Stage) -> None:
    theirs = subprocess.Popen(["true"])
    os.waitid(os.P_PID, theirs.pid, os.WEXITED | os.WNOWAIT)
    daemon = Program(exits_after=0.1)
    started = real.start(Program(children=(Child(daemon, way=Way.ORPHAN),), exits_after=0.5))
    real.until(lambda: started.ends)
    real.until(lambda: procfs.children(os.getpid()) == [theirs.pid])
    assert theirs.wait() == 0


def test_a_mistake_about_one_end_costs_no_other_one_its_own(real: Stage) -> None:
    def mistaken(_ended: Ended) -> None:
        raise ZeroDivisionError

    mistakes: list[object] = []
    assert isinstance(real.host, LinuxHost)
    real.host._loop.set_exception_handler(lambda _loop, told: mistakes.append(told["exception"]))
    ends: list[Ended] = []
    for on_exit in (mistaken, ends.append):
        environment = {"PATH": os.defpath, MARKER: f"one.{len(ends)}"}
        real.host.spawn(Order(("true",), False, "/", environment, -3, -3, -3), on_exit)
    real.until(lambda: bool(ends and mistakes))
    assert isinstance(mistakes[0], ZeroDivisionError)


def test_a_manager_below_its_own_app_is_not_in_the_apps_tree() -> None:
    script = """
import asyncio, os
from procman.core.identity import MARKER, Identity
from procman.host import make_host
from procman.host.base import Run
host = make_host(asyncio.new_event_loop())
print(len(host.tree(Run(Identity(4711, 1, host.boot()), "mine"))), len(host.marked("mine")))
"""
    environment = {**os.environ, MARKER: "mine"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert done.stdout.split() == ["0", "0"]


def test_a_checks_processes_are_in_no_tree_and_die_with_it(real: Stage) -> None:
    started = real.start(Program())
    text = "sleep 100 & sleep 100"
    environment = {"PATH": os.defpath, MARKER: started.run.marker}
    asked = real.probe_order(CheckKind.EXEC, command=Command((text,), shell=True), timeout=60.0)
    asked.environment.update(environment)
    checking = real.host.probe(asked, print)
    real.until(lambda: len(procfs.children(os.getpid())) == 2)
    assert real.pids(started) == {started.run.leader.pid}
    checking.cancel()
    real.until(lambda: len(procfs.children(os.getpid())) == 1)


def test_a_checks_last_words_are_in_its_answer(real: Stage) -> None:
    said = Command(("printf '%0300d' 0; echo; echo no database >&2; exit 3",), shell=True)
    answer = real.probe(CheckKind.EXEC, command=said)
    assert answer.detail.endswith("0 no database")
    assert len(answer.detail) < 300
    hanging = Command(("echo waiting; sleep 100",), shell=True)
    assert real.probe(CheckKind.EXEC, command=hanging, timeout=0.2).detail == (
        "`echo waiting; sleep 100` did not end within 0.2s: waiting"
    )
    missing = real.probe(CheckKind.EXEC, command=Command(("no-such-check",)))
    assert (missing.health, missing.detail) == (
        Health.FAILED,
        "could not execute its command: `no-such-check`: No such file or directory",
    )


@pytest.fixture
def without_pidfds(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, flags: int = 0) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(os, "pidfd_open", refuse)


@pytest.mark.usefixtures("without_pidfds")
def test_a_kernel_without_pidfds_tells_ends_and_takes_signals(real: Stage) -> None:
    started = real.start(npm(Program()))
    real.grown(started, 3)
    members = real.host.tree(started.run)
    told: list[bool] = []
    real.host.when_one_ends(members, lambda: told.append(True))
    assert len(real.host.signal(members, "SIGTERM")) == 3
    real.until(lambda: started.ends and told)
    real.until(lambda: real.host.tree(started.run) == ())


def test_a_kernel_without_lists_of_children_shows_trees_too(real: Stage) -> None:
    assert isinstance(real.host, LinuxHost)
    real.host._trees._lists_children = False
    started = real.start(npm(Program(children=(Child(Program(), way=Way.ORPHAN),))))
    real.grown(started, 4)


def test_without_netlink_the_listeners_are_read_from_proc(
    real: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = real.world.free_port()
    real.start(server(port=port))
    real.start(Program(listens=server(port=port + 1).listens))
    real.listening(port)
    by_netlink = set(real.host.listeners() or ())

    def refuse(self: object, states: int) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(ports.Diagnostics, "_dump", refuse)
    assert {each for each in real.host.listeners() or () if each.port == port} == {
        each for each in by_netlink if each.port == port
    }


def test_an_ipv4_address_bound_through_ipv6_is_shown_as_ipv4(real: Stage) -> None:
    with socket.socket(socket.AF_INET6) as listener:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(("::ffff:127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert [each.address for each in real.host.listeners() or () if each.port == port] == ["127.0.0.1"]


def test_the_closes_of_a_busy_server_do_not_wake_us(real: Stage) -> None:
    port = real.world.free_port()
    real.start(server(port=port))
    real.listening(port)
    woken: list[int] = []
    watching = real.host.watch_closed(woken.append)
    for _ in range(100):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            while connection.recv(4096):
                pass
    real.world.pass_time(0.1)
    assert port not in woken
    assert watching is not None
    watching.cancel()


def test_lost_announcements_are_told(real: Stage) -> None:
    loop = asyncio.new_event_loop()
    closed = ports.ClosedNotices(loop)
    closed._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    told: list[int] = []
    closed.watch(told.append)
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(50)]
    for listener in listeners:
        listener.close()
    time.sleep(0.05)  # the announcements come from a kernel thread
    closed._on_notice()
    closed._on_notice()
    closed.close()
    loop.close()
    assert ANY_PORT in told


def test_without_inotify_a_change_is_seen_within_a_second(
    real: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OSError(errno.EMFILE, "inotify instance limit reached")

    monkeypatch.setattr(notices, "_observer", refuse)
    file = tmp_path / "portwatch.toml"
    file.write_text("one")
    watched = Watched(real, file)
    watched.tells(lambda: file.write_text("two"))
    watched.tells(file.unlink)


ORDINARY = """
import asyncio, ctypes, json, os, signal, socket, sys
import procman.host.linux.host, asyncio.selector_events
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, as after an exec: else /proc shows root's
loop = asyncio.new_event_loop()
host = procman.host.linux.host.LinuxHost(loop)
closed = []
host.watch_closed(closed.append)
child = os.fork()
if child == 0:
    listener = socket.create_server(("127.0.0.1", 0))
    signal.pause()
async def main():
    mine = ()
    member = host._member(procman.host.linux.procfs.stat(child))
    while not mine:
        await asyncio.sleep(0.01)
        inodes = host.sockets_of([member])
        mine = [each for each in host.listeners() if each.inode in inodes]
    holder = host.holder(mine[0])
    os.kill(child, signal.SIGKILL)
    while held := host.sockets_of([member]):
        pass
    assert held == frozenset(), "an exiting process is no unreadable one"
    while mine[0].port not in closed:
        await asyncio.sleep(0.001)
    print(json.dumps({"uid": os.getuid(), "holder": holder.pid == child,
                      "init": host.sockets_of([host._member(procman.host.linux.procfs.stat(1))]) is None}))
try:
    loop.run_until_complete(asyncio.wait_for(main(), 10))
finally:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def test_an_ordinary_user_sees_its_own_sockets_and_closes_and_nobody_elses() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ORDINARY],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["uid"] != 0
    assert found["holder"]
    assert found["init"]


def test_a_hundred_starts_leave_nothing_behind(real: Stage) -> None:
    ends: list[object] = []
    for number in range(100):
        environment = {"PATH": os.defpath, MARKER: f"many.{number}"}
        real.host.spawn(Order(("true",), False, "/", environment, -3, -3, -3), ends.append)
    real.until(lambda: len(ends) == 100)
    assert isinstance(real.host, LinuxHost)
    assert real.host._children == {}


def test_runs_that_have_ended_share_a_look_at_our_orphans(
    real: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stays = real.start(Program())
    gone = [real.start(Program(exits_after=0.1)) for _ in range(20)]
    real.until(lambda: all(started.ends for started in gone))
    lists: list[int] = []
    plain_children = procfs.children

    def counted(pid: int, threads_known: int = 0) -> list[int]:
        lists.append(pid)
        return plain_children(pid, threads_known)

    monkeypatch.setattr(procfs, "children", counted)
    assert [real.host.tree(started.run) for started in gone] == [()] * 20
    assert lists == [os.getpid()], "one list for all of the runs, and of nobody else"
    assert real.pids(stays) == {stays.run.leader.pid}


def test_a_look_at_our_orphans_proves_nothing_of_who_was_alive_then(real: Stage) -> None:
    early = real.start(Program(exits_after=0.1))
    late = [
        real.start(Program(children=(Child(Program(), way=way),), exits_after=1.0))
        for way in (Way.FORK, Way.SESSION, Way.ORPHAN)
    ]
    real.until(lambda: early.ends)
    assert real.host.tree(early.run) == ()
    real.until(lambda: all(started.ends for started in late))
    left = [real.host.tree(started.run) for started in late]
    assert [len(members) for members in left] == [1, 1, 1]
    for members in left:
        real.host.signal(members, "SIGKILL")
    real.until(lambda: not any(real.host.tree(started.run) for started in late))


def test_a_bomb_of_forks_is_ended(real: Stage) -> None:
    """Some 60 processes that fork while they are being killed, in four generations and three ways."""
    program = Program()
    for way in (Way.FORK, Way.ORPHAN, Way.SESSION):
        program = Program(children=tuple(Child(program, after=delay / 50, way=way) for delay in range(4)))
    started = real.start(program)
    real.until(lambda: len(real.host.tree(started.run)) > 20)
    real.host.signal(real.host.tree(started.run), "SIGTERM")

    def over() -> bool:
        real.host.signal(real.host.tree(started.run), "SIGKILL")
        return real.host.tree(started.run) == ()

    real.until(over)
    real.until(lambda: started.ends)


def test_the_leader_of_a_run_is_known_by_more_than_its_number(real: Stage) -> None:
    started = real.start(Program())
    leader = started.run.leader
    other = Run(Identity(leader.pid, leader.started + 1, leader.boot), "no such marker")
    assert real.host.tree(other) == ()


def test_a_child_that_can_not_say_whether_its_exec_worked_does_not_live(
    real: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(descriptor: int, most: int) -> bytes:
        raise MemoryError

    before = procfs.children(os.getpid())
    with monkeypatch.context() as broken:
        broken.setattr(os, "read", no_memory)
        with pytest.raises(MemoryError):
            real.host.spawn(order("sleep", "60"), lambda ended: None)
    assert procfs.children(os.getpid()) == before
