"""A file of its user's is replaced whole, and stays theirs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from procman.config import write
from procman.config.source import read_source
from procman.config.write import ChangedMeanwhile, replace_text


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "portwatch.toml"
    path.write_text("a = 1\n")
    return path


def replace(path: Path, text: str) -> None:
    replace_text(read_source(str(path)), text)


def test_the_text_is_replaced_and_the_mode_kept(file: Path) -> None:
    file.chmod(0o640)

    replace(file, "b = é\r\n")

    assert file.read_bytes() == "b = é\r\n".encode()
    assert file.stat().st_mode & 0o7777 == 0o640
    assert os.listdir(file.parent) == ["portwatch.toml"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_is_kept(file: Path) -> None:
    os.chown(file, 12345, 54321)

    replace(file, "b = 2\n")

    assert (file.stat().st_uid, file.stat().st_gid) == (12345, 54321)


def test_a_byte_order_mark_is_kept(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfa = 1\r\n")

    replace(file, "b = 2\r\n")

    assert file.read_bytes() == b"\xef\xbb\xbfb = 2\r\n"


def test_a_link_stays_and_what_it_leads_to_is_replaced(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "shared" / "real.toml"
    target.parent.mkdir()
    file.rename(target)
    file.symlink_to("shared/real.toml")

    replace(file, "b = 2\n")

    assert os.readlink(file) == "shared/real.toml"
    assert target.read_text() == "b = 2\n"
    assert os.listdir(target.parent) == ["real.toml"]


def test_an_edit_of_somebody_else_is_not_lost(file: Path) -> None:
    source = read_source(str(file))
    file.write_text("theirs = 1\n")

    with pytest.raises(ChangedMeanwhile):
        replace_text(source, "ours = 1\n")

    assert file.read_text() == "theirs = 1\n"


def test_a_file_that_may_not_be_written_is_left_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write.os, "access", lambda path, mode: False)

    with pytest.raises(PermissionError):
        replace(file, "b = 2\n")

    assert file.read_text() == "a = 1\n"


@pytest.mark.parametrize("call", ["fsync", "fchmod", "replace"])
def test_a_write_that_fails_leaves_the_file_and_nothing_beside_it(
    call: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write.os, call, fail)

    with pytest.raises(OSError, match="No space"):
        replace(file, "b = 2\n")

    assert file.read_text() == "a = 1\n"
    assert os.listdir(file.parent) == ["portwatch.toml"]
