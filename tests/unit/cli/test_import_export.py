"""`procman import` and `procman export`: what is written, what is refused, and what never is overwritten."""

from __future__ import annotations

import builtins
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from procman.cli.entry import main
from procman.config.read import read_config

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty project the current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_import_writes_a_file_beside_the_other(folder: Path, capsys: Captured) -> None:
    (folder / "Procfile").write_text("web: node web.js $PORT\n")

    assert main(["import", "Procfile"]) == 0

    assert list(read_config(str(folder / "portwatch.toml")).apps) == ["web"]
    told = capsys.readouterr()
    assert told.out == "portwatch.toml: 1 app (web) from a file of foreman's kin\n"
    assert "Procfile:1: web: $PORT" in told.err
    assert "procman up" in told.err


def test_import_never_overwrites(folder: Path, capsys: Captured) -> None:
    (folder / "Procfile").write_text("web: node web.js\n")
    (folder / "portwatch.toml").write_text("# mine\n")

    assert main(["import", "Procfile"]) == 2

    assert (folder / "portwatch.toml").read_text() == "# mine\n"
    assert "is there already" in capsys.readouterr().err


def test_import_writes_elsewhere_if_asked(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "Procfile").write_text("web: node web.js\n")

    assert main(["import", "Procfile", "-o", "sub/apps.toml"]) == 0

    assert read_config(str(folder / "sub" / "apps.toml")).apps["web"].cwd == str(folder)


def test_import_says_all_as_json(folder: Path, capsys: Captured) -> None:
    (folder / "compose.yaml").write_text("services:\n  web: {build: ., command: node x, dns: x}\n")

    assert main(["import", "compose.yaml", "--print", "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert (document["format"], document["written"], document["apps"]) == ("compose", False, ["web"])
    assert {"place": "compose.yaml:2", "what": "services.web.dns"}.items() <= document["losses"][1].items()
    assert not (folder / "portwatch.toml").exists()


def test_import_runs_a_script_only_if_asked(folder: Path, capsys: Captured) -> None:
    (folder / "ecosystem.config.js").write_text(
        "require('fs').writeFileSync('ran', '')\n"
        "module.exports = { apps: [{ name: 'web', script: 'web.js' }] }\n"
    )

    assert main(["import", "ecosystem.config.js"]) == 2
    assert "--run-js" in capsys.readouterr().err
    assert not (folder / "ran").exists()

    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    assert main(["import", "ecosystem.config.js", "--run-js"]) == 0
    assert read_config(str(folder / "portwatch.toml")).apps["web"].command.words == ("node", "web.js")


def test_import_says_how_to_get_the_parser_of_yaml(
    folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "compose.yaml").write_text("services: {}\n")
    original = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("ruamel"):
            raise ImportError(name)
        return original(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    assert main(["import", "compose.yaml"]) == 2
    assert "pip install 'procman-portwatch[yaml]'" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["import", "nowhere"], ["import", "."], ["import", "binary"]])
def test_import_refuses_what_it_cannot_read(words: list[str], folder: Path, capsys: Captured) -> None:
    (folder / "binary").write_bytes(b"\x00\xff\xfe")
    assert main(words) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_export_prints_or_writes_and_overwrites_only_if_told(folder: Path, capsys: Captured) -> None:
    (folder / "portwatch.toml").write_text('[apps.web]\ncommand = "node web.js"\ntags = ["x"]\n')

    assert main(["export", "procfile"]) == 0
    told = capsys.readouterr()
    assert told.out == "web: node web.js\n"
    assert "portwatch.toml:3: web.tags" in told.err

    assert main(["export", "systemd", "-o", "units", "@x"]) == 0
    (unit,) = (folder / "units").iterdir()
    unit.write_text("mine")
    assert main(["export", "systemd", "-o", "units"]) == 2
    assert unit.read_text() == "mine"
    assert main(["export", "systemd", "-o", "units", "--force"]) == 0
    assert unit.read_text().startswith("[Unit]")


def test_export_knows_no_other_app(folder: Path) -> None:
    (folder / "portwatch.toml").write_text('[apps.web]\ncommand = "node web.js"\n')
    assert main(["export", "compose", "nope"]) == 4


def test_export_writes_secrets_only_if_asked_and_for_nobody_else(folder: Path, capsys: Captured) -> None:
    (folder / "portwatch.toml").write_text('[apps.web]\ncommand = "node x"\nenv.API_KEY = "hush"\n')
    assert main(["export", "kubernetes"]) == 0
    assert "hush" not in "".join(capsys.readouterr())

    assert main(["export", "kubernetes", "--secrets", "-o", "k8s", "--namespace", "shop"]) == 0
    secret = folder / "k8s" / "web.secret.yaml"
    assert "API_KEY: hush" in secret.read_text()
    assert "namespace: shop" in secret.read_text()
    assert secret.stat().st_mode & 0o777 == 0o600
    secret.chmod(0o644)
    assert main(["export", "kubernetes", "--secrets", "-o", "k8s", "--force"]) == 0
    assert secret.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["Shop", "-a", "a" * 64, "a.b"])
def test_export_takes_no_namespace_that_kubernetes_would_not(
    folder: Path, capsys: Captured, name: str
) -> None:
    (folder / "portwatch.toml").write_text('[apps.web]\ncommand = "node x"\n')
    assert main(["export", "kubernetes", f"--namespace={name}"]) == 2
    assert "small letters" in capsys.readouterr().err


def test_export_says_what_is_wrong_with_an_env_file(folder: Path, capsys: Captured) -> None:
    (folder / "portwatch.toml").write_text('[apps.web]\ncommand = "node x"\nenv_file = "gone"\n')
    assert main(["export", "kubernetes", "--secrets"]) == 2
    assert "no such file" in capsys.readouterr().err
