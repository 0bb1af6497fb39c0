"""What explains a failure, told by a simulated machine and real folders."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from procman.core.app import App, Exit, Outcome, State
from procman.core.config import AppConfig, Check, CheckKind, Command
from procman.core.identity import MARKER
from procman.engine import context
from procman.engine.context import Context, is_failure, repository
from procman.engine.supervised import Supervised
from procman.host.base import Ended, Run
from tests.fakes.host import FakeHost
from tests.fakes.machine import Process
from tests.fakes.programs import Program

CRASHED = Exit(1, None, 0.0, "ended by itself")


class Place:
    """A project in a repository, one app of it that runs, and what is done around them.

    /repository/.git, /repository/project/web/src, /repository/project/api, /repository/docs, /elsewhere
    """

    def __init__(self, folder: Path) -> None:
        self.repository = folder / "repository"
        self.project = self.repository / "project"
        for each in ("project/web/src", "project/api", "docs", ".git"):
            (self.repository / each).mkdir(parents=True)
        (folder / "elsewhere").mkdir()
        self.host = FakeHost()
        self.machine = self.host.machine
        self.context = Context(self.host, str(self.project))
        self.leader = self.machine.start(Program(), "npm run dev", environment={MARKER: "m"})
        self.app = self.supervise("web")

    def supervise(self, name: str, state: State = State.UNHEALTHY) -> Supervised:
        """Return an app of the project that shares the one process."""
        config = AppConfig(
            name, Command(("npm",)), str(self.project / name), 3000, check=Check(CheckKind.TCP)
        )
        run = Run(self.leader.identity, "m")
        nothing = cast(Any, None)
        return Supervised(config, nothing, nothing, App(state=state, generation=1), run)

    def begin(self, command: str, folder: Path) -> Process:
        """Start a process that is no app's."""
        return self.machine.start(Program(), command, cwd=str(folder))

    def why(self, app: Supervised | None = None) -> str | None:
        """Return why a check that fails now is held."""
        members = self.host.tree(Run(self.leader.identity, "m"))
        return self.context.why_held(app or self.app, members, self.host.now(), None)

    @property
    def looks(self) -> int:
        """How often all command lines were read."""
        return self.machine.looks_for_operations


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(Path(os.path.realpath(tmp_path)))


# Installs and git operations


@pytest.mark.parametrize(
    ("folder", "shown"),
    [
        ("project/web", "web"),
        ("project/web/src", "web/src"),
        ("project", "the project's folder"),
        (".", "{repository}"),
        ("project/api", None),
        ("docs", None),
        ("../elsewhere", None),
        ("..", None),
    ],
)
@pytest.mark.parametrize("command", ["npm install", "git checkout main"])
def test_an_operation_in_the_folder_below_it_or_above_it_explains_a_failure(
    place: Place, command: str, folder: str, shown: str | None
) -> None:
    began = place.begin(command, Path(os.path.realpath(place.repository / folder)))
    name = " ".join(command.split()[:2])
    where = None if shown is None else shown.format(repository=place.repository)
    reason = None if shown is None else f"`{name}` is running in {where} (pid {began.pid})"
    assert place.why() == reason


def test_outside_of_a_repository_the_project_is_what_an_operation_above_may_change(tmp_path: Path) -> None:
    place = Place(Path(os.path.realpath(tmp_path)))
    (place.repository / ".git").rmdir()
    above = place.begin("npm ci", place.repository)
    assert place.why() is None
    place.machine.end(above, Ended(0, None))
    place.host.advance(1.0)
    place.begin("npm ci", place.project)
    assert place.why() is not None


def test_an_install_of_the_apps_own_tree_explains_its_failure_too(place: Place) -> None:
    command, folder = "npm install", str(place.project / "web")
    place.machine.start(Program(), command, parent=place.leader.pid, cwd=folder)
    assert place.why() is not None


def test_an_app_outside_of_the_project_has_only_its_own_folder_and_repository(place: Place) -> None:
    elsewhere = place.repository.parent / "elsewhere"
    place.app.config = replace(place.app.config, cwd=str(elsewhere))
    place.begin("npm ci", place.project)
    assert place.why() is None
    place.host.advance(1.0)
    there = place.begin("npm ci", elsewhere)
    assert place.why() == f"`npm ci` is running in {elsewhere} (pid {there.pid})"


def test_a_folder_that_only_begins_with_the_same_letters_is_another(place: Place) -> None:
    (place.project / "web2").mkdir()
    place.begin("npm install", place.project / "web2")
    assert place.why() is None


