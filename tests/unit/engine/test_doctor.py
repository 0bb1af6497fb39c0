"""What `procman doctor` finds, on a simulated machine and a real folder."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from procman import __version__
from procman.core.identity import MARKER
from procman.engine import doctor, doctor_state
from procman.engine.doctor import Patient, Reached, examine
from procman.engine.findings import Finding, Grade
from procman.engine.ports import Current
from procman.engine.runs import project_mark
from procman.host.claim import claim, holder_of
from procman.host.facts import Facts, Feature, Limit
from tests.fakes.host import FakeHost
from tests.fakes.neighbours import listening
from tests.fakes.programs import Program

GOOD = Facts((Feature("pidfd", True, "never said"),), Limit(500_000, 10), Limit(128, 3), open_files=1024)
FILE = """\
[apps.web]
command = "npm run dev"
port = 5173

[apps.worker]
command = "node worker.js"
"""


class Clinic:
    """A project to be examined: its folder is real, the machine is not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "portwatch.toml"
        self.home = folder / ".procman"
        self.home.mkdir(mode=0o700)
        self.bin = folder / "bin"
        self.bin.mkdir()
        for tool in ("node", "npm"):
            self.program(self.bin / tool)
        self.file.write_text(FILE)
        self.host = FakeHost()
        self.facts = GOOD
        self.versions: dict[str, str | None] = {"node": "v20.11.0", "npm": "10.2.4"}
        self.manager: Reached | None = None
        self.silence: str | None = None

    @staticmethod
    def program(path: Path) -> None:
        """Put something that can be executed there."""
        path.write_text("")
        path.chmod(0o755)

    def findings(self) -> list[Finding]:
        """Return all that is found."""
        self.host.advance(1)
        patient = Patient(
            self.host,
            str(self.file),
            self.home,
            self.home / "control.sock",
            {"PATH": str(self.bin), MARKER: "outer:web:1"},
            self.manager,
            self.silence,
        )
        return list(examine(patient, lambda _folder: self.facts, self._version))

    def _version(self, program: str, environment: Mapping[str, str], cwd: str) -> str | None:
        assert MARKER not in environment
        assert os.path.isdir(cwd)
        return self.versions.get(program)

    def of(self, subject: str) -> list[Finding]:
        """Return what is found about one thing."""
        return [each for each in self.findings() if each.subject == subject]

    def bad(self) -> list[tuple[str, str, str]]:
        """Return what is not as it should be, but for the installation, which is that of the tests."""
        return [
            (each.subject, each.grade.value, each.text)
            for each in self.findings()
            if each.grade is not Grade.OK and each.subject not in ("python", "procman")
        ]

    def one(self, subject: str) -> Finding:
        """Return the one thing that is wrong."""
        (finding,) = [each for each in self.of(subject) if each.grade is not Grade.OK]
        return finding

    def reached(self, **more: Any) -> Reached:
        """Return a manager as it should be."""
        return replace(Reached(4000, __version__, str(self.file), ()), **more)


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    return Clinic(tmp_path)


def test_nothing_is_wrong_with_a_healthy_project(clinic: Clinic) -> None:
    assert clinic.bad() == []
    texts = {each.subject: each.text for each in clinic.findings()}
    assert texts["web"] == (f"`npm` is `{clinic.bin}/npm`; node 20.11.0, npm 10.2.4; port 5173 is free")
    assert texts["worker"] == f"`node` is `{clinic.bin}/node`; node 20.11.0"
    assert texts["manager"] == "none runs; `procman up` starts it"
    assert texts["kernel"] == "it has pidfd, destroy notices"
    assert os.listdir(clinic.home) == [], "nothing is left in the folder"


def test_every_trouble_has_a_hint_or_says_what_is_slower(clinic: Clinic) -> None:
    clinic.facts = Facts((Feature("splice", False, "slow"),), Limit(100, 100), Limit(10, 9), 64)
    clinic.file.write_text('[apps.web]\ncommand = "nowhere"\ncwd = "gone"\n[apps.api]\ncommand = "none"\n')
    clinic.home.chmod(0o755)
    troubles = [each for each in clinic.findings() if each.grade is not Grade.OK]
    assert len(troubles) >= 6
    assert {each.subject for each in troubles if each.hint is None} <= {"kernel", "python"}


