"""What a host tells that explains a failure: ends, suspends, debuggers, installs and git operations."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from procman.core.identity import MARKER
from procman.host.base import Operation, Order
from tests.contract.conftest import FakeWorld, Stage, Started
from tests.fakes.machine import Process
from tests.fakes.programs import Listen, Program, npm, server

TRACER = Path(__file__).with_name("tracer.py")
SERVER = "require('http').createServer().listen(process.env.PORT, '127.0.0.1')"

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not on the path")
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not on the path")


def debugger(stage: Stage, started: Started, port: int | None = None) -> str | None:
    """Return who debugs a process of the run."""
    return stage.host.debugger(stage.host.tree(started.run), port)


def operations(stage: Stage, folder: Path) -> tuple[Operation, ...]:
    """Return what is under way in a folder."""
    found = stage.host.operations()
    return tuple(each for each in found if each.folder == os.path.realpath(folder))


@contextlib.contextmanager
def begun(stage: Stage, words: tuple[str, str], folder: Path) -> Iterator[int]:
    """Run something that calls itself by two words, as an install does, and give its pid."""
    if isinstance(stage.world, FakeWorld):
        process = stage.world.machine.start(Program(), " ".join(words), cwd=os.path.realpath(folder))
        yield process.pid
        return
    (folder / words[1]).touch()
    tail = shutil.which("tail")  # which waits for more of the file that its first argument names
    with subprocess.Popen([*words, "-f"], executable=tail, cwd=folder, stdout=subprocess.DEVNULL) as process:
        yield process.pid
        process.kill()


@contextlib.contextmanager
def traced(stage: Stage, pid: int) -> Iterator[None]:
    """Have a debugger stop a process."""
    if isinstance(stage.world, FakeWorld):
        process: Process = stage.world.machine.processes[pid]
        stage.world.machine.trace(process, "python (pid 1)")
        yield
        stage.world.machine.trace(process, None)
        return
    command = [sys.executable, "-I", "-S", str(TRACER), str(pid)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as tracer:
        assert tracer.stdout is not None
        said = tracer.stdout.readline().strip()
        if said != "stopped":
            pytest.skip(f"this machine lets nobody trace: {said}")
        yield
        tracer.communicate()


# Suspends


def test_the_time_that_a_machine_was_suspended_for_does_not_pass_while_it_is_awake(stage: Stage) -> None:
    before = stage.host.suspended()
    assert before >= 0.0
    stage.world.pass_time(0.2)
    assert stage.host.suspended() == pytest.approx(before, abs=0.01)


# Ends


@pytest.mark.parametrize("killed", [True, False])
def test_whether_a_process_is_ending_is_known_when_its_listener_is_announced_as_closed(
    telling: Stage, killed: bool
) -> None:
    port = telling.world.free_port()
    started = telling.start(server(port=port) if killed else Program(listens=(Listen(port, until=0.3),)))
    telling.listening(port)
    assert not telling.host.is_ending(started.run.leader)
    told: list[bool] = []

    def closed(which: int) -> None:
        if which == port:
            told.append(telling.host.is_ending(started.run.leader))

    watching = telling.host.watch_closed(closed)
    assert watching is not None
    if killed:
        telling.host.signal(telling.host.tree(started.run), "SIGKILL")
    telling.until(lambda: told)
    assert told == [killed]
    watching.cancel()


# Debuggers


def test_nobody_debugs_an_ordinary_tree(stage: Stage) -> None:
    port = stage.world.free_port()
    started = stage.start(npm(server(port=port)))
    stage.listening(port)
    assert debugger(stage, started) is None
    assert stage.host.debugger((), None) is None


def test_a_process_that_a_debugger_has_stopped_is_told_until_it_goes_on(telling: Stage) -> None:
    started = telling.start(npm(Program()))
    telling.grown(started, 3)
    member = telling.host.tree(started.run)[-1]
    with traced(telling, member.pid):
        assert [each.state for each in telling.host.tree(started.run) if each.pid == member.pid] == ["t"]
        told = debugger(telling, started) or ""
        assert told.startswith(f"{member.name} (pid {member.pid}) is stopped by python")
    telling.until(lambda: debugger(telling, started) is None)


def test_sigstop_is_no_debugger(stage: Stage) -> None:
    started = stage.start(Program())
    stage.host.signal(stage.host.tree(started.run), "SIGSTOP")
    stage.until(lambda: [member.state for member in stage.host.tree(started.run)] == ["T"])
    assert debugger(stage, started) is None


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not on the path")
def test_strace_is_no_debugger_however_often_it_stops_a_process(real: Stage) -> None:
    marker = f"test.{os.getpid()}.strace"
    busy = "while :; do read line < /proc/self/stat; done"
    started = real.begin(Order(("/bin/sh", "-c", busy), False, "/", {MARKER: marker}, -3, -3, -3), marker)
    (member,) = real.host.tree(started.run)
    command = ["strace", "-qq", "-o", "/dev/null", "-p", str(member.pid)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as strace:
        real.until(lambda: real.host.tree(started.run)[0].state == "t")
        told = {debugger(real, started) for _ in range(200)}
        strace.kill()
    assert told == {None}


def node(stage: Stage, *words: str, port: int = 1, **environment: str) -> Started:
    """Start node as a run."""
    marker = f"test.{os.getpid()}.{'.'.join(words)}"
    variables = {MARKER: marker, "PATH": os.environ["PATH"], "PORT": str(port), **environment}
    return stage.begin(Order(("node", *words), False, "/", variables, -3, -3, -3), marker)


def inspector(stage: Stage, started: Started, own: int | None = None) -> int:
    """Return the port of a run's inspector, once it listens: it has no other listener than that and `own`."""

    def found() -> list[int]:
        held = stage.host.sockets_of(stage.host.tree(started.run)) or ()
        listeners = stage.host.listeners() or ()
        return [each.port for each in listeners if each.inode in held and each.port != own]

    stage.until(found)
    return found()[0]