def test_an_app_that_is_reached_through_a_link_is_in_the_folder_itself(place: Place) -> None:
    (place.repository.parent / "link").symlink_to(place.project / "web")
    place.app.config = replace(place.app.config, cwd=str(place.repository.parent / "link"))
    place.begin("npm install", place.project / "web")
    assert place.why() is not None


def test_what_takes_half_an_hour_explains_nothing_any_more(place: Place) -> None:
    place.begin("npm install", place.project)
    place.host.advance(context.LONGEST - 1)
    assert place.why() is not None
    place.host.advance(1)
    assert place.why() is None


def test_one_look_serves_every_app_for_half_a_second(place: Place) -> None:
    api = place.supervise("api")
    for app in (place.app, api, place.app):
        place.why(app)
    assert place.looks == 1
    place.host.advance(context.SHARED)
    place.why(api)
    assert place.looks == 2


def test_an_app_that_starts_is_looked_at_once_a_second(place: Place) -> None:
    starting = place.supervise("web", State.STARTING)
    place.begin("npm install", place.project)
    starting.app = replace(starting.app, spawned_at=place.host.now())
    answers = []
    for _ in range(36):
        answers.append(place.why(starting) is not None)
        place.host.advance(0.125)
    assert place.looks == 4
    assert answers == [False] * 8 + [True] * 28, "most are up before the first second is over"


def test_a_run_that_has_ended_is_judged_by_its_end(place: Place) -> None:
    place.begin("npm install", place.project)
    place.machine.end(place.leader, Ended(None, "SIGKILL"))
    assert place.why() is None
    assert place.looks == 0


# Locks


@pytest.mark.parametrize("lock", ["index.lock", "rebase-merge", "rebase-apply"])
def test_a_fresh_lock_of_git_explains_a_failure_for_a_minute(place: Place, lock: str) -> None:
    path = place.repository / ".git" / lock
    path.mkdir()
    now = place.host.wall()
    os.utime(path, (now, now))
    assert place.why() == f"git is at work in {place.repository} (`{lock}`)"
    place.host.advance(context.FRESH)
    assert place.why() is None, "left behind by a crash, or by a rebase that has conflicts"


def test_a_lock_from_the_future_is_not_believed(place: Place) -> None:
    path = place.repository / ".git/index.lock"
    path.touch()
    os.utime(path, (place.host.wall() + 3600,) * 2)
    assert place.why() is None


def test_a_worktree_says_where_its_git_folder_is(place: Place) -> None:
    worktree = place.project / "api"
    (place.repository / ".git/worktrees/api").mkdir(parents=True)
    (worktree / ".git").write_text("gitdir: ../../.git/worktrees/api\n")
    root, git = repository(str(worktree))
    assert (root, git and os.path.normpath(git)) == (
        str(worktree),
        str(place.repository / ".git/worktrees/api"),
    )


def test_what_is_in_no_repository_is_its_own_root() -> None:
    assert repository("/proc") == ("/proc", None)


# Debuggers


def test_a_debugger_explains_a_failure_until_it_lets_go(place: Place) -> None:
    place.machine.trace(place.leader, "gdb (pid 99)")
    assert place.why() == f"npm (pid {place.leader.pid}) is stopped by gdb (pid 99)"
    assert place.looks == 0
    place.machine.trace(place.leader, None)
    assert place.why() is None


def test_a_check_in_which_a_debugger_has_left_says_nothing_and_the_next_one_does(place: Place) -> None:
    place.machine.trace(place.leader, "gdb (pid 99)")
    stopped = place.why()
    place.app.app = replace(place.app.app, last_outcome=Outcome.HELD)
    place.machine.trace(place.leader, None)
    began = place.host.now()
    asked = [place.context.why_held(place.app, (), began, began + 0.2) for _ in range(2)]
    assert asked == [stopped, None]


def test_sigstop_explains_nothing(place: Place) -> None:
    place.machine.signal(place.leader, "SIGSTOP")
    place.host.advance(0.1)
    assert place.why() is None


def test_a_client_of_the_inspector_explains_a_failure_and_one_of_the_app_does_not(place: Place) -> None:
    place.leader.inspected_on = 9229
    who = f"npm (pid {place.leader.pid})"
    assert place.why() == f"a debugger is connected to {who} on port 9229"
    place.leader.inspected_on = 3000
    assert place.why() is None


# Time that stood still


def suspend(place: Place) -> None:
    place.machine.suspended += 7380.0


def stop(place: Place) -> None:
    due = place.host.now() + 1.0
    place.host.advance(6.0)
    place.context.woke(due)


