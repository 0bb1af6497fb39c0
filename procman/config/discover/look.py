"""Everything that a folder says about its apps, with a name and a port for each that no other has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from procman.config.commands import Filling, make_command
from procman.config.discover.findings import App, Discovery, Found
from procman.config.discover.npm import find_npm, with_installation
from procman.config.discover.others import find_make, find_procfile, note_compose
from procman.config.discover.packages import find_packages, workspace_above
from procman.config.discover.python import find_python
from procman.config.discover.scripts import word_set
from procman.config.discover.tree import Tree
from procman.core.kinds import NAME
from procman.core.values import Bad

NESTED = 2  # folders deep in which a project without a workspace is looked for
# Folders whose projects are about something else than what the folder is for.
_ASIDE = word_set(
    """example examples demo demos sample samples e2e test tests __tests__ spec fixtures template templates
    starter starters playground playgrounds benchmark benchmarks bench cypress scripts tools infra"""
)


def discover(folder: Path) -> Discovery:
    """Return what was found in a folder and below; it is read, and nothing in it is run."""
    tree = Tree(folder)
    folders = [each for each in tree.folders(depth=NESTED) if not _ASIDE & set(each.split("/"))]
    packages = find_packages(tree, [".", *folders])
    found = find_procfile(tree)
    if found and packages and packages[0].folder == ".":
        tree.notes.append("a Procfile says what runs here, so scripts of `package.json` were left out")
        found = list(with_installation((packages[0], each) for each in found))
    elif not found:
        python = (find_python(tree, place) for place in (".", *folders))
        found = [*find_npm(tree, packages), *(each for each in python if each)]
    found = found or find_make(tree)
    note_compose(tree)
    if (root := workspace_above(folder)) is not None:
        tree.notes.append(
            f"this is a part of the workspace in {root}: packages are installed there, and `procman init` "
            "there finds all of its apps"
        )
        found = [replace(each, prepare=None) if each.cwd == "." else each for each in found]
    apps = [app for app in _settled(found) if _can_run(app, tree)]
    return Discovery(tuple(apps), tuple(tree.notes))


def _can_run(app: App, tree: Tree) -> bool:
    """Return whether a command is one that `portwatch.toml` can have; else note why not."""
    try:
        make_command(app.found.command, Filling(app.name, app.port), shell=app.found.shell)
    except Bad as bad:
        tree.notes.append(f"{app.found.source} was left out: {bad.message}")
        return False
    return True


def _settled(found: Sequence[Found]) -> list[App]:
    """Return the apps with names and ports of their own, each knowing whom it waits for."""
    names = _named(found)
    ports = _ported(found, names)
    installs = {each.installs: name for each, name in zip(found, names, strict=True) if each.installs}
    return [
        App(name, each, *port, tuple(installs[folder] for folder in each.after if folder in installs))
        for each, name, port in zip(found, names, ports, strict=True)
    ]


def _named(found: Iterable[Found]) -> list[str]:
    """Return a name for each that no other has."""
    taken: dict[str, None] = {}
    for each in found:
        wanted = [name for name in map(_valid, each.names) if name] or ["app"]
        numbered = (f"{wanted[0][:58]}-{number}" for number in range(2, len(taken) + 3))
        taken[next(name for name in (*wanted, *numbered) if name not in taken)] = None
    return list(taken)


def _valid(name: str) -> str:
    """Return what is left of a text that may be the name of an app; perhaps nothing."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("._-")[:64]
    return plain if NAME.fullmatch(plain) else ""


def _ported(found: Sequence[Found], names: Sequence[str]) -> list[tuple[int | None, str]]:
    """Return a port for each that listens, with the reason for the number.

    Who can't be told a port comes first, then whose number somebody has written down, then the rest; each
    takes the next number that is free. Without a port stays who can't be told one and finds it taken.
    """
    owners: dict[int, str] = {}
    ports: list[tuple[int | None, str]] = [(None, "")] * len(found)
    ranked = sorted(range(len(found)), key=lambda index: _rank(found[index]))
    for index in ranked:
        listening = found[index].listening
        if listening is None:
            continue
        number, reason = listening.port, listening.reason
        if (owner := owners.get(number)) is not None:
            candidates = range(number, 65536) if listening.movable else ()
            free = next((each for each in candidates if each not in owners), None)
            if free is None:
                ports[index] = (None, f"{number} ({reason}) is that of `{owner}`, and it takes no other")
                continue
            number, reason = free, f"{number} ({reason}) is that of `{owner}`"
        owners[number] = names[index]
        ports[index] = (number, reason)
    return ports


def _rank(found: Found) -> int:
    listening = found.listening
    return 0 if listening is None or not listening.movable else 1 if listening.chosen else 2
