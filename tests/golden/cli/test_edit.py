"""What `get`, `set`, `add` and `remove` print, how they exit, and what becomes of the file, word for word."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from procman.cli import editing
from procman.cli.entry import main
from procman.config.write import ChangedMeanwhile
from tests.fakes.snapshots import compare

SNAPSHOTS = Path(__file__).parent / "edit"
FILE = """\
#:schema .procman/portwatch.schema.json

[defaults]
check_interval = "10s"   # calm

# The front end
[apps.web]
command = "npm run dev"
port = 5173              # the proxy knows it
depends_on = ["api.v2"]

# The API
[apps."api.v2"]
command = ["node", "server.js"]
port = 3000
check = { http = "/health" }
env = { API_KEY = "hush", NODE_ENV = "development" }
tags = ["back"]
"""
WRONG = FILE.replace("5173 ", "'5173'")
NO_TOML = FILE.replace('"10s"', "10s")
PROCFILE = "web: npm run dev\n"


@dataclass(frozen=True)
class Case:
    """A command, and the file that it is typed beside."""

    name: str
    words: str
    file: str = FILE
    path: str = "portwatch.toml"


CASES = [
    Case("set", "set web.check_interval 30s"),
    Case("set-json", "set web.check_interval 30s --json"),
    Case("set-in-a-table", "set api.v2.check.timeout 5s"),
    Case("set-a-table", "set api.v2.check '{ tcp = true }'"),
    Case("set-a-secret", "set api.v2.env.API_KEY louder"),
    Case("set-a-default", "set defaults.restart never"),
    Case("set-of-the-manager", "set manager.logs.keep 3"),
    Case("set-what-is-set", "set web.port 5173"),
    Case("set-what-holds", "set web.host localhost"),
    Case("set-invalid", "set web.port 99999"),
    Case("set-mends", "set web.port 5173", WRONG),
    Case("set-mends-json", "set web.port 5173 --json", WRONG.replace("'5173'", "2026-11-23")),
    Case("set-no-toml", "set web.port 5173", NO_TOML),
    Case("set-no-value", "set web.port"),
    Case("set-a-value-and-unset", "set web.port 1 --unset"),
    Case("set-a-whole-app", "set web x"),
    Case("set-in-an-array", "set web.depends_on.api healthy"),
    Case("set-unknown-app", "set wbe.port 1"),
    Case("set-unknown-key", "set web.prot 1"),
    Case("set-in-a-procfile", "set web.port 1", PROCFILE, "Procfile"),
    Case("unset", "set web.port --unset"),
    Case("unset-what-is-not-there", "set web.host --unset"),
    Case("unset-a-whole-app", "set web --unset"),
    Case("add", "add jobs port=4000 check.http=/up env.TOKEN=x -- node jobs.js --port {port}"),
    Case("add-json", "add --json jobs -- node 'my jobs.js'"),
    Case("add-for-a-shell", "add jobs shell=true -- 'a | b'"),
    Case("add-an-operator", "add jobs -- a '&&' b"),
    Case("add-without-a-command", "add jobs port=4000"),
    Case("add-what-is-there", "add web -- x"),
    Case("add-a-wrong-name", "add 'a b' -- x"),
    Case("add-a-wrong-setting", "add jobs 4000 -- x"),
    Case("add-an-unknown-key", "add jobs prot=4000 -- x"),
    Case("add-in-a-value", "add jobs depends_on='[]' depends_on.web=healthy -- x"),
    Case("remove", "remove web"),
    Case("remove-json", "remove web --json"),
    Case("remove-what-others-need", "remove @back"),
    Case("remove-all", "remove *"),
    Case("remove-unknown-app", "remove wbe"),
    Case("get", "get"),
    Case("get-json", "get --json"),
    Case("get-an-app", "get web"),
    Case("get-a-key", "get web.check_interval"),
    Case("get-a-key-json", "get web.check_interval --json"),
    Case("get-a-table", "get api.v2.env"),
    Case("get-a-secret", "get api.v2.env.API_KEY"),
    Case("get-what-is-not-set", "get web.prepare"),
    Case("get-defaults", "get defaults"),
    Case("get-of-a-procfile", "get web.command", PROCFILE, "Procfile"),
    Case("get-invalid-file", "get web.port", WRONG),
    Case("get-unknown-app", "get wbe"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder, and a terminal that is always the same."""
    for name in ("PROCMAN_FILE", "PROCMAN_HOME", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_edit_prints_exits_and_writes_as_it_did(
    case: Case, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / case.path
    path.write_text(case.file)
    code = main(shlex.split(case.words))
    out, err = capsys.readouterr()
    after = path.read_text()
    written = "--- the file is as it was\n" if after == case.file else f"--- {case.path}\n{after}"
    text = f"$ procman {case.words}\nexit {code}\n--- stdout\n{out}--- stderr\n{err}{written}"
    compare(SNAPSHOTS / f"{case.name}.txt", text.replace(str(folder), "[FOLDER]"))


def test_every_snapshot_belongs_to_a_case() -> None:
    assert {path.stem for path in SNAPSHOTS.iterdir()} == {case.name for case in CASES}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ChangedMeanwhile(), "was edited by somebody else in this moment, so it was left alone"),
        (PermissionError(13, "Permission denied"), "cannot be written: Permission denied"),
    ],
)
def test_a_file_that_cannot_be_written_says_why(
    error: Exception,
    said: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise error

    (folder / "portwatch.toml").write_text(FILE)
    monkeypatch.setattr(editing, "replace_text", fail)

    assert main(["set", "web.port", "1"]) == 1
    assert f"error: `portwatch.toml` {said}\n" in capsys.readouterr().err


def test_a_value_that_is_no_text_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "portwatch.toml").write_text(FILE)

    assert main(["set", "web.command", "a\udcff"]) == 2
    assert capsys.readouterr().err == "error: web.command: expected UTF-8 text\n"
