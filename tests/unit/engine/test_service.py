"""A service is installed, renewed, judged and removed; its service manager only notes what it is asked."""

from __future__ import annotations

import os
import pwd
from dataclasses import replace
from pathlib import Path

import pytest

from procman.config.read import read_config
from procman.config.services.systemd import unit
from procman.engine import service as service_module
from procman.engine.doctor_service import check_service
from procman.engine.findings import Finding, Grade
from procman.engine.installation import passing, stable_path
from procman.engine.service import Installation, Wish, describe
from procman.host.service_manager import NotDone, ServiceState
from tests.fakes.service_manager import Noted

FILE = '[apps.web]\ncommand = "node web.js"\nstop_timeout = "20s"\n'


class Site:
    """A project, an installation of procman, and a service manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "shop/portwatch.toml"
        self.file.parent.mkdir()
        self.file.write_text(FILE)
        self.script = folder / "venv/bin/procman"
        self.script.parent.mkdir(parents=True)
        self.script.write_text("")
        self.script.chmod(0o755)
        self.link = folder / "bin/procman"
        self.link.parent.mkdir()
        self.link.symlink_to(self.script)
        self.noted = Noted(folder / "units")

    @property
    def service(self) -> Installation:
        """The service, as the next command finds it."""
        return Installation(self.noted, str(self.file))

    def wish(self, user: str | None = None, home: str | None = None) -> Wish:
        """What it is made of now."""
        environment = {"PATH": str(self.link.parent), "HOME": str(self.folder)}
        return Wish(read_config(str(self.file)), self.noted.system, environment, user, home, str(self.script))

    def install(self, *, linger: bool = False, other: int | None = None) -> list[str]:
        """Install it, and return what is told."""
        return self.service.install(self.wish(), linger=linger, other=other).lines

    def findings(self, manager: int | None = None) -> list[Finding]:
        """Return what doctor finds."""
        return list(check_service(self.service, self.wish(), manager))

    def doubts(self, manager: int | None = None) -> list[str]:
        """Return what it doubts."""
        return [each.text for each in self.findings(manager) if each.grade is not Grade.OK]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(service_module, "passing", lambda _path: None)  # tests are in a temporary folder
    return Site(tmp_path)


def test_it_is_written_enabled_and_started_and_that_is_said(site: Site) -> None:
    path = site.noted.place / "procman-shop.service"
    assert site.install() == [
        f"wrote `{path}`",
        "`procman-shop` starts when you log in",
        "started it: manager 4711",
    ]
    assert site.noted.done == ["demand", "enable procman-shop", "start procman-shop"]
    assert f"ExecStart={site.link} -f {site.file} service run" in path.read_text()
    assert "TimeoutStopSec=35s" in path.read_text()


def test_twice_is_once(site: Site) -> None:
    site.install()
    told = site.service.install(site.wish(), linger=False, other=None)
    assert told.lines[0].endswith("procman-shop.service` is as it should be")
    assert told.lines[2] == "it runs already: manager 4711"
    assert "without lingering it starts when you log in" in told.hints[0]
    assert site.noted.done.count("start procman-shop") == 1


def test_lingering_comes_first_for_it_starts_the_systemd_of_the_user(site: Site) -> None:
    assert site.install(linger=True)[2] == "`procman-shop` starts with the machine"
    assert site.noted.done[0] == "linger"
    assert site.install(linger=True)[1] == "`procman-shop` starts with the machine"
    assert site.noted.done.count("linger") == 1


def test_a_manager_that_was_started_by_hand_goes_on(site: Site) -> None:
    told = site.service.install(site.wish(), linger=False, other=815)
    assert told.lines[-1] == "manager 815 runs, which was not started by the service, and goes on"
    assert told.hints[0].startswith("`procman down && systemctl --user start procman-shop` makes it the")
    assert "start procman-shop" not in site.noted.done


def test_what_is_renewed_while_it_runs_says_from_when_on_it_holds(site: Site) -> None:
    site.install()
    site.file.write_text(FILE.replace("20s", "60s"))
    assert site.install()[0].endswith("; it takes effect at the next start of the service")


def test_two_projects_of_one_name_have_two_services(site: Site) -> None:
    site.install()
    other = site.folder / "other/shop/portwatch.toml"
    other.parent.mkdir(parents=True)
    other.write_text(FILE)
    name = Installation(site.noted, str(other)).name
    assert name.startswith("procman-shop-")
    assert site.service.name == "procman-shop"


def test_uninstall_removes_it_once(site: Site) -> None:
    site.install(linger=True)
    told = site.service.uninstall()
    assert told.lines[0] == "stopped the manager and every app"
    assert told.hints == ["lingering stays enabled; `loginctl disable-linger` ends it"]
    assert os.listdir(site.noted.place) == []
    assert site.noted.done[-2:] == ["remove procman-shop", "forget procman-shop"]
    assert site.service.uninstall().lines == [f"no service is installed for `{site.file}`"]


def test_a_step_that_is_refused_ends_it_there(site: Site) -> None:
    site.noted.refuses = "enable"
    with pytest.raises(NotDone, match="`enable procman-shop` is refused"):
        site.install()
    assert site.service.is_there


def test_doctor_is_content_with_what_was_just_installed(site: Site) -> None:
    assert site.findings() == []
    site.install(linger=True)
    (finding,) = site.findings(4711)
    assert finding.grade is Grade.OK


def test_doctor_sees_a_procman_that_has_moved_and_an_edit_that_needs_more_time(site: Site) -> None:
    site.install(linger=True)
    site.link.unlink()
    site.file.write_text(FILE.replace("20s", "60s"))
    unfit, gone = site.doubts(4711)
    assert f"`ExecStart` is `{site.link} -f" in unfit
    assert "`TimeoutStopSec` is `35s`, not `75s`" in unfit
    assert gone.endswith(f"runs `{site.link}`, which is not there")


def test_doctor_sees_a_file_that_has_moved(site: Site) -> None:
    site.install()
    site.file = site.file.rename(site.file.with_name("other.toml"))
    (gone,) = site.doubts()
    assert gone.endswith("portwatch.toml`, which is gone")


def test_doctor_sees_a_service_that_does_not_start_or_is_not_the_one_that_runs(site: Site) -> None:
    site.install()
    site.noted.now = ServiceState(True, False, "failed (failed)", None, error="watchdog")
    assert site.doubts(815) == [
        "`procman-shop` is not enabled: it does not start with the machine",
        "`procman-shop` ends when you have logged out: lingering is not enabled",
        "manager 815 was not started by `procman-shop`, which is failed (failed)",
    ]
    assert site.doubts()[-1] == "`procman-shop` has ended: watchdog"
    site.noted.now = ServiceState(error="no bus")
    assert site.doubts() == ["systemd does not know `procman-shop`: no bus"]


def test_a_service_of_the_machine_runs_as_the_owner_of_the_file(site: Site) -> None:
    site.noted.system, site.noted.lingering = True, None
    me = describe(site.wish(), "x").user
    assert me == pwd.getpwuid(os.getuid()).pw_name
    assert describe(site.wish(me), "x").user == me
    with pytest.raises(NotDone, match="there is no user `nobody-at-all` on this machine"):
        describe(site.wish("nobody-at-all"), "x")
    site.file.write_text(f'{FILE}user = "daemon"\n')
    with pytest.raises(NotDone, match="an app runs as `daemon`, which only a manager of root can do"):
        describe(site.wish("nobody"), "x")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_root_runs_nothing_that_others_can_change(site: Site) -> None:
    site.noted.system = True
    os.chown(site.file, 1234, 1234)
    with pytest.raises(NotDone, match="belongs to a user without a name"):
        describe(site.wish(), "x")
    with pytest.raises(NotDone, match=r"root would run what user 1234 can change: `.*portwatch\.toml`"):
        site.service.install(site.wish("root"), linger=False, other=None)


@pytest.mark.skipif(os.getuid() != 0, reason="only root installs for somebody else")
def test_a_state_folder_of_somebody_else_is_told_before_the_service_fails_on_it(site: Site) -> None:
    site.noted.system = True
    os.chown(site.file, pwd.getpwnam("daemon").pw_uid, -1)
    home = site.folder / "shop/.procman"
    home.mkdir()
    with pytest.raises(
        NotDone, match=r"/\.procman` belongs to `root`, and the service runs as `daemon`"
    ) as refused:
        site.service.install(site.wish(home=str(home)), linger=False, other=None)
    assert refused.value.hint == f"`procman down`, then `chown -R daemon: {home}`"
    os.chown(home, pwd.getpwnam("daemon").pw_uid, -1)
    site.service.install(site.wish(home=str(home)), linger=False, other=None)


def test_a_link_on_path_is_taken_and_what_it_leads_to_without_one(site: Site) -> None:
    script = str(site.script)
    path = {"PATH": str(site.link.parent), "HOME": str(site.folder)}
    assert stable_path(path, script) == str(site.link)
    assert stable_path({"PATH": "", "HOME": str(site.folder)}, script) == script
    usual = site.folder / ".local/bin/procman"
    usual.parent.mkdir(parents=True)
    usual.symlink_to(site.script)
    assert stable_path({"PATH": "", "HOME": str(site.folder)}, script) == str(usual)
    site.script.unlink()
    assert stable_path(path, script) is None


def test_a_named_user_and_a_path_that_still_leads_here_stay(site: Site) -> None:
    site.noted.system, site.noted.lingering = True, None
    before = describe(site.wish("daemon"), "procman-shop")
    text = unit(replace(before, program=(str(site.script),)))
    site.noted.place.mkdir()
    (site.noted.place / "procman-shop.service").write_text(text)
    assert site.service.unfit(site.wish()) == []
    (found,) = site.service.unfit(site.wish("nobody"))
    assert found == "`User` is `daemon`, not `nobody`"


def test_what_a_cleaner_may_take_away_is_not_installed(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with pytest.raises(NotDone, match="in a temporary folder that may be cleaned"):
        site.install()
    assert site.noted.done == []
    assert passing("/home/ada/.cache/uv/archive-v0/x") == "a cache"
    assert passing("/home/ada/.local/pipx/venvs/procman") is None
