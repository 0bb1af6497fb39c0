"""A document of any notation as one kind of tree, in which every value knows its line and its path."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from json import decoder, scanner
from typing import Any

from procman.config.diagnostics import Diagnostic, InvalidConfig, Lines
from procman.config.discover.javascript import uncommented
from procman.config.positions import Path, Positions, locate
from procman.config.source import Source
from procman.config.syntax import parse_toml

_STRING_OR_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])')

Scan = Callable[[str, int], tuple[Any, int]]


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a document."""

    value: Any  # a scalar; of a table `dict[str, Node]`, of a list `list[Node]`
    line: int  # from 1; 0 where it cannot be told
    path: str  # as a message names it: `services.web.ports`
    file: str  # as its user names it

    @property
    def place(self) -> str:
        """Where it stands: `compose.yaml:12`."""
        return f"{self.file}:{self.line}" if self.line else self.file

    @property
    def table(self) -> Mapping[str, Node]:
        """The nodes of a table; nothing where it is none."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Node]:
        """The nodes of a list; of anything else but nothing, the node itself."""
        if isinstance(self.value, list):
            return self.value
        return [] if self.value is None else [self]

    @property
    def text(self) -> str:
        """A scalar as it would be typed."""
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        return "" if self.value is None else str(self.value)

    @property
    def is_scalar(self) -> bool:
        """Whether it is one value, and neither a table nor a list."""
        return not isinstance(self.value, dict | list)

    def wrong(self, message: str, hint: str | None = None) -> InvalidConfig:
        """Return the error that this value cannot be what it must."""
        line = self.line or None
        return InvalidConfig([Diagnostic(self.file, message, line, None if line is None else 1, hint=hint)])

    def child(self, key: str) -> Node | None:
        """Return what a table has under a key; None where that is nothing."""
        node = self.table.get(key)
        return None if node is None or node.value is None else node


def of_toml(source: Source) -> Node:
    """Return the tree of a TOML file; raises `InvalidConfig` where it is none."""
    document = parse_toml(source)
    return _placed(document, (), source, locate(source.text), Lines(source.text))


def of_json(source: Source) -> Node:
    """Return the tree of a JSON file, in which comments and last commas may be, as pm2 and npm's kin allow.

    Raises:
        InvalidConfig: it is no JSON.
    """
    text = source.text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        text = _without_last_commas(uncommented(text))
    lines = Lines(source.text)
    try:
        value, start = _Placing().place(text)
    except json.JSONDecodeError as error:
        diagnostic = lines.at(source.shown, error.pos, error.pos + 1, f"it is no JSON: {error.msg}")
        raise InvalidConfig([diagnostic]) from error
    except (ValueError, RecursionError) as error:
        raise InvalidConfig([Diagnostic(source.shown, "it is no JSON that can be read")]) from error
    return _of_pair((value, start), "", source.shown, lines)


def of_plain(value: object, path: str, file: str, line: int = 0) -> Node:
    """Return the tree of plain values, all of them on one line."""
    inner: Any = value
    if isinstance(value, dict):
        inner = {str(key): of_plain(each, join(path, key), file, line) for key, each in value.items()}
    elif isinstance(value, list):
        inner = [of_plain(each, f"{path}[{index}]", file, line) for index, each in enumerate(value)]
    return Node(inner, line, path, file)


def _placed(value: object, path: Path, source: Source, positions: Positions, lines: Lines) -> Node:
    inner: Any = value
    if isinstance(value, dict):
        inner = {key: _placed(each, (*path, key), source, positions, lines) for key, each in value.items()}
    elif isinstance(value, list):
        inner = [_placed(each, (*path, at), source, positions, lines) for at, each in enumerate(value)]
    line = lines.number(positions.nearest(path, key=True).start) if path else 1
    return Node(inner, line, ".".join(map(str, path)), source.shown)


class _Placing(json.JSONDecoder):
    """Decodes each value inside to a pair of it and where it starts: the decoder itself tells no places."""

    def __init__(self) -> None:
        super().__init__()
        self.parse_object = _object
        self.parse_array = _array
        # That of C would not call the two above.
        self.scan_once: Scan = scanner.py_make_scanner(self)  # type: ignore[attr-defined]

    def place(self, text: str) -> tuple[Any, int]:
        """Return the pair of a whole document; raises `JSONDecodeError`."""
        start = len(text) - len(text.lstrip())
        try:
            value, end = self.scan_once(text, start)
        except StopIteration as stop:
            raise json.JSONDecodeError("Expecting value", text, stop.value) from None
        if rest := text[end:].lstrip():
            raise json.JSONDecodeError("Extra data", text, len(text) - len(rest))
        return value, start


def _object(state: tuple[str, int], strict: bool, scan: Scan, *rest: object) -> tuple[Any, int]:
    return decoder.JSONObject(state, strict, _placing(scan), *rest)  # type: ignore[attr-defined, no-any-return]


def _array(state: tuple[str, int], scan: Scan) -> tuple[Any, int]:
    return decoder.JSONArray(state, _placing(scan))  # type: ignore[attr-defined, no-any-return]


def _placing(scan: Scan) -> Scan:
    def place(text: str, at: int) -> tuple[Any, int]:
        value, end = scan(text, at)
        return (value, at), end

    return place


def _of_pair(pair: tuple[Any, int], path: str, file: str, lines: Lines) -> Node:
    value, at = pair
    if isinstance(value, dict):
        value = {key: _of_pair(each, join(path, key), file, lines) for key, each in value.items()}
    elif isinstance(value, list):
        value = [_of_pair(each, f"{path}[{index}]", file, lines) for index, each in enumerate(value)]
    return Node(value, lines.number(at), path, file)


def _without_last_commas(text: str) -> str:
    """Return a text with a space for each comma before a closing bracket; strings stay as they are."""
    return _STRING_OR_COMMA.sub(lambda match: match[1] or " ", text)


def join(path: str, key: object) -> str:
    """Return the path of a key in the table at `path`."""
    return f"{path}.{key}" if path else str(key)
