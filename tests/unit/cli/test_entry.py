"""Where every command begins: quickly, and quietly where there is nothing to say."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from procman.cli import entry, exits, talk
from procman.cli.main import ALIASES, COMMANDS, MODULES
from tests.fakes.folder import EXAMPLE, REPOSITORY

PROCMAN = [sys.executable, "-m", "procman.cli.entry"]
HEAVY = {"asyncio", "click", "json", "pathlib", "re", "subprocess", "tomlkit", "typing"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without a manager, as the current folder."""
    for name in ("PROCMAN_FILE", "PROCMAN_HOME", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "portwatch.toml").write_text(EXAMPLE)
    return tmp_path


@pytest.mark.parametrize("words", [["status", "--json"], ["-f", "portwatch.toml", "ps", "--json"]])
def test_status_json_imports_neither_the_parser_nor_the_engine_nor_click(
    folder: Path, words: list[str]
) -> None:
    code = "import sys; from procman.cli.entry import main; main(sys.argv[1:]); print(*sys.modules)"
    # -S: `site` may import anything on behalf of what is installed beside procman
    result = subprocess.run(
        [sys.executable, "-S", "-c", code, *words], capture_output=True, text=True, check=True
    )
    modules = set(result.stdout.split())
    assert "no manager runs" in result.stderr
    assert not modules & HEAVY
    ours = {name for name in modules if name.startswith("procman.")}
    assert ours == {
        "procman.cli",
        "procman.cli.entry",
        "procman.cli.exits",
        "procman.cli.failure",
        "procman.cli.project",
        "procman.cli.talk",
        "procman.config",
        "procman.config.locate",
        "procman.control",
        "procman.control.ask",
        "procman.control.endpoint",
    }


@pytest.mark.parametrize("words", [["status"], ["stop", "w*"], ["restart", "web", "--no-wait"], ["down"]])
def test_what_is_typed_without_more_than_names_and_flags_imports_no_click(
    folder: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from procman.control.launch import ensure_manager
    from tests.fakes.folder import FAKE_MANAGER

    monkeypatch.setenv("FAKE_ENGINE", '{"running": ["web"]}')
    manager = ensure_manager(str(folder / "portwatch.toml"), str(folder / ".procman"), command=FAKE_MANAGER)
    code = "import sys; from procman.cli.entry import main; main(sys.argv[1:]); print(*sys.modules)"
    try:
        result = subprocess.run(
            [sys.executable, "-S", "-c", code, *words], capture_output=True, text=True, check=True
        )
    finally:
        assert manager.process is not None
        manager.process.kill()
        manager.reap()
    assert result.stderr.splitlines()[1:] == []
    light = {"asyncio", "click", "dataclasses", "inspect", "pathlib", "subprocess", "tomllib"}
    assert not light & set(result.stdout.splitlines()[-1].split())


def test_no_command_but_its_own_is_imported(folder: Path) -> None:
    code = "import sys; from procman.cli.entry import main; main(['version']); print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = {name.removeprefix("procman.cli.") for name in result.stdout.split() if "procman.cli." in name}
    assert imported & COMMANDS.keys() == {"version"}


def test_every_command_has_a_file_and_every_alias_a_command() -> None:
    folder = REPOSITORY / "procman" / "cli"
    assert all((folder / f"{MODULES.get(name, name)}.py").exists() for name in COMMANDS)
    assert set(ALIASES.values()) <= COMMANDS.keys()


def test_a_reader_that_goes_away_ends_it_silently(folder: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    result = subprocess.run(
        [*PROCMAN, "--help"], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (result.returncode, result.stderr) == (exits.BROKEN_PIPE, "")


def test_ctrl_c_ends_it_silently(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(words: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(entry, "_run", interrupted)
    assert entry.main(["up"]) == exits.INTERRUPTED
    assert capsys.readouterr() == ("", "")


def test_a_folder_without_a_file_is_a_mistake_of_usage(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "portwatch.toml").unlink()
    assert entry.main(["status", "--json"]) == exits.USAGE
    assert capsys.readouterr().err.startswith("error: no `portwatch.toml` and no `Procfile` here")


@pytest.mark.parametrize(
    ("environment", "terminal", "coloured"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": ""}, True, True),
        ({"NO_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_who_decides_about_colours(
    environment: dict[str, str], terminal: bool, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert talk.wants_colour(Stream()) is coloured


def test_a_name_that_is_no_utf_8_can_be_named_in_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    talk.fail("no such file: `a\udc80`", "try another")
    assert capsys.readouterr().err == "error: no such file: `a\\udc80`\n\nhint: try another\n"


def test_another_file_in_the_folder_of_a_manager_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from procman.control.launch import ensure_manager
    from tests.fakes.folder import FAKE_MANAGER

    manager = ensure_manager(str(folder / "portwatch.toml"), str(folder / ".procman"), command=FAKE_MANAGER)
    (folder / "other.toml").write_text(EXAMPLE)
    (folder / "link").symlink_to(folder)
    refusal = (
        "error: the manager in this folder runs `portwatch.toml`, not `other.toml`\n\n"
        "hint: stop it with `procman down`, or give each file a folder of its own with `PROCMAN_HOME`\n"
    )
    try:
        for words in ("up", "down", "status", "ps --json", "ls --wide", "stop w*", "reload"):
            assert entry.main(["-f", "other.toml", *words.split()]) == exits.USAGE
            assert tuple(capsys.readouterr()) == ("", refusal)
        assert entry.main(["-f", "other.toml", "check"]) == exits.DONE, "no manager is needed for it"
        assert entry.main(["-f", "link/portwatch.toml", "status"]) == exits.DONE
        (folder / "portwatch.toml").rename(folder / "renamed.toml")
        assert entry.main(["status"]) == exits.DONE, "a file that was found is not held against its manager"
    finally:
        assert entry.main(["down"]) == exits.DONE
        manager.reap()
