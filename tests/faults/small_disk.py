"""A project whose state folder is a file system of 1 MiB, and what fills that."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.project import Project, run_project


def run_on_a_small_disk(folder: Path) -> Iterator[Project]:
    """Yield a project, and prove at its end that nothing of it is left."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    home = folder / ".procman"
    home.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", str(home)]
    if subprocess.run(mount, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield from run_project(folder)
    finally:
        subprocess.run(["umount", str(home)], check=True)


def fill(project: Project) -> Path:
    """Fill the file system to the last byte with a file, and return it."""
    ballast = project.home / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        for size in (65_536, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return ballast
