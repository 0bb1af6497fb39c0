"""What may be written for each key, in words and as a parser.

A parse function takes a plain TOML value and returns its meaning, or raises `Bad`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from procman.core.config import Condition, PortPolicy, Restart
from procman.core.values import (
    Bad,
    alternatives,
    bare,
    boolean,
    duration,
    inside,
    integer,
    number,
    one_of,
    quoted,
    size,
    table,
    text,
    texts,
    without_nul,
    wrong_type,
)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NAME_RULE = "1 to 64 letters, digits, `.`, `_` or `-`, of which the first is a letter or digit"
# HUP and USR1 end most programs; STOP, TSTP, CONT and CHLD end none, so an app would never be seen to stop.
SIGNALS = ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGABRT", "SIGALRM")
_VARIABLE = re.compile(r"[^=\0]+")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token of RFC 9110
_RANGE = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?")
_condition = one_of(Condition)


@dataclass(frozen=True, slots=True)
class Kind:
    """What the value of a key may be."""

    words: str  # for the reference page
    parse: Callable[[object], object]  # raises `Bad`


def command(raw: object) -> str | tuple[str, ...]:
    """Return a command as written: a text, or its words."""
    expected = "a string or an array of strings"
    if isinstance(raw, str):
        return text(raw, expected="a command")
    if not isinstance(raw, list):
        raise wrong_type(expected, raw)
    if not raw:
        raise Bad("expected a command, got an empty array")
    for index, word in enumerate(raw):
        if not isinstance(word, str):
            raise wrong_type("a string", word, at=(index,))
        inside(without_nul, word, index)
    inside(text, raw[0], 0)  # an empty argument is fine, an empty program is not
    return tuple(raw)


def host(raw: object) -> str:
    """Return a host name or an address, without scheme, port or brackets."""
    name = text(raw)
    hint = None
    if "://" in name:
        hint = "leave out the scheme; `check = { http = … }` makes the check an HTTP request"
    elif re.fullmatch(r"[^:]*:[0-9]+|\[.*", name):
        hint = "write the host alone, without brackets; the port goes into `port`"
    if hint or not re.fullmatch(r"[^\s/]+", name):
        raise Bad(f"expected a host name or address, got {quoted(name)}", hint)
    return name


def target(raw: object) -> str:
    """Return the request target of an HTTP check."""
    expected = 'a path such as "/health"'
    path = text(raw, expected=expected)
    if re.fullmatch(r"/[!-~]*", path):
        return path
    if "://" in path:
        hint = "write the path alone; the host and the port are those of the app"
    elif re.fullmatch(r"[!-~]+", path):
        hint = f'write `"/{path}"`'
    else:
        hint = "percent-encode what is not printable ASCII"
    raise Bad(f"expected {expected}, got {quoted(path)}", hint)


def true(raw: object) -> bool:
    """Return `True` for `true`, the only value that chooses the check."""
    if raw is True:
        return True
    raise wrong_type("`true`", raw, "leave it out for no such check" if raw is False else None)


def status(raw: object) -> tuple[tuple[int, int], ...]:
    """Return inclusive ranges of HTTP status codes."""
    items = raw if isinstance(raw, list) else [raw]
    ranges: list[tuple[int, int]] = []
    for index, item in enumerate(items):
        at = (index,) if isinstance(raw, list) else ()
        if isinstance(item, bool) or not isinstance(item, int | str):
            raise wrong_type('status codes such as "200-399"', item, at=at)
        for part in str(item).split(",") if isinstance(item, str) else [bare(item)]:
            match = _RANGE.fullmatch(part.strip())
            if not match or int(match[2] or match[1]) < int(match[1]):
                found = quoted(item) if isinstance(item, str) else part
                raise Bad(f'expected status codes of 100 to 599 such as "200-399", got {found}', at=at)
            ranges.append((int(match[1]), int(match[2] or match[1])))
    if not ranges:
        raise Bad('expected status codes such as "200-399", got an empty array')
    return tuple(ranges)


def headers(raw: object) -> tuple[tuple[str, str], ...]:
    """Return HTTP headers that can be sent as they are."""
    for name, value in table(raw).items():
        if not _HEADER.fullmatch(name):
            raise Bad(f"expected the name of a header, got {quoted(name)}", at=(name,), key=True)
        if not isinstance(value, str):
            raise wrong_type("a string", value, at=(name,))
        if not re.fullmatch(r"[ -~\t]*", value):
            raise Bad("expected a header of printable ASCII on one line", at=(name,))
    return tuple((name, str(value)) for name, value in table(raw).items())


def pattern(raw: object) -> str:
    """Return a regular expression that compiles."""
    pattern = text(raw, expected="a regular expression")
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        place = getattr(error, "pos", None)
        part = None if place is None else (place, place + 1)
        reason = getattr(error, "msg", "it is too large")
        raise Bad(f"expected a regular expression: {reason}", part=part) from error
    return pattern


def signal(raw: object) -> str:
    """Return the full name of a signal that can end a process."""
    name = text(raw, expected='a signal such as "SIGTERM"').upper()
    full = name if name.startswith("SIG") else f"SIG{name}"
    if full not in SIGNALS:
        raise Bad(f'expected a signal such as "SIGTERM", got {bare(raw)}', f"known are {', '.join(SIGNALS)}")
    return full


def dependencies(raw: object) -> tuple[tuple[str, Condition | None], ...]:
    """Return each dependency with its condition, or with None where the default holds."""
    if isinstance(raw, dict):
        return tuple((name, inside(_condition, condition, name)) for name, condition in raw.items())
    if not isinstance(raw, list):
        hint = f"write `[{quoted(raw)}]`" if isinstance(raw, str) else None
        raise wrong_type("an array of apps, or a table of app = condition", raw, hint)
    for index, name in enumerate(raw):
        inside(text, name, index)
        if name in raw[:index]:
            raise Bad(f"expected each app once, got {quoted(name)} again", at=(index,))
    return tuple((name, None) for name in raw)


def environment(raw: object) -> tuple[tuple[str, str], ...]:
    """Return variables in file order; numbers and booleans as TOML spells them."""
    variables: list[tuple[str, str]] = []
    for name, value in table(raw).items():
        if not _VARIABLE.fullmatch(name):
            raise Bad(
                f"expected the name of a variable, without `=`, got {quoted(name)}", at=(name,), key=True
            )
        if not isinstance(value, str | int | float):
            hint = None if isinstance(value, dict | list) else "put it in quotes"
            raise wrong_type("a string", value, hint, at=(name,))
        plain = value if isinstance(value, str) else bare(value)
        variables.append((name, inside(without_nul, plain, name)))
    return tuple(variables)


def tags(raw: object) -> tuple[str, ...]:
    """Return tags, each once."""
    tags = texts(raw)
    for index, tag in enumerate(tags):
        if not NAME.fullmatch(tag):
            hint = "write it without the `@`" if tag.startswith("@") else None
            at = (index,) if isinstance(raw, list) else ()
            raise Bad(f"expected a tag of {NAME_RULE}, got {quoted(tag)}", hint, at=at)
    return tuple(dict.fromkeys(tags))


def check(raw: object) -> Mapping[str, object]:
    """Return the table of a check; the error for a string shows the table it may have meant."""
    if isinstance(raw, str):
        key = "http" if raw.startswith("/") else "exec"
        meant = "tcp = true" if raw == "tcp" else f"{key} = {quoted(raw)}"
        raise wrong_type("a table", raw, f"write `{{ {meant} }}`")
    return table(raw)


def give_up(raw: object) -> Mapping[str, object]:
    """Return the table of `give_up`; `0` is short for `{ starts = 0 }`."""
    if type(raw) is int and raw == 0:
        return {"starts": 0}
    return table(raw)


BOOLEAN = Kind("boolean", boolean)
TABLE = Kind("table", table)
TEXT_PATH = Kind("path", text)
PATHS = Kind("path or array of paths", texts)
# What comes again and again has a floor: 10 ms keeps a slip from eating a processor.
RHYTHM = Kind("duration", duration(0.01))
DURATION = Kind("duration", duration(0.0))
SIZE = Kind("size", size(1000))
PORT = Kind("1 to 65535", integer(1, 65535))
COUNT = Kind("1 to 1000", integer(1, 1000))
KEEP = Kind("0 to 1000", integer(0, 1000))
STARTS = Kind("0 to 1000000", integer(0, 1_000_000))
FACTOR = Kind("number from 1 to 100", number(1, 100))
SHARE = Kind("number from 0 to 1", number(0, 1))
PORT_POLICY = Kind(alternatives(f'`"{choice.value}"`' for choice in PortPolicy), one_of(PortPolicy))
RESTART = Kind(alternatives(f'`"{choice.value}"`' for choice in Restart), one_of(Restart))
COMMAND = Kind("string or array of strings", command)
HOST = Kind("host name or address", host)
TARGET = Kind("path", target)
TRUE = Kind("`true`", true)
STATUS = Kind("status codes", status)
HEADERS = Kind("table of strings", headers)
PATTERN = Kind("regular expression", pattern)
SIGNAL = Kind("signal", signal)
DEPENDENCIES = Kind("array of apps, or table of app = condition", dependencies)
ENVIRONMENT = Kind("table of strings", environment)
TAGS = Kind("string or array of strings", tags)
CHECK = Kind("table", check)
GIVE_UP = Kind("table or `0`", give_up)
