"""The manager as a service of a real systemd: boots, dies, hangs, is upgraded, and no app is lost.

In the order of a machine's life: each test goes on with what the one before has left.
"""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.system.conftest import NEW
from tests.system.machine import Machine

pytestmark = pytest.mark.may_leak("a reboot begins another machine, which the last of these tests ends")

UNIT = "procman-shop.service"
FOLDER = "/srv/shop"
FILE = """\
[apps.api]
command = ["node", "server.js"]
cwd = "api"
port = 3000
check = { http = "/health" }

[apps.web]
command = "npm run dev -- --port {port} --strictPort"
cwd = "web"
port = 5173

[apps.worker]
command = "npm start"
cwd = "worker"

[apps.tool]
command = ["sh", "-c", "command -v node; exec sleep 1000000"]
cwd = "tool"
"""
PACKAGE = '{"name": "worker", "scripts": {"start": "node -e \\"setInterval(() => {}, 1e6)\\""}}'


class Shop:
    """The project, as root sees it from inside of the machine."""

    def __init__(self, machine: Machine, folder: str = FOLDER, user: str | None = None) -> None:
        self.machine = machine
        self.folder = folder
        self.user = user

    def lay(self) -> None:
        """Put the files of the project there; they belong to ada."""
        root = self.machine.root
        for path, text in {
            "portwatch.toml": FILE,
            "worker/package.json": PACKAGE,
            "tool/.nvmrc": "18\n",
        }.items():
            place = root / self.folder[1:] / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        node = root / "home/ada/.nvm/versions/node/v18.20.4/bin/node"
        node.parent.mkdir(parents=True, exist_ok=True)
        node.write_text('#!/bin/sh\nexec /usr/bin/node "$@"\n')
        node.chmod(0o755)
        self.machine.run("chown", "-R", "ada:ada", self.folder, "/home/ada/.nvm")

    def procman(self, *words: str, check: bool = True) -> Any:
        """Run a command of procman in the project's folder."""
        if self.user is not None:
            return self.machine.as_user(self.user, "procman", *words, cwd=self.folder, check=check)
        return self.machine.run("procman", *words, cwd=self.folder, check=check)

    def systemctl(self, *words: str, check: bool = True) -> Any:
        """Run a command of systemd."""
        if self.user is not None:
            return self.machine.as_user(self.user, "systemctl", *words, check=check)
        return self.machine.run("systemctl", *words, check=check)

    def show(self, *properties: str) -> dict[str, str]:
        """Return what systemd says of the unit."""
        return self.machine.show(UNIT, *properties, user=self.user)

    def status(self) -> Any:
        """Return the status, or nothing while no manager answers."""
        done = self.procman("status", "--json", check=False)
        return done.json if done.code == 0 else None

    def pids(self) -> dict[str, list[int]]:
        """Return the processes of each app once all are up, as the machine counts them."""

        def look() -> dict[str, list[int]] | None:
            status = self.status()
            apps = status["apps"] if status else []
            is_up = bool(apps) and all(app["state"] == "running" for app in apps)
            return {app["name"]: app["pids"] for app in apps} if is_up else None

        try:
            return self.machine.until(look, "every app runs")
        except AssertionError as error:
            said = (
                self.procman("status", check=False).text,
                self.procman("logs", "-n", "40", check=False).text,
            )
            raise AssertionError("\n".join((str(error), *said))) from None

    def manager(self) -> int:
        """Return the pid of the manager."""
        return int(self.status()["manager"]["pid"])

    def new_manager(self, before: int) -> int:
        """Wait for a manager that answers and is not the one before."""

        def look() -> int | None:
            status = self.status()
            return status["manager"]["pid"] if status and status["manager"]["pid"] != before else None

        return self.machine.until(look, "another manager answers")

    def is_well(self, before: dict[str, list[int]]) -> None:
        """Demand that the same processes run, each app in its own cgroup below that of the unit."""
        assert self.pids() == before
        top = self.show("ControlGroup")["ControlGroup"]
        manager = self.manager()
        assert self.cgroup(manager) == f"{top}/procman-manager"
        for app, pids in before.items():
            assert pids
            for pid in pids:
                project, run = self.cgroup(pid).removeprefix(f"{top}/").split("/")
                assert project.startswith("procman-")
                assert run.startswith(f"{app}:")
        well = {"ActiveState": "active", "MainPID": str(manager), "StatusText": "4 apps running"}
        self.machine.until(
            lambda: self.show(*well) == well, f"systemd says {well}"
        )  # 0.1 s after the last change

    def cgroup(self, pid: int) -> str:
        """Return the path of a process's cgroup of version 2."""
        lines = self.machine.read(f"/proc/{pid}/cgroup").splitlines()
        return next(line.removeprefix("0::") for line in lines if line.startswith("0::"))


@pytest.fixture(scope="module")
def shop(machine: Machine) -> Shop:
    """The project, without procman as yet."""
    shop = Shop(machine)
    shop.lay()
    return shop


