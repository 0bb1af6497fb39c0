"""What a raw TOML value may be, and the words for one that is wrong.

A parse function takes a plain value as `tomllib` gives it and returns what it means, or raises `Bad` with a
message that says what was expected and what was found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import TypeVar

Inside = tuple[str | int, ...]  # keys and array indexes from a value to a part of it
E = TypeVar("E", bound=Enum)
V = TypeVar("V")
T = TypeVar("T")

LONGEST = 365 * 86400.0  # seconds; a longer duration is a slip, and timers overflow long after it
UNQUOTE = "remove the quotes"
_SHOWN = 60  # characters of a value that a message repeats
_DECIMAL = r"([0-9]+(?:\.[0-9]+)?)"
_DURATION = re.compile(f"(?:{_DECIMAL}d)?(?:{_DECIMAL}h)?(?:{_DECIMAL}m)?(?:{_DECIMAL}s)?(?:{_DECIMAL}ms)?")
_SIZES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZES |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_UNITS = {unit.lower(): count for unit, count in _SIZES.items()}  # case says nothing: nobody means bits
_SIZE = re.compile(f"{_DECIMAL}({'|'.join(_SIZES)})", re.IGNORECASE)


class Bad(Exception):
    """A value that means nothing here.

    Attributes:
        message: what was expected and what was found, without the key.
        hint: what to type instead, if that can be said.
        at: where inside the value the fault lies; `()` is the value itself.
        part: first and last-plus-one character of the fault, in the string at `at`.
        key: the key at `at` is at fault, and not its value.
    """

    def __init__(
        self,
        message: str,
        hint: str | None = None,
        *,
        at: Inside = (),
        part: tuple[int, int] | None = None,
        key: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.at = at
        self.part = part
        self.key = key


def quoted(text: str) -> str:
    """Return `text` between double quotes, short and harmless to print."""
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    escaped = shown.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in escaped) + '"'


def bare(raw: object) -> str:
    """Return a value as it stands in the file, for a message that already says its type."""
    match raw:
        case bool():
            return "true" if raw else "false"
        case str():
            return quoted(raw)
        case int() if raw.bit_length() > 128:  # str() refuses integers of more than 4300 digits
            return "a huge number"
        case int() | float():
            return str(raw)
        case dict():
            return "a table"
        case list():
            return "an array"
    return "a date or time"


def described(raw: object) -> str:
    """Return a value with its type in words, for a message about the wrong type."""
    kinds = ((bool, "the boolean "), (str, "the string "), ((int, float), "the number "))
    return next((words for kind, words in kinds if isinstance(raw, kind)), "") + bare(raw)


def wrong_type(expected: str, raw: object, hint: str | None = None, *, at: Inside = ()) -> Bad:
    """Return the error for a value of another type than `expected`."""
    if hint is None and type(raw) in (int, float, bool) and expected.startswith("a string"):
        hint = f'put it in quotes: `"{bare(raw)}"`'
    return Bad(f"expected {expected}, got {described(raw)}", hint, at=at)


def alternatives(words: Iterable[str]) -> str:
    """Return `a`, `a or b`, or `a, b or c`."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def integer(low: int, high: int) -> Callable[[object], int]:
    """Return a parser of whole numbers from `low` to `high`."""
    expected = f"{low} to {high}"

    def parse(raw: object) -> int:
        if type(raw) is not int:  # not isinstance: True is an int in Python
            unquote = isinstance(raw, str) and raw.isdecimal()
            raise wrong_type(expected, raw, UNQUOTE if unquote else None)
        if not low <= raw <= high:
            raise Bad(f"expected {expected}, got {bare(raw)}")
        return raw

    return parse


def number(low: float, high: float) -> Callable[[object], float]:
    """Return a parser of numbers from `low` to `high`; neither infinity nor nan is one."""
    expected = f"a number from {low:g} to {high:g}"

    def parse(raw: object) -> float:
        if isinstance(raw, bool) or not isinstance(raw, int | float):
            raise wrong_type(expected, raw)
        if not low <= raw <= high:
            raise Bad(f"expected {expected}, got {bare(raw)}")
        return float(raw)

    return parse


def boolean(raw: object) -> bool:
    """Return `raw` if it is `true` or `false`."""
    if isinstance(raw, bool):
        return raw
    unquote = isinstance(raw, str) and raw in ("true", "false")
    raise wrong_type("`true` or `false`", raw, UNQUOTE if unquote else None)


def text(raw: object, *, expected: str = "a string") -> str:
    """Return `raw` if it is a string that an operating system can take: not empty, without NUL."""
    if not isinstance(raw, str):
        raise wrong_type(expected, raw)
    if not raw.strip():
        raise Bad(f"expected {expected}, got an empty one")
    without_nul(raw)
    return raw


def without_nul(value: str) -> str:
    """Return `value` if it has no NUL, which ends a string for every operating system."""
    if "\0" in value:
        place = value.index("\0")
        raise Bad("expected no NUL character in it", part=(place, place + 1))
    return value


