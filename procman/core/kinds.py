"""What may be written for each key, in words and as a parser.

A parse function takes a plain TOML value and returns its meaning, or raises `Bad`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum

from procman.core import schedules
from procman.core.config import Condition, PortPolicy, Reload, Restart
from procman.core.frozen import Frozen
from procman.core.globs import read_glob
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
_bytes = size(0)
# Those of setrlimit(2) that both Linux and macOS have and heed.
LIMIT_NAMES = ("as", "core", "cpu", "data", "fsize", "memlock", "nofile", "nproc", "stack")


Schema = Mapping[str, object]


class Kind(Frozen):
    """What the value of a key may be."""

    words: str  # for the reference page
    parse: Callable[[object], object]  # raises `Bad`
    schema: Schema  # as JSON Schema says it, as far as it can; for editors


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


def patterns(raw: object) -> tuple[str, ...]:
    """Return patterns of files that can be matched."""
    written = texts(raw)
    for index, pattern in enumerate(written):
        try:
            read_glob(pattern)
        except ValueError as error:
            at = (index,) if isinstance(raw, list) else ()
            raise Bad(f"expected a pattern of files: {error}, in {quoted(pattern)}", at=at) from error
    return written


def schedule(raw: object) -> str:
    """Return a cron expression that has times, its fields one space apart."""
    expected = 'a cron expression such as "0 3 * * *"'
    written = text(raw, expected=expected)
    try:
        schedules.check(written.strip())
    except schedules.BadSchedule as bad:
        fields = list(re.finditer(r"\S+", written))
        part = None if bad.field is None else fields[bad.field].span()
        raise Bad(f"expected {expected}: {bad}", part=part) from bad
    return " ".join(written.split())


def account(raw: object) -> str:
    """Return the name or the number of a user or a group, as text."""
    if type(raw) is int:
        if not 0 <= raw < 2**32 - 1:  # the last one means "leave it as it is" to setuid(2)
            raise Bad(f"expected a name or a number below {2**32 - 1}, got {bare(raw)}")
        return str(raw)
    return text(raw, expected="a name or a number")


def umask(raw: object) -> str:
    """Return a mask as three octal digits."""
    expected = 'an octal mask such as "022"'
    if type(raw) is int:
        raise wrong_type(expected, raw, "put it in quotes: TOML has other numbers than chmod")
    if not isinstance(raw, str):
        raise wrong_type(expected, raw)
    if not re.fullmatch("0?[0-7]{1,3}", raw):
        raise Bad(f"expected {expected}, got {quoted(raw)}")
    return f"{int(raw, 8):03o}"


def limits(raw: object) -> tuple[tuple[str, int | None], ...]:
    """Return limits with their numbers, None for no limit."""
    found = []
    for name, value in table(raw).items():
        if name not in LIMIT_NAMES:
            known = f"known are {', '.join(f'`{each}`' for each in LIMIT_NAMES)}"
            raise Bad(f"expected the name of a limit, got {quoted(name)}", known, at=(name,), key=True)
        found.append((name, inside(_limit, value, name)))
    return tuple(found)


def _limit(raw: object) -> int | None:
    expected = 'a number, a size such as "1GiB" or "unlimited"'
    if raw == "unlimited":
        return None
    if type(raw) is int and 0 <= raw < 2**63:
        return raw
    if isinstance(raw, str) and not raw.isdecimal():
        return _bytes(raw)
    raise wrong_type(expected, raw, "remove the quotes" if isinstance(raw, str) else None)


def give_up(raw: object) -> Mapping[str, object]:
    """Return the table of `give_up`; `0` is short for `{ starts = 0 }`."""
    if type(raw) is int and raw == 0:
        return {"starts": 0}
    return table(raw)


def _choice(choices: type[Enum]) -> Kind:
    values = [choice.value for choice in choices]
    words = alternatives(f'`"{value}"`' for value in values)
    return Kind(words, one_of(choices), {"type": "string", "enum": values})


def _whole(low: int, high: int) -> Kind:
    schema = {"type": "integer", "minimum": low, "maximum": high}
    return Kind(f"{low} to {high}", integer(low, high), schema)


def _one_or_many(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "array", "items": schema}]}


_TEXT: Schema = {"type": "string", "minLength": 1}
_TABLE: Schema = {"type": "object"}
_SCALAR: Schema = {"type": ["string", "number", "boolean"]}
_DURATION: Schema = {
    "anyOf": [
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": r"^(?=.)([\d.]+d)?([\d.]+h)?([\d.]+m)?([\d.]+s)?([\d.]+ms)?$"},
    ]
}
_SIZE: Schema = {
    "anyOf": [
        {"type": "integer", "minimum": 1},
        {"type": "string", "pattern": r"^[\d.]+ *([kKmMgGtT][iI]?)?[bB]$"},
    ]
}
_SIGNAL_NAMES = [form for full in SIGNALS for name in (full, full[3:]) for form in (name, name.lower())]
_CODES: Schema = {"type": ["string", "integer"]}

BOOLEAN = Kind("boolean", boolean, {"type": "boolean"})
TABLE = Kind("table", table, _TABLE)
TEXT_PATH = Kind("path", text, _TEXT)
PATHS = Kind("path or array of paths", texts, _one_or_many(_TEXT))
# What comes again and again has a floor: 10 ms keeps a slip from eating a processor.
RHYTHM = Kind("duration", duration(0.01), _DURATION)
DURATION = Kind("duration", duration(0.0), _DURATION)
SIZE = Kind("size", size(1000), _SIZE)
# Below these a history has room for next to nothing, and `keep = 0` could mean all as well as none.
HISTORY_SIZE = Kind("size", size(1_000_000), _SIZE)
HISTORY_AGE = Kind("duration", duration(3600.0), _DURATION)
PORT = _whole(1, 65535)
COUNT = _whole(1, 1000)
KEEP = _whole(0, 1000)
INSTANCES = _whole(1, 100)
STARTS = _whole(0, 1_000_000)
FACTOR = Kind("number from 1 to 100", number(1, 100), {"type": "number", "minimum": 1, "maximum": 100})
SHARE = Kind("number from 0 to 1", number(0, 1), {"type": "number", "minimum": 0, "maximum": 1})
PORT_POLICY = _choice(PortPolicy)
RESTART = _choice(Restart)
RELOAD = _choice(Reload)
COMMAND = Kind("string or array of strings", command, _one_or_many(_TEXT))
HOST = Kind("host name or address", host, {"type": "string", "pattern": r"^[^\s/]+$"})
TARGET = Kind("path", target, {"type": "string", "pattern": "^/[!-~]*$"})
TRUE = Kind("`true`", true, {"type": "boolean", "enum": [True]})
STATUS = Kind("status codes", status, _one_or_many(_CODES))
HEADERS = Kind("table of strings", headers, {"type": "object", "additionalProperties": {"type": "string"}})
PATTERN = Kind("regular expression", pattern, _TEXT)
SIGNAL = Kind("signal", signal, {"type": "string", "pattern": f"^({'|'.join(_SIGNAL_NAMES)})$"})
DEPENDENCIES = Kind(
    "array of apps, or table of app = condition",
    dependencies,
    {
        "anyOf": [
            {"type": "array", "items": _TEXT, "uniqueItems": True},
            {
                "type": "object",
                "additionalProperties": {"type": "string", "enum": [each.value for each in Condition]},
            },
        ]
    },
)
ENVIRONMENT = Kind("table of strings", environment, {"type": "object", "additionalProperties": _SCALAR})
TAGS = Kind(
    "string or array of strings", tags, _one_or_many({"type": "string", "pattern": f"^{NAME.pattern}$"})
)
_ID: Schema = {"type": ["string", "integer"]}
_LIMIT: Schema = {
    "anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": r"^(unlimited|[\d.]+ *([kKmMgGtT][iI]?)?[bB])$"},
    ]
}
# Less than any program of a tree needs is a slip of the unit.
MEMORY = Kind("size", size(1_000_000), _SIZE)
PATTERNS = Kind("pattern or array of patterns", patterns, _one_or_many(_TEXT))
SCHEDULE = Kind("cron expression", schedule, _TEXT)
USER = Kind("name or number", account, _ID)
UMASK = Kind("octal mask, as a string", umask, {"type": "string", "pattern": "^0?[0-7]{1,3}$"})
NICE = _whole(-20, 19)
LIMITS = Kind(
    f"table of limits ({', '.join(f'`{name}`' for name in LIMIT_NAMES)})",
    limits,
    {"type": "object", "additionalProperties": False, "properties": dict.fromkeys(LIMIT_NAMES, _LIMIT)},
)
CHECK = Kind("table", check, _TABLE)
GIVE_UP = Kind("table or `0`", give_up, _TABLE)
