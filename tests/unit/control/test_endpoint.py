"""Where a manager is reached: folders, modes, long paths, dead sockets."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from procman.config.locate import NoFile, find_file
from procman.control import endpoint


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """A folder whose path has 300 characters."""
    folder = tmp_path
    while len(str(folder)) < 299:
        folder /= "x" * min(60, 299 - len(str(folder)))
    assert 299 <= len(str(folder)) <= 300
    folder.mkdir(parents=True)
    return folder


def roundtrip(home: str) -> bytes:
    with endpoint.listen(home) as listener, endpoint.connect(home, 1) as client:
        accepted, _ = listener.accept()
        with accepted:
            accepted.sendall(b"hello")
            return client.recv(5)


def test_a_folder_whose_path_has_300_characters_is_served(deep: Path) -> None:
    home = endpoint.home_of(deep / "portwatch.toml")
    endpoint.prepare_home(home)
    assert roundtrip(home) == b"hello"


def test_without_proc_a_long_path_is_served_from_inside_the_folder(
    deep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = endpoint.home_of(deep / "portwatch.toml")
    endpoint.prepare_home(home)
    before = os.getcwd()
    monkeypatch.setattr(os.path, "isdir", lambda path: False)
    assert roundtrip(home) == b"hello"
    assert os.getcwd() == before


def test_the_socket_of_a_dead_manager_is_replaced(tmp_path: Path) -> None:
    home = str(tmp_path)
    endpoint.listen(home).close()
    with pytest.raises(ConnectionRefusedError):
        endpoint.connect(home, 1)
    assert roundtrip(home) == b"hello"


def test_the_folder_and_the_socket_are_for_their_owner_only(tmp_path: Path) -> None:
    home = tmp_path / ".procman"
    home.mkdir(mode=0o755)
    endpoint.prepare_home(str(home))
    with endpoint.listen(str(home)):
        assert home.stat().st_mode & 0o777 == 0o700
        assert (home / "control.sock").stat().st_mode & 0o777 == 0o600
    assert (home / ".gitignore").read_text() == "*\n"


def test_a_gitignore_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("mine\n")
    endpoint.prepare_home(str(tmp_path))
    assert (tmp_path / ".gitignore").read_text() == "mine\n"


NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to somebody else")


def refused(home: Path) -> str:
    """Return why a folder is not used as the state folder."""
    with pytest.raises(OSError) as refusal:
        endpoint.prepare_home(str(home))
    return str(refusal.value.strerror)


@as_root
def test_a_state_folder_that_somebody_else_has_made_is_not_used(tmp_path: Path) -> None:
    home = tmp_path / ".procman"
    home.mkdir(mode=0o777)
    os.chown(home, NOBODY, NOBODY)
    assert refused(home) == "it belongs to the user `nobody`, who could change what is kept in it"
    assert list(home.iterdir()) == []
    assert home.stat().st_mode & 0o777 == 0o755, "nor is it changed"


@as_root
def test_a_link_that_somebody_else_has_put_in_its_place_is_not_followed(tmp_path: Path) -> None:
    mine, home = tmp_path / "mine", tmp_path / ".procman"
    mine.mkdir()
    home.symlink_to(mine)
    os.chown(home, NOBODY, NOBODY, follow_symlinks=False)
    assert "belongs to the user `nobody`" in refused(home)
    assert list(mine.iterdir()) == []


def test_a_link_of_ones_own_to_a_folder_of_ones_own_is(tmp_path: Path) -> None:
    mine, home = tmp_path / "mine", tmp_path / ".procman"
    mine.mkdir()
    home.symlink_to(mine)
    endpoint.prepare_home(str(home))
    assert (mine / ".gitignore").exists()


@as_root
@pytest.mark.parametrize("place", ["manager.log", "logs/web/000001.log"])
def test_what_somebody_else_has_put_into_it_while_it_was_open_is_named(tmp_path: Path, place: str) -> None:
    home = tmp_path / ".procman"
    (home / place).parent.mkdir(parents=True)
    home.chmod(0o777)
    (home / place).symlink_to(tmp_path / "victim")
    os.chown(home / place, 12345, 12345, follow_symlinks=False)
    assert refused(home) == f"`{home / place}` in it belongs to the user with the number 12345; remove it"
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize("name", ["lock", "run", "manager.log"])
def test_a_link_in_the_place_of_what_is_written_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("/etc/hostname")
    assert refused(tmp_path) == f"`{tmp_path / name}` in it is a link; remove it"


def test_a_gitignore_that_leads_elsewhere_is_not_written(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").symlink_to(tmp_path / "victim")
    endpoint.prepare_home(str(tmp_path))
    assert not (tmp_path / "victim").exists()


@as_root
def test_somebody_else_s_socket_is_not_talked_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "control.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        os.seteuid(NOBODY)  # the kernel remembers who listens
        try:
            listener.listen()
        finally:
            os.seteuid(0)
        endpoint.connect(str(tmp_path), 1).close()  # root may
        monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
        endpoint.connect(str(tmp_path), 1).close()
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        with pytest.raises(PermissionError, match="the user `nobody` listens there") as refusal:
            endpoint.connect(str(tmp_path), 1)
        assert refusal.value.errno == errno.EPERM


def test_a_failed_listen_leaves_no_descriptor(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        endpoint.listen(str(tmp_path / "missing"))


def test_the_state_is_beside_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROCMAN_HOME", raising=False)
    assert endpoint.home_of("/a/shop/portwatch.toml") == "/a/shop/.procman"


def test_procman_home_has_a_folder_for_each_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCMAN_HOME", "/state")
    homes = [endpoint.home_of(f"/{each}/shop/portwatch.toml") for each in "ab"]
    homes += [endpoint.home_of("/a/shop/other.toml"), endpoint.home_of("/portwatch.toml")]
    assert len(set(homes)) == 4
    assert all(home.startswith("/state/shop-") for home in homes[:3])
    assert homes[3].startswith("/state/root-")
    assert endpoint.home_of("/a/shop/portwatch.toml") == homes[0]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder two levels below another, which is the current one."""
    monkeypatch.delenv("PROCMAN_FILE", raising=False)
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return tmp_path


