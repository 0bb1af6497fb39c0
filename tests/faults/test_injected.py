"""System calls of the manager fail: no app is doubled or lost, and all is well when they work again."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.injected import cpu, failing, limit
from tests.real.project import PROCMAN, Project, command, is_alive, table

# What the kernel says when it is short of something, and what file systems say. With `when=1+2`, every second
# time, what is begun is not finished.
RULES = {
    "no process": ["vfork,?clone,?clone3,?fork:error=EAGAIN"],
    "no descriptor": ["openat:error=EMFILE"],
    "now and then no descriptor": ["openat:error=ENFILE:when=1+2"],
    "no pipe": ["pipe2:error=EMFILE"],
    "no socket": ["socket:error=EMFILE", "accept4:error=ENFILE"],
    "no pidfd": ["pidfd_open:error=EMFILE"],
    "no signal": ["pidfd_send_signal,kill:error=EPERM"],
    "no room on the disk": ["write,pwrite64,splice:error=ENOSPC", "?mkdir,?mkdirat,?mknodat:error=ENOSPC"],
    "a bad disk now and then": ["write,pwrite64,splice:error=EIO:when=1+2"],
    "no memory for events": ["epoll_ctl:error=ENOMEM:when=1+3"],
    "no ports to connect from": ["connect:error=EADDRNOTAVAIL"],
    # Not brk: the kernel's says no by where the end of the heap is, and glibc takes an errno for an address.
    "no memory now and then": ["mmap:error=ENOMEM:when=1+2"],
    "no list of processes": ["getdents64:error=ENOMEM:when=1+2"],
    "nothing can be read": ["read,ioctl:error=EIO"],
    "now and then nothing can be read": ["read,ioctl:error=EIO:when=1+2"],
}
QUICK = ("no process", "now and then no descriptor", "no signal", "no memory for events")
CHOSEN = RULES if os.environ.get("PROCMAN_SOAK") else {name: RULES[name] for name in QUICK}
KINDS = {"web": "parent", "session": "detached", "daemon": "daemon"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Return a project whose apps leave something behind when their first process is killed."""
    project = Project(tmp_path_factory.mktemp("injected") / "project")
    forever = {"give_up": "{ starts = 0 }"}  # they are killed all the time
    project.up(
        table("web", command("parent"), port=project.port(), **forever),
        table("session", command("detached"), **forever),
        table("daemon", command("daemon", stays=1), port=project.port(), **forever),
    )
    yield project
    project.close()


def processes_of(project: Project, kind: str) -> list[int]:
    """Return the processes of one app, whatever the manager thinks of them."""
    return sorted(pid for pid, words in project.processes().items() if f"app.py {kind}" in words)


def kill_first(project: Project) -> None:
    """Kill the oldest process of each app, as it may be one that was started meanwhile."""
    for kind in KINDS.values():
        for pid in processes_of(project, kind)[:1]:
            with contextlib.suppress(ProcessLookupError):  # its parent may have ended it meanwhile
                os.kill(pid, signal.SIGKILL)


def demand_one_copy_of_each(project: Project) -> None:
    """Demand that every app runs once, and that the manager knows each of its processes."""
    for name, kind in KINDS.items():

        def is_accounted_for(name: str = name, kind: str = kind) -> bool:
            app = project.app(name)
            return app["state"] == "running" and sorted(app["pids"]) == processes_of(project, kind)

        project.until(is_accounted_for, f"one `{name}`, and no process more: {processes_of(project, kind)}")


@pytest.mark.parametrize("name", CHOSEN)
def test_what_fails_for_a_while_doubles_and_loses_no_app(shared: Project, name: str) -> None:
    manager = shared.manager()
    with failing(manager, *RULES[name]):
        for _ in range(20):  # of 0.1 s: also what was started meanwhile
            kill_first(shared)
    demand_one_copy_of_each(shared)
    assert shared.manager() == manager, "it has lived through all of that"