def install(machine: Machine, wheels: str) -> None:
    """Install the package, without a network."""
    pip = ("/opt/procman/bin/python", "-m", "pip", "install", "--quiet", "--no-index", "--upgrade")
    machine.run(*pip, "--find-links", wheels, "procman-portwatch")


def test_three_commands_from_a_fresh_debian_to_an_api_after_a_reboot(machine: Machine, shop: Shop) -> None:
    machine.run("/usr/bin/python3", "-m", "venv", "/opt/procman")
    install(machine, "/opt/wheels")
    machine.run("ln", "-s", "/opt/procman/bin/procman", "/usr/local/bin/procman")
    told = shop.procman("service", "install")
    assert "`procman-shop` starts with the machine\n" in told.out
    assert "started it: manager" in told.out
    machine.reboot()
    before = shop.pids()
    ask = "import urllib.request as r; print(r.urlopen('http://localhost:3000/health').read())"
    assert machine.run("/usr/bin/python3", "-c", ask).out == "b'{\"ok\":true}'\n"
    verdicts = {app["name"]: app["verdict"] for app in shop.status()["apps"]}
    assert verdicts == {"api": "own", "web": "own", "worker": None, "tool": None}
    shop.is_well(before)
    assert "api: stopped -> waiting: started with the service\n" in journal(machine, "info")
    assert machine.run("stat", "-c", "%U", f"/proc/{before['api'][0]}").out == "ada\n"
    assert shop.procman("logs", "tool", "--no-prefix").out.splitlines()[-1] == (
        "/home/ada/.nvm/versions/node/v18.20.4/bin/node"
    )


def test_an_app_gets_nothing_that_systemd_says_to_its_manager(machine: Machine, shop: Shop) -> None:
    pid = shop.pids()["api"][0]
    names = {each.partition("=")[0] for each in machine.read(f"/proc/{pid}/environ").split("\0")}
    told = {each.partition("=")[0] for each in machine.read(f"/proc/{shop.manager()}/environ").split("\0")}
    only = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM", "INVOCATION_ID"}
    assert only <= told
    assert not names & (only | {"PROCMAN_PATH", "SYSTEMD_EXEC_PID"})
    assert {"HOME", "PATH", "PORT"} <= names


def test_to_install_it_again_changes_nothing(shop: Shop) -> None:
    before = shop.pids()
    told = shop.procman("service", "install").out
    assert "`/etc/systemd/system/procman-shop.service` is as it should be" in told
    assert f"it runs already: manager {shop.manager()}" in told
    shop.is_well(before)
    assert shop.procman("service", "status", "--json").json["unfit"] == []


def test_the_journal_has_levels(machine: Machine, shop: Shop) -> None:
    machine.run("kill", "-9", str(shop.pids()["worker"][-1]))
    machine.until(lambda: "worker" in journal(machine, "info"), "the end of the worker is told")
    machine.until(lambda: "exited" in journal(machine, "info"), "and how it ended")
    assert "is ready for" not in journal(machine, "warning")
    assert "<6>" not in journal(machine, "debug")


def journal(machine: Machine, level: str) -> str:
    """Return what the unit has said at this level or a graver one."""
    return machine.run("journalctl", "-u", UNIT, "-p", level, "-o", "cat", "--no-pager").out


def test_a_killed_manager_is_replaced_and_no_app_notices(machine: Machine, shop: Shop) -> None:
    before, manager = shop.pids(), shop.manager()
    machine.run("kill", "-9", str(manager))
    shop.new_manager(manager)
    shop.is_well(before)


def test_what_its_user_has_stopped_stays_stopped_after_a_crash(machine: Machine, shop: Shop) -> None:
    shop.procman("stop", "tool")
    manager = shop.manager()
    machine.run("kill", "-9", str(manager))
    shop.new_manager(manager)
    states = {app["name"]: app["state"] for app in shop.status()["apps"]}
    assert states == {"api": "running", "web": "running", "worker": "running", "tool": "stopped"}
    machine.until(
        lambda: shop.show("StatusText")["StatusText"] == "3 apps running, 1 stopped", "the status says so"
    )
    shop.procman("start", "tool")


def test_a_hung_manager_is_noticed_and_replaced(machine: Machine, shop: Shop) -> None:
    drop_in = machine.root / f"etc/systemd/system/{UNIT}.d/quick.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nWatchdogSec=3s\n")
    machine.run("systemctl", "daemon-reload")
    before, manager = shop.pids(), shop.manager()
    machine.run("kill", "-9", str(manager))  # the watchdog's time is given to a process at its start
    manager = shop.new_manager(manager)
    shop.is_well(before)
    machine.run("kill", "-STOP", str(manager))
    machine.until(lambda: "watchdog" in journal(machine, "notice").lower(), "systemd has noticed it")
    shop.new_manager(manager)
    shop.is_well(before)
    drop_in.unlink()
    machine.run("systemctl", "daemon-reload")


