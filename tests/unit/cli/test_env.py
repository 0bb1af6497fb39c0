"""`procman env`: every variable with its file and line, and no secret unless it is asked for."""

from __future__ import annotations

import json
import pwd
from pathlib import Path

import pytest

from procman.cli.entry import main

FILE = """\
[defaults]
env = { SHARED = "1" }

[apps.web]
command = "npm run dev"
port = 4000
env_file = ".env"
env = { NODE_ENV = "development", A = "${A}-more" }

[apps.worker]
command = "node worker.js"
inherit_env = false
"""


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "portwatch.toml").write_text(FILE)
    (tmp_path / ".env").write_text(
        "# of the project\nA=1\nAPI_TOKEN=word\nPATH=/x\nDB=postgres://me:word@db/x\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setenv("EDITOR", "vi")
    monkeypatch.delenv("PROCMAN_FILE", raising=False)


def rows(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, object]]:
    assert main(["env", "web", "--json", *words]) == 0
    (app,) = json.loads(capsys.readouterr().out)["apps"]
    return {row["name"]: row for row in app["env"]}


def test_each_variable_says_where_it_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys)
    assert {name: found[name]["from"] for name in ("A", "PORT", "SHARED", "NODE_ENV", "PATH", "EDITOR")} == {
        "A": "portwatch.toml:8",
        "PORT": "portwatch.toml:6",
        "SHARED": "portwatch.toml:2",
        "NODE_ENV": "portwatch.toml:8",
        "PATH": ".env:4",
        "EDITOR": "the manager's environment",
    }
    assert found["A"]["value"] == "1-more"
    assert found["A"]["overrides"] == [".env:2"]
    assert found["PATH"]["overrides"] == ["the manager's environment"]


def test_what_nothing_of_the_project_changes_can_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(rows(capsys, "--own")) == {"A", "API_TOKEN", "DB", "NODE_ENV", "PATH", "PORT", "SHARED"}


def test_a_secret_is_in_no_document_whatever_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys)
    assert [found[name]["value"] for name in ("API_TOKEN", "DB")] == [None, None]
    assert found["API_TOKEN"]["hidden"] is True
    assert main(["env", "web", "--json", "--show"]) == 2
    assert "word" not in "".join(capsys.readouterr())


def test_a_secret_is_shown_to_a_person_who_asks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["env", "web", "--own"]) == 0
    out, err = capsys.readouterr()
    assert "word" not in out
    assert "(hidden)" in out
    assert "`--show`" in err
    assert main(["env", "web", "--own", "--show"]) == 0
    assert "postgres://me:word@db/x" in capsys.readouterr().out


def test_an_app_that_inherits_nothing_gets_what_every_program_needs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["env", "worker", "--json"]) == 0
    (app,) = json.loads(capsys.readouterr().out)["apps"]
    names = {row["name"] for row in app["env"]}
    assert "EDITOR" not in names
    assert {"PATH", "SHARED"} <= names


def test_a_broken_env_file_is_told_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".env").write_text("A=1\nnot an assignment\n")
    assert main(["env", "web"]) == 2
    assert capsys.readouterr().err.startswith(".env:2:1: ")


def test_an_unknown_app_is_an_error_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["env", "wbe"]) == 4


def test_an_app_of_another_user_has_the_home_of_that_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    user = pwd.getpwnam("nobody")
    (tmp_path / "portwatch.toml").write_text('[apps.web]\ncommand = "x"\nuser = "nobody"\n')
    found = rows(capsys)
    assert {name: found[name]["value"] for name in ("HOME", "USER")} == {
        "HOME": user.pw_dir,
        "USER": "nobody",
    }
    assert found["USER"]["from"] == "portwatch.toml:3"
