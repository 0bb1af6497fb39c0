"""`procman up` as the first process of a container, and `--foreground`: real namespaces and signals."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.real.project import PATIENCE, Project, command, run_project, table, until

NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


def no_namespace() -> str | None:
    """Return why no process can be the first one of a namespace here, or None."""
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return "unshare or nsenter is not installed"
    tried = subprocess.run([*NAMESPACE, "true"], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"unshare is not permitted: {tried.stderr.strip()}"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project of which nothing is left in the end."""
    yield from run_project(tmp_path)


class Stay:
    """An `up` that stays, and what it prints."""

    def __init__(self, project: Project, words: Sequence[str], before: Sequence[str] = ()) -> None:
        self._out = project.path("out.txt")
        self._in_namespace = bool(before)
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                [*before, *project.procman, "up", *words],
                cwd=project.folder, env=project.environment,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip

    @property
    def text(self) -> str:
        """All that it has printed."""
        return self._out.read_text(encoding="utf-8")

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its lines, each a document."""
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def pid(self) -> int:
        """Its own pid, as it is outside of the namespace."""
        if not self._in_namespace:
            return self.process.pid
        return until(lambda: next(iter(children(self.process.pid)), None), "the first process")

    def expect(self, text: str) -> None:
        """Wait until it has printed something."""
        with contextlib.suppress(AssertionError):
            until(lambda: text in self.text or self.process.poll() is not None, text)
        assert text in self.text, f"expected {text!r} in:\n{self.text}"

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Return its exit code."""
        return self.process.wait(PATIENCE)


def children(pid: int) -> list[int]:
    """Return the children of a process; zombies are among them."""
    with contextlib.suppress(OSError):
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


@pytest.fixture
def stay(project: Project) -> Iterator[Any]:
    """Begins an `up --foreground`, or one that is the first process of a namespace."""
    begun: list[Stay] = []

    def begin(*words: str, first: bool = False, before: Sequence[str] = ()) -> Stay:
        reason = no_namespace() if first else None
        if reason is not None:
            pytest.skip(reason)
        if first:
            begun.append(Stay(project, words, before or NAMESPACE))
        else:
            begun.append(Stay(project, ("--foreground", *words)))
        return begun[-1]

    yield begin
    for each in begun:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