# the machine


@pytest.mark.parametrize(
    ("limit", "grade"),
    [
        (Limit(524_288, 1000), Grade.OK),
        (Limit(524_288, 500_000), Grade.WARN),
        (Limit(524_288, 524_288), Grade.FAIL),
        (Limit(8192, 10), Grade.WARN),
    ],
)
def test_watches_that_run_out_are_told_before_they_do(clinic: Clinic, limit: Limit, grade: Grade) -> None:
    clinic.facts = replace(GOOD, watches=limit)
    (finding,) = clinic.of("inotify watches")
    assert finding.grade is grade
    assert (finding.hint is None) == (grade is Grade.OK)


def test_open_files_are_measured_by_the_number_of_apps(clinic: Clinic) -> None:
    clinic.facts = replace(GOOD, open_files=83)
    assert clinic.one("open files").text == "83 may be open at once; 84 are needed for 2 apps"
    clinic.facts = replace(GOOD, open_files=-1)
    assert [each.grade for each in clinic.of("open files")] == [Grade.OK]


def test_what_the_kernel_lacks_is_named_with_what_it_costs(clinic: Clinic) -> None:
    clinic.facts = replace(GOOD, features=(Feature("pidfd", False, "looks each 50 ms"),))
    clinic.host.machine.announces = False
    assert clinic.bad() == [
        ("kernel", "warn", "no pidfd: looks each 50 ms"),
        ("kernel", "warn", f"no destroy notices: {doctor.CLOSED_UNSEEN}"),
    ]


def test_what_most_machines_lack_is_told_without_a_warning(clinic: Clinic) -> None:
    clinic.facts = replace(GOOD, features=(Feature("cgroups", False, "not allowed", is_usual=False),))
    assert clinic.bad() == []
    assert "no cgroups: not allowed" in [each.text for each in clinic.of("kernel")]


def test_a_system_that_tells_nothing_is_no_trouble(clinic: Clinic) -> None:
    clinic.facts = Facts()
    assert clinic.bad() == []


def test_a_python_that_was_not_tested_is_told(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "NEWEST", (3, 10))
    (finding,) = clinic.of("python")
    assert finding.grade is Grade.WARN


@pytest.mark.parametrize(
    ("prefix", "grade"), [("/opt/procman", Grade.OK), ("/home/me/.cache/uv/archive-v0/x", Grade.WARN)]
)
def test_an_installation_in_a_cache_may_go_away(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, prefix: str, grade: Grade
) -> None:
    monkeypatch.setattr(sys, "prefix", prefix)
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    (finding,) = clinic.of("procman")
    assert finding.grade is grade


