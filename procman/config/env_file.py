"""An env file: `KEY=VALUE` lines as dotenv has them.

`export` before a key, blank lines and `#` comments are fine. A value may stand bare (a ` #` ends it), between
single quotes (taken as it is) or double quotes, where `\\n`, `\\r`, `\\t`, `\\"`, `\\\\` and `\\$` are
escapes; quoted ones may go over several lines. `${VAR}` is filled in outside single quotes.
"""

from __future__ import annotations

import re
from dataclasses import replace

from procman.config.diagnostics import Diagnostic, InvalidConfig, Lines
from procman.core.frozen import Frozen

_IGNORED = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"(?:export[ \t]+)?([^\s=#'\"]+)[ \t]*=[ \t]*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SINGLE = re.compile(r"'([^']*)'")
_DOUBLE = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
_BARE = re.compile(r"[^\n]*")
_COMMENT = re.compile(r"(?:^|[ \t])#.*")
_REST = re.compile(r"[ \t\r]*(?:#[^\n]*)?(?:\n|$)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\n": ""}
_UNESCAPE = re.compile(r"\\(.)", re.DOTALL)

Part = tuple[str, bool]  # a piece of a value, and whether `${VAR}` in it is filled in


class Variable(Frozen):
    """One line of an env file."""

    name: str
    parts: tuple[Part, ...]
    line: int = 0  # where it begins, from 1


class EnvFile(Frozen):
    """An env file that was read; of two lines with one name, the later wins."""

    shown: str  # as its user names it
    variables: tuple[Variable, ...]


def parse_env_file(text: str, shown: str) -> EnvFile:
    """Return the variables of an env file.

    Raises:
        InvalidConfig: lines are broken; all of them, in order.
    """
    text = text.replace("\r\n", "\n")
    lines = Lines(text)
    variables: list[Variable] = []
    diagnostics: list[Diagnostic] = []
    at = _end(_IGNORED, text, 0)
    while at < len(text):
        try:
            line, _ = lines.place(at)
            variable, at = _variable(text, at)
            variables.append(replace(variable, line=line))
        except _Broken as broken:
            # Without the line: it may be part of a secret, and an error ends up in logs.
            line, column = lines.place(broken.start)
            diagnostics.append(Diagnostic(shown, broken.message, line, column, hint=broken.hint))
            at = _end(_BARE, text, max(broken.start, at))
        at = _end(_IGNORED, text, at)
    if diagnostics:
        raise InvalidConfig(diagnostics)
    return EnvFile(shown, tuple(variables))


class _Broken(Exception):
    """A line that is no assignment; the fault begins at `start`."""

    def __init__(self, start: int, message: str, hint: str | None = None) -> None:
        self.start = start
        self.message = message
        self.hint = hint


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    assert match, "a pattern that may be empty matches everywhere"
    return match.end()


def _variable(text: str, at: int) -> tuple[Variable, int]:
    """Return the variable whose line begins at `at`, and where it ends."""
    key = _KEY.match(text, at)
    if not key:
        raise _Broken(at, "expected `KEY=VALUE`", "write a comment with `#` before it")
    if not _NAME.fullmatch(key[1]):
        raise _Broken(key.start(1), "expected a name of letters, digits and `_` before the `=`")
    parts, end = _value(key[1], text, key.end())
    return Variable(key[1], parts), end


def _value(name: str, text: str, at: int) -> tuple[tuple[Part, ...], int]:
    quote = text[at : at + 1]
    if quote not in ("'", '"'):
        bare = text[at : _end(_BARE, text, at)]
        value = _COMMENT.sub("", bare, count=1).strip()
        return ((value, True),), at + len(bare)
    match = (_SINGLE if quote == "'" else _DOUBLE).match(text, at)
    if not match:
        raise _Broken(at, f"{name}: the quote `{quote}` has no end", f"close it with `{quote}`")
    if not _REST.match(text, match.end()):
        raise _Broken(match.end(), f"{name}: expected the end of the line after the closing quote")
    return ((match[1], False),) if quote == "'" else _unescaped(match[1]), match.end()


def _unescaped(content: str) -> tuple[Part, ...]:
    """Return the pieces of a value between double quotes; an escaped character is a piece of its own."""
    parts: list[Part] = []
    at = 0
    for escape in _UNESCAPE.finditer(content):
        parts.append((content[at : escape.start()], True))
        known = escape[1] in '"\\$' or escape[1] in _ESCAPES
        parts.append((_ESCAPES.get(escape[1], escape[1]) if known else escape[0], False))
        at = escape.end()
    return (*parts, (content[at:], True))
