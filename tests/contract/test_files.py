"""A watched file: every way in which editors and deployments change one is told."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from procman.host.base import Cancellable
from tests.contract.conftest import Stage

SETTLED_S = 0.4  # until the system's notices are armed


class Watched:
    """A file, and when it was told to have changed."""

    def __init__(self, stage: Stage, path: Path) -> None:
        self.stage = stage
        self.told: list[float] = []
        self.watching: Cancellable = stage.host.watch_file(str(path), self._changed)
        stage.world.pass_time(SETTLED_S)
        self.told.clear()

    def _changed(self) -> None:
        self.told.append(self.stage.host.now())

    def tells(self, change: Callable[[], object]) -> None:
        """Assert that `change` is told within a second."""
        self.told.clear()
        change()
        self.stage.until(lambda: self.told, within=1.0)
        self.stage.world.pass_time(0.2)

    def tells_nothing(self, change: Callable[[], object]) -> None:
        """Assert that `change` is not told."""
        self.told.clear()
        change()
        self.stage.world.pass_time(0.3)
        assert self.told == []


def replace(path: Path, text: str) -> None:
    """Write a file as editors do: beside it, and a rename over it."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text)
    beside.rename(path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "project" / "portwatch.toml"
    path.parent.mkdir()
    path.write_text("one")
    return path


def test_truncate_and_write_is_told(stage: Stage, file: Path) -> None:
    watched = Watched(stage, file)
    for text in ("two", "six", "a longer one"):
        watched.tells(partial(file.write_text, text))


def test_an_atomic_rename_is_told_again_and_again(stage: Stage, file: Path) -> None:
    watched = Watched(stage, file)
    for text in ("two", "six", "ten"):
        watched.tells(partial(replace, file, text))


def test_a_deleted_file_and_its_return_are_told(stage: Stage, file: Path) -> None:
    watched = Watched(stage, file)
    for _ in range(2):
        watched.tells(file.unlink)
        watched.tells(lambda: file.write_text("back"))


def test_a_deleted_folder_and_its_return_are_told(stage: Stage, file: Path) -> None:
    watched = Watched(stage, file)

    def back() -> None:
        file.parent.mkdir()
        file.write_text("back")

    watched.tells(lambda: shutil.rmtree(file.parent))
    watched.tells(back)
    watched.tells(lambda: file.write_text("and again"))


def test_a_file_that_is_not_there_yet_is_told_when_it_comes(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "later" / "deeper" / "portwatch.toml"
    watched = Watched(stage, path)

    def come() -> None:
        path.parent.mkdir(parents=True)
        path.write_text("one")

    watched.tells(come)


def test_the_swap_of_a_folders_symlink_is_told(stage: Stage, tmp_path: Path) -> None:
    """As Kubernetes updates a mounted file: file → ..data/file, ..data → ..2026_x, and a rename swaps it."""
    for name in ("..2026_1", "..2026_2", "..2026_3"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "portwatch.toml").write_text(name)
    (tmp_path / "..data").symlink_to("..2026_1")
    file = tmp_path / "portwatch.toml"
    file.symlink_to("..data/portwatch.toml")
    watched = Watched(stage, file)

    def swap(target: str) -> None:
        (tmp_path / "..data_tmp").symlink_to(target)
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")

    watched.tells(lambda: swap("..2026_2"))
    watched.tells(lambda: swap("..2026_3"))
    watched.tells(lambda: (tmp_path / "..2026_3" / "portwatch.toml").write_text("in place"))


def test_the_swap_of_a_release_above_it_is_told(stage: Stage, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / "releases" / name / "app").mkdir(parents=True)
        (tmp_path / "releases" / name / "app" / "portwatch.toml").write_text(name)
    (tmp_path / "current").symlink_to("releases/one")
    watched = Watched(stage, tmp_path / "current" / "app" / "portwatch.toml")

    def swap() -> None:
        (tmp_path / "next").symlink_to("releases/two")
        os.replace(tmp_path / "next", tmp_path / "current")

    watched.tells(swap)


def test_other_files_beside_it_are_not_told(stage: Stage, file: Path) -> None:
    watched = Watched(stage, file)
    watched.tells_nothing(lambda: (file.parent / "other").write_text("x"))
    watched.tells_nothing(file.read_text)


def test_nothing_is_told_once_cancelled(stage: Stage, file: Path) -> None:
    watched = Watched(stage, file)
    watched.watching.cancel()
    watched.watching.cancel()
    watched.tells_nothing(lambda: file.write_text("two"))


def test_each_of_two_files_is_told_for_itself(stage: Stage, file: Path) -> None:
    other = file.with_name(".env")
    other.write_text("A=1")
    first, second = Watched(stage, file), Watched(stage, other)
    first.tells(lambda: file.write_text("two"))
    assert second.told == []
    second.tells(lambda: other.write_text("A=2"))