def test_the_file_is_looked_for_upwards(tree: Path) -> None:
    (tree / "portwatch.toml").touch()
    assert find_file() == str(tree / "portwatch.toml")
    (tree / "a" / "portwatch.toml").touch()
    assert find_file() == str(tree / "a" / "portwatch.toml")


def test_a_portwatch_toml_above_beats_a_procfile_here(tree: Path) -> None:
    (tree / "a" / "b" / "Procfile").touch()
    assert find_file() == str(tree / "a" / "b" / "Procfile")
    (tree / "portwatch.toml").touch()
    assert find_file() == str(tree / "portwatch.toml")


def test_a_link_that_leads_nowhere_is_the_file(tree: Path) -> None:
    (tree / "portwatch.toml").touch()
    (tree / "a" / "portwatch.toml").symlink_to("nowhere")
    assert find_file() == str(tree / "a" / "portwatch.toml")


def test_a_file_that_was_deleted_is_still_where_its_manager_is(tree: Path) -> None:
    home = tree / "a" / ".procman"
    endpoint.prepare_home(str(home))
    with socket.socket(socket.AF_UNIX) as manager:
        endpoint.with_address(str(home), manager.bind)
    assert find_file() == str(tree / "a" / "portwatch.toml")


def test_what_is_named_beats_what_is_found(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "portwatch.toml").touch()
    monkeypatch.setenv("PROCMAN_FILE", "of_the_environment.toml")
    assert find_file() == str(tree / "a" / "b" / "of_the_environment.toml")
    assert find_file("../named.toml") == str(tree / "a" / "named.toml")


def test_where_there_is_no_file_that_is_said(tree: Path) -> None:
    with pytest.raises(NoFile, match=r"no `portwatch\.toml` and no `Procfile` here or in any folder above"):
        find_file()


def test_a_current_folder_that_was_deleted_is_said(tree: Path) -> None:
    (tree / "a" / "b").rmdir()
    with pytest.raises(NoFile, match="the current folder does not exist any more"):
        find_file()
