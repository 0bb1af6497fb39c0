"""Where nobody tells whose a listener is, an app on its port is `unknown`: up, and not restarted for that.

An ordinary user may not look into a process of another user (what sudo has started), nor into one of its own
that can't be dumped (a node with a file capability, for port 80). Mounted with `hidepid`, as on a hardened
server, `/proc` does not even show them. Nor may root look where it lacks CAP_SYS_PTRACE: in a container.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real.project import REPOSITORY, Project, is_alive, is_open, table

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="Linux's own"),
    pytest.mark.slow,
]

USER, OTHER = 65534, 65533  # two without rights or files
CHECKS = 20

SERVER = """
import ctypes, os, signal, socket
{disguise}
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
signal.signal(signal.SIGUSR1, lambda *_: listener.close())
print(os.getpid(), flush=True)
while True:
    try:
        listener.accept()[0].close()
    except OSError:
        signal.pause()
    print("asked", flush=True)
"""
DISGUISES = {
    "undumpable": "ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE",
    "sudo": "os.setresuid(*[os.geteuid()] * 3)",
    "drop": "",
}

# In a mount namespace of its own: the interpreter, the packages and procman where every user can read them.
BOUND = ("python", "packages", "repository")
ENTER = """
set -e
mount --bind "$2" "$1/python"; mount --bind "$3" "$1/packages"; mount --bind "$4" "$1/repository"
mount -t proc -o "$5" proc /proc
shift 5
exec setpriv "$@"
"""
ORDINARY = (f"--reuid={USER}", f"--regid={USER}", "--clear-groups")
CONTAINED = ("--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace")


@dataclass(frozen=True, slots=True)
class Situation:
    """Who the manager is, what `/proc` shows it, and what its app does."""

    name: str
    app: str = "undumpable"  # `sudo`: becomes another user by a set-uid program; `drop`: because root may
    manager: tuple[str, ...] = ORDINARY
    proc: str = "rw"  # how it is mounted
    below_shell: bool = False  # or else the first process of the app is the one that can't be read

    @property
    def is_hidden(self) -> bool:
        """Whether `/proc` does not show the manager what it may not read."""
        return self.proc != "rw"


SITUATIONS = [
    Situation("undumpable"),
    Situation("undumpable below a shell", below_shell=True),
    Situation("undumpable, closed", proc="hidepid=1"),
    Situation("undumpable, hidden", proc="hidepid=2"),
    Situation("undumpable below a shell, hidden", proc="hidepid=2", below_shell=True),
    Situation("another user's", app="sudo"),
    Situation("another user's, hidden", app="sudo", proc="hidepid=2"),
    Situation("another user's below a shell, hidden", app="sudo", proc="hidepid=2", below_shell=True),
    Situation("another user's, of root in a container", app="drop", manager=CONTAINED),
]


def situations(*names: str) -> pytest.MarkDecorator:
    """Have a test run in the situations that are named; none means all."""
    which = [each for each in SITUATIONS if not names or each.name in names]
    assert len(which) >= len(names), "a name is not that of a situation"
    return pytest.mark.parametrize("situation", which, ids=[each.name for each in which])


class Guest(Project):
    """A project whose manager is in a situation, on a machine that is otherwise the same."""

    def __init__(self, folder: Path, situation: Situation) -> None:
        super().__init__(folder / "project")
        self.situation = situation
        self.web = 0  # the app's port, once it is up
        self.python = sys.executable
        self.entered: list[str] = []  # what a command is run through
        self._become = {
            "undumpable": [],
            "sudo": [str(folder / "become")],
            "drop": ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups"],
        }[situation.app]
        if os.geteuid() == 0:
            self._move_in(folder)

    def _move_in(self, folder: Path) -> None:
        """Make what is needed to be somebody else; only root may, and only root has to."""
        public, bound = folder / "public", (sys.base_prefix, sysconfig.get_path("purelib"), str(REPOSITORY))
        for name in BOUND:
            (public / name).mkdir(parents=True)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.python = str(public / "python/bin" / version)
        self.environment["PYTHONPATH"] = f"{public}/repository:{public}/packages"
        words = ["unshare", "--mount", "sh", "-c", ENTER, "sh", str(public), *bound]
        self.entered = [*words, self.situation.proc, *self.situation.manager]
        self.procman = [*self.entered, self.python, "-P", "-m", "procman"]
        if self.situation.manager == ORDINARY:
            for path in (self.folder, *self.folder.iterdir()):
                os.chown(path, USER, USER)
        if self.situation.app == "sudo":
            (helper,) = self._become
            shutil.copy(shutil.which("env") or "env", helper)  # with a right that all it executes inherits
            os.chown(helper, OTHER, OTHER)
            os.chmod(helper, 0o755 | stat.S_ISUID)

    @property
    def words(self) -> list[str]:
        """The words with which the app runs Python, as whom it is."""
        return [*self._become, self.python, "-I", "-S", "-c"]

    def demand_usable(self) -> None:
        """Skip where the machine does not let us be somebody else, or has no interpreter for them."""
        if not self.entered:
            return
        words = [*self.entered, *self.words, "import os; print(os.geteuid())"]
        expected = USER if self.situation.app == "undumpable" else OTHER
        try:
            done = subprocess.run(
                words, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
            )
        except FileNotFoundError as error:
            pytest.skip(f"this machine has no `{error.filename}`")
        if done.stdout != f"{expected}\n":
            pytest.skip(f"this machine can't be in this situation: {done.stderr.strip()[-300:]}")

    def start(self, **keys: object) -> int:
        """Bring the app up, and return the pid of the process that listens."""
        words = [*self.words, SERVER.format(disguise=DISGUISES[self.situation.app])]
        if self.situation.below_shell:
            words = ["sh", "-c", '"$@"; exit', "sh", *words]
        self.web = self.port()
        self.up(table("web", json.dumps(words), port=self.web, **keys))
        return self.server()

    def server(self, *, after: int | None = None) -> int:
        """Return the pid that was the last to be said by a process that listens, once it is not `after`."""

        def look() -> int | None:
            said = [int(line) for line in self.lines("web") if line.isdecimal()]
            return said[-1] if said and said[-1] != after else None

        return self.until(look, "a process that listens")

    def end_other(self) -> None:
        """End what the manager may not."""
        for pid in self.processes():
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{pid}").st_uid == OTHER:
                    os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """Stop everything, with our help where the manager may not."""
        if self.situation.app == "sudo":
            self.run("stop", "--no-wait", "web")
            self.end_other()
        super().close()


@pytest.fixture
def project(situation: Situation) -> Iterator[Guest]:
    """Return a project in the situation of the test, of which nothing is left after it."""
    needs_root = situation.is_hidden or situation.app != "undumpable"
    if needs_root and os.geteuid() != 0:
        pytest.skip("only root may become another user, or mount `/proc`")
    with tempfile.TemporaryDirectory() as name:  # pytest's own is closed to others further up
        folder = Path(name)
        folder.chmod(0o755)
        guest = Guest(folder, situation)
        guest.demand_usable()
        yield guest
        guest.close()


@situations()
def test_an_app_that_answers_is_up_and_not_restarted_however_often_it_is_asked(project: Guest) -> None:
    server = project.start(check_interval='"50ms"')
    project.until(lambda: project.lines("web").count("asked") >= CHECKS, "so many checks")
    app = project.app("web")
    assert (app["state"], app["verdict"], app["listening"]) == ("running", "unknown", [])
    assert (app["restarts"], app["check"]["failures"]) == (0, 0)
    assert " -> unhealthy" not in project.manager_log()
    assert is_alive(server)
    assert project.server() == server


@situations("undumpable", "undumpable below a shell, hidden", "another user's, of root in a container")
def test_a_port_that_it_closes_is_noticed_at_once_and_the_app_replaced(project: Guest) -> None:
    server = project.start(check_interval='"5m"', check='{ failures = 2, retry_interval = "100ms" }')
    os.kill(server, signal.SIGUSR1)
    project.until_app("web", state="running", restarts=1, verdict="unknown")
    project.until_logged("running -> unhealthy: nothing listens on port")
    assert is_alive(project.server(after=server))
    assert not is_alive(server)


@situations("another user's", "another user's below a shell, hidden")
def test_what_it_may_not_end_is_named_and_not_started_twice(project: Guest) -> None:
    server = project.start(stop_timeout='"100ms"')
    done = project.run("restart", "web")
    assert done.code == 5
    assert f" {server} (state " in done.out
    app = project.app("web")
    assert (app["state"], app["pids"]) == ("stopping", [server])
    project.end_other()
    project.until_app("web", state="running", verdict="unknown")
    assert is_alive(project.server(after=server))


@situations("undumpable below a shell, hidden", "another user's, hidden")
def test_an_upgrade_keeps_it(project: Guest) -> None:
    server, before = project.start(), project.app("web")
    project.do("upgrade")
    app = project.app("web")
    assert (app["state"], app["verdict"], app["pids"]) == ("running", "unknown", before["pids"])
    assert server in app["pids"]
    assert project.server() == server


@situations("undumpable", "another user's")
def test_the_next_manager_takes_it_back(project: Guest) -> None:
    server = project.start()
    os.kill(project.manager(), signal.SIGKILL)
    project.do("up")
    app = project.app("web")
    assert (app["state"], app["verdict"], app["pids"]) == ("running", "unknown", [server])
    assert project.server() == server


@situations("undumpable")
def test_down_without_a_manager_ends_it(project: Guest) -> None:
    server = project.start()
    os.kill(project.manager(), signal.SIGKILL)
    project.do("down")
    assert not is_alive(server)
    assert not is_open(project.web)
