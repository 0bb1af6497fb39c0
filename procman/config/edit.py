"""Edits of a `portwatch.toml`, text to text: every byte that was not named stays as it is.

`positions` says where things stand, so that an edit is a splice, and tomlkit writes the keys that are new.
It does not edit the document: tomlkit 0.15 puts a new key below the comment of the next table, takes that
comment away with a removed table, and ends new lines with LF in a file of CRLF.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import tomlkit

from procman.config.positions import Span, locate

Names = tuple[str, ...]  # of tables and a key, from the top of the file

_AFTER_ITEM = re.compile(r"[ \t]*,[ \t]*")
_BLANK_LINES = re.compile(r"(?:[ \t]*\r?\n)*")
_BLANK_LINE_BEFORE = re.compile(r"(?:\A|\n)[ \t]*\r?\n\Z")
_LAST_BLANK_LINE = re.compile(r"(?<=\n)[ \t]*\r?\n\Z")
_INDENT = re.compile(r"[ \t]*")


class NotATable(Exception):
    """A key was to be set in something that is written as a plain value, at `path`."""

    def __init__(self, path: Names, written: str) -> None:
        super().__init__(".".join(path))
        self.path = path
        self.written = written


def set_value(text: str, path: Names, token: str) -> str:
    """Return the text with the value at `path` replaced by `token`, or put where it belongs.

    Args:
        text: valid TOML.
        path: of the key. A table that is replaced as a whole goes, whatever notation it was in.
        token: a value in TOML.

    Raises:
        NotATable: a part of the path is there and no table.
    """
    token = token.replace("\r\n", "\n").replace("\n", _newline(text))
    pairs = _Layout(text).pairs
    if path in pairs:
        return text[: pairs[path].start] + token + text[pairs[path].end :]
    return _insert(remove(text, path), path, token)


def remove(text: str, path: Names) -> str:
    """Return the text without what is at `path`; unchanged if that is nothing.

    With a key goes the comment behind it, with a table what stands between its header and its last line.
    Comments above and below stay: who knows what they are about.
    """
    while True:
        layout = _Layout(text)
        sections = [index for index, header in enumerate(layout.headers) if _within(header.path, path)]
        if sections:
            text = _without_sections(layout, sections)
            continue
        found = [pair for pair in layout.pairs if _within(pair, path)]
        if not found:
            return text
        first = min(found, key=lambda pair: layout.pairs[pair].start)  # the outermost of nested tables
        text = _without_pair(layout, first)


def add_table(text: str, path: Names) -> str:
    """Return the text with an empty table: a section of its own, unless the file's notation forbids it."""
    if _Layout(text).is_closed(path[:-1]):
        return _insert(text, path, "{}")
    newline = _newline(text)
    ended = text.endswith("\n")
    return f"{text}{newline if ended else newline * 2}[{_dotted(path)}]{newline if ended else ''}"


@dataclass(frozen=True, slots=True)
class _Header:
    path: Names
    span: Span


