"""`portwatch.local.toml`: what it lays over the file, and where its errors are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from procman.config.read import InvalidConfig, MissingFile, read_config, read_in_place
from procman.config.source import read_source
from procman.core.config import Check, CheckKind, Command, Config

MAIN = """\
[manager]
stop_timeout = "5s"

[defaults]
check_interval = "20s"

[apps.api]
command = "node server.js"
port = 3000
env = { LEVEL = "info", COLOUR = "red" }
check = { http = "/health", status = "204", timeout = "3s" }

[apps.web]
command = "npm run dev"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "portwatch.toml").write_text(MAIN)
    return tmp_path


def read(folder: Path, local: str) -> Config:
    (folder / "portwatch.local.toml").write_text(local)
    return read_config(str(folder / "portwatch.toml"))


def errors(folder: Path, local: str) -> list[str]:
    with pytest.raises(InvalidConfig) as caught:
        read(folder, local)
    return [each.headline for each in caught.value.diagnostics]


def test_tables_are_merged_key_by_key(folder: Path) -> None:
    config = read(
        folder,
        '[manager]\nstop_timeout = "1s"\n[defaults]\ncheck_interval = "1s"\n'
        '[apps.api]\nport = 3001\nenv = { LEVEL = "debug", MORE = "1" }\n',
    )
    api = config.apps["api"]
    assert (api.port, api.check_interval, api.stop_timeout) == (3001, 1.0, 1.0)
    assert api.env == (("LEVEL", "debug"), ("COLOUR", "red"), ("MORE", "1"))
    assert api.command == Command(("node", "server.js"))
    assert config.local_file == str(folder / "portwatch.local.toml")


def test_an_app_may_be_added_and_one_taken_out(folder: Path) -> None:
    config = read(folder, '[apps.web]\nenabled = false\n[apps.mine]\ncommand = "./mine"\n')
    assert list(config.enabled_apps()) == ["api", "mine"]


def test_a_check_of_another_kind_keeps_its_rhythm_only(folder: Path) -> None:
    config = read(folder, "[apps.api]\ncheck = { tcp = true }\n")
    assert config.apps["api"].check == Check(CheckKind.TCP, timeout=3.0)


def test_a_check_of_the_same_kind_keeps_all_that_is_not_named(folder: Path) -> None:
    config = read(folder, '[apps.api]\ncheck = { http = "/" }\n')
    assert config.apps["api"].check == Check(CheckKind.HTTP, "/", ((204, 204),), timeout=3.0)


@pytest.mark.parametrize("local", ["", "\n  \n", "# nothing\n"])
def test_an_empty_local_file_says_nothing(folder: Path, local: str) -> None:
    before = read_config(str(folder / "portwatch.toml"))
    assert read(folder, local).apps == before.apps


def test_an_error_names_the_file_that_it_is_in(folder: Path) -> None:
    (folder / "portwatch.toml").write_text(MAIN + "colour = 1\n")
    assert errors(folder, "[apps.api]\nport = 99999\n\n[apps.mine]\nport = 3001\n") == [
        "portwatch.toml:15:1: apps.web.colour: unknown key",
        "portwatch.local.toml:2:8: apps.api.port: expected 1 to 65535, got 99999",
        "portwatch.local.toml:4:1: apps.mine: `command` is missing",
    ]


def test_a_place_in_the_other_file_is_named_with_it(folder: Path) -> None:
    [error] = errors(folder, "[apps.web]\nport = 3000\n")
    assert error.startswith("portwatch.local.toml:2:8: apps.web.port: ")
    assert error.endswith("(portwatch.toml:9)")


def test_broken_toml_is_an_error_of_the_local_file(folder: Path) -> None:
    assert errors(folder, "[apps.web\n")[0].startswith("portwatch.local.toml:1:1: ")


def test_a_local_file_alone_is_nothing(folder: Path) -> None:
    (folder / "portwatch.toml").unlink()
    with pytest.raises(MissingFile):
        read(folder, MAIN)


def test_another_file_has_another_local_one(folder: Path) -> None:
    (folder / "other.toml").write_text(MAIN)
    (folder / "other.local.toml").write_text("[apps.api]\nport = 4000\n")
    (folder / "portwatch.local.toml").write_text("[apps.api]\nport = 5000\n")
    assert read_config(str(folder / "other.toml")).apps["api"].port == 4000


def test_a_procfile_has_none(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web: npm start\n")
    (tmp_path / "Procfile.local").write_text("api: npm start\n")
    assert list(read_config(str(tmp_path / "Procfile")).apps) == ["web"]


def test_the_version_of_a_source_is_that_of_both_files(folder: Path) -> None:
    path = str(folder / "portwatch.toml")
    alone = read_source(path)
    (folder / "portwatch.local.toml").write_text("[apps.api]\nport = 4000\n")
    both = read_source(path)
    assert alone.digest == both.digest
    assert alone.version != both.version


def test_a_file_that_is_not_in_place_is_read_as_if_it_were(folder: Path) -> None:
    place = folder / "portwatch.toml"
    (folder / "portwatch.local.toml").write_text("[apps.api]\nport = 4000\n")
    (folder / "drafts").mkdir()
    draft = folder / "drafts" / "new.toml"
    draft.write_text('[apps.api]\ncommand = "x"\ncwd = "api"\n')
    config = read_in_place(str(draft), str(place))
    assert (config.file, config.folder) == (str(place), str(folder))
    assert (config.apps["api"].cwd, config.apps["api"].port) == (str(folder / "api"), 4000)


def test_its_errors_carry_its_own_name(folder: Path) -> None:
    draft = folder / "new.toml"
    draft.write_text("[apps.api]\n")
    with pytest.raises(InvalidConfig) as caught:
        read_in_place(str(draft), str(folder / "portwatch.toml"))
    assert caught.value.summary.startswith("new.toml:1:1: apps.api: ")


def test_a_procfile_may_take_the_place_of_the_file(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "Procfile").write_text("web: npm start\n")
    config = read_in_place(str(folder / "sub" / "Procfile"), str(folder / "portwatch.toml"))
    assert config.file == os.path.join(str(folder), "Procfile")
    assert config.apps["web"].cwd == str(folder)
