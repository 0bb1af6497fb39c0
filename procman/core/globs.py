"""Patterns of files: `src/**/*.js`, `*.{ts,json}`, `config`.

They read as in a `.gitignore`: a pattern without `/` is meant at any depth, one that names a folder means all
that is in it, `*` and `?` stay inside a name, `**` is any number of folders.
"""

from __future__ import annotations

import re

from procman.core.frozen import Frozen

_SPECIAL = re.compile(r"[*?\[{]")
_LONGEST = 1000  # characters: what a folder's worth of names compiles to stays small


class Glob(Frozen):
    """A pattern that was read."""

    folder: str  # the folder that it begins in, relative; empty: the folder itself
    rest: re.Pattern[str]  # what the path below that folder has to be

    def matches(self, below: str) -> bool:
        """Return whether a path below `folder` is meant, by itself or as part of a folder that is."""
        return self.rest.fullmatch(below) is not None


def read_glob(pattern: str) -> Glob:
    """Return what a pattern means.

    Raises:
        ValueError: it is none, and why.
    """
    if len(pattern) > _LONGEST:
        raise ValueError("it is too long")
    plain = pattern.replace("\\", "/")
    anchored = "/" in plain.rstrip("/")
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    if not parts:
        return Glob("/" if plain.startswith("/") else "", re.compile("(?s:.*)"))
    fixed: list[str] = []
    while anchored and len(parts) > 1 and not _SPECIAL.search(parts[0]):
        fixed.append(parts.pop(0))
    folder = ("/" if plain.startswith("/") else "") + "/".join(fixed)
    expression = "" if anchored else "(?:.*/)?"
    return Glob(folder, re.compile(f"(?s:{expression}{_expression(parts)}(?:/.*)?)"))


def _expression(parts: list[str]) -> str:
    found = ""
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            found += ".*" if last else "(?:.*/)?"
        elif part == "..":
            raise ValueError("`..` can only come first")
        else:
            found += _name(part) + ("" if last else "/")
    return found


def _name(part: str) -> str:
    """Return the expression of one name of a path."""
    found, at, depth = "", 0, 0
    while at < len(part):
        character = part[at]
        at += 1
        if character == "*":
            found += "[^/]*"
        elif character == "?":
            found += "[^/]"
        elif character == "[":
            end = part.find("]", at + 2 if part[at : at + 1] in ("!", "^") else at + 1)
            if end < 0:
                raise ValueError("a `[` is not closed")
            inside = part[at:end].replace("\\", r"\\").replace("[", r"\[")
            inside = f"^{inside[1:]}" if inside[0] in "!^" else inside
            found += f"[{inside}]"
            at = end + 1
        elif character == "{":
            found, depth = found + "(?:", depth + 1
        elif character == "}" and depth:
            found, depth = found + ")", depth - 1
        elif character == "," and depth:
            found += "|"
        else:
            found += re.escape(character)
    if depth:
        raise ValueError("a `{` is not closed")
    try:
        re.compile(found)
    except re.error as error:
        raise ValueError(error.msg) from error
    return found