class _Layout:
    """The statements of a text: headers in order, and the values of all keys, those in `{ … }` included."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.headers: list[_Header] = []
        self.pairs: dict[Names, Span] = {}
        for path, span in locate(text).values.items():
            names = tuple(part for part in path if isinstance(part, str))
            if len(names) < len(path):
                continue  # an item of an array, which is never edited by itself
            # A value stands behind its `=`, on the same line.
            if text[span.start] == "[" and not text[_line_start(text, span.start) : span.start].strip():
                self.headers.append(_Header(names, span))
            else:
                self.pairs[names] = span
        self.headers.sort(key=lambda header: header.span.start)

    def container(self, path: Names) -> Names | None:
        """Return the path of the innermost `{ … }` that a pair is an item of, if there is one."""
        return next((path[:size] for size in range(len(path) - 1, 0, -1) if path[:size] in self.pairs), None)

    def section(self, offset: int) -> Names:
        """Return the path of the header that rules at `offset`."""
        above = [header.path for header in self.headers if header.span.start <= offset]
        return above[-1] if above else ()

    def end(self, index: int) -> int:
        """Return where the last statement of a section ends, which is its header if there is no other."""
        start = self.headers[index].span.start
        stop = self.headers[index + 1].span.start if index + 1 < len(self.headers) else len(self.text)
        ends = (span.end for span in self.pairs.values() if start < span.start < stop)
        return max(ends, default=self.headers[index].span.end)

    def spelled(self, table: Names) -> Iterator[Names]:
        """Yield the pairs that make up a table by dotted keys, in order: `check.http = …`."""
        for pair, span in sorted(self.pairs.items(), key=lambda item: item[1].start):
            outer = self.container(pair) or self.section(span.start)
            if len(outer) < len(table) < len(pair) and pair[: len(table)] == table:
                yield pair

    def is_closed(self, table: Names) -> bool:
        """Return whether no header may add to a table: it is in braces, or made by dotted keys."""
        return table in self.pairs or any(self.spelled(table))


def _insert(text: str, path: Names, token: str) -> str:
    """Return the text with a key that is not there yet."""
    layout, table = _Layout(text), path[:-1]
    if table in layout.pairs:
        return _insert_item(layout, table, path, token)
    for index, header in enumerate(layout.headers):
        if header.path == table:
            return _insert_line(text, layout.end(index), f"{_dotted(path[-1:])} = {token}")
    spelled = list(layout.spelled(table))
    if spelled:
        container, span = layout.container(spelled[-1]), layout.pairs[spelled[-1]]
        if container is not None:
            return _insert_item(layout, container, path, token)
        line = f"{_dotted(path[len(layout.section(span.start)) :])} = {token}"
        return _insert_line(text, span.end, line)
    is_implied = any(_within(header.path, table) for header in layout.headers)
    is_section = len(table) == 1 or (len(table) == 2 and table[0] == "apps")
    if is_implied or (is_section and not layout.is_closed(table[:-1])):
        return _insert(add_table(text, table), path, token)
    return _insert(text, table, f"{{ {_dotted(path[-1:])} = {token} }}")


def _insert_item(layout: _Layout, table: Names, path: Names, token: str) -> str:
    """Return the text with one more item in the `{ … }` at `table`."""
    text, span = layout.text, layout.pairs[table]
    if text[span.start] != "{":
        raise NotATable(table, text[span.start : span.end])
    item = f"{_dotted(path[len(table) :])} = {token}"
    ends = [layout.pairs[pair].end for pair in _items(layout, table)]
    if not ends:
        return f"{text[: span.start]}{{ {item} }}{text[span.end :]}"
    return f"{text[: ends[-1]]}, {item}{text[ends[-1] :]}"


def _insert_line(text: str, after: int, line: str) -> str:
    """Return the text with a line behind the one of the character before `after`, as far indented."""
    newline = _newline(text)
    start = _line_start(text, after)
    indent = _INDENT.match(text, start)
    line = (indent[0] if indent and indent.end() < after else "") + line
    end = _line_end(text, after)
    if text[end - 1 : end] == "\n":
        return f"{text[:end]}{line}{newline}{text[end:]}"
    return f"{text}{newline}{line}"


def _without_sections(layout: _Layout, sections: list[int]) -> str:
    """Return the text without the first run of neighbours among some sections, and one gap around it."""
    text, last = layout.text, sections[0]
    while last + 1 in sections:
        last += 1
    start = _line_start(text, layout.headers[sections[0]].span.start)
    end = _line_end(text, layout.end(last))
    blank = _BLANK_LINES.match(text, end)
    if blank and blank.end() < len(text) and (not start or _BLANK_LINE_BEFORE.search(text[:start])):
        end = blank.end()
    elif end == len(text) and (gap := _LAST_BLANK_LINE.search(text[:start])):
        start = gap.start()
    return _cut(text, start, end)


def _without_pair(layout: _Layout, path: Names) -> str:
    """Return the text without the lines of a key, or without an item of a `{ … }`."""
    text, span, container = layout.text, layout.pairs[path], layout.container(path)
    if container is None:
        return _cut(text, _line_start(text, span.start), _line_end(text, span.end))
    items = _items(layout, container)
    index = items.index(path)
    if index:
        return text[: layout.pairs[items[index - 1]].end] + text[span.end :]
    comma = _AFTER_ITEM.match(text, span.end)
    opened = layout.pairs[container].start + 1
    blank = _INDENT.match(text, opened)
    start = blank.end() if blank and comma else opened
    return text[:start] + text[comma.end() if comma else span.end :]


def _items(layout: _Layout, table: Names) -> list[Names]:
    """Return the items of a `{ … }`, in order."""
    found = [pair for pair in layout.pairs if layout.container(pair) == table]
    return sorted(found, key=lambda pair: layout.pairs[pair].start)


def _cut(text: str, start: int, end: int) -> str:
    """Return the text without some whole lines; its last line ends as the last one did."""
    before, after = text[:start], text[end:]
    if not after and not text.endswith("\n"):
        before = before.removesuffix("\n").removesuffix("\r")
    return before + after


def _within(path: Names, outer: Names) -> bool:
    return path[: len(outer)] == outer


def _line_start(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1


def _line_end(text: str, offset: int) -> int:
    """Return where the next line begins."""
    return text.find("\n", offset) + 1 or len(text)


def _newline(text: str) -> str:
    """Return how the first line ends, as a new one is to."""
    first = text.find("\n")
    return "\r\n" if first > 0 and text[first - 1] == "\r" else "\n"


def _dotted(path: Names) -> str:
    return ".".join(tomlkit.key(name).as_string() for name in path)
