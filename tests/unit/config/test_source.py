"""Reading a file, or saying why not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from procman.config.diagnostics import EmptyFile, InvalidConfig, MissingFile
from procman.config.source import LARGEST, read_source, shown_path


def complaint(path: Path | str, kind: type[InvalidConfig] = InvalidConfig) -> str:
    with pytest.raises(kind) as caught:
        read_source(str(path), shown_as="portwatch.toml")
    return caught.value.render()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "portwatch.toml"


def test_a_source_is_text_with_a_digest_of_its_bytes(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbfa = 1\r\n")
    first = read_source(str(path))

    assert (first.text, first.path, first.folder) == ("a = 1\r\n", str(path), str(path.parent))
    assert first.digest == read_source(str(path)).digest
    path.write_bytes(b"a = 1\r\n")
    assert first.digest != read_source(str(path)).digest


def test_a_file_is_shown_relative_to_the_current_folder_if_it_is_inside(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text("a = 1")
    monkeypatch.chdir(path.parent)
    assert read_source("portwatch.toml").shown == "portwatch.toml"
    assert shown_path(str(path.parent / "a" / "..b")) == "a/..b"
    assert shown_path("/etc/hosts") == "/etc/hosts"


def test_a_current_folder_that_is_gone_does_not_matter(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("a = 1")
    gone = path.parent / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert read_source(str(path)).shown == str(path)


def test_a_file_that_is_missing(path: Path) -> None:
    assert complaint(path, MissingFile) == "portwatch.toml: no such file"
    assert complaint(path / "below", MissingFile) == "portwatch.toml: no such file"
    assert complaint("x" * 5000, MissingFile) == "portwatch.toml: no such file"


def test_a_link_that_leads_nowhere(path: Path) -> None:
    path.symlink_to("nothing")
    assert complaint(path, MissingFile) == "portwatch.toml: a link to a file that does not exist"


def test_a_directory(path: Path) -> None:
    path.mkdir()
    assert complaint(path) == "portwatch.toml: expected a file, got a directory"
    (path / "portwatch.toml").touch()
    assert complaint(path).endswith("hint: name the file in it: `-f portwatch.toml/portwatch.toml`")


def test_a_fifo_is_refused_without_waiting_for_a_writer(path: Path) -> None:
    os.mkfifo(path)
    assert complaint(path) == "portwatch.toml: it cannot be read: it is no regular file"


def test_no_permission(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.touch()

    def refused(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refused)
    assert complaint(path) == (
        "portwatch.toml: no permission to read it\nhint: see who may with `ls -l portwatch.toml`"
    )


def test_nothing_in_it(path: Path) -> None:
    path.write_text(" \n")
    assert complaint(path, EmptyFile).startswith("portwatch.toml:1:1: the file is empty\nhint: ")


def test_too_large(path: Path) -> None:
    path.write_bytes(b"#" * LARGEST)
    read_source(str(path))
    path.write_bytes(b"#" * (LARGEST + 1))
    assert complaint(path).startswith("portwatch.toml: the file is larger than 4 MiB")


@pytest.mark.parametrize(
    ("content", "place", "message", "hint"),
    [
        (b"# a\n# \xff\n", "2:3", "expected UTF-8 text, got the byte 0xFF", "save the file as UTF-8"),
        (
            "# grüße".encode("latin-1"),
            "1:5",
            "expected UTF-8 text, got the byte 0xFC",
            "save the file as UTF-8",
        ),
        ("a = 1".encode("utf-16"), "1:1", "expected UTF-8 text, got the byte 0xFF", "save the file as UTF-8"),
        (b"\x7fELF\0\xff", "1:6", "expected UTF-8 text, got the byte 0xFF", "is it a binary file?"),
        (b"a = 1\nb\0", "2:2", "expected text, got a NUL byte", "is it a binary file?"),
        ("é\xe9".encode()[:-1], "1:2", "expected UTF-8 text, got the byte 0xC3", "save the file as UTF-8"),
        (b"\xef\xbb\xbfab\xff", "1:3", "expected UTF-8 text, got the byte 0xFF", "save the file as UTF-8"),
    ],
)
def test_what_is_no_text_has_a_place(path: Path, content: bytes, place: str, message: str, hint: str) -> None:
    path.write_bytes(content)
    first, *_, last = complaint(path).splitlines()
    assert first == f"portwatch.toml:{place}: {message}"
    assert last == f"hint: {hint}"
