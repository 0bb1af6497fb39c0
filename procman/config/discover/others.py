"""What else declares programs: a Procfile, a Makefile, a compose file."""

from __future__ import annotations

import re

from procman.config.commands import split
from procman.config.diagnostics import InvalidConfig
from procman.config.discover.findings import Found, Listening
from procman.config.discover.npm import npm_serving
from procman.config.discover.packages import MANIFEST, Package
from procman.config.discover.scripts import Step, given, steps
from procman.config.discover.serving import Serving
from procman.config.discover.tree import Tree
from procman.config.procfile import parse_procfile
from procman.config.source import Source
from procman.core.config import AppConfig
from procman.core.values import Bad

PROCFILES = ("Procfile.dev", "Procfile")  # the first is made for this, the second for a server
COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_TARGETS = ("dev", "run", "serve", "start")
_FOREMAN = 5000  # what foreman gives the first of its processes
_PORT = re.compile(r"\$(?:\{PORT(?::?-(\d{2,5}))?\}|PORT\b)")
# Servers beside those of Node: where they listen, and whether they take `$PORT`.
_SERVERS = {"gunicorn": (8000, True), "uvicorn": (8000, False), "hypercorn": (8000, False),
            "flask": (5000, False), "rails": (3000, True), "runserver": (8000, False)}  # fmt: skip


def find_procfile(tree: Tree) -> list[Found]:
    """Return the lines of a Procfile as apps; one with mistakes becomes a note."""
    name = tree.first(".", PROCFILES)
    text = tree.text(name) if name else None
    if name is None or text is None:
        return []
    path = str(tree.root / name)
    try:
        config = parse_procfile(Source(path, name, text, ""))
    except InvalidConfig as error:
        tree.notes.append(f"`{name}` was left out: {error.summary}")
        return []
    lines = {line.partition(":")[0].strip(): number for number, line in enumerate(text.split("\n"), 1)}
    return [_of_line(tree, app, f"{name}, line {lines[app.name]}") for app in config.apps.values()]


def _of_line(tree: Tree, app: AppConfig, source: str) -> Found:
    """Return the app of one line; the line stays as it is, and where it listens is read from what it runs."""
    text = app.command.text
    serving = _serving(tree, text)
    return Found(
        names=(app.name,),
        command=text,
        cwd=".",
        source=source,
        what=serving.what,
        shell=_needs_shell(text),
        listening=serving.listening,
        serves=serving.serves and (app.name == "web" or serving.listening is not None),
        env=serving.env,
        env_file=".env" if app.env_file else None,
    )


def _serving(tree: Tree, text: str) -> Serving:
    """Return where the command of a line listens: as it says, else as what it runs does."""
    if taken := _PORT.search(text):
        stated = tree.variable(".", "PORT")
        number = _number(stated[0] if stated else "") or _number(taken[0]) or _FOREMAN
        return Serving("", Listening(number, "taken from `$PORT`", movable=True))
    commands = steps(text)
    for step in commands:
        for server, (port, movable) in _SERVERS.items():
            if server in (step.program, *step.words):
                return _of_server(step, server, Listening(port, f"{server}'s default", movable))
    return npm_serving(Package(tree, "."), text) if tree.is_file(MANIFEST) else Serving()


def _of_server(step: Step, server: str, usual: Listening) -> Serving:
    last = step.words[-1] if server == "runserver" else ""
    number = _number(step.option("--port", "-p", "--bind", "-b") or last)
    if number is None:
        return Serving(server, usual)
    return Serving(server, Listening(number, "the line says so", movable=False, chosen=True))


def _number(said: str) -> int | None:
    """Return the number of a port that is given as one, or as a default."""
    return (given(said) or (None, None))[0]


def _needs_shell(text: str) -> bool:
    try:
        split(text)
    except Bad:
        return True
    return False


def find_make(tree: Tree) -> list[Found]:
    """Return what a Makefile has to run the project with: the first of the usual targets."""
    name = tree.first(".", ("GNUmakefile", "Makefile", "makefile"))
    text = tree.text(name) if name else None
    for target in _TARGETS:
        if text and re.search(rf"^{target}[ \t]*:(?!=)", text, re.MULTILINE):
            names = (tree.root.name, target)
            return [Found(names, f"make {target}", ".", f"target `{target}` of {name}", "make")]
    return []


def note_compose(tree: Tree) -> None:
    """Note that a compose file declares services."""
    if name := tree.first(".", COMPOSE):
        tree.notes.append(f"`{name}` declares services too: `procman import {name}` brings them")
