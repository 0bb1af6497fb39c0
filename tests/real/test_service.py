"""The manager as a service, without a service manager: the test hears what would be said to one."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.project import PATIENCE, Project, command, table

EVERYTHING = (
    table("web", command("stay")),
    table("worker", command("stay")),
    table("off", command("stay"), autostart="false"),
)


class Service:
    """What a service manager does for one service."""

    def __init__(self, project: Project, folder: Path) -> None:
        self.project = project
        self.log = folder / "stderr"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._listener.bind(str(folder / "notify"))
        self._listener.settimeout(PATIENCE)
        self._variables = {
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": "3000000",
            "LISTEN_FDS": "1",
            "PROCMAN_PATH": "auto",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> int:
        """Start the service; return its pid."""
        with self.log.open("wb") as log:
            status = os.fstat(log.fileno())
            stream = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
            self.process = subprocess.Popen(
                [*self.project.procman, "-f", str(self.project.file), "service", "run"],
                cwd="/",
                env={**self.project.environment, **self._variables, **stream},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self.process.pid

    def hear(self, name: str) -> dict[str, str]:
        """Return the next message that has a field of this name."""
        while True:
            lines = self._listener.recv(4096).decode().splitlines()
            fields = dict(line.split("=", 1) for line in lines)
            if name in fields:
                return fields

    def hear_status(self, text: str) -> None:
        """Wait until this is how the apps are said to be."""
        while self.hear("STATUS")["STATUS"] != text:
            pass

    def wait(self) -> int:
        """Return how the service has ended."""
        assert self.process is not None, "it was started"
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """End the manager as a crash would."""
        assert self.process is not None, "it was started"
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Leave no manager."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE)
            self.process.kill()
            self.process.wait()
        self._listener.close()


@pytest.fixture
def service(project: Project, tmp_path: Path) -> Iterator[Service]:
    """A service of the project, not started."""
    service = Service(project, tmp_path)
    yield service
    service.close()


def test_it_starts_the_apps_tells_how_they_are_and_stops_them(project: Project, service: Service) -> None:
    project.write(*EVERYTHING)
    pid = service.start()
    ready = service.hear("READY")
    assert (ready["READY"], ready["MAINPID"]) == ("1", str(pid))
    service.hear_status("2 apps running, 1 stopped")
    assert service.hear("WATCHDOG") == {"WATCHDOG": "1"}
    environment = Path(f"/proc/{project.app('web')['pid']}/environ").read_bytes()
    for told in (b"NOTIFY_SOCKET", b"WATCHDOG_USEC", b"JOURNAL_STREAM", b"LISTEN_FDS", b"PROCMAN_PATH"):
        assert told not in environment
    os.kill(pid, signal.SIGHUP)
    assert int(service.hear("RELOADING")["MONOTONIC_USEC"]) > 0
    assert service.hear("READY") == {"READY": "1"}
    os.kill(pid, signal.SIGTERM)
    stopping = service.hear("STOPPING")
    assert int(stopping["EXTEND_TIMEOUT_USEC"]) >= 5_000_000
    assert service.wait() == 0
    levels = {line[:3] for line in service.log.read_text().splitlines()}
    assert levels == {"<6>"}
    assert f"<6>manager {pid} ends\n" in service.log.read_text()


def test_after_a_crash_the_apps_are_as_they_were(project: Project, service: Service) -> None:
    project.write(*EVERYTHING)
    service.start()
    service.hear_status("2 apps running, 1 stopped")
    project.do("stop", "worker")
    web = project.app("web")["pids"]
    service.kill()
    service.start()
    service.hear("READY")
    project.until_app("web", pids=web, state="running", restarts=0)
    assert project.app("worker")["state"] == "stopped"
    service.process.terminate()  # type: ignore[union-attr]
    service.wait()
    service.start()
    service.hear_status("2 apps running, 1 stopped")
    assert project.app("worker")["state"] == "running", "a stop of the service forgets what was stopped"


def test_an_upgrade_is_told_and_it_goes_on_telling(project: Project, service: Service) -> None:
    project.write(*EVERYTHING)
    pid = service.start()
    service.hear_status("2 apps running, 1 stopped")
    web = project.app("web")["pids"]
    project.do("upgrade")
    assert "MONOTONIC_USEC" in service.hear("RELOADING")
    assert service.hear("READY")["MAINPID"] == str(pid)
    assert service.hear("WATCHDOG") == {"WATCHDOG": "1"}
    assert project.app("web")["pids"] == web


def test_where_a_manager_runs_already_it_says_so_and_ends(project: Project, service: Service) -> None:
    project.up(*EVERYTHING)
    service.start()
    assert service.wait() == 75
    said = service.log.read_text()
    assert said.startswith(f"<3>manager {project.manager()}, which this service has not started, has `")
    assert said.endswith("<3>hint: `procman down` ends it; start the service then\n")


def test_a_file_with_a_mistake_is_told_and_an_edit_is_enough(project: Project, service: Service) -> None:
    project.write('[apps.web]\ncommand = "true"\nport = 99999\n', head="")
    service.start()
    told = service.hear("READY")["STATUS"]
    assert told.endswith("apps.web.port: expected 1 to 65535, got 99999; waits for an edit")
    assert service.hear("WATCHDOG") == {"WATCHDOG": "1"}
    assert project.run("status").code == 3
    first, *rest = service.log.read_text().splitlines()
    assert first.endswith("portwatch.toml:4:8: apps.web.port: expected 1 to 65535, got 99999")
    assert all(line.startswith("<3>") for line in (first, *rest))
    project.write(*EVERYTHING)
    service.hear_status("2 apps running, 1 stopped")


def test_a_state_folder_that_is_anothers_is_told_in_a_sentence(project: Project, service: Service) -> None:
    project.write(*EVERYTHING)
    project.home.write_text("no folder")
    service.start()
    assert service.wait() == 1
    assert service.log.read_text().startswith("<3>the manager could not start: ")
    assert "Traceback" not in service.log.read_text()
    project.home.unlink()


def test_a_manager_that_is_started_by_hand_inside_of_a_service_tells_it_nothing(
    project: Project, service: Service, tmp_path: Path
) -> None:
    project.write(*EVERYTHING)
    project.environment["NOTIFY_SOCKET"] = str(tmp_path / "notify")
    project.do("up")
    service._listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        service._listener.recv(4096)