@pytest.mark.parametrize("room", [5, 64])
def test_without_descriptors_nothing_is_taken_for_gone(project: Project, room: int) -> None:
    forever = {"give_up": "{ starts = 0 }"}
    project.up(
        table("web", command("detached"), **forever), table("other", command("parent"), port=project.port())
    )
    first, second = project.app("web")["pids"]
    manager = project.manager()
    hard = int(Path(f"/proc/{manager}/limits").read_text().partition("Max open files")[2].split()[1])
    limit(manager, room if room == 5 else highest(manager) + 1)
    os.kill(first, signal.SIGKILL)
    project.until(lambda: not is_alive(first), "its end")
    ticks = cpu(manager)
    status = project.begin("status")  # it finds nobody who could take it
    project.until(
        lambda: "Too many open files" in project.manager_log() or not is_alive(second), "the trouble"
    )
    assert len(processes_of(project, "detached")) <= 2
    limit(manager, hard)
    out, err = status.communicate(timeout=30)
    assert status.returncode == 0, out + err
    app = project.until_app("web", state="running")
    assert not is_alive(second)
    assert sorted(app["pids"]) == processes_of(project, "detached")
    assert project.app("other")["restarts"] == 0
    assert cpu(manager) - ticks < 10 * os.sysconf("SC_CLK_TCK"), "it did not spin"


def test_without_descriptors_a_failure_is_known_as_one(project: Project) -> None:
    fails = '"until test -e go; do sleep 0.05; done; exit 3"'
    project.up(table("web", fails, shell="true", give_up="{ starts = 0 }"))
    manager, old = project.manager(), project.app("web")["pid"]
    hard = int(Path(f"/proc/{manager}/limits").read_text().partition("Max open files")[2].split()[1])
    limit(manager, 5)
    project.path("go").touch()  # what tells why an app has failed is loaded when the first one fails
    project.until(lambda: "web: running -> stopping" in project.manager_log(), "its end is known")
    project.path("go").unlink()
    limit(manager, hard)
    assert project.until_app("web", state="running")["pid"] != old
    assert project.manager() == manager


def highest(pid: int) -> int:
    """Return the greatest descriptor of a process."""
    return max(int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir())


def test_what_the_machine_can_not_start_is_not_given_up(project: Project) -> None:
    backoff = '{ initial = "10ms", max = "10ms" }'
    project.up(table("web", command("stay"), backoff=backoff, give_up="{ starts = 2 }"))
    old = project.app("web")["pid"]
    with failing(project.manager(), "vfork,?clone,?clone3,?fork:error=EAGAIN"):
        os.kill(old, signal.SIGKILL)
        app = project.until_app("web", state="backoff")
        project.until(lambda: project.app("web")["restarts"] > 10, "ten attempts")
        reason = "could not make a process: "
        assert reason in project.until(lambda: in_backoff(project), "it waits again")
    assert project.until_app("web", state="running")["pid"] != old
    assert app["pid"] is None


def in_backoff(project: Project) -> str | None:
    app = project.app("web")
    return str(app["message"]) if app["state"] == "backoff" and app["restarts"] > 10 else None


def test_it_takes_as_many_descriptors_as_it_may_and_its_apps_do_not(project: Project) -> None:
    project.procman = ["prlimit", "--nofile=64:2000", *PROCMAN]
    apps = [table(f"app-{number}", command("stay")) for number in range(30)]
    project.up(*apps)
    found = project.apps()
    assert {app["state"] for app in found.values()} == {"running"}
    manager = project.manager()
    assert len(list(Path(f"/proc/{manager}/fd").iterdir())) > 64
    for pid, wanted in ((manager, ["2000", "2000"]), (found["app-29"]["pid"], ["64", "2000"])):
        limits = Path(f"/proc/{pid}/limits").read_text().partition("Max open files")[2].split()[:2]
        assert limits == wanted
    project.do("upgrade")
    os.kill(found["app-0"]["pid"], signal.SIGKILL)
    fresh = project.until_app("app-0", state="running", restarts=1)["pid"]
    limits = Path(f"/proc/{fresh}/limits").read_text().partition("Max open files")[2].split()[:2]
    assert limits == ["64", "2000"]
