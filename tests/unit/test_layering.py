"""The layers of docs/ARCHITECTURE.md, proven by reading every import of every file of the package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "procman"

# Which other layers a layer may import. `procman` itself, with the version, is open to all.
ALLOWED: dict[str, frozenset[str]] = {
    "core": frozenset(),
    "config": frozenset({"core"}),
    "host": frozenset({"core"}),
    "logs": frozenset({"core", "host"}),
    "history": frozenset({"core"}),
    "engine": frozenset({"core", "config", "host", "logs"}),
    "control": frozenset({"core", "engine"}),
    "cli": frozenset({"core", "config", "control", "history", "logs"}),
}
# Files beside the layers: the version, and `python -m procman`. They are run, and imported by nobody.
TOP_LEVEL: dict[str, frozenset[str]] = {
    "__init__": frozenset(),
    "__main__": frozenset({"cli"}),
    "lean": frozenset(),
    "own_log": frozenset({"host", "logs"}),
    "manager": frozenset(  # puts them together
        {"config", "control", "core", "engine", "history", "host", "lean", "logs", "own_log"}
    ),
}

LOGGING = frozenset({"logging", "colorlog"})
EFFECTS = frozenset({"asyncio", "multiprocessing", "os", "random", "secrets", "socket", "subprocess"})
CLOCK_AND_THREADS = frozenset({"sched", "threading", "time"})

# Which modules from outside a layer may not import.
FORBIDDEN: dict[str, frozenset[str]] = {
    "core": EFFECTS | CLOCK_AND_THREADS | LOGGING | {"click", "tomlkit", "tomllib", "watchdog"},
    "config": LOGGING | {"click", "subprocess", "multiprocessing", "watchdog"},
    "host": LOGGING | {"click", "tomlkit"},
    "logs": frozenset({"click", "tomlkit"}),
    "history": LOGGING | {"asyncio", "click", "tomlkit"},
    "engine": frozenset({"click", "platform"}),
    "control": frozenset({"click"}),
    "cli": frozenset(),
}
# What an operating system is called is for the host layer to know.
BLIND_TO_THE_PLATFORM = frozenset({"core", "engine"})


def imports(tree: ast.Module, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Yield the line and full dotted name of everything a module imports, at any depth.

    `from a import b` gives `a.b`, for `b` may be a module. `import_module("a.b")` counts where its argument
    is written out; `package` is where the module lives, for relative imports.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = [*package[: len(package) - level + 1]] if level else []
                base += [module] if module else []
                yield from ((node.lineno, ".".join([*base, alias.name])) for alias in names)
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield node.lineno, name


def platform_questions(tree: ast.Module) -> Iterator[int]:
    """Yield the lines on which a module asks which operating system it runs on."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="sys"), attr="platform"):
                yield node.lineno
            case ast.Attribute(value=ast.Name(id="os"), attr="name"):
                yield node.lineno
            case ast.ImportFrom(module="sys", names=names) if any(name.name == "platform" for name in names):
                yield node.lineno


def violations(file: str, source: str) -> list[str]:
    """Return what a file of the package, named relative to it, imports against the rules."""
    path = Path(file)
    in_layer = len(path.parts) > 1
    layer = path.parts[0] if in_layer else path.stem
    allowed = (ALLOWED if in_layer else TOP_LEVEL).get(layer)
    if allowed is None:
        return [f"{file}: `{layer}` is not in the table of layers"]
    tree = ast.parse(source)
    found = []
    for line, name in imports(tree, ("procman", *path.parts[:-1])):
        top, _, rest = name.partition(".")
        target = rest.partition(".")[0]
        ours = top == "procman" and (target in ALLOWED or target in TOP_LEVEL)
        if ours and target != layer and target not in allowed:
            found.append(f"{file}:{line}: `{layer}` may not import `procman.{target}`")
        if top in FORBIDDEN.get(layer, ()):
            found.append(f"{file}:{line}: `{layer}` may not import `{top}`")
    if layer in BLIND_TO_THE_PLATFORM:
        found += [
            f"{file}:{line}: `{layer}` may not ask for the platform" for line in platform_questions(tree)
        ]
    return found


def package_files() -> list[str]:
    """Return every Python file of the package, relative to it."""
    return sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def test_every_layer_of_the_table_is_there() -> None:
    assert {Path(file).parts[0] for file in package_files() if "/" in file} >= ALLOWED.keys()


def test_every_layer_has_its_prohibitions() -> None:
    assert FORBIDDEN.keys() == ALLOWED.keys()


