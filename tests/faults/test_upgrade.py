"""`procman upgrade`: another version in the same process, and no app, no command and no line notices."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pexpect
import pytest

import procman
from tests.real.project import (
    PATIENCE,
    PROCMAN,
    QUICK,
    Done,
    Project,
    command,
    http,
    is_alive,
    is_open,
    table,
)

NEW = "99.0.0"
PACKAGE = Path(procman.__file__).parent
UPGRADED = f"manager {{}} runs version {NEW} now; it was {procman.__version__}\n"


class Site:
    """A folder that every procman of a project imports from first; empty until a version is installed."""

    def __init__(self, project: Project) -> None:
        self.folder = project.path("site")
        self.folder.mkdir()
        self._before = project.environment.get("PYTHONPATH", "")
        project.environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(self.folder), self._before)))

    def install(self, version: str = NEW, **changed: str) -> None:
        """Install this procman as another version, in which these modules are something else."""
        fresh, place = self.folder / "fresh", self.folder / "procman"
        shutil.copytree(PACKAGE, fresh, ignore=shutil.ignore_patterns("__pycache__"))
        about = fresh / "__init__.py"
        about.write_text(about.read_text().replace(f'"{procman.__version__}"', f'"{version}"'))
        for module, text in changed.items():
            (fresh / f"{module}.py").write_text(text)
        shutil.rmtree(place, ignore_errors=True)
        fresh.rename(place)


@pytest.fixture
def site(project: Project) -> Site:
    return Site(project)


def upgrade(project: Project) -> None:
    """Upgrade, and demand that it is told."""
    pid = project.manager()
    assert project.do("upgrade").out == UPGRADED.format(pid)


def descriptors(pid: int) -> int:
    """Return how many descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_it_is_the_same_process_with_the_same_apps(project: Project, site: Site) -> None:
    project.up(
        table("web", command("parent"), port=project.port(), depends_on='["worker"]', check=http()),
        table("worker", command("stay")),
        table("once", command("leave"), restart='"never"'),
        table("off", command("stay"), autostart="false"),
    )
    os.kill(project.app("web")["pid"], signal.SIGKILL)
    project.until_app("web", state="running", restarts=1)
    before, manager = project.apps(), project.manager()
    site.install()
    upgrade(project)
    assert project.status()["manager"]["version"] == NEW
    assert project.manager() == manager
    after = project.apps()
    for name, app in before.items():
        same = ("pid", "pids", "state", "restarts", "last_exit", "verdict", "wanted", "message", "last_event")
        assert {key: after[name][key] for key in same} == {key: app[key] for key in same}
    for name in ("web", "worker"):
        assert after[name]["uptime_s"] > before[name]["uptime_s"]
    assert is_open(before["web"]["port"])
    project.until(lambda: project.app("web")["since_s"] > before["web"]["since_s"] + 0.5, "more checks")
    assert project.app("web")["pids"] == before["web"]["pids"]
    assert project.app("web")["state"] == "running"


def follows_the_file(manager: int) -> bool:
    """Return whether the manager has its notices of changes: the last thing that it opens after a start."""
    return any("inotify" in link for link in links(manager))


def links(pid: int) -> Iterator[str]:
    """Yield what each descriptor of a process is open for."""
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            yield os.readlink(path)


def test_what_is_open_does_not_add_up(project: Project) -> None:
    project.up(table("web", command("serve"), port=project.port()), table("worker", command("stay")))
    manager = project.manager()
    project.do("upgrade")
    project.until(lambda: follows_the_file(manager), "the watch is armed")
    opened = descriptors(manager)  # a connection more, maybe: fewer than three that are left open
    for _ in range(3):
        project.do("upgrade")
    project.until(lambda: follows_the_file(manager), "the watch is armed again")
    project.until(lambda: descriptors(manager) <= opened, f"no more than {opened} are open")


def test_no_line_is_lost_or_doubled(project: Project, site: Site) -> None:
    project.up(table("web", command("alone", name="web", rate=2000, note=project.path("notes"))))
    pid = project.app("web")["pid"]
    site.install()
    upgrade(project)
    for _ in range(3):
        project.do("upgrade")
    assert project.app("web")["pid"] == pid
    project.do("stop", "web")
    *lines, last = project.lines("web")
    assert lines == [f"line {number} of its output" for number in range(len(lines))]
    assert last == f"printed {len(lines)} lines"


