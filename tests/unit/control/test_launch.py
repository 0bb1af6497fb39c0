"""A manager is started at most once, and one that can't start says why."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from procman.control import ask, beginning, endpoint
from procman.control.beginning import Begun, LaunchFailed, begin, begin_early
from procman.control.client import Conversation, call
from procman.control.launch import Manager, ensure_manager
from procman.control.protocol import Request
from procman.host.claim import claim
from tests.fakes.engine import by_name
from tests.fakes.folder import FAKE_MANAGER, REPOSITORY


class Project:
    """A folder with a file, whose managers are ended with the test."""

    def __init__(self, folder: Path) -> None:
        self.file = str(folder / "portwatch.toml")
        self.home = str(folder / ".procman")
        self.managers: list[Manager] = []

    def ensure(self, command: tuple[str, ...] = FAKE_MANAGER, patience: float = 10.0) -> Manager:
        manager = ensure_manager(self.file, self.home, command=command, patience=patience)
        self.managers.append(manager)
        return manager

    def end(self) -> None:
        """Stop the manager, and wait until its process has ended."""
        with Conversation(self.home, Request("down")) as conversation:
            assert list(conversation.frames())[-1]["code"] == 0
            assert conversation.wait_gone(10)
        for manager in self.managers:
            manager.reap()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project without a manager."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.delenv("PROCMAN_HOME", raising=False)
    return Project(tmp_path)


@pytest.fixture
def running(project: Project) -> Iterator[Project]:
    """A project with a manager."""
    project.ensure()
    yield project
    project.end()


def test_a_manager_is_started_and_answers(running: Project) -> None:
    (manager,) = running.managers
    assert manager.is_ours
    assert manager.file == running.file
    assert by_name(json.loads(ask.ask_status(running.home))).keys() == {"api", "web", "worker"}


def test_a_manager_has_a_session_of_its_own_and_no_stdin(running: Project) -> None:
    (manager,) = running.managers
    assert os.getsid(manager.pid) == manager.pid
    assert os.readlink(f"/proc/{manager.pid}/fd/0") == os.devnull


def test_a_second_command_joins_the_manager_of_the_first(running: Project) -> None:
    second = running.ensure()
    assert not second.is_ours
    assert second.pid == running.managers[0].pid


def test_two_at_once_make_one_manager(project: Project) -> None:
    threads = [threading.Thread(target=project.ensure) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({manager.pid for manager in project.managers}) == 1
    assert sum(manager.is_ours for manager in project.managers) == 1
    project.end()


@pytest.fixture
def begun(project: Project) -> Iterator[Begun]:
    """A manager that loads and was not told yet that it is wanted."""
    begun = begin(project.file, project.home, command=FAKE_MANAGER)
    yield begun
    if begun.process.poll() is None:
        begun.drop()


def test_a_manager_may_load_before_it_is_known_that_it_is_wanted(project: Project, begun: Begun) -> None:
    manager = ensure_manager(project.file, project.home, begun=begun)
    assert manager.is_ours
    assert manager.pid == begun.process.pid
    project.managers.append(manager)
    project.end()


def test_a_manager_that_nobody_wants_has_done_nothing_when_it_ends(project: Project, begun: Begun) -> None:
    assert begun.process.stdin is not None
    begun.process.stdin.close()  # as it is when a command ends, or is killed
    assert begun.process.wait(10) == 0
    assert sorted(os.listdir(project.home)) == [".gitignore", endpoint.LOG]
    begun.drop()


def test_of_two_that_load_at_once_one_becomes_the_manager(project: Project, begun: Begun) -> None:
    first = project.ensure()
    second = ensure_manager(project.file, project.home, begun=begun)
    assert (second.pid, second.is_ours) == (first.pid, False)
    assert begun.process.returncode is not None
    project.end()


def test_of_two_that_are_told_at_once_one_becomes_the_manager(project: Project, begun: Begun) -> None:
    project.ensure()
    assert begun.go() == {"busy": True}
    assert begun.process.wait(10) == 0
    project.end()


def test_none_begins_early_where_one_runs(running: Project) -> None:
    assert begin_early(running.file, running.home) is None


def test_what_keeps_one_from_beginning_is_told_when_it_is_wanted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beginning, "MANAGER", ("/missing/python",))
    assert begin_early(project.file, project.home) is None
    with pytest.raises(LaunchFailed, match="No such file or directory"):
        ensure_manager(project.file, project.home)


def test_the_socket_of_a_killed_manager_is_no_obstacle(project: Project) -> None:
    first = project.ensure()
    assert first.process is not None
    first.process.kill()
    first.reap()
    with pytest.raises(ask.NotRunning):
        ask.ask_status(project.home)
    assert project.ensure().pid != first.pid
    project.end()


def test_after_down_the_process_is_gone_and_another_may_begin_at_once(project: Project) -> None:
    pids = []
    for _ in range(3):
        pids.append(project.ensure().pid)
        with ExitStack() as stack:
            conversation = stack.enter_context(Conversation(project.home, Request("down")))
            list(conversation.frames())
            assert conversation.wait_gone(10)
            assert not Path(project.home, endpoint.SOCKET).exists()
    assert len(set(pids)) == 3
    for manager in project.managers:
        manager.reap()


def test_a_manager_that_can_not_start_says_why(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_ERROR", "portwatch.toml:1:1: what is this")
    with pytest.raises(LaunchFailed, match="what is this") as failed:
        project.ensure()
    assert failed.value.code == 2


def test_of_a_manager_that_crashes_the_last_words_are_shown(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_CRASH", "yes")
    with pytest.raises(LaunchFailed, match="ended with code 3 before it was ready\n  boom: it can't be"):
        project.ensure()


def test_a_command_that_does_not_exist_is_told(project: Project) -> None:
    with pytest.raises(LaunchFailed, match="No such file or directory"):
        project.ensure(("/missing/python",))


def test_a_holder_of_the_claim_that_does_not_answer_is_not_waited_for_for_ever(project: Project) -> None:
    endpoint.prepare_home(project.home)
    held = claim(project.home)
    assert held is not None
    try:
        with pytest.raises(LaunchFailed, match=r"a manager holds .* and does not answer"):
            project.ensure(patience=0.1)
    finally:
        held.release()


def test_a_claim_that_is_released_late_is_taken_over(project: Project) -> None:
    endpoint.prepare_home(project.home)
    held = claim(project.home)
    assert held is not None
    timer = threading.Timer(0.2, held.release)
    timer.start()
    assert project.ensure().is_ours
    timer.join()
    project.end()


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LaunchFailed, match=r"can't use the folder .*: Not a directory"):
        ensure_manager(str(tmp_path / "portwatch.toml"), str(tmp_path / "file" / ".procman"))


def test_a_manager_that_dies_in_the_middle_of_an_answer_is_lost(project: Project) -> None:
    manager = project.ensure()
    assert manager.process is not None
    frames = call(project.home, Request("follow"))
    assert next(frames)["type"] == "chosen"
    manager.process.kill()
    with pytest.raises(ask.Lost, match="ended in the middle of its answer"):
        next(frames)
    manager.reap()