@needs_node
def test_a_program_that_waits_at_its_first_line_for_the_debugger_that_is_connected(
    real: Stage, tmp_path: Path
) -> None:
    (tmp_path / "server.js").write_text(SERVER)
    started = node(real, "--inspect-brk=127.0.0.1:0", str(tmp_path / "server.js"))
    port = inspector(real, started)
    assert debugger(real, started) is None, "nobody is connected yet"
    client = ["node", "inspect", f"127.0.0.1:{port}"]
    with subprocess.Popen(client, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        (member,) = real.host.tree(started.run)
        who = f"a debugger is connected to {member.name} (pid {member.pid}) on port {port}"
        real.until(lambda: debugger(real, started) == who)
        process.kill()
    real.until(lambda: debugger(real, started) is None)


@needs_node
@pytest.mark.parametrize("way", ["argument", "environment", "attached by VS Code"])
def test_a_client_of_the_app_is_no_debugger_however_its_inspector_came_to_be(real: Stage, way: str) -> None:
    own, there = real.world.free_port(), real.world.free_port()
    listen = "require('inspector').open(0); " if way == "attached by VS Code" else ""
    words = [f"--inspect=127.0.0.1:{there}"] if way == "argument" else []
    environment = {
        "environment": {"NODE_OPTIONS": f"--inspect=127.0.0.1:{there}"},
        "attached by VS Code": {"VSCODE_INSPECTOR_OPTIONS": "{}"},
    }.get(way, {})
    started = node(real, *words, "-e", listen + SERVER, port=own, **environment)
    real.listening(own)
    at = inspector(real, started, own)
    with socket.create_connection(("127.0.0.1", own)):
        assert debugger(real, started, own) is None
        with socket.create_connection(("127.0.0.1", at)):
            assert debugger(real, started, own) is not None
    real.until(lambda: debugger(real, started, own) is None)


@needs_node
def test_a_client_of_another_port_of_an_app_that_can_be_inspected_is_no_debugger(real: Stage) -> None:
    other, there = real.world.free_port(), real.world.free_port()
    started = node(real, f"--inspect=127.0.0.1:{there}", "-e", SERVER, port=other)
    real.listening(other)
    assert inspector(real, started, other) == there
    with socket.create_connection(("127.0.0.1", other)):
        assert debugger(real, started) is None


# Installs and git operations


@pytest.mark.parametrize("words", [("npm", "install"), ("git", "checkout")])
def test_an_operation_is_told_with_its_folder_and_age(
    stage: Stage, tmp_path: Path, words: tuple[str, str]
) -> None:
    with begun(stage, words, tmp_path) as pid:
        stage.until(lambda: operations(stage, tmp_path))
        stage.world.pass_time(0.1)
        (found,) = operations(stage, tmp_path)
        assert (found.pid, found.name) == (pid, " ".join(words))
        assert 0.05 < found.age_s < 60.0


def test_a_folder_in_which_something_else_runs_has_none(stage: Stage, tmp_path: Path) -> None:
    with begun(stage, ("git", "status"), tmp_path):
        stage.world.pass_time(0.1)
        assert operations(stage, tmp_path) == ()


@pytest.mark.npm
def test_an_npm_install_is_told_while_its_scripts_run(
    real: Stage, tmp_path: Path, npm_environment: Mapping[str, str]
) -> None:
    script = "touch begun; while [ ! -e go ]; do sleep 0.02; done"
    (tmp_path / "package.json").write_text(f'{{"private": true, "scripts": {{"preinstall": "{script}"}}}}')
    environment = {**os.environ, **npm_environment}
    with subprocess.Popen(["npm", "install"], cwd=tmp_path, env=environment, stdout=-3, stderr=-3) as install:
        real.until((tmp_path / "begun").exists)
        assert [(each.name, each.pid) for each in operations(real, tmp_path)] == [
            ("npm install", install.pid)
        ]
        (tmp_path / "go").touch()
        install.wait()
    assert operations(real, tmp_path) == ()


@needs_git
def test_a_git_checkout_is_told_while_its_hook_runs(real: Stage, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    hook = repository / ".git/hooks/post-checkout"
    hook.write_text("#!/bin/sh\ntouch ../begun\nwhile [ ! -e ../go ]; do sleep 0.02; done\n")
    hook.chmod(0o755)
    (repository / "below").mkdir()
    checkout = ["git", "checkout", "-q", "other"]
    with subprocess.Popen(checkout, cwd=repository / "below", stderr=subprocess.DEVNULL) as process:
        real.until((tmp_path / "begun").exists)
        (found,) = operations(real, repository)  # git goes to the top of its repository
        assert (found.name, found.pid) == ("git checkout", process.pid)
        (tmp_path / "go").touch()
    assert operations(real, repository) == ()


def make_repository(folder: Path) -> Path:
    """Make a repository with one commit and another branch."""
    folder.mkdir()
    own = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "core.hooksPath=.git/hooks"]
    for words in (
        ["init", "-q"],
        [*own, "commit", "-q", "--allow-empty", "-m", "first"],
        ["branch", "other"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder
