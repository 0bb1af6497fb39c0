"""A file has changed when it is there, at rest, and not as it was."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from procman.engine import file_watch
from procman.engine.file_watch import LOOK_EVERY, SETTLE, FileWatch, signatures
from tests.fakes.host import FakeHost

Watch = Callable[..., FileWatch]


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def changed() -> list[str]:
    """Return what was told to have changed, as it is told."""
    return []


@pytest.fixture
def watch(host: FakeHost, changed: list[str]) -> Watch:
    """Return what watches files, as they are now unless `seen` says otherwise."""

    def watch(*paths: Path, busy: Callable[[], bool] = lambda: False, **more: object) -> FileWatch:
        files = tuple(map(str, paths))
        seen = more.pop("seen", signatures(files))
        return FileWatch(host, files, seen, is_busy=busy, on_changed=changed.append, **more)  # type: ignore[arg-type]

    return watch


def test_a_change_is_told_once_after_it_has_settled(
    watch: Watch, host: FakeHost, changed: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "a"
    watch(file, tmp_path / "b")
    host.advance(10)
    file.touch()
    host.advance(SETTLE)
    assert changed == []
    host.advance(0.2)
    assert changed == [str(file)]
    file.write_text("again")
    host.advance(10)
    assert changed == [str(file)]


def test_a_mode_is_a_change_too(watch: Watch, host: FakeHost, changed: list[str], tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.touch()
    watch(file, seen={str(file): signatures((str(file),))[str(file)]})
    file.chmod(0o755)
    (tmp_path / "a").write_text("so that the simulated host has a notice")
    host.advance(2)
    assert changed == [str(file)]
    before = signatures((str(file),))
    file.chmod(0o644)
    assert signatures((str(file),)) != before


def test_what_comes_and_goes_in_a_folder_is_no_change_of_it(tmp_path: Path) -> None:
    before = signatures((str(tmp_path),))
    (tmp_path / "cache").touch()
    assert signatures((str(tmp_path),)) == before


def test_a_change_before_the_watch_counts(
    watch: Watch, host: FakeHost, changed: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "a"
    seen = signatures((str(file),))
    file.touch()
    watch(file, seen=seen)
    host.advance(SETTLE + 0.1)
    assert changed == [str(file)]


@pytest.mark.parametrize(("ago", "expected"), [(60.0, 1), (-60.0, 0)])
def test_a_change_since_a_time_counts(
    watch: Watch, host: FakeHost, changed: list[str], tmp_path: Path, ago: float, expected: int
) -> None:
    file = tmp_path / "a"
    file.touch()
    watch(file, tmp_path / "b", seen=time.time() - ago)
    host.advance(10)
    assert len(changed) == expected


def test_a_file_with_the_same_inode_again_is_a_new_one(
    watch: Watch, host: FakeHost, changed: list[str], tmp_path: Path
) -> None:
    file, link = tmp_path / "a", tmp_path / "b"
    file.write_text("the same")
    os.link(file, link)
    watch(file)
    file.unlink()
    host.advance(10)
    assert changed == []
    os.link(link, file)
    host.advance(10)
    assert changed == [str(file)]


def test_nothing_is_told_while_somebody_works_on_it(
    watch: Watch, host: FakeHost, changed: list[str], tmp_path: Path
) -> None:
    busy = True
    watch(tmp_path / "a", busy=lambda: busy)
    (tmp_path / "a").touch()
    host.advance(60)
    assert changed == []
    busy = False
    host.advance(SETTLE)
    assert len(changed) == 1


def test_patience_comes_first(watch: Watch, host: FakeHost, changed: list[str], tmp_path: Path) -> None:
    watch(tmp_path / "a", patience=5.0)
    (tmp_path / "a").touch()
    host.advance(5 + SETTLE)
    assert changed == []
    host.advance(0.2)
    assert len(changed) == 1


def test_nothing_is_told_after_the_watch(
    watch: Watch, host: FakeHost, changed: list[str], tmp_path: Path
) -> None:
    watched = watch(tmp_path / "a")
    (tmp_path / "a").touch()
    host.advance(0.5)
    watched.cancel()
    watched.cancel()
    host.advance(60)
    assert changed == []


def test_a_setting_of_the_kernel_is_looked_at_for_it_gives_no_notice(
    watch: Watch, host: FakeHost, changed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_watch, "KERNEL", str(tmp_path))
    monkeypatch.setattr(host, "watch_file", lambda path, callback: host.call_at(float("inf"), callback))
    file = tmp_path / "max_user_watches"
    file.write_text("8192\n")
    watch(file)
    host.advance(60)
    times = os.stat(file)
    file.write_text("9192\n")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    host.advance(LOOK_EVERY + SETTLE + 0.1)
    assert changed == [str(file)]