GAPS = {
    suspend: "the machine was suspended for 2h3m",
    stop: "procman itself did not run for 5s",
}


@pytest.mark.parametrize("gap", GAPS)
def test_failures_after_a_gap_are_held_for_a_while(place: Place, gap: Callable[[Place], None]) -> None:
    assert place.why() is None
    gap(place)
    assert place.why() == GAPS[gap]
    place.host.advance(context.AFTERMATH - 0.01)
    assert place.why() == GAPS[gap]
    place.host.advance(0.02)
    assert place.why() is None


@pytest.mark.parametrize("gap", GAPS)
def test_a_check_that_saw_a_gap_says_nothing_however_long_it_took(
    place: Place, gap: Callable[[Place], None]
) -> None:
    began = place.host.now()
    gap(place)
    assert place.why() is not None
    place.host.advance(60)
    assert place.context.why_held(place.app, (), began, None) == GAPS[gap]
    assert place.why() is None


def test_a_timer_that_is_a_little_late_is_no_gap(place: Place) -> None:
    due = place.host.now()
    place.host.advance(context.LATE)
    place.context.woke(due)
    assert place.why() is None


def test_an_answer_that_comes_after_its_time_says_nothing_and_the_next_one_does(place: Place) -> None:
    began = place.host.now()
    place.host.advance(2.0 + context.IN_FLIGHT)
    assert place.context.why_held(place.app, (), began, began + 2.0) is None
    place.host.advance(0.1)
    held = place.context.why_held(place.app, (), began, began + 2.0)
    assert held == "procman itself did not run for 0.6s"
    assert place.why() is None


def test_every_timer_that_comes_late_from_a_gap_is_late_from_the_same_one(place: Place) -> None:
    due = place.host.now()
    place.host.advance(7)
    for each in range(3):
        place.context.woke(due + each)
    assert place.why() == "procman itself did not run for 7s"


def test_a_start_that_was_overslept_begins_anew(place: Place) -> None:
    starting = place.supervise("web", State.STARTING)
    due = place.host.now() + 1.0
    starting.app = replace(starting.app, deadline=due, last_check="nothing listens on port 3000")
    starting.timer_at = due
    place.host.advance(6.0)
    held = place.context.overslept(starting)
    assert held is not None
    assert held.outcome is Outcome.HELD
    assert held.detail == "held: procman itself did not run for 5s; nothing listens on port 3000"
    starting.config = replace(starting.config, check=Check())
    assert place.context.overslept(starting) is None, "a second of life is what it waits for"


def test_a_start_that_took_too_long_is_none_that_was_overslept(place: Place) -> None:
    starting = place.supervise("web", State.STARTING)
    starting.timer_at = place.host.now() + 1.0
    starting.app = replace(starting.app, deadline=starting.timer_at)
    place.host.advance(1.1)
    assert place.context.overslept(starting) is None


# Starts


def after(end: Exit | None, attempts: int = 1) -> App:
    return App(state=State.WAITING, attempts=attempts, last_exit=end)


def test_a_restart_after_a_crash_waits_for_an_install(place: Place) -> None:
    install = place.begin("npm install", place.project)
    pause = place.context.pause(after(CRASHED), place.app.config.cwd)
    assert pause is not None
    assert pause.recheck
    assert pause.paused
    assert pause.reason == (
        f"held: `npm install` is running in the project's folder (pid {install.pid}); exited with code 1"
    )
    place.machine.end(install, Ended(0, None))
    place.host.advance(1.0)
    assert place.context.pause(after(CRASHED), place.app.config.cwd) is None


@pytest.mark.parametrize(
    "app",
    [
        after(CRASHED, attempts=0),
        after(None),
        after(Exit(None, "SIGKILL", 0.0, "")),
        after(Exit(137, None, 0.0, "")),
        after(Exit(0, None, 0.0, "")),
        after(Exit(None, None, 0.0, "")),
    ],
    ids=["by its user", "not ended", "killed", "npm's child killed", "clean", "unseen"],
)
def test_other_starts_do_not_wait_and_are_not_kept_waiting_by_a_look(place: Place, app: App) -> None:
    place.begin("npm install", place.project)
    assert place.context.pause(app, place.app.config.cwd) is None
    assert place.looks == 0


@pytest.mark.parametrize(
    ("code", "expected"), [(1, True), (127, True), (254, True), (130, False), (143, False)]
)
def test_an_exit_code_that_stands_for_a_signal_is_no_failure(code: int, expected: bool) -> None:
    assert is_failure(Exit(code, None, 0.0, "")) is expected
