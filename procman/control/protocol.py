"""What client and manager say to each other: one JSON document a line, one request a connection.

A request is `{"v": 1, "verb": "up", "apps": ["web"]}`. Its answer is a line per frame, the last one of type
`done` or `error` with the exit code; `status` alone answers with the bare document that it prints. A client
keeps its own side open until it has its answer: closing it means that nobody listens any more. After `attach`
it may send lines of its own: what is typed, and the size of the window. Bytes travel as base64.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, NamedTuple

VERSION = 1
LONGEST_REQUEST = 64 * 1024  # bytes, its newline included
MOST_GLOBS = 100  # patterns in one request: each is tried on each app, 0.1 s with 1,000 of them
LONGEST_PATTERN = 256  # characters; a name has 70 at most, and `*a*a*a…` of 60 KB took minutes
LARGEST_SIZE = 10_000  # columns or rows of a window
LONGEST_WAIT = 1e9  # seconds; NaN and infinity, which JSON as Python reads it may hold, are no waits
VERBS = (
    "status",
    "ping",
    "up",
    "down",
    "start",
    "stop",
    "restart",
    "reload",
    "plan",
    "wait",
    "signal",
    "runs",
    "environment",
    "follow",
    "upgrade",
    "attach",
)
GOALS = ("healthy", "stopped", "completed")
WHATEVER_VERSION = ("ping", "upgrade")  # asked by a newer command of an older manager, to make it as new
STOPPING = "stopping"  # the kind of an error that a client may answer by waiting and asking again

_STEERS = re.compile("[\x7f-\x9f]")

Frame = dict[str, Any]


class Code(IntEnum):
    """The exit codes that the manager hands to a command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNKNOWN_APP = 4
    SURVIVED = 5
    TIMED_OUT = 124


class BadRequest(Exception):
    """What came in is no request of this protocol; says what is wrong with it, and maybe what to do."""

    hint: str | None = None


class WrongVersion(BadRequest):
    """What came in is of another version of this protocol."""

    hint = "`procman upgrade` replaces the manager by the version that is installed; no app notices"


class Request(NamedTuple):  # every command makes one, and `dataclasses` takes it 6 ms
    """One thing that a client wants; each attribute after the verb is an option with its key's name."""

    verb: str
    apps: tuple[str, ...] = ()  # names, globs and `@tag`; none means all
    wait: bool = True  # answer when it is reached, not when it is begun
    timeout: float | None = None  # seconds to wait at most
    force: bool = False
    goal: str = "healthy"
    signal: str = ""
    wide: bool = False  # status: with what the trees use
    columns: int = 0  # attach: of the client's window; 0: not told
    rows: int = 0
    file: str | None = None  # plan: the absolute path of a file that is not in place yet


class Keys(NamedTuple):
    """What a client types into a terminal."""

    data: bytes

    def spell(self) -> bytes:
        """Return the line that says so; with at most 40 KB it is no longer than a request may be."""
        from base64 import b64encode

        return encode({"type": "keys", "data": b64encode(self.data).decode()})


class Resize(NamedTuple):
    """The size of a client's window."""

    columns: int
    rows: int

    def spell(self) -> bytes:
        """Return the line that says so."""
        return encode({"type": "resize", "columns": self.columns, "rows": self.rows})


def parse_input(line: bytes) -> Keys | Resize:
    """Return what a client of `attach` has sent.

    Raises:
        BadRequest: it is nothing of the kind.
    """
    from base64 import b64decode

    try:
        match json.loads(line):
            case {"type": "keys", "data": str(data)}:
                return Keys(b64decode(data, validate=True))
            case {"type": "resize", "columns": columns, "rows": rows}:
                if _is_size(columns) and _is_size(rows) and columns and rows:
                    return Resize(columns, rows)
    except (ValueError, RecursionError):  # of binascii too
        pass
    raise BadRequest("neither keys nor the size of a window")


def parse(line: bytes) -> Request:
    """Return the request that a line holds.

    Raises:
        BadRequest: it holds none.
    """
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadRequest("the request is not a line of JSON") from error
    if not isinstance(document, dict):
        raise BadRequest("the request is not a JSON object")
    version, verb = document.pop("v", None), document.pop("verb", None)
    if type(version) is not int or version != VERSION:
        if type(version) is int and verb in WHATEVER_VERSION:  # whatever else it may say
            return Request(verb)
        raise WrongVersion(f"the manager speaks version {VERSION} of the protocol, not {version!r:.80}")
    if verb not in VERBS:
        raise BadRequest(f"there is no verb {verb!r:.80}")
    for key, value in document.items():
        _demand(key, value)
    patterns = document.get("apps", ())
    if any(len(each) > LONGEST_PATTERN for each in patterns):
        raise BadRequest(f"a name or pattern of more than {LONGEST_PATTERN} characters is nobody's")
    if sum(any(each in "*?[" for each in pattern) for pattern in patterns) > MOST_GLOBS:
        raise BadRequest(f"more than {MOST_GLOBS} patterns of names; a name without `*`, `?` and `[` is none")
    if "apps" in document:
        document["apps"] = tuple(document["apps"])
    return Request(verb, **document)


def _demand(key: str, value: object) -> None:
    accepts = _OPTIONS.get(key)
    if accepts is None:
        raise BadRequest(f"there is no option {key!r:.80}")
    if not accepts(value):
        raise BadRequest(f"{value!r:.80} is no value for the option {key!r}")


def _is_seconds(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        return False
    return value is None or (0 <= value <= LONGEST_WAIT)


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_SIZE


_OPTIONS: Mapping[str, Callable[[object], bool]] = {
    "apps": lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value),
    "wait": lambda value: isinstance(value, bool),
    "timeout": _is_seconds,
    "force": lambda value: isinstance(value, bool),
    "goal": lambda value: value in GOALS,
    "signal": lambda value: isinstance(value, str),
    "wide": lambda value: isinstance(value, bool),
    "columns": _is_size,
    "rows": _is_size,
    "file": lambda value: value is None or (isinstance(value, str) and value.startswith("/")),
}


def spell(request: Request) -> bytes:
    """Return a request as the line that asks for it; what has its default is left out."""
    defaults = Request._field_defaults
    said = {key: value for key, value in request._asdict().items() if value != defaults.get(key)}
    return encode({"v": VERSION, **said})


def encode(document: Mapping[str, Any]) -> bytes:
    """Return a document as one line.

    A lone surrogate (a file name that is no UTF-8) becomes `\\udc80`, which is what JSON writes for it.
    """
    text = json.dumps(document, ensure_ascii=False, separators=(", ", ": "))
    return harmless(text).encode("utf-8", "backslashreplace") + b"\n"


def harmless(document: str) -> str:
    """Return JSON that means the same, without what json leaves as it is and a terminal acts on: C1, DEL."""
    if document.isprintable():
        return document
    return _STEERS.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def decode(line: bytes) -> Frame:
    """Return the frame that a line of an answer holds.

    Raises:
        ValueError: it holds none.
    """
    frame = json.loads(line)
    if not isinstance(frame, dict) or not isinstance(frame.get("type"), str):
        raise ValueError("not a frame")
    return frame


def done(code: int = 0, **more: object) -> Frame:
    """Return the frame that ends an answer; `code` is the exit code of the command that asked."""
    return {"type": "done", "code": code, **more}


def error(code: int, kind: str, message: str, hint: str | None = None) -> Frame:
    """Return the frame that ends an answer because what was asked for can't be done."""
    return {"type": "error", "code": code, "kind": kind, "message": message, "hint": hint}
