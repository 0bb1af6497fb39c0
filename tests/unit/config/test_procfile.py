"""A Procfile alone is enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from procman.config.procfile import is_procfile
from procman.config.read import read_config
from procman.core.config import AppConfig, CheckKind, Command, ManagerConfig


def test_each_line_is_an_app_for_a_shell(tmp_path: Path) -> None:
    path = tmp_path / "Procfile"
    path.write_text("# comment\n\nweb: cd web && PORT=1 npm start\r\n  worker :  node 'w.js' {port}:x  \n")
    config = read_config(str(path))

    folder = str(tmp_path)
    assert config.apps == {
        "web": AppConfig("web", Command(("cd web && PORT=1 npm start",), shell=True), cwd=folder),
        "worker": AppConfig("worker", Command(("node 'w.js' {port}:x",), shell=True), cwd=folder),
    }
    assert (config.file, config.folder, config.manager) == (str(path), folder, ManagerConfig())
    assert config.apps["web"].check.kind is CheckKind.NONE


def test_the_env_file_beside_it_is_read_as_foreman_does(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web: a\n")
    (tmp_path / ".env").write_text("A=1\n")

    config = read_config(str(tmp_path / "Procfile"))
    assert config.apps["web"].env_file == (str(tmp_path / ".env"),)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/x/Procfile", True), ("/x/Procfile.dev", True), ("/x/dev.procfile", True), ("/x/Procfile2", False),
     ("/Procfile/portwatch.toml", False)],
)  # fmt: skip
def test_a_procfile_is_known_by_its_name(path: str, expected: bool) -> None:
    assert is_procfile(path) is expected
