"""What every command prints and how it exits, word for word, against a manager with the fake engine.

A snapshot is a file under `snapshots/`: the command, its exit code, stdout, stderr. `UPDATE_GOLDEN=1` writes
those that differ, and fails once so that the difference is looked at.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from procman import __version__
from procman.cli.entry import main
from procman.cli.main import COMMANDS
from procman.control import local
from procman.control.ask import NotRunning
from procman.control.client import Conversation
from procman.control.launch import Manager, ensure_manager
from procman.control.protocol import Request
from procman.logs.segments import Stream
from tests.fakes.engine import WALL
from tests.fakes.folder import EXAMPLE, FAKE_MANAGER, REPOSITORY, write_log
from tests.fakes.snapshots import compare

SNAPSHOTS = Path(__file__).parent / "snapshots"
BROKEN = """\
[apps.web]
comand = "npm run dev"
port = 99999
"""
NEW = """\
[manager]
reload = "ask"

[apps.api]
command = "npm run api"
port = 3000
check_interval = "1m"

[apps.db]
command = "postgres"
"""
EVERYTHING = {"running": ["api", "web", "worker"]}
WEB_FAILS = {"broken": {"web": "gave up after 10 starts within 10m: exited with code 1"}}
REJECTED = {**EVERYTHING, "rejection": 'portwatch.toml:3:8: apps.web.port: expected 1 to 65535, got "3000"'}


@dataclass(frozen=True)
class Case:
    """A command, and the world it is typed in."""

    name: str
    words: str
    manager: dict[str, Any] | None = field(default_factory=dict)  # how its apps behave; None: none runs
    file: str = EXAMPLE


HELP = [
    Case("help", "--help", None),
    *(Case(f"help-{name}", f"{name} --help", None) for name in COMMANDS),
]
CASES = [
    *HELP,
    Case("overview", "", None),
    Case("unknown-command", "stauts", None),
    Case("unknown-command-without-a-near-one", "frobnicate", None),
    Case("unknown-command-of-another-tool", "exec web", None),
    Case("unknown-option", "status --jsno", None),
    Case("missing-argument", "stop", None),
    Case("version", "version", None),
    Case("version-option", "--version", None),
    Case("version-json", "version --json", None),
    Case("check", "check", None),
    Case("check-json", "check --json", None),
    Case("check-invalid", "check", None, BROKEN),
    Case("check-invalid-json", "check --json", None, BROKEN),
    Case("check-another-file", "-f missing.toml check", None),
    Case("status-without-manager", "status", None),
    Case("status-json-without-manager", "status --json", None),
    Case("status-stopped", "status"),
    Case("status", "status", {"running": ["api", "worker"], "failed": {"web": "exited with code 1"}}),
    Case("status-of-a-tag", "ps @back", EVERYTHING),
    Case("status-json", "status --json", EVERYTHING),
    Case("status-json-of-one", "ls web --json", EVERYTHING),
    Case("status-wide", "status --wide", {"running": ["api", "worker"]}),
    Case("status-wide-json", "status --wide --json", {"running": ["api", "worker"]}),
    Case("status-unknown-app", "status wbe", EVERYTHING),
    Case("status-rejected", "status", REJECTED),
    Case("status-edited", "status", {**EVERYTHING, "waiting": "restart web `command`"}),
    Case("up", "up -d"),
    Case("up-without-a-terminal", "up web"),
    Case("up-json", "up --json"),
    Case("up-no-wait", "up -d --no-wait"),
    Case("up-fails", "up -d", WEB_FAILS),
    Case("up-fails-json", "up -d --json", WEB_FAILS),
    Case("up-too-late", "up -d --timeout 50ms", {"never_up": ["web"]}),
    Case("up-unknown-app", "up wbe"),
    Case("up-invalid-file", "up", None, BROKEN),
    Case("down", "down", EVERYTHING),
    Case("down-json", "down --json", EVERYTHING),
    Case("down-of-nothing", "down"),
    Case("down-survived", "down", {**EVERYTHING, "survivors": {"web": ["node 4722 (state D)"]}}),
    Case("down-without-manager", "down", None),
    Case("start", "start web"),
    Case("start-fails", "start web", WEB_FAILS),
    Case("stop", "stop w*", EVERYTHING),
    Case("stop-not-running", "stop web"),
    Case("stop-json", "stop web --json", EVERYTHING),
    Case("stop-survived", "stop web", {**EVERYTHING, "survivors": {"web": ["node 4722 (state D)"]}}),
    Case("restart", "restart web", EVERYTHING),
    Case("restart-rejected", "restart web", REJECTED),
    Case("wait", "wait", EVERYTHING),
    Case("wait-too-late", "wait --for stopped --timeout 0.05", EVERYTHING),
    Case("wait-in-vain", "wait --for completed worker", {"failed": {"worker": "exited with code 1"}}),
    Case("wait-wrong-duration", "wait --timeout soon", EVERYTHING),
    Case("signal", "signal hup @back", EVERYTHING),
    Case("signal-json", "signal HUP web --json", EVERYTHING),
    Case("signal-unknown", "signal NOPE web", EVERYTHING),
    Case("signal-not-running", "signal HUP web"),
    Case("reload", "reload"),
    Case("reload-json", "reload --json"),
    Case("reload-rejected", "reload", REJECTED),
    Case("plan", "plan", {"plan": True}),
    Case("plan-json", "plan --json", {"plan": True}),
    Case("plan-nothing", "plan"),
    Case("plan-rejected", "plan", REJECTED),
    Case("plan-of-another-file", "plan -f new.toml", {"plan": True}),
    Case("plan-of-another-file-without-manager", "plan -f new.toml", None),
    Case("plan-of-another-file-without-manager-json", "plan -f new.toml --json", None),
    Case("plan-of-the-same-file", "plan --file portwatch.toml"),
    Case("plan-of-a-broken-file", "plan -f broken.toml", EVERYTHING),
    Case("plan-of-a-missing-file", "plan -f missing.toml", EVERYTHING),
    Case("logs", "logs", None),
    Case("logs-of-one", "logs -n 1 web --timestamps", None),
    Case("logs-no-prefix", "logs web --no-prefix --grep re[qn]", None),
    Case("logs-json", "logs --json --stream err", None),
    Case("logs-unknown-app", "logs wbe", None),
    Case("logs-wrong-pattern", "logs --grep [", None),
    Case("logs-wrong-time", "logs --since yesterday", None),
    Case("logs-follow-until", "logs -f --until 1m", None),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder, and a terminal that is always the same."""
    for name in ("PROCMAN_FILE", "PROCMAN_HOME", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("COLUMNS", "100")
    # A look at the machine makes this process a subreaper, and it would have to reap for other tests.
    monkeypatch.setattr(local, "living_apps", lambda _home: ())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def managers() -> Iterator[list[Manager]]:
    """Managers that a test starts; they are ended with it."""
    started: list[Manager] = []
    yield started
    for manager in started:
        assert manager.process is not None
        manager.process.kill()
        manager.reap()


def write_logs(home: Path) -> None:
    """Write what two apps have printed, a second apart."""
    write_log(home, "api", b"listening on 3000\n", WALL)
    write_log(home, "web", b"\x1b[32mready\x1b[0m in 300 ms\n", WALL + 1)
    write_log(home, "web", b"warning: old \x1b[2Jbrowserslist\nGET /req \xff\n", WALL + 2, stream=Stream.ERR)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_command_prints_and_exits_as_it_did(
    case: Case,
    folder: Path,
    managers: list[Manager],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "portwatch.toml").write_text(case.file)
    (folder / "new.toml").write_text(NEW)
    (folder / "broken.toml").write_text(BROKEN)
    home = folder / ".procman"
    if "logs" in case.name or "fails" in case.name:
        write_logs(home)
    if case.manager is not None:
        monkeypatch.setenv("FAKE_ENGINE", json.dumps(case.manager))
        managers.append(ensure_manager(str(folder / "portwatch.toml"), str(home), command=FAKE_MANAGER))
    code = main(case.words.split())
    out, err = capsys.readouterr()
    compare(SNAPSHOTS / f"{case.name}.txt", snapshot(case, code, out, err, folder))


def snapshot(case: Case, code: int, out: str, err: str, folder: Path) -> str:
    """Return what a command did, as text; what differs from machine to machine is replaced."""
    text = f"$ procman {case.words}".rstrip() + f"\nexit {code}\n--- stdout\n{out}--- stderr\n{err}"
    for machine, name in (
        (str(folder), "[FOLDER]"),
        (platform.python_version(), "[PYTHON]"),
        (sys.platform, "[PLATFORM]"),
        (__version__, "[VERSION]"),
    ):
        text = text.replace(machine, name)
    return text


def test_every_snapshot_belongs_to_a_case() -> None:
    assert {path.stem for path in SNAPSHOTS.iterdir()} == {case.name for case in CASES}


def test_down_leaves_no_manager(
    folder: Path, monkeypatch: pytest.MonkeyPatch, managers: list[Manager]
) -> None:
    (folder / "portwatch.toml").write_text(EXAMPLE)
    monkeypatch.setenv("FAKE_ENGINE", json.dumps(EVERYTHING))
    managers.append(
        ensure_manager(str(folder / "portwatch.toml"), str(folder / ".procman"), command=FAKE_MANAGER)
    )
    assert main(["down"]) == 0
    assert managers[0].process is not None
    assert managers[0].process.poll() == 0
    with pytest.raises(NotRunning):
        Conversation(str(folder / ".procman"), Request("ping"))
