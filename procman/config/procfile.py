"""A `Procfile`: `name: command` lines, each run by a shell as foreman does.

An app of a Procfile has no port, because the file has no place to declare one (foreman invents 5000, 5100…,
which no check could trust): it is healthy while it lives, and `$PORT` is what the environment says.
"""

from __future__ import annotations

import os
import re

from procman.config.diagnostics import Diagnostic, InvalidConfig, Lines
from procman.config.source import Source
from procman.core.config import AppConfig, Command, Config, ManagerConfig
from procman.core.kinds import NAME, NAME_RULE
from procman.core.values import quoted

PROCFILE_NAME = "Procfile"
_LINE = re.compile(r"(?P<indent>[ \t]*)(?P<name>[^\s:]+)[ \t]*:(?P<command>.*)")
_EXAMPLE = "write `web: npm run dev`"


def is_procfile(path: str) -> bool:
    """Return whether a file is a Procfile by its name: `Procfile`, `Procfile.dev` or `dev.procfile`."""
    name = os.path.basename(path)
    return name == PROCFILE_NAME or name.startswith(f"{PROCFILE_NAME}.") or name.lower().endswith(".procfile")


def parse_procfile(source: Source) -> Config:
    """Return the apps of a Procfile; a `.env` beside it is their `env_file`.

    Raises:
        InvalidConfig: a line is no `name: command`, or there is none; all errors, in the order of the file.
    """
    lines = Lines(source.text)
    diagnostics: list[Diagnostic] = []
    seen: dict[str, int] = {}
    commands: dict[str, str] = {}
    start = 0
    for number, line in enumerate(source.text.split("\n"), 1):
        content = line.strip()
        if content and not content.startswith("#"):
            match = _LINE.fullmatch(line.rstrip())
            wrong = _wrong(match, seen)
            if match and not wrong:
                commands[match["name"]] = match["command"].strip()
            if match:
                seen.setdefault(match["name"], number)
            if wrong:
                indent = len(line) - len(line.lstrip())
                end = start + (match.end("name") if match else len(line.rstrip()))
                diagnostics.append(lines.at(source.shown, start + indent, end, *wrong))
        start += len(line) + 1
    if not commands and not diagnostics:
        diagnostics.append(lines.at(source.shown, 0, 1, "the file declares no apps", _EXAMPLE))
    if diagnostics:
        raise InvalidConfig(diagnostics)
    folder = source.folder
    env_file = os.path.join(folder, ".env")
    files = (env_file,) if os.path.isfile(env_file) else ()
    apps = {
        name: AppConfig(name, Command((text,), shell=True), cwd=folder, env_file=files)
        for name, text in commands.items()
    }
    return Config(file=source.path, folder=folder, manager=ManagerConfig(), apps=apps)


def _wrong(match: re.Match[str] | None, seen: dict[str, int]) -> tuple[str, str | None] | None:
    """Return the message and hint for a line, or None if it is right."""
    if not match:
        return "expected `name: command`", _EXAMPLE
    name = match["name"]
    if not NAME.fullmatch(name):
        return f"expected a name of {NAME_RULE}, got {quoted(name)}", None
    if name in seen:
        return f"`{name}` is here twice, first on line {seen[name]}", None
    if not match["command"].strip():
        return f"`{name}` has no command", _EXAMPLE
    return None
