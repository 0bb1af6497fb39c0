"""What `procman service` prints and how it exits, word for word; its service manager starts nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from procman.cli import service
from procman.cli.entry import main
from procman.engine import installation
from procman.engine import service as engine
from procman.engine.service import Installation
from procman.host.service_manager import ServiceState
from tests.fakes.folder import EXAMPLE
from tests.fakes.service_manager import Noted
from tests.fakes.snapshots import compare

SNAPSHOTS = Path(__file__).parent / "service"
FAILED = ServiceState(True, False, "failed (failed)", error="watchdog")


@dataclass(frozen=True)
class Case:
    """A command, and how things are before it."""

    name: str
    words: str
    installed: bool = False
    refuses: str | None = None
    running: int | None = None  # a manager that was started by hand
    found: ServiceState | None = None
    file: str = EXAMPLE


CASES = [
    Case("install", "service install"),
    Case("install-linger", "service install --linger"),
    Case("install-again", "service install --linger", installed=True),
    Case("install-beside-a-manager", "service install", running=815),
    Case("install-json", "service install --json"),
    Case("install-refused", "service install", refuses="enable"),
    Case("install-invalid-file", "service install", file="[apps.web]\ncomand = 1\n"),
    Case("install-twice", "service install --system", installed=True),
    Case("install-as-without-system", "service install --user --as ada"),
    Case("print", "service print"),
    Case("print-for-launchd", "service print --for launchd"),
    Case("status", "service status", installed=True),
    Case("status-json", "service status --json", installed=True),
    Case("status-failed", "service status", installed=True, found=FAILED),
    Case("status-edited", "service status", installed=True, file=f"{EXAMPLE}stop_timeout = 99\n"),
    Case("status-invalid-file", "service status", installed=True, file="[apps.web]\ncomand = 1\n"),
    Case("status-not-installed", "service status"),
    Case("uninstall", "service uninstall", installed=True),
    Case("uninstall-of-nothing", "service uninstall"),
]
HELP = [
    Case(f"help-{verb}", f"service {verb} --help") for verb in ("install", "uninstall", "status", "print")
]


@pytest.mark.parametrize("case", [*CASES, *HELP], ids=lambda case: case.name)
def test_a_command_prints_and_exits_as_it_did(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "shop"
    home.mkdir()
    (home / "portwatch.toml").write_text(EXAMPLE)
    script = tmp_path / "bin/procman"
    script.parent.mkdir()
    script.write_text("")
    script.chmod(0o755)
    noted = Noted(tmp_path / ".config/systemd/user")
    noted.refuses = case.refuses
    monkeypatch.chdir(home)
    monkeypatch.delenv("PROCMAN_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(engine, "passing", lambda _path: None)  # tests are in a temporary folder
    monkeypatch.setattr(installation, "beside", lambda: str(script))
    machines = Noted(tmp_path / "etc/systemd/system")
    machines.system, machines.lingering = True, None

    def open_service(file: str, *, system: bool) -> Installation:
        return Installation(machines if system else noted, file)

    monkeypatch.setattr(service, "open_service", open_service)
    monkeypatch.setattr(service, "running_manager", lambda _home: case.running)
    if case.installed:
        assert main(["service", "install", "--linger"]) == 0
        capsys.readouterr()
    if case.found is not None:
        noted.now = case.found
    (home / "portwatch.toml").write_text(case.file)
    code = main(case.words.split())
    out, err = capsys.readouterr()
    found = f"$ procman {case.words}\nexit {code}\n--- stdout\n{out}--- stderr\n{err}"
    compare(SNAPSHOTS / f"{case.name}.txt", found.replace(str(tmp_path), "/home/ada"))


def test_every_snapshot_belongs_to_a_case() -> None:
    assert {path.stem for path in SNAPSHOTS.iterdir()} == {case.name for case in [*CASES, *HELP]}