@pytest.mark.parametrize(
    ("sent", "code", "name"),
    [(signal.SIGKILL, None, "SIGKILL"), (signal.SIGUSR1, None, "SIGUSR1"), (signal.SIGTERM, 0, None)],
    ids=["killed", "killed by another signal", "exited"],
)
def test_apps_stay_children_whose_end_is_told(
    project: Project, sent: signal.Signals, code: int | None, name: str | None
) -> None:
    project.up(table("web", command("stay", note=project.path("notes"))))
    old = project.app("web")["pid"]
    project.do("upgrade")
    assert parent_of(old) == project.manager()
    os.kill(old, sent)
    app = project.until_app("web", state="running", restarts=1)
    assert (app["last_exit"]["code"], app["last_exit"]["signal"]) == (code, name)
    assert app["pid"] != old


def parent_of(pid: int) -> int:
    """Return the pid of a process's parent."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_an_app_that_ends_in_the_middle_is_started_once_and_its_end_is_told(project: Project) -> None:
    chance = random.Random(5)
    project.up(table("web", command("stay", note=project.path("notes"))))
    began = time.monotonic()
    project.do("upgrade")
    takes, in_the_middle = time.monotonic() - began, 0  # 0.5 s, or several on a busy machine
    for number in range(1, 6):
        old = project.until_app("web", state="running", restarts=number - 1)["pid"]
        with project.begin("upgrade") as upgrading:
            with contextlib.suppress(subprocess.TimeoutExpired):
                upgrading.wait(takes * chance.uniform(0.2, 0.7))
            in_the_middle += upgrading.poll() is None
            os.kill(old, signal.SIGKILL)
            out, err = upgrading.communicate(timeout=PATIENCE)
        assert upgrading.returncode == 0, out + err
        app = project.until_app("web", state="running", restarts=number)
        assert (app["last_exit"]["code"], app["last_exit"]["signal"]) == (None, "SIGKILL")
        assert not is_alive(old)
    assert in_the_middle, "an end came while an upgrade was under way"
    assert project.path("notes").read_text().split() == ["started"] * 6


def test_a_follower_does_not_notice(project: Project, site: Site) -> None:
    total = 6000
    project.write(table("web", command("count", rate=2000, lines=total)))
    project.do("up", "--no-wait")
    with project.begin("logs", "-f", "web", "--no-prefix", "-n", "1000000") as follower:
        assert follower.stdout is not None
        seen = [follower.stdout.readline() for _ in range(500)]
        site.install()
        upgrade(project)
        seen += [follower.stdout.readline() for _ in range(total - 500)]
        assert follower.poll() is None
        follower.send_signal(signal.SIGINT)
        rest, err = follower.communicate(timeout=PATIENCE)
    assert seen == [f"line {number} of its output\n" for number in range(total)]
    assert (rest, err) == ("", "")


@pytest.fixture
def terminal(project: Project) -> Iterator[pexpect.spawn]:
    """Return a terminal in which `procman up` was typed."""
    project.write(table("web", command("stay", hangup=1)))
    child = pexpect.spawn(
        PROCMAN[0],
        [*PROCMAN[1:], "up"],
        cwd=str(project.folder),
        env={**project.environment, "NO_COLOR": "1"},
        encoding="utf-8",
        timeout=PATIENCE,
        dimensions=(24, 200),
    )
    yield child
    child.close(force=True)


def test_a_terminal_goes_on_to_tell_and_to_stop(
    site: Site, project: Project, terminal: pexpect.spawn
) -> None:
    terminal.expect("web +│ ready")
    project.until_app("web", state="running")
    site.install()
    upgrade(project)
    pid = project.app("web")["pid"]
    os.kill(pid, signal.SIGHUP)
    terminal.expect("web +│ hung up")
    os.kill(pid, signal.SIGKILL)
    project.until_app("web", state="running", restarts=1)
    told = ["web +│ ready", "procman +│ web: .*SIGKILL"]
    while told:  # in any order: apps and manager speak each for themselves
        told.pop(terminal.expect(told))
    terminal.sendintr()
    terminal.expect("stopping; Ctrl-C again kills at once")
    terminal.expect(pexpect.EOF)
    assert "stopped web: " in terminal.before
    assert "stopped 1 app" in terminal.before
    terminal.close()
    assert terminal.exitstatus == 0
    assert not project.processes()


ECHO = """
import sys
print('tty', sys.stdin.isatty(), flush=True)
for number in range(10**6):
    print('answer', number, 'to', sys.stdin.readline().strip(), flush=True)