def test_another_procman_on_the_path_is_told(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("first", "here"):
        (clinic.folder / folder).mkdir()
        clinic.program(clinic.folder / folder / "procman")
    monkeypatch.setattr(sys, "prefix", "/opt/procman")
    monkeypatch.setattr(sys, "executable", str(clinic.folder / "here" / "python"))
    monkeypatch.setenv("PATH", str(clinic.folder / "first"))
    assert f"`procman` on PATH is `{clinic.folder}/first/procman`" in clinic.one("procman").text


# the state folder and the manager


def test_a_folder_that_is_not_there_yet_is_fine_where_it_can_be_made(clinic: Clinic) -> None:
    clinic.home.rmdir()
    assert clinic.bad() == []
    clinic.home = clinic.file / "below" / "a" / "file"
    assert clinic.one("state folder").grade is Grade.FAIL


def test_a_file_in_the_place_of_the_folder_fails(clinic: Clinic) -> None:
    clinic.home.rmdir()
    clinic.home.touch()
    assert "is not a folder" in clinic.one("state folder").text


def test_a_folder_that_can_hold_no_pipe_fails(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "mkfifo", refuse)
    assert clinic.one("state folder").text == (
        f"no named pipe can be made in `{clinic.home}`: Operation not permitted"
    )


def test_a_folder_that_others_can_open_is_told(clinic: Clinic) -> None:
    clinic.home.chmod(0o750)
    assert clinic.one("permissions").hint == f"`chmod 700 {clinic.home}`"


def test_a_full_disk_fails_and_one_that_logs_may_fill_is_told(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    for free, grade in ((1_000, Grade.FAIL), (100_000_000, Grade.WARN), (10**12, Grade.OK)):
        usage = shutil.disk_usage(clinic.folder)._replace(free=free)
        monkeypatch.setattr(doctor_state.shutil, "disk_usage", lambda _, usage=usage: usage)
        (finding,) = clinic.of("disk")
        assert finding.grade is grade


def test_a_manager_of_another_version_or_file_is_told(clinic: Clinic) -> None:
    clinic.manager = clinic.reached()
    assert clinic.bad() == []
    clinic.manager = clinic.reached(version="0.0.1")
    assert clinic.one("manager").hint == "`procman upgrade`"
    clinic.manager = clinic.reached(file="/project/other.toml")
    assert "runs `/project/other.toml`" in clinic.one("manager").text


def test_a_manager_that_holds_the_folder_and_does_not_answer_fails(clinic: Clinic) -> None:
    held = claim(str(clinic.home))
    assert held is not None
    try:
        clinic.silence = "the manager has not answered for 10s"
        finding = clinic.one("manager")
        assert finding.grade is Grade.FAIL
        assert f"pid {os.getpid()} holds the state folder" in finding.text
        assert f"`kill -9 {os.getpid()}` leaves its apps running" in (finding.hint or "")
    finally:
        held.release()
    assert holder_of(str(clinic.home)) is None


def test_the_socket_of_a_dead_manager_is_told(clinic: Clinic) -> None:
    (clinic.home / "control.sock").touch()
    finding = clinic.one("manager")
    assert (finding.grade, finding.hint) == (Grade.WARN, "`procman up` goes on where it stopped")


def test_a_manager_that_refuses_is_quoted(clinic: Clinic) -> None:
    clinic.silence = "this manager belongs to another user"
    assert clinic.bad() == [("manager", "fail", "this manager belongs to another user")]


# orphans and ports


def test_orphans_are_named_and_how_to_get_rid_of_them(clinic: Clinic) -> None:
    marker = f"{project_mark(clinic.home)}web:3"
    process = clinic.host.machine.start(listening(5173), "node vite", environment={MARKER: marker})
    finding = clinic.one("orphans")
    assert finding.text == f"still run without a manager: web: node {process.pid}"
    assert finding.hint == "`procman up` takes them back, `procman down` ends them"
    assert "port 5173 is its own" in clinic.of("web")[0].text
    clinic.manager = clinic.reached(runs=(Current("web", marker, (process.pid,)),))
    assert clinic.bad() == []
    clinic.manager = clinic.reached(runs=())
    assert "`procman free PORT` ends them" in (clinic.one("orphans").hint or "")


def test_a_manager_that_does_not_tell_its_runs_makes_nobody_an_orphan(clinic: Clinic) -> None:
    marker = f"{project_mark(clinic.home)}web:3"
    clinic.host.machine.start(Program(), "node vite", environment={MARKER: marker})
    clinic.manager = clinic.reached(runs=None)
    assert clinic.bad() == []


def test_who_is_on_the_port_of_an_app_is_told(clinic: Clinic) -> None:
    process = clinic.host.machine.start(listening(5173), "python3 -m http.server")
    finding = clinic.one("web")
    assert finding.text == f"port 5173 is held by pid {process.pid} (`python3 -m http.server`)"
    assert finding.hint == "`procman free 5173` ends it"
    clinic.host.machine.hidden.add(process.pid)
    assert "can't be seen" in clinic.one("web").text
    clinic.host.machine.hidden.clear()
    other = Current("api", "x:api:1", (process.pid,))
    clinic.manager = clinic.reached(runs=(other,))
    assert clinic.one("web").hint == "`procman stop api`"


def test_a_machine_that_does_not_tell_who_listens_gives_no_verdict(clinic: Clinic) -> None:
    clinic.host.machine.readable = False
    assert [subject for subject, _grade, _text in clinic.bad()] == ["ports"]
    assert "port" not in clinic.of("web")[0].text


# apps


def test_an_invalid_file_fails_and_everything_else_is_checked_all_the_same(clinic: Clinic) -> None:
    clinic.file.write_text("[apps.web]\ncomand = 1\n")
    (finding,) = clinic.of("file")
    assert finding.grade is Grade.FAIL
    assert "comand" in finding.text
    assert clinic.of("web") == []
    assert clinic.of("disk") != []


def test_a_file_of_disabled_apps_is_told(clinic: Clinic) -> None:
    clinic.file.write_text('[apps.web]\ncommand = "none"\nenabled = false\n')
    assert clinic.one("file").grade is Grade.WARN
    assert clinic.of("web") == []


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ('command = "node x"\ncwd = "gone"', "its folder `{folder}/gone` does not exist"),
        ('command = "vite"', "its command `vite` is not found"),
        ('command = "./run.sh"', "its command `./run.sh` is not found"),
        ('command = "node x"\nenv_file = ".env"', ".env: no such file"),
        ('command = "node x"\nenv = { PATH = "/nowhere" }', "its command `node` is not found"),
    ],
)
def test_what_a_start_would_lack_fails(clinic: Clinic, table: str, text: str) -> None:
    clinic.file.write_text(f"[apps.web]\n{table}\n")
    first = clinic.one("web") if "PATH" not in table else clinic.of("web")[-1]
    assert first.grade is Grade.FAIL
    assert text.format(folder=clinic.folder) in first.text


