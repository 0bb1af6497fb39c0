"""What starts a manager with the machine, word for word; systemd itself and a strict reader judge it too."""

from __future__ import annotations

import os
import plistlib
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from procman.config.read import read_config
from procman.config.services import launchd, systemd
from procman.config.services.service import Service, usual_name
from procman.core.service import AFTER_KILL, FAREWELL, stop_budget
from tests.fakes.folder import REPOSITORY
from tests.fakes.snapshots import compare

SNAPSHOTS = Path(__file__).parent / "services"
USERS = Service(
    "procman-shop", "/home/ada/shop/portwatch.toml", ("/home/ada/.local/bin/procman",), stop_within=30.0
)
MACHINES = replace(
    USERS,
    file="/srv/shop/portwatch.toml",
    program=("/usr/local/bin/procman",),
    system=True,
    user="ada",
    state="/var/lib/procman",
)
ODD = replace(USERS, file='/home/ada/50% of "it" $HOME/portwatch.toml', stop_within=3610.0)
ROOTS = replace(MACHINES, file="/usr/share/shop/portwatch.toml", user="root", state=None)
SERVICES = {"user": USERS, "system": MACHINES, "odd": ODD, "root": ROOTS}

# launchd.plist(5): the keys that are used, and their types.
KEYS: dict[str, type | tuple[type, ...]] = {
    "Label": str,
    "ProgramArguments": list,
    "WorkingDirectory": str,
    "EnvironmentVariables": dict,
    "RunAtLoad": bool,
    "KeepAlive": (bool, dict),
    "AbandonProcessGroup": bool,
    "ThrottleInterval": int,
    "ExitTimeOut": int,
    "ProcessType": str,
    "StandardErrorPath": str,
    "UserName": str,
}
OTHERS = re.compile(r"^/(usr/)?lib/systemd/.*\n", re.MULTILINE)  # lines about units of this machine
NEEDS_ANALYZE = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


@pytest.mark.parametrize("name", SERVICES)
def test_the_unit_is_what_it_was(name: str) -> None:
    compare(SNAPSHOTS / f"{name}.service", systemd.unit(SERVICES[name]))


@pytest.mark.parametrize("name", SERVICES)
def test_the_property_list_is_what_it_was(name: str) -> None:
    compare(SNAPSHOTS / f"{name}.plist", launchd.property_list(SERVICES[name], "/logs"))


