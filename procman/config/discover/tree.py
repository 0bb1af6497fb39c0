"""The files below a folder, as they are read for what they say about apps."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from procman.config.diagnostics import InvalidConfig
from procman.config.discover.javascript import uncommented
from procman.config.discover.scripts import word_set
from procman.config.env_file import parse_env_file

LARGEST = 512 * 1024  # bytes of a file that is read; configurations and entry files are far below
MOST_FOLDERS = 3000  # that are looked into: a monorepo with 500 packages has fewer
DEEPEST = 5  # folders below the first in which a workspace may be
# Folders of what is installed or built: whatever stands in them is nobody's app.
MADE = word_set(
    "node_modules bower_components dist build out coverage vendor target venv env __pycache__ tmp temp"
)
ENV_FILES = (".env.development.local", ".env.local", ".env.development", ".env")  # the first wins

_TRAILING_COMMA = re.compile(r",(\s*[}\]])")


class Tree:
    """A folder, of which paths are relative, with `/`; `.` is itself. What lies outside is not there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notes: list[str] = []  # what was there and could not be understood
        self._texts: dict[str, str | None] = {}
        self._documents: dict[str, dict[str, Any]] = {}

    def is_file(self, path: str) -> bool:
        """Return whether there is a file at a path."""
        return self._inside(path) and os.path.isfile(self.root / path)

    def is_folder(self, path: str) -> bool:
        """Return whether there is a folder at a path."""
        return self._inside(path) and os.path.isdir(self.root / path)

    def text(self, path: str) -> str | None:
        """Return the text of a file, or None: it is not there, not readable, or far too large."""
        if path not in self._texts:
            self._texts[path] = self._read(path) if self.is_file(path) else None
        return self._texts[path]

    def json(self, path: str) -> dict[str, Any]:
        """Return an object of JSON, where comments and last commas may be; `{}` where there is none."""
        if path not in self._documents:
            self._documents[path] = self._parsed(path)
        return self._documents[path]

    def first(self, folder: str, names: Iterable[str]) -> str | None:
        """Return the path of the first of these files that is in a folder."""
        return next((path for path in (join(folder, name) for name in names) if self.is_file(path)), None)

    def variable(self, folder: str, name: str) -> tuple[str, str] | None:
        """Return what the `.env` files of a folder say about a variable, and which of them does."""
        for path in (join(folder, each) for each in ENV_FILES):
            for variable in reversed(self._variables(path)):
                if variable[0] == name:
                    return variable[1], path
        return None

    def folders(self, top: str = ".", depth: int = 1) -> Iterator[str]:
        """Yield the folders below one, in alphabetical order, without those that tools make."""
        left = MOST_FOLDERS
        waiting = [(top, depth)]
        while waiting:
            folder, more = waiting.pop(0)
            for name in self._names(folder):
                if left := left - 1:
                    yield join(folder, name)
                    if more > 1:
                        waiting.append((join(folder, name), more - 1))
                else:
                    return

    def matching(self, patterns: Iterable[str]) -> list[str]:
        """Return the folders that the globs of a workspace mean, in their order; `!` takes away."""
        globs = [pattern.strip() for pattern in patterns]
        without = [glob_pattern(each[1:]) for each in globs if each.startswith("!")]
        every = list(self.folders(depth=DEEPEST))
        found: dict[str, None] = {}
        for glob in (glob_pattern(each) for each in globs if not each.startswith("!")):
            found |= dict.fromkeys(path for path in every if glob.fullmatch(path))
        return [path for path in found if not any(each.fullmatch(path) for each in without)]

    def _inside(self, path: str) -> bool:
        return not os.path.isabs(path) and os.path.normpath(path).split(os.sep)[0] != os.pardir

    def _read(self, path: str) -> str | None:
        try:
            with open(self.root / path, "rb") as file:
                content = file.read(LARGEST + 1)
            return content.decode("utf-8-sig").replace("\r\n", "\n") if len(content) <= LARGEST else None
        except (OSError, ValueError):
            return None

    def _parsed(self, path: str) -> dict[str, Any]:
        text = self.text(path)
        if text is None:
            return {}
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            try:
                document = json.loads(_TRAILING_COMMA.sub(r"\1", uncommented(text)))
            except json.JSONDecodeError as error:
                self.notes.append(f"`{path}` is no JSON: line {error.lineno}, {error.msg}")
                return {}
            except (ValueError, RecursionError):
                return {}
        return document if isinstance(document, dict) else {}

    def _variables(self, path: str) -> list[tuple[str, str]]:
        text = self.text(path)
        if text is None:
            return []
        try:
            variables = parse_env_file(text, path).variables
        except InvalidConfig:
            return []
        return [(each.name, "".join(part for part, _ in each.parts)) for each in variables]

    def _names(self, folder: str) -> list[str]:
        try:
            with os.scandir(self.root / folder) as entries:
                names = [each.name for each in entries if each.is_dir(follow_symlinks=False)]
        except OSError:
            return []
        return sorted(name for name in names if is_plain(name) and name not in MADE)


def join(folder: str, name: str) -> str:
    """Return a path in a folder, without `.` and `..` where that can be."""
    return os.path.normpath(f"{folder}/{name}").replace(os.sep, "/")


def is_plain(name: str) -> bool:
    """Return whether a folder is to be looked at: not a hidden one, nor one whose name is no text."""
    return not name.startswith(".") and name.isprintable()


def glob_pattern(glob: str) -> re.Pattern[str]:
    """Return what a glob matches: `*` in one folder, `**` in any number, `{a,b}` either."""
    parts = re.split(r"(\*\*/?|\*|\?|\{[^{}/]*\})", glob.removeprefix("./").rstrip("/"))
    return re.compile("".join(map(_glob_part, parts)))


def _glob_part(part: str) -> str:
    match part:
        case "**":
            return ".*"
        case "**/":
            return "(?:.*/)?"
        case "*":
            return "[^/]*"
        case "?":
            return "[^/]"
    if part.startswith("{"):
        return f"(?:{'|'.join(map(re.escape, part[1:-1].split(',')))})"
    return re.escape(part)
