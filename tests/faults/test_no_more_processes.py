"""No more processes may be made, by a limit of the kernel: no app is doubled, lost or given up for that."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.project import PROCMAN, Project, command, run_project, table

QUICK = {"backoff": '{ initial = "10ms", max = "10ms" }', "give_up": "{ starts = 2 }"}
APPS = (table("web", command("stay"), **QUICK), table("other", command("detached")))


@pytest.fixture
def group() -> Iterator[Path]:
    """Return a cgroup of its own, whose number of processes can be limited."""
    made = None
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, kind, options, *_ = line.split()
        if kind == "cgroup2" or (kind == "cgroup" and "pids" in options.split(",")):
            with contextlib.suppress(OSError):
                made = Path(mount, f"procman-faults-{os.getpid()}")
                made.mkdir()
                if (made / "pids.max").exists():
                    break
                made.rmdir()
    else:
        pytest.skip("no cgroup can be made here that limits its processes")
    assert made is not None
    yield made
    above = made.parent / "cgroup.procs"
    for pid in (made / "cgroup.procs").read_text().split():
        with contextlib.suppress(OSError):
            above.write_text(pid)
    made.rmdir()


@pytest.fixture
def theirs() -> Iterator[Project]:
    """Return a project of another user, who has no other process: limits are not for root."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("setpriv", "prlimit"))):
        pytest.skip("it takes root, setpriv and prlimit")
    user = 50_000 + os.getpid() % 10_000
    become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    again = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
    if subprocess.run([*become, sys.executable, "-c", again], capture_output=True, check=False).returncode:
        pytest.skip("another user may not run this Python")
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        project_of = run_project(Path(name, "project"))
        project = next(project_of)
        for path in (project.folder, *project.folder.iterdir()):
            os.chown(path, user, user)
        project.procman = [*become, *PROCMAN]
        yield project
        next(project_of, None)


def demand_one_of_each(project: Project) -> None:
    """Demand that every process of an app is known to the manager, and that `other` is the one it was."""
    alive = sorted(pid for pid, words in project.processes().items() if "app.py" in words)
    assert sorted(pid for app in project.apps().values() for pid in app["pids"]) == alive


def demand_it_waits(project: Project) -> None:
    """Demand that `web`, once it is killed, is tried again and again, and says what to do."""
    os.kill(project.app("web")["pid"], signal.SIGKILL)
    project.until(lambda: project.app("web")["restarts"] > 10, "ten attempts")
    app = project.until_app("web", state="backoff")
    assert "could not make a process: " in app["message"]
    assert "`ulimit -u`" in app["message"]
    assert app["pid"] is None


def test_in_a_full_cgroup_an_app_waits_and_comes_back_once(project: Project, group: Path) -> None:
    project.up(*APPS)
    other = project.app("other")["pids"]
    (group / "cgroup.procs").write_text(str(project.manager()))
    (group / "pids.max").write_text("1")
    demand_it_waits(project)
    assert project.app("other")["pids"] == other
    (group / "pids.max").write_text("max")
    project.until_app("web", state="running")
    assert project.app("other")["pids"] == other
    demand_one_of_each(project)


@pytest.mark.parametrize("most", [1, 2])  # no manager, or one without a thread for the history
def test_a_manager_for_which_there_is_no_room_says_so(project: Project, group: Path, most: int) -> None:
    project.write(*APPS)
    enter = f'echo $$ > {group}/cgroup.procs; exec "$@"'
    project.procman = ["sh", "-c", enter, "sh", *PROCMAN]
    (group / "pids.max").write_text(str(most))
    done = project.run("up")
    assert done.code == 1
    assert "`ulimit -u`" in done.err
    assert "Traceback" not in done.err
    (group / "pids.max").write_text("max")
    project.up()


def test_a_user_with_too_many_processes_has_an_app_that_waits(theirs: Project) -> None:
    theirs.up(*APPS)
    other = theirs.app("other")["pids"]
    limit = [*theirs.procman[: -len(PROCMAN)], "prlimit", "--pid", str(theirs.manager())]
    subprocess.run([*limit, "--nproc=1:"], check=True)
    demand_it_waits(theirs)
    subprocess.run([*limit, "--nproc=1000:"], check=True)
    theirs.until_app("web", state="running")
    assert theirs.app("other")["pids"] == other
    demand_one_of_each(theirs)
