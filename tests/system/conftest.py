"""One machine for all of these tests: booted once, with this procman built as a package beside it.

They need root, Debian's systemd-container and minutes, so they run only when they are asked for: `make
test-system`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import procman
from tests.system.machine import Impossible, Machine

REPOSITORY = Path(__file__).parents[2]
NEW = "99.0.0"
collect_ignore_glob = [] if "TEST_SYSTEM" in os.environ else ["test_*.py"]


def build(source: Path, wheels: Path) -> None:
    """Build a package, and fetch what it needs."""
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "-c", "constraints.txt", "-w", str(wheels), "."]
    environment = {**os.environ, "PIP_CONSTRAINT": "constraints.txt"}
    subprocess.run(words, cwd=source, check=True, env=environment)


def copy_of(version: str, place: Path) -> Path:
    """Return a copy of the sources, as another version."""
    left_out = shutil.ignore_patterns("__pycache__", "node_modules", ".*", "tests", "bench")
    shutil.copytree(REPOSITORY, place, ignore=left_out)
    about = place / "procman/__init__.py"
    about.write_text(about.read_text().replace(f'"{procman.__version__}"', f'"{version}"'))
    return place


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A booted machine: Debian with Node, a user `ada`, and packages of procman in `/opt`, not installed."""
    folder = tmp_path_factory.mktemp("system")
    machine = Machine(folder)
    try:
        machine.mount()
        build(copy_of(procman.__version__, folder / "now"), machine.root / "opt/wheels")
        build(copy_of(NEW, folder / "then"), machine.root / "opt/new")
        for app in ("api", "web"):  # Express, and Vite with its native programs
            place = machine.root / "srv/shop" / app
            shutil.copytree(
                REPOSITORY / "examples" / app, place, ignore=shutil.ignore_patterns("node_modules")
            )
            subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=place, check=True)
        machine.boot()
        machine.run("useradd", "--create-home", "--shell", "/bin/bash", "ada")
        yield machine
    except Impossible as reason:
        pytest.skip(f"no machine can be booted here: {reason}")
    finally:
        machine.close()