def test_with_the_usual_way_to_kill_every_app_would_be_lost(machine: Machine, shop: Shop) -> None:
    """Why the unit has `KillMode=process`; and that these tests would see an app that is lost."""
    drop_in = machine.root / f"etc/systemd/system/{UNIT}.d/mixed.conf"
    drop_in.write_text("[Service]\nKillMode=mixed\n")
    machine.run("systemctl", "daemon-reload")
    before, manager = shop.pids(), shop.manager()
    machine.run("kill", "-9", str(manager))
    shop.new_manager(manager)
    after = shop.pids()
    assert all(not set(pids) & set(before[app]) for app, pids in after.items())
    drop_in.unlink()
    machine.run("systemctl", "daemon-reload")


def test_an_upgrade_of_the_package_keeps_the_apps(machine: Machine, shop: Shop) -> None:
    before, manager = shop.pids(), shop.manager()
    install(machine, "/opt/new")
    assert f"runs version {NEW} now" in shop.procman("upgrade").out
    assert (shop.manager(), shop.status()["manager"]["version"]) == (manager, NEW)
    shop.is_well(before)
    assert shop.procman("service", "status", "--json").json["unfit"] == []


def test_a_reload_by_systemd_fails_as_one_by_hand_would(machine: Machine, shop: Shop) -> None:
    before = shop.pids()
    file = machine.root / "srv/shop/portwatch.toml"
    file.write_text(FILE.replace("port = 3000", "port = 99999"))
    assert shop.systemctl("reload", UNIT, check=False).code != 0
    file.write_text(FILE)
    shop.systemctl("reload", UNIT)
    shop.is_well(before)


def test_down_ends_the_service_and_systemd_does_not_bring_it_back(machine: Machine, shop: Shop) -> None:
    shop.procman("down")
    machine.until(lambda: shop.show("ActiveState")["ActiveState"] == "inactive", "the unit has ended")
    assert shop.show("Result")["Result"] == "success"
    shop.systemctl("start", UNIT)
    shop.is_well(shop.pids())


def test_stop_ends_every_app_in_good_order(machine: Machine, shop: Shop) -> None:
    pids = [pid for each in shop.pids().values() for pid in each]
    shop.systemctl("stop", UNIT)
    assert shop.show("Result", "ActiveState") == {"Result": "success", "ActiveState": "inactive"}
    left = machine.run("ps", "-o", "pid=,args=", "-p", ",".join(map(str, pids)), check=False).out
    assert left == ""


def test_doctor_sees_what_does_not_fit_any_more(machine: Machine, shop: Shop) -> None:
    unit = machine.root / "etc/systemd/system" / UNIT
    fits = unit.read_text()
    unit.write_text(fits.replace("ExecStart=/usr/local/bin/procman", "ExecStart=/opt/gone/procman"))
    found = [each for each in shop.procman("doctor", "--json", check=False).json["checks"]]
    said = [each["text"] for each in found if each["subject"] == "service"]
    assert any("does not fit any more: `ExecStart` is `/opt/gone/procman -f" in each for each in said)
    assert any("runs `/opt/gone/procman`, which is not there" in each for each in said)
    unit.write_text(fits)
    machine.run("systemctl", "disable", UNIT)
    found = [each for each in shop.procman("doctor", "--json", check=False).json["checks"]]
    assert any(each["subject"] == "service" and "not enabled" in each["text"] for each in found)


def test_uninstall_leaves_nothing(machine: Machine, shop: Shop) -> None:
    shop.systemctl("start", UNIT)
    shop.pids()
    assert "starts no more" in shop.procman("service", "uninstall").out
    assert shop.show("LoadState")["LoadState"] == "not-found"
    assert shop.status() is None
    assert "no service is installed" in shop.procman("service", "uninstall").out


def test_a_service_of_a_user_runs_from_boot_with_lingering(machine: Machine) -> None:
    mine = Shop(machine, "/home/ada/shop", "ada")
    machine.run("cp", "-a", "/srv/shop", "/home/ada/shop")
    machine.run("rm", "-rf", "/home/ada/shop/.procman")
    mine.lay()
    refused = mine.procman("service", "install", check=False)
    assert refused.code == 1
    assert (
        "hint: it runs while you are logged in, or always after `sudo loginctl enable-linger ada`"
        in refused.err
    )
    machine.run("loginctl", "enable-linger", "ada")
    machine.until(lambda: os.path.exists(machine.root / "var/lib/systemd/linger/ada"), "ada lingers")
    machine.until(
        lambda: mine.systemctl("is-system-running", check=False).out.strip() in ("running", "degraded"),
        "ada's systemd runs",
    )
    told = mine.procman("service", "install").out
    assert "`procman-shop` starts with the machine\n" in told
    machine.reboot()
    before = mine.pids()
    mine.is_well(before)
    manager = mine.manager()
    machine.run("kill", f"-{signal.SIGKILL.value}", str(manager))
    mine.new_manager(manager)
    mine.is_well(before)
    mine.procman("service", "uninstall")