def test_no_arrow_of_the_table_can_make_a_circle() -> None:
    above: dict[str, frozenset[str]] = dict(ALLOWED)
    while lowest := {layer for layer, below in above.items() if not below & above.keys()}:
        above = {layer: below for layer, below in above.items() if layer not in lowest}
    assert not above


@pytest.mark.parametrize("file", package_files())
def test_a_file_imports_only_what_its_layer_may(file: str) -> None:
    assert violations(file, (PACKAGE / file).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("file", "source", "complaint"),
    [
        ("core/machine.py", "import procman.host.base", "`core` may not import `procman.host`"),
        ("core/machine.py", "from procman.host import clock", "`core` may not import `procman.host`"),
        ("core/machine.py", "from procman import host", "`core` may not import `procman.host`"),
        ("core/machine.py", "from ..host.base import Host", "`core` may not import `procman.host`"),
        ("core/machine.py", "from .. import host", "`core` may not import `procman.host`"),
        ("core/deep/machine.py", "from ...host import base", "`core` may not import `procman.host`"),
        ("core/machine.py", "def now():\n    import time", "core/machine.py:2: `core` may not import `time`"),
        ("core/machine.py", "from os import path", "`core` may not import `os`"),
        ("core/machine.py", "import os.path", "`core` may not import `os`"),
        ("core/machine.py", "from random import random", "`core` may not import `random`"),
        ("core/machine.py", "import logging", "`core` may not import `logging`"),
        ("core/machine.py", "import asyncio", "`core` may not import `asyncio`"),
        ("core/machine.py", "import threading", "`core` may not import `threading`"),
        ("core/machine.py", "import subprocess", "`core` may not import `subprocess`"),
        ("core/machine.py", "import socket", "`core` may not import `socket`"),
        ("config/read.py", "import subprocess", "`config` may not import `subprocess`"),
        ("config/read.py", "import click", "`config` may not import `click`"),
        (
            "config/read.py",
            "from procman.engine.apps import Apps",
            "`config` may not import `procman.engine`",
        ),
        ("host/linux/host.py", "import procman.engine", "`host` may not import `procman.engine`"),
        ("host/linux/host.py", "import procman.logs.capture", "`host` may not import `procman.logs`"),
        ("host/linux/host.py", "import logging.handlers", "`host` may not import `logging`"),
        ("logs/read.py", "from procman.engine import history", "`logs` may not import `procman.engine`"),
        ("history/store.py", "from procman.logs import read", "`history` may not import `procman.logs`"),
        (
            "engine/engine.py",
            "from procman.history import store",
            "`engine` may not import `procman.history`",
        ),
        ("engine/engine.py", "import click", "`engine` may not import `click`"),
        ("engine/engine.py", "import procman.control.server", "`engine` may not import `procman.control`"),
        (
            "engine/engine.py",
            "import sys\nsys.platform",
            "engine.py:2: `engine` may not ask for the platform",
        ),
        ("engine/engine.py", "from sys import platform", "`engine` may not ask for the platform"),
        ("engine/engine.py", "import os\nos.name == 'nt'", "`engine` may not ask for the platform"),
        ("engine/engine.py", "import platform", "`engine` may not import `platform`"),
        ("control/server.py", "from procman.cli import render", "`control` may not import `procman.cli`"),
        ("cli/status.py", "from procman.engine import engine", "`cli` may not import `procman.engine`"),
        ("cli/status.py", "import_module('procman.host.linux.host')", "`cli` may not import `procman.host`"),
        ("cli/status.py", "importlib.import_module('procman.host')", "`cli` may not import `procman.host`"),
        ("__init__.py", "from procman.core import config", "`__init__` may not import `procman.core`"),
        ("cli/status.py", "from procman.__main__ import main", "`cli` may not import `procman.__main__`"),
        ("helpers/text.py", "", "`helpers` is not in the table of layers"),
        ("helpers.py", "", "`helpers` is not in the table of layers"),
    ],
)
def test_a_planted_violation_is_found(file: str, source: str, complaint: str) -> None:
    found = violations(file, source)
    assert len(found) == 1
    assert complaint in found[0]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("core/machine.py", "from procman.core.config import Config\nfrom .policy import Policy"),
        ("config/read.py", "import tomllib\nfrom procman.core.config import Config"),
        (
            "engine/engine.py",
            "import asyncio\nfrom procman.host.base import Host\nfrom ..logs import capture",
        ),
        ("cli/version.py", "import click\nfrom procman import __version__"),
        ("cli/logs.py", "from procman.logs.read import read"),
        ("__main__.py", "from procman.cli.entry import main"),
        ("engine/engine.py", "import sys\nsys.exit(name.platform)"),
    ],
)
def test_what_the_layers_allow_is_not_complained_about(file: str, source: str) -> None:
    assert violations(file, source) == []