def inside(parse: Callable[[V], T], raw: V, at: str | int) -> T:
    """Return `parse(raw)`; an error of it says that it is about the item `at` of a table or array."""
    try:
        return parse(raw)
    except Bad as bad:
        bad.at = (at, *bad.at)
        raise


def texts(raw: object) -> tuple[str, ...]:
    """Return the strings of an array; a string alone is an array of one."""
    if isinstance(raw, str):
        return (text(raw),)
    if not isinstance(raw, list):
        raise wrong_type("a string or an array of strings", raw)
    return tuple(inside(text, item, index) for index, item in enumerate(raw))


def table(raw: object) -> Mapping[str, object]:
    """Return `raw` if it is a table."""
    if isinstance(raw, dict):
        return raw
    raise wrong_type("a table", raw)


def one_of(choices: type[E]) -> Callable[[object], E]:
    """Return a parser of the values of an enum of strings."""
    expected = alternatives(f'"{choice.value}"' for choice in choices)

    def parse(raw: object) -> E:
        if not isinstance(raw, str):
            raise wrong_type(expected, raw)
        for choice in choices:
            if choice.value == raw:
                return choice
        raise Bad(f"expected {expected}, got {quoted(raw)}")

    return parse


def duration(low: float) -> Callable[[object], float]:
    """Return a parser of durations of at least `low` seconds: `"1h30m"`, `"30d"`, or a number of seconds."""
    expected = 'a duration such as "10s"'

    def parse(raw: object) -> float:
        if isinstance(raw, bool) or not isinstance(raw, int | float | str):
            raise wrong_type(expected, raw)
        seconds = _seconds(raw, expected) if isinstance(raw, str) else raw
        if not low <= seconds <= LONGEST:
            span = f"{duration_text(low)} to {duration_text(LONGEST)}"
            raise Bad(f"expected a duration from {span}, got {bare(raw)}")
        return float(seconds)

    return parse


def _seconds(written: str, expected: str) -> float:
    match = _DURATION.fullmatch(written)
    if not match or not written:
        number_alone = re.fullmatch(_DECIMAL, written)
        near = _DURATION.fullmatch(re.sub(r"\s", "", written.lower())) if written.strip() else None
        hint = f'write `"{near[0]}"`' if near else "the units are `d`, `h`, `m`, `s` and `ms`"
        hint = f'say the unit: `"{written}s"`' if number_alone else hint
        raise Bad(f"expected {expected}, got {quoted(written)}", hint)
    days, hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
    minutes += days * 1440 + hours * 60
    # Summed in milliseconds: 60 + 12.198 is 72.19800000000001.
    return round(minutes * 60_000 + seconds * 1000 + milliseconds, 6) / 1000


def duration_text(seconds: float) -> str:
    """Return the shortest text that means `seconds` (0, or 1 ms and more): `30d`, `1h30m`, `500ms`, `0s`."""
    milliseconds = round(seconds * 1000)
    if milliseconds / 1000 != seconds:
        return f"{seconds!r}s"
    days, rest = divmod(milliseconds, 86_400_000)
    hours, rest = divmod(rest, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    parts = [f"{count}{unit}" if count else "" for count, unit in ((days, "d"), (hours, "h"), (minutes, "m"))]
    if rest % 1000 == 0:
        parts.append(f"{rest // 1000}s" if rest else "")
    else:
        parts.append(f"{rest}ms" if rest < 1000 else f"{rest / 1000!r}s")
    return "".join(parts) or "0s"


def size(low: int) -> Callable[[object], int]:
    """Return a parser of sizes of at least `low` bytes: `"10MB"`, `"1GiB"`, or bytes as a number."""
    expected = 'a size such as "10MB"'

    def parse(raw: object) -> int:
        if type(raw) is not int and not isinstance(raw, str):
            raise wrong_type(expected, raw)
        count = _bytes(raw, expected) if isinstance(raw, str) else raw
        if not low <= count < 2**63:
            raise Bad(f"expected at least {size_text(low)} and less than 8EiB, got {bare(raw)}")
        return count

    return parse


def _bytes(written: str, expected: str) -> int:
    match = _SIZE.fullmatch(written)
    if not match:
        compact = re.sub(r"\s", "", written)
        near = _SIZE.fullmatch(compact) or _SIZE.fullmatch(f"{compact}B")
        hint = f'write `"{near[0]}"`' if near else "the units are `B`, `kB` to `TB`, and `KiB` to `TiB`"
        raise Bad(f"expected {expected}, got {quoted(written)}", hint)
    count = int(match[1]) if match[1].isdecimal() else float(match[1])  # a float is exact up to 8 PiB only
    return round(count * _UNITS[match[2].lower()])


def size_text(count: int) -> str:
    """Return the shortest text that means `count` bytes exactly: `10MB`, `1GiB`, `1234B`."""
    exact = (f"{count // factor}{unit}" for unit, factor in _SIZES.items() if count % factor == 0)
    return min(exact, key=len)