def test_the_first_process_reaps_what_others_leave_and_stops_all_in_order(
    project: Project, stay: Any
) -> None:
    project.write(
        table("db", command("stay")),
        table("web", command("stay"), depends_on='["db"]'),
    )
    up = stay(first=True)
    up.expect("web: running")
    inside = ("nsenter", "-t", str(up.pid), "-p", "-m")
    # Somebody else's: as of `docker exec`, whose shell has ended.
    subprocess.run([*inside, "sh", "-c", "sleep 1000 & sleep 1000 &"], check=True)
    strangers = until(lambda: [each for each in children(up.pid) if "sleep" in words_of(each)][:2], "orphans")
    assert len(strangers) == 2
    for each in strangers:
        os.kill(each, signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{each}").exists() for each in strangers), "both are reaped")

    status = [*inside, *project.procman, "--file", str(project.file), "status"]
    seen = subprocess.run(status, env=project.environment, capture_output=True, text=True, check=False)
    assert seen.returncode == 0, seen.stderr
    assert "running" in seen.stdout

    up.signal(signal.SIGTERM)
    assert up.wait() == 0
    assert up.text.index("stopped web") < up.text.index("stopped db") < up.text.index("stopped 2 apps")


def words_of(pid: int) -> str:
    """Return the command line of a process."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def manager_of(up: Stay) -> int:
    """Return the pid of the manager that answers, as it is outside of the namespace."""
    return next(each for each in children(up.pid) if "procman.manager" in words_of(each))


def test_a_manager_that_dies_in_a_container_is_replaced_and_no_app_notices(
    project: Project, stay: Any
) -> None:
    project.write(table("web", command("stay")))
    up = stay(first=True)
    up.expect("web: running")
    before, first = project.app("web")["pid"], manager_of(up)
    os.kill(first, signal.SIGKILL)
    up.expect("another one takes its apps back")
    project.until(lambda: project.run("status").code == 0, "the new manager answers")
    assert project.until_app("web", state="running")["pid"] == before
    assert not Path(f"/proc/{first}").exists()

    app = next(each for each in children(up.pid) if "app.py" in words_of(each))  # it is the first one's now
    os.kill(app, signal.SIGKILL)
    project.until(lambda: project.app("web")["pid"] not in (before, None), "the app runs again")
    assert not Path(f"/proc/{app}").exists()

    for _ in range(4):  # which is no accident any more
        project.until(lambda: project.run("status").code == 0, "a manager answers")
        os.kill(manager_of(up), signal.SIGKILL)
    assert up.wait() == 1
    assert "5 managers have died within 60s" in up.text


def test_a_root_that_can_not_be_written_needs_a_folder_for_the_state(project: Project, stay: Any) -> None:
    project.write(table("web", command("stay")))
    state = project.path("state")
    state.mkdir()
    script = 'mount -t tmpfs none "$0" && mount -o remount,bind,ro / && exec "$@"'  # it stays the first one
    inside = (*NAMESPACE, "sh", "-c", script, str(state))
    tried = subprocess.run([*inside, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"nothing can be mounted here: {tried.stderr.strip()}")

    refused = stay(first=True, before=inside)
    assert refused.wait() == 1
    assert "Read-only file system" in refused.text
    assert "`PROCMAN_HOME` names another folder" in refused.text

    project.environment["PROCMAN_HOME"] = str(state)
    up = stay(first=True, before=inside)
    up.expect("web: running")
    up.signal(signal.SIGTERM)
    assert up.wait() == 0


def test_the_first_process_may_not_leave(project: Project, stay: Any) -> None:
    project.write(table("web", command("stay")))
    up = stay("--detach", first=True)
    assert up.wait() == 2
    assert "has to stay" in up.text


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (3, 1)])
def test_it_ends_with_its_apps(project: Project, stay: Any, code: int, expected: int) -> None:
    project.write(
        table("job", command("leave", code=code), restart='"never"'),
        table("after", command("leave", code=0), restart='"never"', depends_on='{ job = "completed" }'),
    )
    up = stay()
    assert up.wait() == expected
    assert ("after: completed" in up.text) is (code == 0)
    assert "every app is over" in up.text


def test_a_signal_before_the_manager_is_there_is_heeded(project: Project, stay: Any) -> None:
    project.write(table("web", command("stay")))
    up = stay(first=True)
    until(lambda: heeds(up.pid, signal.SIGTERM), "it heeds SIGTERM")
    up.signal(signal.SIGTERM)
    assert up.wait() == 0  # whether anything had begun or not


def heeds(pid: int, number: signal.Signals) -> bool:
    """Return whether a process has a handler for a signal."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def test_lines_as_json_are_documents_of_one_form(project: Project, stay: Any) -> None:
    project.write(table("web", command("leave"), restart='"never"'))
    project.environment["PROCMAN_LOG_FORMAT"] = "json"
    up = stay()
    assert up.wait() == 0
    assert {"out", "procman"} <= {line["stream"] for line in up.lines}
    for line in up.lines:
        assert {"app", "at", "stream", "text"} <= line.keys()
    changes = [line["new"] for line in up.lines if line.get("event") == "transition"]
    assert changes == ["waiting", "starting", "stopping", "completed", "stopped"]
    assert [line["app"] for line in up.lines if line["stream"] == "out"] == ["web"] * 2
    assert "\x1b" not in up.text


def test_hangup_reads_the_file_again_and_a_down_from_elsewhere_ends_it(project: Project, stay: Any) -> None:
    head = '[manager]\nreload = "off"\n'
    project.write(table("web", command("stay", hangup=1)), head=head)
    up = stay()
    up.expect("web: running")
    project.write(table("web", command("stay", hangup=1)), table("more", command("stay")), head=head)
    up.signal(signal.SIGHUP)
    up.expect("more: running")
    assert "hung up" not in up.text
    project.do("down")
    assert up.wait() == 0
    assert "the manager was stopped" in up.text


def test_what_is_not_stopped_in_time_is_killed(project: Project, stay: Any) -> None:
    project.write(table("web", command("stay", deaf=1, say="ignoring"), stop_timeout='"10m"'))
    up = stay("--stop-within", "300ms")
    up.expect("ignoring")
    up.expect("web: running")
    up.signal(signal.SIGINT)
    assert up.wait() == 0
    assert "kills what is left" in up.text


def test_one_that_has_joined_leaves_and_the_apps_go_on(project: Project, stay: Any) -> None:
    project.up(table("web", command("stay", say="hello")))
    up = stay()
    project.until(lambda: project.do("restart", "web") and "web: running" in up.text, "it is there")
    up.signal(signal.SIGTERM)
    assert up.wait() == 0
    assert "left; the apps go on" in up.text
    assert project.app("web")["state"] == "running"


@pytest.mark.skipif(not hasattr(fcntl, "F_GETPIPE_SZ"), reason="how large a pipe is, only Linux tells")
def test_a_reader_that_is_stuck_holds_up_nobody(project: Project) -> None:
    project.write(table("web", command("count", rate=1000000, lines=1000000)))
    with project.begin("up", "--foreground") as up:
        project.until(lambda: project.run("status").code == 0, "the manager is there")
        assert up.stdout is not None
        pipe = up.stdout.fileno()
        project.until(lambda: is_full(pipe), "nobody reads")
        up.send_signal(signal.SIGTERM)
        assert up.wait(PATIENCE) == 0


def is_full(pipe: int) -> bool:
    """Return whether not even a page has room in a pipe."""
    waiting = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]
    return bool(waiting > fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) - 4096)
