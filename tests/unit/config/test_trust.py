"""What root does not do: run what anybody could have written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from procman.config.diagnostics import InvalidConfig
from procman.config.environment import read_env_files
from procman.config.read import read_config
from procman.config.source import read_source
from procman.core.config import AppConfig, Command

TEXT = "[apps.web]\ncommand = 'x'\n"
IN_STICKY = "a user who is not root has put it into `{folder}`, where everybody may"
AROUND = "everybody may replace it, for everybody may write to `{folder}`"
ITSELF = "everybody may write to it"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a file, of which root thinks that it is its own."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.delenv("PROCMAN_ALLOW_WRITABLE", raising=False)
    folder = tmp_path / "project"
    folder.mkdir(mode=0o755)
    write(folder / "portwatch.toml")
    return folder


def write(path: Path, text: str = TEXT) -> None:
    path.write_text(text)
    path.chmod(0o644)


def refused(folder: Path, name: str = "portwatch.toml") -> str:
    """Return why a file of the folder is not read."""
    with pytest.raises(InvalidConfig) as refusal:
        read_source(str(folder / "portwatch.toml"))
    (diagnostic,) = refusal.value.diagnostics
    assert diagnostic.file == str(folder / name)
    assert diagnostic.message.endswith(", and root would run what it says")
    assert diagnostic.hint is not None
    assert "PROCMAN_ALLOW_WRITABLE=1" in diagnostic.hint
    return diagnostic.message.removesuffix(", and root would run what it says")


def test_a_file_that_only_its_owner_and_group_may_write_to_is_read(folder: Path) -> None:
    (folder / "portwatch.toml").chmod(0o664)
    folder.chmod(0o775)
    assert set(read_config(str(folder / "portwatch.toml")).apps) == {"web"}


def test_a_file_that_everybody_may_write_to_is_not(folder: Path) -> None:
    (folder / "portwatch.toml").chmod(0o646)
    assert refused(folder) == ITSELF


def test_a_local_file_that_everybody_may_write_to_is_not(folder: Path) -> None:
    write(folder / "portwatch.local.toml")
    (folder / "portwatch.local.toml").chmod(0o666)
    assert refused(folder, "portwatch.local.toml") == ITSELF


def test_nor_is_one_in_a_folder_where_everybody_may_replace_it(folder: Path) -> None:
    folder.chmod(0o757)
    assert refused(folder) == AROUND.format(folder=folder)


def test_a_link_is_as_good_as_the_folder_that_it_leads_to(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (folder / "portwatch.toml").rename(other / "real.toml")
    (folder / "portwatch.toml").symlink_to(other / "real.toml")
    read_source(str(folder / "portwatch.toml"))
    other.chmod(0o777)
    assert refused(folder) == AROUND.format(folder=other)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to somebody else")
def test_in_a_sticky_folder_it_is_read_if_it_is_root_s(folder: Path) -> None:
    folder.chmod(0o1777)
    read_source(str(folder / "portwatch.toml"))
    os.chown(folder / "portwatch.toml", 65534, 65534)
    assert refused(folder) == IN_STICKY.format(folder=folder)
    folder.chmod(0o755)
    read_source(str(folder / "portwatch.toml"))  # nobody but its owner can write here: root has chosen it


def test_an_env_file_is_no_better(folder: Path) -> None:
    write(folder / ".env", "A=1\n")
    app = AppConfig("web", Command(()), cwd=str(folder), env_file=(str(folder / ".env"),))
    assert len(read_env_files(app)) == 1
    (folder / ".env").chmod(0o666)
    with pytest.raises(InvalidConfig, match="everybody may write to it"):
        read_env_files(app)


@pytest.mark.parametrize(
    "allow",
    [
        lambda patch: patch.setattr(os, "geteuid", lambda: 1000),
        lambda patch: patch.setenv("PROCMAN_ALLOW_WRITABLE", "1"),
    ],
    ids=["not root", "allowed"],
)
def test_who_is_not_root_or_says_so_reads_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, allow: Callable[[pytest.MonkeyPatch], None]
) -> None:
    (folder / "portwatch.toml").chmod(0o666)
    folder.chmod(0o777)
    allow(monkeypatch)
    read_source(str(folder / "portwatch.toml"))
