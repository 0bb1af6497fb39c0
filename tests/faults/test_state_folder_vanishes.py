"""The state folder is deleted under a manager: there is one manager, and one copy of each app, always."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from procman.logs.read import lines
from tests.real.project import Project, command, is_alive, is_open, table

CHATTY, QUIET = "chatty", "quiet"


def delete(home: Path) -> None:
    """Delete the folder, and again if somebody has written into it meanwhile."""
    while subprocess.run(["rm", "-rf", str(home)], stderr=subprocess.DEVNULL, check=False).returncode:
        pass


def empty(home: Path) -> None:
    """Delete all that does not begin with a dot, as `rm -rf .procman/*` does."""
    for each in home.iterdir():
        if each.name != ".gitignore":
            shutil.rmtree(each) if each.is_dir() else each.unlink()


def move(home: Path) -> None:
    """Give the folder another name, under which everything goes on."""
    home.rename(home.with_name("elsewhere"))


AT_FDCWD, RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h


def swap(home: Path) -> None:
    """Put an empty folder in its place, in one step: between two the manager may have made one itself."""
    empty = home.with_name("elsewhere")
    empty.mkdir()
    exchange = ctypes.CDLL(None, use_errno=True).renameat2
    failed = exchange(AT_FDCWD, os.fsencode(home), AT_FDCWD, os.fsencode(empty), RENAME_EXCHANGE)
    assert not failed, os.strerror(ctypes.get_errno())


WAYS: list[Callable[[Path], None]] = [delete, empty, move, swap]


class Site:
    """A project with an app that prints and serves, and one that does neither; both note each start."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.notes = project.path("notes")
        self.port = project.port()
        self.project.up(*self.tables())

    def tables(self) -> tuple[str, ...]:
        """Return the apps of the file."""
        return (
            *(table(name, command("alone", name=name, rate=rate, note=self.notes)) for name, rate in RATES),
            table("web", command("parent"), port=self.port),
        )

    def managers(self) -> list[int]:
        """Return the pids of the managers."""
        return [pid for pid, words in self.project.processes().items() if "procman.manager" in words]

    def copies(self) -> list[int]:
        """Return the pids of the processes of all apps."""
        return sorted(pid for pid, words in self.project.processes().items() if "app.py" in words)

    def demand_one_of_each(self) -> None:
        """Fail unless there is one manager, which knows every process, and no app ever had two."""
        self.project.do("up")
        assert self.managers() == [self.project.manager()]
        known = sorted(pid for app in self.project.apps().values() for pid in app["pids"])
        self.project.until(lambda: self.copies() == known, "the end of what is being ended")
        assert {app["state"] for app in self.project.apps().values()} == {"running"}
        self.demand_never_two()

    def demand_never_two(self) -> None:
        """Fail if two copies of an app have met."""
        assert "doubled" not in self.notes.read_text().split()

    def until_it_answers(self) -> None:
        """Wait until `status` works."""
        self.project.until(lambda: self.project.run("status").code == 0, "`status` works again")

    @contextlib.contextmanager
    def asleep(self) -> Iterator[int]:
        """Have the manager notice nothing inside of the block."""
        pid = self.project.manager()
        os.kill(pid, signal.SIGSTOP)
        try:
            yield pid
        finally:
            os.kill(pid, signal.SIGCONT)


RATES = ((CHATTY, 2000), (QUIET, 0))


@pytest.fixture
def site(project: Project) -> Site:
    return Site(project)


@pytest.mark.parametrize("way", WAYS)
def test_the_manager_makes_it_again_and_no_app_notices(site: Site, way: Callable[[Path], None]) -> None:
    project, manager, before = site.project, site.project.manager(), site.project.apps()
    way(project.home)
    site.until_it_answers()
    assert site.managers() == [manager] == [project.manager()]
    after = project.apps()
    for name, app in before.items():
        assert after[name]["pids"] == app["pids"]
        assert (after[name]["state"], after[name]["restarts"]) == ("running", 0)
    assert after["web"]["verdict"] == "own"
    assert {path.stem for path in (project.home / "run").glob("*.json")} == set(before)
    assert project.home.stat().st_mode & 0o777 == 0o700
    assert (project.home / ".gitignore").exists()
    told = f"the folder `{project.home}` was deleted, and is made anew; what was kept in it is gone"
    project.until(lambda: told in project.manager_log(), "a line in the new log")
    project.until(lambda: told in project.do("events").out, "a record in the new history")
    os.kill(after["web"]["pid"], signal.SIGKILL)
    project.until_app("web", state="running", restarts=1, verdict="own")
    site.demand_one_of_each()


@pytest.mark.parametrize("manager", ["awake", "asleep"])
@pytest.mark.parametrize("verb", ["up", "restart", "stop", "down"])
def test_a_command_right_after_it_finds_the_manager_or_is_quicker(
    site: Site, verb: str, manager: str
) -> None:
    project = site.project
    with site.asleep() if manager == "asleep" else contextlib.nullcontext():  # else either may be quicker
        delete(project.home)
        words = (verb, "*") if verb in ("restart", "stop") else (verb,)
        done = project.run(*words)
        if verb == "down":
            assert done.code == 0, done.text
            assert not site.copies()
    if verb in ("restart", "stop"):
        assert done.code in (0, 3)
    if verb == "up":
        assert done.code == 0, done.text
    project.until(lambda: len(site.managers()) < 2, "the end of one of them")
    if verb == "down":
        project.until(lambda: not site.managers(), "the end of both")
        assert not site.copies()
        assert not is_open(site.port)
    site.demand_one_of_each()


