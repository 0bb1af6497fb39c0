"""Folders that a file names and that are not there: told with their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from procman.config.folders import missing_folders
from procman.config.read import read_config


def told(folder: Path, text: str, *names: str) -> list[str]:
    """Return the headlines about a file."""
    path = folder / "portwatch.toml"
    path.write_text(text)
    found = missing_folders(read_config(str(path)), names or None, shown_as="file")
    return [each.headline.replace(str(folder), "/p") for each in found]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "web").mkdir()
    (tmp_path / "plain").write_text("")
    return tmp_path


def test_a_folder_that_is_there_is_not_told(folder: Path) -> None:
    assert told(folder, '[apps.a]\ncommand = "x"\n[apps.web]\ncommand = "x"\ncwd = "web"\n') == []


def test_each_that_is_not_there_is_told_in_the_order_of_the_file(folder: Path) -> None:
    text = '[apps.a]\ncommand = "x"\ncwd = "wbe/src"\n[apps.b]\ncwd = "plain"\ncommand = "x"\n'
    assert told(folder, text) == [
        'file:3:7: apps.a.cwd: there is no folder "wbe/src" in `/p`',
        'file:5:7: apps.b.cwd: there is no folder "plain" in `/p`',
    ]
    assert told(folder, text, "b") == ['file:5:7: apps.b.cwd: there is no folder "plain" in `/p`']


def test_one_of_defaults_is_told_there_and_once(folder: Path) -> None:
    text = '[defaults]\ncwd = "web/x"\n[apps.a]\ncommand = "x"\n[apps.b]\ncommand = "x"\ninstances = 2\n'
    assert told(folder, text) == ['file:2:7: defaults.cwd: there is no folder "x" in `/p/web`']


def test_that_of_an_app_which_is_not_enabled_is_nobodys_concern(folder: Path) -> None:
    assert (
        told(folder, '[apps.a]\ncommand = "x"\n[apps.b]\ncommand = "x"\ncwd = "x"\nenabled = false\n') == []
    )


def test_a_procfile_names_none(folder: Path) -> None:
    path = folder / "Procfile"
    path.write_text("web: x\n")
    assert missing_folders(read_config(str(path))) == ()