def analyze(*words: str, user: bool = False) -> subprocess.CompletedProcess[str]:
    """Run `systemd-analyze`, as somebody whose manager could be asked."""
    whose = ["--user"] if user else []
    environment = {**os.environ, "XDG_RUNTIME_DIR": "/tmp", "SYSTEMD_COLORS": "0"}
    command = ["systemd-analyze", *whose, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@NEEDS_ANALYZE
@pytest.mark.parametrize("name", SERVICES)
def test_systemd_has_nothing_to_say_against_it(name: str, tmp_path: Path) -> None:
    there = replace(SERVICES[name], file=f"{tmp_path}/portwatch.toml", program=(sys.executable,))
    if name == "odd":
        folder = tmp_path / '50% of "it" $HOME'
        folder.mkdir()
        there = replace(there, file=f"{folder}/portwatch.toml")
    unit = tmp_path / f"{there.name}.service"
    unit.write_text(systemd.unit(there))
    verified = analyze("verify", "--man=no", str(unit), user=not there.system)
    assert OTHERS.sub("", verified.stderr) == ""
    assert verified.returncode == 0


@NEEDS_ANALYZE
@pytest.mark.parametrize("system", [False, True])
def test_systemd_has_nothing_to_say_against_that_of_the_example(system: bool, tmp_path: Path) -> None:
    config = read_config(str(REPOSITORY / "portwatch.toml"))
    budget = stop_budget(config.enabled_apps())
    assert budget == 2 * (5.0 + AFTER_KILL) + FAREWELL  # web, then api, 5 s each
    service = Service(
        "procman-example", config.file, (sys.executable,), budget, system, "root" if system else None
    )
    unit = tmp_path / "procman-example.service"
    unit.write_text(systemd.unit(service))
    verified = analyze("verify", "--man=no", str(unit), user=not system)
    assert OTHERS.sub("", verified.stderr) == ""
    assert verified.returncode == 0
    assert launchd.file_of(launchd.property_list(service, "/logs")) == config.file


@NEEDS_ANALYZE
def test_systemd_counts_what_hardening_there_is(tmp_path: Path) -> None:
    unit = tmp_path / "procman-shop.service"
    unit.write_text(systemd.unit(MACHINES))
    judged = analyze("security", "--offline=true", "--no-pager", str(unit))
    missing = {
        line.split()[1].partition("=")[0] for line in judged.stdout.splitlines() if line.startswith("✗")
    }
    for directive in (
        "NoNewPrivileges",
        "ProtectKernelTunables",
        "ProtectKernelModules",
        "ProtectKernelLogs",
    ):
        assert directive not in missing
    assert "RestrictRealtime" not in missing
    exposure = re.search(r"exposure level for procman-shop\.service: ([\d.]+)", judged.stdout)
    assert exposure is not None
    assert float(exposure[1]) < 6.5  # 9.6 without any


@pytest.mark.parametrize("name", SERVICES)
def test_launchd_would_know_every_key(name: str) -> None:
    service = SERVICES[name]
    document: dict[str, Any] = plistlib.loads(launchd.property_list(service, "/logs").encode())
    for key, value in document.items():
        assert isinstance(value, KEYS[key]), key
        assert not isinstance(value, bool) or KEYS[key] is not int
    assert all(isinstance(each, str) for each in document["ProgramArguments"])
    assert all(isinstance(each, str) for each in document["EnvironmentVariables"].values())
    assert document["KeepAlive"] == {"SuccessfulExit": False}
    assert ("UserName" in document) == service.system


@pytest.mark.parametrize("name", SERVICES)
def test_it_says_whose_it_is(name: str) -> None:
    service = SERVICES[name]
    assert systemd.file_of(systemd.unit(service)) == service.file
    assert launchd.file_of(launchd.property_list(service, "/logs")) == service.file
    assert systemd.programs(systemd.unit(service)) == list(service.program)
    assert launchd.programs(launchd.property_list(service, "/logs")) == list(service.program)


@pytest.mark.parametrize(
    "text", ["", "[Unit]\nDescription=x\n", "<plist></plist>", "\0", "<?xml", "[X-Procman]\n"]
)
def test_what_others_have_written_is_nobodys(text: str) -> None:
    assert systemd.file_of(text) is None
    assert launchd.file_of(text) is None
    assert launchd.programs(text) == []


def test_a_difference_is_told_by_its_key() -> None:
    old = replace(USERS, program=("/old/procman",), stop_within=20.0)
    found = systemd.unit(old).replace("Format=1\n", "").replace("OOMPolicy=continue\n", "")
    assert systemd.differences(systemd.unit(USERS), systemd.unit(USERS)) == []
    assert systemd.differences(systemd.unit(USERS), found) == [
        "`ExecStart` is `/old/procman -f /home/ada/shop/portwatch.toml service run`, "
        "not `/home/ada/.local/bin/procman -f /home/ada/shop/portwatch.toml service run`",
        "`ExecReload` is `/old/procman -f /home/ada/shop/portwatch.toml reload`, "
        "not `/home/ada/.local/bin/procman -f /home/ada/shop/portwatch.toml reload`",
        "`TimeoutStopSec` is `20s`, not `30s`",
        "`OOMPolicy` is not set, not `continue`",
        "`Format` is not set, not `1`",
    ]
    lists = launchd.property_list(USERS, "/logs"), launchd.property_list(old, "/logs")
    assert [each.split()[0] for each in launchd.differences(*lists)] == [
        "`ProgramArguments`",
        "`ExitTimeOut`",
    ]


def test_a_service_is_named_after_the_folder() -> None:
    assert usual_name("/home/ada/My Shop/portwatch.toml") == "procman-my-shop"
    assert usual_name("/portwatch.toml") == "procman-project"
    assert re.fullmatch(r"procman-shop-[0-9a-f]{6}", usual_name("/a/shop/x.toml", taken=True))
    assert usual_name("/a/shop/x.toml", taken=True) != usual_name("/b/shop/x.toml", taken=True)
