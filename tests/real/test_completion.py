"""`procman completion`: in the shells themselves, with the apps of the project as they are now."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pexpect
import pytest

from tests.real.project import Project, command, table


def need(shell: str) -> str:
    """Return the path of a shell, or skip."""
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"`{shell}` is not installed")
    return found


@pytest.fixture
def environment(project: Project, tmp_path: Path) -> dict[str, str]:
    """Return an environment in which a shell finds `procman`, in a project with two apps and a tag."""
    project.write(table("web", command("stay"), tags='["front"]'), table("worker", command("stay")))
    folder = tmp_path / "bin"
    folder.mkdir()
    procman = folder / "procman"
    procman.write_text(f'#!/bin/sh\nexec {" ".join(project.procman)} "$@"\n')
    procman.chmod(0o755)
    return {**project.environment, "PATH": f"{folder}:{os.environ['PATH']}"}


def script(project: Project, shell: str) -> Path:
    """Return a file with the script of a shell."""
    path = project.path(f"completion.{shell}")
    path.write_text(project.do("completion", shell).out)
    return path


def words(project: Project, environment: dict[str, str], *arguments: str) -> set[str]:
    """Return what a shell prints, as words."""
    done = subprocess.run(
        arguments, cwd=project.folder, env=environment, capture_output=True, text=True, check=True, timeout=20
    )
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("procman st", {"status", "start", "stop"}),
        ("procman logs w", {"web", "worker"}),
        ("procman restart @", {"@front"}),
        ("procman set web.check.ti", {"web.check.timeout"}),
        ("procman logs --gr", {"--grep"}),
    ],
)
def test_bash(project: Project, environment: dict[str, str], typed: str, expected: set[str]) -> None:
    source = script(project, "bash")
    parts = typed.split(" ")
    quoted = " ".join(f"'{part}'" for part in parts)
    ask = f"source {source}; COMP_WORDS=({quoted}); COMP_CWORD={len(parts) - 1}; COMP_LINE='{typed}'"
    found = words(
        project,
        environment,
        need("bash"),
        "-c",
        f'{ask}; _procman_completion procman; echo "${{COMPREPLY[@]}}"',
    )
    assert found == expected


def test_fish(project: Project, environment: dict[str, str]) -> None:
    source = script(project, "fish")
    ask = f"source {source}; complete -C 'procman logs w'"
    done = words(project, environment, need("fish"), "--no-config", "-c", ask)
    assert {"web", "worker"} <= done


def test_zsh(project: Project, environment: dict[str, str]) -> None:
    source = script(project, "zsh")
    shell = pexpect.spawn(
        need("zsh"),
        ["-f"],
        cwd=str(project.folder),
        env={**environment, "TERM": "dumb", "PS1": "ready> "},
        encoding="utf-8",
        timeout=20,
    )
    try:
        shell.expect("ready> ")
        shell.sendline(f"autoload -Uz compinit && compinit -u -D && source {source} && echo set''up")
        shell.expect("setup")
        shell.expect("ready> ")
        shell.send("procman restart wo\t")
        shell.expect("worker")
    finally:
        shell.close(force=True)


def test_a_broken_file_completes_nothing_and_says_nothing(
    project: Project, environment: dict[str, str]
) -> None:
    project.file.write_text("[apps.web")
    asked = {
        **environment,
        "COMP_WORDS": "procman logs w",
        "COMP_CWORD": "2",
        "_PROCMAN_COMPLETE": "bash_complete",
    }
    assert words(project, asked, str(Path(environment["PATH"].split(":")[0], "procman"))) == set()


def test_powershell_gets_a_script_and_an_answer(project: Project, environment: dict[str, str]) -> None:
    """The script itself was never run: there is no PowerShell here."""
    assert (
        "Register-ArgumentCompleter -Native -CommandName procman"
        in project.do("completion", "powershell").out
    )
    asked = {
        **environment,
        "COMP_WORDS": "procman logs w",
        "COMP_INCOMPLETE": "w",
        "_PROCMAN_COMPLETE": "powershell_complete",
    }
    assert {"web", "worker"} <= words(project, asked, str(Path(environment["PATH"].split(":")[0], "procman")))
