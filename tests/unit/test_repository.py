"""The repository around the package: what is locked, pinned, announced and run is what it says it is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import procman

REPOSITORY = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
EXAMPLE: dict[str, Any] = tomllib.loads((REPOSITORY / "portwatch.toml").read_text(encoding="utf-8"))
CONSTRAINTS = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8")

# Folders that tools make and nobody commits.
MADE = {".git", ".hypothesis", ".mypy_cache", ".procman", ".pytest_cache", ".ruff_cache", ".venv"}
MADE |= {"__pycache__", "build", "dist", "node_modules"}

# An address of a registry binds everyone to one that may not be theirs: clients know where to ask.
REGISTRY = re.compile(r"registry\.(npmjs|yarnpkg|npmmirror)\b|\bpypi\.(org|python)\b|\bpython(hosted)\.org")


def files(folder: Path = REPOSITORY) -> Iterator[Path]:
    """Yield every file of the repository that its owners wrote."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink() and path.name not in MADE:
            yield from files(path)
        elif path.is_file():
            yield path


def lock_files() -> list[Path]:
    """Return every npm lock file of the repository."""
    return [path for path in files() if path.name == "package-lock.json"]


def pins(text: str) -> dict[str, str]:
    """Return the version of each distribution that a constraints file pins, which is all it may do."""
    pinned: dict[str, str] = {}
    for line in text.splitlines():
        if written := line.partition("#")[0].strip():
            match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9._]+)", written)
            assert match, f"not an exact version: {written}"
            pinned[canonicalize_name(match[1])] = match[2]
    return pinned


def direct_requirements() -> list[Requirement]:
    """Return what pyproject.toml asks for: to run, to test and to build."""
    project = PROJECT["project"]
    written = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    return [Requirement(text) for text in [*written, *PROJECT["build-system"]["requires"]]]


def installed_requirements() -> Iterator[Requirement]:
    """Yield the direct requirements and, of those installed here, all that they need in turn."""
    waiting, seen = direct_requirements(), set()
    while waiting:
        requirement = waiting.pop()
        yield requirement
        name = canonicalize_name(requirement.name)
        if name in seen:
            continue
        seen.add(name)
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # build requirements live in an environment of their own
            continue
        asked = [Requirement(text) for text in needed]
        waiting += [one for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]


def test_no_file_names_a_registry() -> None:
    named = {
        str(path.relative_to(REPOSITORY)): match[0]
        for path in files()
        if (match := REGISTRY.search(path.read_text(encoding="utf-8", errors="replace")))
    }
    assert named == {}


@pytest.mark.parametrize(
    "text",
    [
        "https://registry.npm" + "js.org/vite/-/vite-8.0.0.tgz",
        "index-url = https://py" + "pi.org/simple",
        "https://files.python" + "hosted.org/packages/click.whl",
    ],
)
def test_a_planted_registry_is_found(text: str) -> None:
    assert REGISTRY.search(text)


@pytest.mark.parametrize("lock", lock_files(), ids=lambda path: path.parent.name)
def test_a_lock_file_pins_contents_and_no_addresses(lock: Path) -> None:
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    locked = {name: entry for name, entry in packages.items() if name}
    assert locked
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in locked.items() if "integrity" not in entry] == []


def test_constraints_pin_every_requirement() -> None:
    pinned = pins(CONSTRAINTS)
    missing = {one.name for one in installed_requirements() if canonicalize_name(one.name) not in pinned}
    assert missing == set()


def test_constraints_pin_versions_that_the_project_accepts() -> None:
    pinned = pins(CONSTRAINTS)
    refused = [
        str(one)
        for one in direct_requirements()
        if not one.specifier.contains(pinned[canonicalize_name(one.name)])
    ]
    assert refused == []


@pytest.mark.parametrize("line", ["click", "click>=8.1", "click==8.*", "click @ file:///tmp/click"])
def test_a_constraint_that_is_no_pin_is_found(line: str) -> None:
    with pytest.raises(AssertionError, match="not an exact version"):
        pins(line)


def test_the_changelog_has_a_section_for_this_version() -> None:
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## \[?([^\]\s]+)", changelog, re.MULTILINE)
    assert sections[0] in {"Unreleased", procman.__version__}
    assert procman.__version__ in sections or sections[0] == "Unreleased"


def test_each_supported_python_is_classified() -> None:
    classifiers = PROJECT["project"]["classifiers"]
    for minor in (11, 12, 13):
        assert f"Programming Language :: Python :: 3.{minor}" in classifiers


@pytest.mark.parametrize("name", EXAMPLE["apps"])
def test_the_example_runs_what_is_there(name: str) -> None:
    app = EXAMPLE["apps"][name]
    folder = REPOSITORY / app["cwd"]
    assert (folder / "package.json").is_file()
    assert (folder / "package-lock.json").is_file() == (app.get("prepare") == "npm ci")
    assert set(app.get("depends_on", ())) <= EXAMPLE["apps"].keys()


def test_the_procfile_runs_the_same_apps_as_the_example() -> None:
    lines = (REPOSITORY / "Procfile.example").read_text(encoding="utf-8").splitlines()
    assert [line.partition(":")[0] for line in lines if not line.startswith("#")] == list(EXAMPLE["apps"])


LEAKY = """
import os, socket, subprocess
import pytest

kept = []

def test_process(): subprocess.Popen(["sleep", "600"])
def test_zombie(): os.posix_spawn("/bin/true", ["true"], {})
def test_file(): os.open("/dev/null", os.O_RDONLY)
def test_sockets(): kept.extend(socket.socketpair())
@pytest.mark.may_leak(reason="planted")
def test_excused(): os.open("/dev/null", os.O_RDONLY)
def test_tidy_process(): subprocess.run(["true"], check=True)
def test_tidy_file(): open("/dev/null").close()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="children and descriptors are read from /proc")
def test_a_test_that_leaves_something_behind_fails(tmp_path: Path) -> None:
    conftest = (REPOSITORY / "tests" / "conftest.py").read_text(encoding="utf-8")
    impatient = conftest.replace("PATIENCE_S = 1.0", "PATIENCE_S = 0.1")
    (tmp_path / "conftest.py").write_text(impatient, encoding="utf-8")
    (tmp_path / "test_leaky.py").write_text(LEAKY, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rpE", "--rootdir", ".", "."]
    wide = os.environ | {"COLUMNS": "500"}  # pytest cuts its summary to the width
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=wide, check=False)
    verdicts = re.findall(
        r"^(ERROR|PASSED) test_leaky\.py::test_(\w+)(?: - .*left behind: (.*))?", run.stdout, re.M
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    errors = {name: re.sub(r"\d+", "N", left) for verdict, name, left in verdicts if verdict == "ERROR"}
    assert errors == {
        "process": "process N: sleep N",
        "zombie": "process N: ended, never waited for",
        "file": "file descriptor N: /dev/null",
        "sockets": "file descriptor N: socket:[N]; file descriptor N: socket:[N]",
    }
    assert {"excused", "tidy_process", "tidy_file"} <= {
        name for verdict, name, _ in verdicts if verdict == "PASSED"
    }