"""


@pytest.fixture
def attached(project: Project) -> Iterator[pexpect.spawn]:
    """Return a terminal in which `procman attach web` was typed, of an app that answers each line."""
    project.up(
        table("web", json.dumps([sys.executable, "-c", ECHO]), tty="true"),
        table("quiet", command("stay"), tty="true"),
    )
    child = pexpect.spawn(
        PROCMAN[0],
        [*PROCMAN[1:], "attach", "web"],
        cwd=str(project.folder),
        env=project.environment,
        encoding="utf-8",
        timeout=PATIENCE,
    )
    child.expect("attached to `web`")
    yield child
    child.close(force=True)


def test_an_app_keeps_its_terminal(project: Project, site: Site, attached: pexpect.spawn) -> None:
    before = {name: app["pids"] for name, app in project.apps().items()}
    for number in range(4):
        attached.send(f"question {number}\r")
        attached.expect(f"answer {number} to question {number}\r\n")
        if number == 0:
            site.install()
        project.do("upgrade")
    assert {name: app["pids"] for name, app in project.apps().items()} == before
    assert all(app["restarts"] == 0 for app in project.apps().values())
    answers = [line for line in project.lines("web") if line.startswith("answer")]
    assert answers == [f"answer {number} to question {number}" for number in range(4)]
    attached.send("\x1d")
    attached.expect("which goes on")
    project.do("stop", "quiet")
    assert not any(map(is_alive, before["quiet"]))
    os.kill(project.manager(), signal.SIGKILL)  # only this ends a terminal
    project.do("up")
    after = project.until_app("web", state="running")
    assert not set(after["pids"]) & set(before["web"])


def test_what_is_printed_into_a_terminal_is_neither_lost_nor_doubled(project: Project) -> None:
    total = 20_000  # 10 s: longer than the first upgrade on any machine
    project.up(table("web", command("count", rate=2000, lines=total), tty="true"))
    pid = project.app("web")["pid"]
    last = f"line {total - 1} of its output"
    project.do("upgrade")
    assert project.lines("web")[-1] != last, "it printed during that"
    project.do("upgrade")
    project.until(lambda: project.lines("web", "-n", "1") == [last], "the last line")
    assert project.lines("web") == [f"line {number} of its output" for number in range(total)]
    assert project.app("web")["pid"] == pid


def test_terminals_do_not_add_up(project: Project) -> None:
    project.up(table("web", command("stay"), tty="true"), table("leaves", command("stay"), tty="true"))
    manager = project.manager()

    def terminals() -> int:
        return sum("ptmx" in link for link in links(manager))

    assert terminals() == 2
    project.do("stop", "leaves")
    for _ in range(2):
        project.do("upgrade")
        assert terminals() == 1


def test_everything_can_be_asked_of_the_new_one(project: Project, site: Site) -> None:
    port = project.port()
    project.up(table("web", command("daemon", stays=1), port=port), table("worker", command("stay")))
    site.install()
    upgrade(project)
    pids = project.app("web")["pids"]
    receipt = project.do("stop", "web").out
    for pid in pids:
        assert re.search(rf"\b{pid}\b", receipt)
        assert not is_alive(pid)
    assert not is_open(port)
    project.do("start", "web")
    assert project.app("web")["verdict"] == "own"
    project.write(table("web", command("daemon", stays=1), port=port), table("new", command("stay")))
    project.until(lambda: set(project.apps()) == {"web", "new"}, "the edit")
    project.until_app("new", state="running")
    done = project.do("down")
    assert "stopped 2 apps" in done.text
    assert not project.processes()


def test_a_stop_under_way_is_finished(project: Project) -> None:
    project.up(table("web", command("stay", deaf=1), stop_timeout='"2s"'))
    project.until(lambda: project.lines("web"), "its first line")
    old = project.app("web")["pid"]
    with project.begin("stop", "web") as stop:
        project.until_app("web", state="stopping")
        project.do("upgrade")
        assert project.app("web")["state"] == "stopping"
        stop.communicate(timeout=PATIENCE)
    app = project.until_app("web", state="stopped")
    assert app["last_exit"]["signal"] == "SIGKILL"
    assert not is_alive(old)


def test_what_waits_goes_on_to_wait(project: Project, site: Site) -> None:
    port = project.port()
    with contextlib.closing(socket.create_server(("127.0.0.1", port))) as stranger:
        project.write(
            table("crashes", command("leave", code=1), backoff='{ initial = "6s", max = "6s", jitter = 0 }'),
            table("taken", command("serve"), port=port),
            table("after", command("stay"), depends_on='["taken"]'),
            head=QUICK.replace("backoff =", "# backoff ="),
        )
        project.do("up", "--no-wait")
        before = {name: project.until_app(name, state="waiting") for name in ("taken", "after")}
        before["crashes"] = project.until_app("crashes", state="backoff")
        site.install()
        upgrade(project)
        after = project.apps()
        same = ("state", "message", "restarts", "verdict", "last_exit", "wanted")
        for name, app in before.items():
            assert {key: after[name][key] for key in same} == {key: app[key] for key in same}
        due, now_due = (seconds(each["crashes"]["next_start_at"]) for each in (before, after))
        assert abs(now_due - due) < 0.1
        attempts = len(project.lines("crashes"))
        project.until(lambda: len(project.lines("crashes")) > attempts, "the next start")
        assert 0 <= seconds(project.until_app("crashes", state="backoff")["last_exit"]["at"]) - due < 2
        assert project.app("taken")["state"] == "waiting"
        stranger.close()
    project.until_app("taken", state="running", verdict="own", restarts=0)
    project.until_app("after", state="running")


def seconds(at: str) -> float:
    """Return a time of the status as seconds since the epoch."""
    return datetime.fromisoformat(at).timestamp()


def failed(project: Project) -> Done:
    """Upgrade to what can't start, and demand that nothing has changed but what is told."""
    before, manager = project.apps(), project.status()["manager"]
    done = project.run("upgrade")
    assert done.code == 1
    assert done.out == ""
    after, still = project.apps(), project.status()["manager"]
    assert {name: app["pids"] for name, app in after.items()} == {n: app["pids"] for n, app in before.items()}
    assert (still["pid"], still["version"]) == (manager["pid"], manager["version"])
    assert still["uptime_s"] > manager["uptime_s"]
    assert "the running version goes on; nothing has changed for any app" in done.err
    return done


