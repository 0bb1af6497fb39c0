"""Folders that are watched with all that is below them."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sys
from pathlib import Path

import pytest

from procman.host import tree_watch
from procman.host.base import Cancellable
from procman.host.tree_watch import Enters, Notices, TreeWatch
from tests.contract.conftest import Stage as World


def enters(folder: str) -> bool:
    return os.path.basename(folder) != "node_modules"


def save(file: Path, text: str) -> None:
    """Save as most editors do: a new file in the place of the old."""
    fresh = file.with_name(f".{file.name}.new")
    fresh.write_text(text)
    fresh.rename(file)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("src/deep/a.js", "src/b.js", "node_modules/x/index.js"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    return tmp_path


def watch(stage: World, top: Path) -> tuple[list[str], Cancellable]:
    told: list[str] = []
    handle = stage.host.watch_tree(str(top), enters, lambda path: told.append(os.path.relpath(path, top)))
    return told, handle


def test_every_way_to_change_a_file_is_told(stage: World, project: Path) -> None:
    told, handle = watch(stage, project)

    def until_told(name: str) -> None:
        stage.until(lambda: name in told)
        told.clear()

    (project / "src/b.js").write_text("22")
    until_told("src/b.js")
    save(project / "src/deep/a.js", "333")
    until_told("src/deep/a.js")
    (project / "src/new.js").write_text("1")
    until_told("src/new.js")
    (project / "src/new.js").unlink()
    until_told("src/new.js")
    (project / "src/link.js").symlink_to("b.js")
    until_told("src/link.js")
    (project / "src/b.js").rename(project / "src/c.js")
    stage.until(lambda: {"src/b.js", "src/c.js"} <= set(told))
    handle.cancel()


def test_a_folder_that_is_new_is_watched_with_what_is_in_it(stage: World, project: Path) -> None:
    told, handle = watch(stage, project)
    (project / "lib/deep").mkdir(parents=True)
    (project / "lib/deep/x.js").write_text("1")
    stage.until(lambda: "lib/deep/x.js" in told)
    told.clear()
    (project / "lib/deep/x.js").write_text("22")
    stage.until(lambda: "lib/deep/x.js" in told)
    (project / "lib").rename(project / "moved")
    stage.until(lambda: any(each.startswith("moved") for each in told))
    told.clear()
    (project / "moved/deep/x.js").write_text("333")
    stage.until(lambda: "moved/deep/x.js" in told)
    assert not any(each.startswith("lib") for each in told)
    handle.cancel()


def test_nothing_is_told_of_a_folder_that_is_not_entered_nor_after_a_cancel(
    stage: World, project: Path
) -> None:
    told, handle = watch(stage, project)
    (project / "node_modules/x/index.js").write_text("22")
    (project / "node_modules/y").mkdir()
    (project / "src/b.js").write_text("22")
    stage.until(lambda: told)
    assert set(told) == {"src/b.js"}
    told.clear()
    handle.cancel()
    (project / "src/b.js").write_text("333")
    stage.world.pass_time(0.3)
    assert told == []


def test_a_folder_that_goes_and_comes_back_is_watched_again(stage: World, project: Path) -> None:
    top = project / "src"
    told, handle = watch(stage, top)
    shutil.rmtree(top)
    stage.until(lambda: "b.js" in told)
    stage.world.pass_time(0.1)
    told.clear()
    top.mkdir()
    (top / "b.js").write_text("1")
    stage.until(lambda: "b.js" in told)
    told.clear()
    stage.world.pass_time(0.05)
    (top / "b.js").write_text("22")
    stage.until(lambda: "b.js" in told)
    handle.cancel()


def test_a_log_that_grows_says_nothing_until_it_is_closed(real: World, project: Path) -> None:
    told, handle = watch(real, project)
    with (project / "src/b.js").open("a") as file:
        file.write("more")
        file.flush()
        real.world.pass_time(0.2)
        assert told == []
    real.until(lambda: told == ["src/b.js"])
    handle.cancel()


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
def test_where_notices_cannot_be_read_it_is_looked(
    real: World, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_watch, "LOOK_EVERY", 0.05)
    told, handle = watch(real, project)
    read, refused = os.read, list[int]()

    def fail(descriptor: int, most: int) -> bytes:
        if os.readlink(f"/proc/self/fd/{descriptor}") != "anon_inode:inotify":
            return read(descriptor, most)
        refused.append(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "read", fail)
    (project / "src/b.js").write_text("22")
    real.until(lambda: bool(refused))
    (project / "src/deep/a.js").write_text("333")
    real.until(lambda: "src/deep/a.js" in told)
    handle.cancel()


def test_without_notices_it_is_looked(real: World, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_watch, "LOOK_EVERY", 0.05)

    def refuse(loop: asyncio.AbstractEventLoop, folder: str, enters: Enters, *_: object) -> Notices:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    told: list[str] = []
    loop = real.world.loop  # type: ignore[attr-defined]
    handle = TreeWatch(loop, str(project), enters, told.append, refuse)
    (project / "src/b.js").write_text("22")
    real.until(lambda: told == [str(project / "src/b.js")])
    handle.cancel()
    assert handle.over