def test_a_program_of_the_apps_own_folder_is_found(clinic: Clinic) -> None:
    clinic.program(clinic.folder / "run.sh")
    clinic.file.write_text('[apps.web]\ncommand = "./run.sh"\n[apps.api]\ncommand = "a | b"\nshell = true\n')
    assert clinic.bad() == []


def test_a_program_that_only_npm_would_find_is_told(clinic: Clinic) -> None:
    (clinic.folder / "node_modules" / ".bin").mkdir(parents=True)
    clinic.program(clinic.folder / "node_modules" / ".bin" / "vite")
    clinic.file.write_text('[apps.web]\ncommand = "vite"\n')
    assert (clinic.one("web").hint or "").startswith("`npx vite`")


@pytest.fixture
def _package(clinic: Clinic) -> None:
    """A package.json in the project, with dependencies that are installed."""
    document = {"dependencies": {"vite": "8"}, "engines": {"node": ">=18"}}
    (clinic.folder / "package.json").write_text(json.dumps(document))
    (clinic.folder / "node_modules").mkdir()


@pytest.mark.usefixtures("_package")
def test_a_node_of_the_wrong_major_is_told(clinic: Clinic) -> None:
    assert clinic.bad() == []
    clinic.versions["node"] = "v16.20.0"
    assert clinic.one("worker").text == (
        "`engines` of package.json asks for node `>=18`, and its PATH has 16.20.0"
    )
    (clinic.folder / ".nvmrc").write_text("16\n")
    assert len(clinic.bad()) == 2


def test_npm_without_node_fails(clinic: Clinic) -> None:
    clinic.versions["node"] = None
    assert clinic.one("web").text == "no `node` runs with its PATH"


@pytest.mark.usefixtures("_package")
def test_packages_that_nobody_installs_are_told(clinic: Clinic) -> None:
    (clinic.folder / "node_modules").rmdir()
    (clinic.folder / "package-lock.json").touch()
    assert clinic.one("web").hint == (
        f'`npm ci` in `{clinic.folder}`, or `prepare = "npm ci"` to have it done'
    )
    clinic.file.write_text('[apps.web]\ncommand = "npm run dev"\nprepare = "npm ci"\n')
    assert clinic.bad() == []
