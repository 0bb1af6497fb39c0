"""Where each key and value of a TOML text stands.

`tomllib` says what a text means but not where. This scanner is run only when there is an error to place, on a
text that `tomllib` has accepted, or on the part of one before its syntax error; so it checks nothing, and
only has to find where each token ends.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field

from procman.core.frozen import Frozen

Path = tuple[str | int, ...]

_BLANK = re.compile(r"[ \t]*")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*'""")
# A closing delimiter may follow one or two quotes of the content: `"""a"""""` ends with a `""`.
_TEXT = re.compile(r'''"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?'{3,5}''', re.DOTALL)
_STRING = re.compile(r"""\"(?:\\.|[^"\\\n])*"|'[^'\n]*'""")
_SCALAR = re.compile(r"\d{4}-\d\d-\d\d \d[^\s,\]}#]*|[^\s,\]}#]+")
_ESCAPE = r"\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}"
_LINE_END = r"\\[ \t]*\r?\n[ \t\r\n]*"  # a backslash at the end of a line swallows the space that follows
_BASIC_UNIT = re.compile(rf"(?P<nothing>{_LINE_END})|{_ESCAPE}|\\.|\r\n|.", re.DOTALL)
_LITERAL_UNIT = re.compile(r"(?P<nothing>(?!))|\r\n|.", re.DOTALL)


class Span(Frozen):
    """The characters from `start` up to `end`, counted from 0."""

    start: int
    end: int


@dataclass(slots=True)
class Positions:
    """The spans of the keys and the values of a text."""

    keys: dict[Path, Span] = field(default_factory=dict)
    values: dict[Path, Span] = field(default_factory=dict)  # of a `[table]`: its header
    repeated: list[tuple[Path, Span]] = field(default_factory=list)  # keys and headers that were there before
    stuck: int | None = None  # where a token begins that has no end

    def nearest(self, path: Path, *, key: bool) -> Span:
        """Return the span of what `path` names, or of the closest thing around it that has one."""
        for length in range(len(path), 0, -1):
            spans = (self.keys, self.values) if key else (self.values, self.keys)
            for kind in spans:
                if path[:length] in kind:
                    return kind[path[:length]]
        return Span(0, 1)


def locate(text: str) -> Positions:
    """Return where everything stands in `text`, as far as its tokens are whole."""
    scanner = _Scanner(text)
    try:
        scanner.scan()
    except _Stuck as stuck:
        scanner.found.stuck = stuck.offset
    except RecursionError:
        scanner.found.stuck = scanner.at
    return scanner.found


def inside_string(text: str, span: Span, index: int) -> int:
    """Return where the character `index` of the value of a string stands, given the span of the string."""
    token = text[span.start : span.end]
    quotes = 3 if token[:3] in ('"""', "'''") and len(token) >= 6 else 1
    at = quotes
    if quotes == 3:  # a newline right after the opening is not part of the value
        at += len("\r\n") if token.startswith("\r\n", at) else int(token.startswith("\n", at))
    units = _BASIC_UNIT if token[0] == '"' else _LITERAL_UNIT
    while at < len(token) - quotes:
        unit = units.match(token, at)
        assert unit, "the last alternative matches any character"
        if not unit["nothing"]:
            if not index:
                break
            index -= 1
        at = unit.end()
    return span.start + at


class _Stuck(Exception):
    """A token that begins at `offset` has no end."""

    def __init__(self, offset: int) -> None:
        self.offset = offset


class _Scanner:
    """One pass over a text; `at` is the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found = Positions()
        self._headers: set[Path] = set()
        self._counts: dict[Path, int] = {}  # of each array of tables: how many it has

    def scan(self) -> None:
        """Record every statement up to the end of the text."""
        table: Path = ()
        while True:
            self._skip(_SPACE)
            if self.at >= len(self.text):
                return
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        assert match, "a pattern of repeated space matches nothing, too"
        self.at = match.end()

    def _take(self, token: str, opened: int) -> None:
        if not self.text.startswith(token, self.at):
            raise _Stuck(opened)
        self.at += len(token)

    def _header(self) -> Path:
        start = self.at
        brackets = 2 if self.text.startswith("[[", start) else 1
        self.at += brackets
        *parents, (name, span) = self._keys(start)
        self._take("]" * brackets, start)
        path: Path = ()
        for parent, parent_span in parents:
            path = self._resolved((*path, parent))
            self.found.keys.setdefault(path, parent_span)
        path = (*path, name)
        self.found.keys.setdefault(path, span)
        header = Span(start, self.at)
        if brackets == 2:
            self.found.values.setdefault(path, header)
            self._counts[path] = self._counts.get(path, 0) + 1
            path = self._resolved(path)
        elif path in self._headers or path in self.found.values:
            self.found.repeated.append((path, header))
        self._headers.add(path)
        self.found.values.setdefault(path, header)
        return path

    def _resolved(self, path: Path) -> Path:
        """Return `path`, or the last table of it if it is an array of tables."""
        return (*path, self._counts[path] - 1) if path in self._counts else path

    def _pair(self, table: Path) -> None:
        start = self.at
        *parents, (name, span) = self._keys(start)
        path = table
        for parent, parent_span in parents:
            path = (*path, parent)
            self.found.keys.setdefault(path, parent_span)
        path = (*path, name)
        if path in self.found.values or path in self.found.keys:
            self.found.repeated.append((path, span))
        self.found.keys.setdefault(path, span)
        self._skip(_BLANK)
        self._take("=", start)
        self._skip(_BLANK)
        self._value(path)

    def _keys(self, opened: int) -> list[tuple[str, Span]]:
        """Return the parts of a dotted key."""
        parts: list[tuple[str, Span]] = []
        while True:
            self._skip(_BLANK)
            match = _KEY.match(self.text, self.at)
            if not match:
                raise _Stuck(opened)
            self.at = match.end()
            parts.append((_name(match[0], opened), Span(match.start(), match.end())))
            self._skip(_BLANK)
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1

    def _value(self, path: Path) -> None:
        start = self.at
        opening = self.text[start : start + 1]
        if opening == "[":
            self._items(path)
        elif opening == "{":
            self._inline(path)
        else:
            several = self.text.startswith(('"""', "'''"), start)
            token = _TEXT if several else _STRING if opening in ("'", '"') else _SCALAR
            match = token.match(self.text, start)
            if not match:
                raise _Stuck(start)
            self.at = match.end()
        self.found.values.setdefault(path, Span(start, self.at))

    def _items(self, path: Path) -> None:
        start, count = self.at, 0
        self.at += 1
        while True:
            self._skip(_SPACE)
            if self.text.startswith("]", self.at):
                self.at += 1
                return
            self._value((*path, count))
            count += 1
            self._skip(_SPACE)
            if not self.text.startswith("]", self.at):
                self._take(",", start)

    def _inline(self, path: Path) -> None:
        start = self.at
        self.at += 1
        while True:
            self._skip(_SPACE)
            if self.text.startswith("}", self.at):
                self.at += 1
                return
            self._pair(path)
            self._skip(_SPACE)
            if not self.text.startswith("}", self.at):
                self._take(",", start)


def _name(token: str, opened: int) -> str:
    """Return what a key means: itself, or the content of its quotes."""
    if token[0] not in "'\"":
        return token
    try:
        return str(tomllib.loads(f"key = {token}")["key"])
    except tomllib.TOMLDecodeError as error:
        raise _Stuck(opened) from error
