"""What is told of this very machine for `procman doctor`."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import pytest

from procman.host import facts

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux's own")


def test_this_machine_has_what_is_tested_elsewhere(tmp_path: Path) -> None:
    found = facts.gather(str(tmp_path))
    works = {each.name: each.works for each in found.features}
    assert works["pidfd"]
    assert works["sock_diag"]
    assert set(works) == {"pidfd", "child subreaper", "children lists", "sock_diag", "splice", "cgroups"}
    assert found.open_files is not None
    assert os.listdir(tmp_path) == []


def test_a_folder_that_takes_no_file_does_not_splice(tmp_path: Path) -> None:
    found = facts.gather(str(tmp_path / "missing"))
    assert {each.name for each in found.features if not each.works} >= {"splice"}


def test_watches_of_this_user_are_counted(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    library = ctypes.CDLL(None)
    instance = library.inotify_init1(os.O_CLOEXEC)
    try:
        assert _of_this_process(instance) == 0
        for folder in (tmp_path, tmp_path / "below"):
            assert library.inotify_add_watch(instance, os.fsencode(folder), 0x100) > 0
        assert _of_this_process(instance) == 2
        found = facts.gather(str(tmp_path))
    finally:
        os.close(instance)
    assert found.watches is not None
    assert found.instances is not None
    assert found.watches.used >= 2
    assert found.instances.used >= 1
    assert found.watches.allowed >= found.watches.used


def _of_this_process(instance: int) -> int:
    return Path(f"/proc/self/fdinfo/{instance}").read_bytes().count(b"inotify wd:")


def test_a_program_says_its_version_or_nothing(tmp_path: Path) -> None:
    def program(name: str, text: str) -> None:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    program("good", '[ "$1" = --version ] && echo "v20.11.0 (lts)"')
    program("mute", "exit 0")
    program("broken", "echo v1; exit 1")
    environment = {"PATH": f"{tmp_path}:/bin:/usr/bin"}
    told = {
        name: facts.version_of(name, environment, str(tmp_path))
        for name in ("good", "mute", "broken", "missing", "nul\0")
    }
    assert told == {"good": "v20.11.0", "mute": None, "broken": None, "missing": None, "nul\0": None}
    assert facts.version_of("good", environment, str(tmp_path / "gone")) is None