def test_a_file_that_the_new_version_can_not_read_leaves_the_old_one(project: Project) -> None:
    project.up(table("web", command("stay")))
    good = project.file.read_text()
    project.file.write_text("[apps.web]\ncommand = 1\n")
    done = failed(project)
    assert "the installed version can't take over" in done.err
    assert re.search(r"portwatch\.toml:2:\d+: apps\.web\.command: ", done.err)
    project.file.write_text(good)
    project.do("upgrade")


@pytest.mark.parametrize(
    ("manager", "said"),
    [
        ("import no_such_module\n", "No module named 'no_such_module'"),
        ("def main(:\n", "SyntaxError"),
        ("import sys\nsys.exit('it needs a later python')\n", "it needs a later python"),
        ("import os\nos.abort()\n", "can't take over"),
    ],
    ids=["what it needs is missing", "broken", "refuses", "crashes"],
)
def test_a_version_that_does_not_start_leaves_the_old_one(
    project: Project, site: Site, manager: str, said: str
) -> None:
    project.up(table("web", command("stay")))
    pid = project.app("web")["pid"]
    site.install(manager=manager)
    assert said in failed(project).err
    os.kill(pid, signal.SIGKILL)
    app = project.until_app("web", state="running", restarts=1)
    assert app["last_exit"]["signal"] == "SIGKILL"
    site.install()
    upgrade(project)
    assert project.app("web")["pid"] == app["pid"]


def test_without_a_manager_there_is_nothing_to_upgrade(project: Project) -> None:
    project.write(table("web", command("stay")))
    assert project.run("upgrade").code == 3