def test_a_manager_that_was_quicker_is_the_only_one_and_has_every_app(site: Site) -> None:
    project = site.project
    with site.asleep() as old:
        delete(project.home)
        project.do("up")
        before = project.apps()
        assert project.manager() != old
    project.until(lambda: not is_alive(old), "the end of the first")
    project.until_logged(f"manager {old} ends: another one has `{project.home}`, and every app")
    project.until_logged("its output can't be read any more, so it is restarted")
    assert {name: app["pids"] for name, app in project.apps().items()} == {
        name: app["pids"] for name, app in before.items()
    }
    project.do("reload")
    site.demand_one_of_each()
    assert {app["restarts"] for app in project.apps().values()} == {0}, "nobody has fought for them"


@pytest.mark.parametrize("end", ["down", "killed"])
def test_one_that_came_and_went_had_every_app(site: Site, end: str) -> None:
    project = site.project
    with site.asleep() as old:
        delete(project.home)
        project.do("up")
        if end == "down":
            project.do("down")
        else:
            os.kill(project.manager(), signal.SIGKILL)
        copies = site.copies()
    project.until(lambda: not is_alive(old), "the end of the first")
    assert site.copies() == copies, "what was stopped stays so, and what lives has nobody's help"
    site.demand_one_of_each()


def test_one_that_could_not_start_changes_nothing(site: Site) -> None:
    project, before = site.project, site.project.apps()
    good = project.file.read_text()
    with site.asleep() as old:
        delete(project.home)
        project.file.write_text("[apps.web]\nport = 0\n")
        assert project.run("up").code == 2
        project.file.write_text(good)
    site.until_it_answers()
    assert project.manager() == old
    assert {name: app["pids"] for name, app in project.apps().items()} == {
        name: app["pids"] for name, app in before.items()
    }
    site.demand_one_of_each()


@pytest.mark.parametrize("first", ["folder", "manager"])
@pytest.mark.parametrize("then", ["up", "down"])
def test_the_manager_is_killed_too(site: Site, first: str, then: str) -> None:
    project, before = site.project, site.copies()
    pid = project.manager()
    if first == "manager":
        os.kill(pid, signal.SIGKILL)
        delete(project.home)
    else:
        os.kill(pid, signal.SIGSTOP)
        delete(project.home)
        os.kill(pid, signal.SIGKILL)
    project.until(lambda: not is_alive(pid), "the end of the manager")
    assert site.copies() == before
    project.do(then)
    if then == "down":
        assert not site.copies()
        assert not is_open(site.port)
    site.demand_one_of_each()


def test_what_is_printed_after_it_is_kept_whole(site: Site) -> None:
    project = site.project
    for _ in range(3):
        delete(project.home)
        site.until_it_answers()
        project.until(lambda: len(project.lines(CHATTY)) > 1000, "half a second of output")
    project.do("stop", CHATTY)
    kept = [line.text.decode() for line in lines(project.home / "logs", CHATTY)]
    assert kept.pop() == f"printed {int(kept[-1].split()[1]) + 1} lines"
    first = next(number for number, line in enumerate(kept) if line.startswith("line "))
    begin = int(kept[first].split()[1])
    assert kept[first:] == [f"line {begin + number} of its output" for number in range(len(kept) - first)]
    site.demand_never_two()


def test_a_file_in_its_place_holds_up_starts_and_nothing_else(site: Site) -> None:
    project, manager, copies = site.project, site.project.manager(), site.copies()
    web = project.app("web")["pids"]
    with site.asleep():
        delete(project.home)
        project.home.write_text("somebody's")
    assert project.run("status").code == 3
    assert project.run("up").code == 1
    os.kill(web[0], signal.SIGKILL)
    project.until(lambda: site.copies() == [pid for pid in copies if pid not in web], "the end of an app")
    time.sleep(1.5)  # its restart would have come at once, and a look at what holds it after a second
    assert site.copies() == [pid for pid in copies if pid not in web]
    assert project.home.read_text() == "somebody's"
    project.home.unlink()
    site.until_it_answers()
    assert site.managers() == [manager] == [project.manager()]
    project.until_app("web", state="running", verdict="own", restarts=1)
    site.demand_one_of_each()


def test_it_goes_while_the_manager_is_replaced(site: Site) -> None:
    project = site.project
    with project.begin("upgrade") as upgrade:
        while upgrade.poll() is None:
            with contextlib.suppress(OSError):
                shutil.rmtree(project.home)
            time.sleep(0.05)
        upgrade.communicate()
    site.until_it_answers()
    assert len(site.managers()) == 1
    lives = "the life of every app, without an `up`"  # those without pipes are being restarted
    project.until(lambda: all(app["pids"] for app in project.apps().values()), lives)
    site.demand_one_of_each()
