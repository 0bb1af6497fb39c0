"""TOML text to plain values, with errors that say what to type.

`tomllib` alone: its message carries the line and the column, it is what decides whether a file is valid, and
another parser would disagree with it at the edges (tomlkit takes a line break inside `{ … }`).
"""

from __future__ import annotations

import re
import tomllib

from procman.config.diagnostics import Diagnostic, InvalidConfig, Lines
from procman.config.positions import locate
from procman.config.source import Source

_PLACE = re.compile(r" \((?:at line (\d+), column (\d+)|at end of document)\)$")
_BARE_VALUE = re.compile(r"""\s*([A-Za-z0-9_.-]+)\s*=\s*([^\s\[\]{}"'#=][^\[\]{}"'#=]*?)\s*(?:\#.*)?""")
_FOREIGN_HEADER = re.compile(r"\s*\[\w+[: ]\s*([A-Za-z0-9._-]+)\s*\]\s*")
_WORDS = {"True": "true", "False": "false", "yes": "true", "no": "false", "on": "true", "off": "false"}

# What `tomllib` says, and what we say.
_ESCAPE = re.compile(r"Unescaped|Invalid hex|Escaped")
_TWICE = re.compile(r"Cannot (overwrite|declare|mutate|redefine)|Duplicate")
_REASONS = (
    (re.compile(r"Expected '\]'|Expected '\]\]'"), "expected `]` behind the name of the table"),
    (re.compile(r"Expected '='"), "expected `=` behind the key"),
    (re.compile(r"Invalid value|Invalid date"), "expected a value"),
    (re.compile(r"Expected newline"), "expected the end of the line"),
    (
        re.compile(r"Unescaped|Invalid hex|Escaped"),
        "expected an escape such as `\\\\`, `\\n` or `\\u00E9`",
    ),
    (re.compile(r"Invalid initial|Invalid statement"), "expected a key, or a table such as `[apps.web]`"),
    (re.compile(r"Illegal|Found invalid"), "expected no control character"),
    (re.compile(r"Unclosed array"), "expected `,` or `]`"),
    (re.compile(r"Unclosed inline"), "expected `,` or `}`"),
    (_TWICE, "this cannot be set: a part of its name has a value already"),
)


def parse_toml(source: Source) -> dict[str, object]:
    """Return what the text says, as plain values.

    Raises:
        InvalidConfig: it is not TOML; one error, with its place.
    """
    text = source.text.replace("\r\n", "\n")  # as `tomllib` does, so that offsets agree
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        where, message = locate(text).stuck or 0, "the values are nested too deeply"
        raise InvalidConfig([Lines(text).at(source.shown, where, where + 1, message)]) from error
    except ValueError as error:  # TOMLDecodeError, or an integer of more than 4300 digits
        raise InvalidConfig([_diagnostic(source.shown, text, str(error))]) from error


def _diagnostic(file: str, text: str, reason: str) -> Diagnostic:
    lines = Lines(text)
    place = _PLACE.search(reason)
    if place is None:
        digits = re.search(r"[0-9_]{4300,}", text)
        where = digits.start() if digits else 0
        return lines.at(file, where, where + 1, "expected a number of fewer digits")
    end = len(text.rstrip())
    where = min(lines.offset(int(place[1]), int(place[2])), end) if place[1] else end
    line_end = text.find("\n", where)
    found = locate(text if line_end < 0 else text[:line_end])
    if _TWICE.match(reason) and found.repeated:
        path, span = found.repeated[-1]
        message = f"`{path[-1]}` is here twice, first on line {lines.number(found.keys[path].start)}"
        return lines.at(file, span.start, span.end, message)
    stuck = (
        found.stuck if found.stuck is not None and found.stuck < len(text) else None
    )  # `key =` and no more
    if (
        stuck is not None
        and text[stuck] in "\"'"
        and not reason.startswith(("Unesc", "Invalid hex", "Escaped"))
    ):
        return lines.at(file, stuck, stuck + 1, "this string has no end", _quotes(text, stuck))
    if stuck is not None and text[stuck] in "[{" and where == end:
        return lines.at(file, stuck, stuck + 1, f"this `{text[stuck]}` is not closed")
    message = next((ours for theirs, ours in _REASONS if theirs.match(reason)), reason)
    hint = _hint(reason, lines.line(lines.number(where)), text[where : where + 1])
    return lines.at(file, where, where + 1, message, hint)


def _quotes(text: str, start: int) -> str:
    token = text[start : start + 3]
    return f"close it with `{token if token in (chr(34) * 3, chr(39) * 3) else token[0]}`"


def _hint(reason: str, line: str, character: str) -> str | None:
    """Return what the line may have been meant to be."""
    if _ESCAPE.match(reason):
        return "between single quotes a backslash is only a backslash"
    if header := _FOREIGN_HEADER.fullmatch(line):
        return f"an app is written `[apps.{header[1]}]`"
    if character == "\n" and "{" in line:
        return "a table in braces stays on one line; a longer one gets a header such as `[apps.web.check]`"
    if yaml := re.fullmatch(r"\s*([\w-]+):\s+(\S.*)", line):
        return f"TOML writes `{yaml[1]} = …`"
    value = _BARE_VALUE.fullmatch(line)
    if not value or not reason.startswith(("Invalid value", "Expected newline")):
        return None
    if value[2] in ("null", "none", "None", "nil"):
        return "leave the key out"
    meant = _WORDS.get(value[2], f'"{value[2]}"')
    return f"write `{value[1]} = {meant}`"
