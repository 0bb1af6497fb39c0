"""Ways to damage a file: in its bytes, tokens and lines, and in what it means."""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Callable, Sequence
from typing import Any

import tomlkit

from procman.core.fields import APP, BACKOFF, CHECK, GIVE_UP, HISTORY, LOGS, MANAGER
from tests.fuzz.judge import LOCAL

_TOKEN = re.compile(rb"[A-Za-z0-9_-]+|\s+|.", re.DOTALL)
_KEYS = sorted({*APP, *BACKOFF, *CHECK, *GIVE_UP, *HISTORY, *LOGS, *MANAGER, "manager", "defaults", "apps"})
# What means something to a parser, to a rule, or to a terminal.
_SPLINTERS: tuple[str | bytes, ...] = (
    *(bytes([character]) for character in b"\0\t\n\r\x0b\x0c\x1b\x7f \"'[]{}=#\\.,:$&|;<>*?`~()!%-+_/@"),
    *(
        b'"""',
        b"'''",
        b'""',
        b"[[",
        b"]]",
        b"\r\n",
        b"\\\n",
        b"{}",
        b"[]",
        b"= =",
        b"${",
        b"${apps.web.port}",
    ),
    *(
        b"{port}",
        b"{name}",
        b"{",
        b"${VAR:-",
        b"${VAR}",
        b"$$",
        b"${apps.",
        b" && ",
        b"\\u0000",
        b"\\U0010FFFF",
    ),
    *("\ufeff", "\u2028", "\u202e", "\x85", "é", "日", "\U0001f600", "e\u0301", "\ue000", "'", '\\"', "\\x"),
    *(b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf"),
    *(
        b"0",
        b"-1",
        b"1",
        b"65535",
        b"65536",
        b"99999999999999999999",
        b"1e999",
        b"nan",
        b"-inf",
        b"0x1F",
        b"0.1",
    ),
    *(
        b"true",
        b"false",
        b"1979-05-27",
        b"07:32:00",
        b"1979-05-27T07:32:00Z",
        b'"10s"',
        b'"1h-1m"',
        b'"10MB"',
    ),
    *(
        b'"@daily"',
        b'"* * * * *"',
        b'"never"',
        b'"/"',
        b'"[a-"',
        b'"(a+)+$"',
        b'"localhost"',
        b'"::1"',
        b'"*"',
    ),
    *(b"[apps.web]\n", b"[[apps]]\n", b"[apps]\n", b"[defaults]\n", b'depends_on = ["web"]\n', b"port = 1\n"),
)
SPLINTERS = tuple(each.encode() if isinstance(each, str) else each for each in _SPLINTERS)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 65535, 65536, 10**20, 0.5, 1e300, float("nan"), float("inf")),
    *("", " ", "x", "10s", "0", "10MB", "1GiB", "web", "db", "@daily", "*/5 * * * *", "always", "SIGTERM"),
    *(
        "npm run dev",
        "a && b",
        "'",
        "${X}",
        "${apps.web.port}",
        "${apps.web.2.port}",
        "{port}",
        "[",
        "../..",
        "~",
    ),
    *("0777", "unlimited", "healthy", "completed", "200-299", "/health", "follow", "ask", "é\n", "a" * 300),
    *(
        [],
        [[]],
        ["x"],
        ["x", 1],
        [""],
        {},
        {"x": 1},
        {"web": "healthy"},
        {"A": "b"},
        {"tcp": True},
        {"log": "("},
    ),
    *({"http": "/", "status": "299-200"}, {"nofile": -1}, {"starts": 0}, {"max_size": 0}, [{"command": "x"}]),
)


class Mutator:
    """Damages inputs of one kind, with pieces of the others.

    Args:
        kind: of the inputs: one of `judge.KINDS`.
        chance: decides everything.
    """

    def __init__(self, kind: str, chance: random.Random) -> None:
        self._chance = chance
        self._ways: list[Callable[[bytes, Sequence[bytes]], bytes]] = [self._bytes, self._tokens, self._lines]
        if kind == "toml":
            self._ways += [self._meaning, self._meaning, self._halves]

    def mutate(self, content: bytes, others: Sequence[bytes]) -> bytes:
        """Return `content` with some damage, which may be none."""
        for _ in range(self._chance.choice((1, 1, 1, 2, 3, 6))):
            content = self._chance.choice(self._ways)(content, others)
        return content[:20_000]  # what is longer says nothing that is new, and takes its time

    def _bytes(self, content: bytes, others: Sequence[bytes]) -> bytes:
        chance = self._chance
        at = chance.randrange(len(content) + 1)
        end = min(len(content), at + chance.choice((0, 0, 1, 1, 2, 5, 40)))
        match chance.randrange(5):
            case 0:
                return content[:at]
            case 1 if at < len(content):
                return content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]
            case 2:
                return content[:at] + content[at:end] * chance.choice((2, 3, 50)) + content[end:]
            case 3 if chance.random() < 0.2:
                return content.replace(b"\n", b"\r\n")
        return content[:at] + chance.choice(SPLINTERS) + content[end:]

    def _tokens(self, content: bytes, others: Sequence[bytes]) -> bytes:
        chance = self._chance
        tokens = _TOKEN.findall(content)
        if not tokens:
            return chance.choice(SPLINTERS)
        at = chance.randrange(len(tokens))
        match chance.randrange(5):
            case 0:
                del tokens[at]
            case 1:
                tokens.insert(at, tokens[chance.randrange(len(tokens))])
            case 2:
                other = chance.randrange(len(tokens))
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case 3:
                tokens[at] = chance.choice(_KEYS).encode()
            case _:
                foreign = _TOKEN.findall(chance.choice(others)) or list(SPLINTERS)
                tokens[at] = chance.choice((*foreign, chance.choice(SPLINTERS)))
        return b"".join(tokens)

    def _lines(self, content: bytes, others: Sequence[bytes]) -> bytes:
        chance = self._chance
        lines = content.split(b"\n")
        at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        match chance.randrange(6):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[other])
            case 2:
                lines[at], lines[other] = lines[other], lines[at]
            case 3:
                lines[at] = chance.choice((b"  ", b"\t", b"# ")) + lines[at]
            case 4:
                lines[at : at + 1] = [b" ".join(lines[at : at + 2])]
            case _:
                foreign = chance.choice(others).split(b"\n")
                begin = chance.randrange(len(foreign))
                lines[at:at] = foreign[begin : begin + chance.choice((1, 1, 2, 8))]
        return b"\n".join(lines)

    def _halves(self, content: bytes, others: Sequence[bytes]) -> bytes:
        """Lay a second file over the first, or take it away."""
        below, mark, above = content.partition(LOCAL)
        if mark and self._chance.random() < 0.5:
            return self._chance.choice((below, above, above + LOCAL + below))
        over = self._chance.choice(others).partition(LOCAL)[0]
        return (below if below.endswith(b"\n") else below + b"\n") + LOCAL + over

    def _meaning(self, content: bytes, others: Sequence[bytes]) -> bytes:
        """Change what a file says, and write it as TOML that is whole."""
        below, mark, above = content.partition(LOCAL)
        try:
            document = tomllib.loads(below.decode())
            for _ in range(self._chance.choice((1, 1, 2, 4))):
                self._change(document)
            return tomlkit.dumps(document).encode() + mark + above
        except (
            ValueError,
            RecursionError,
            TypeError,
            AttributeError,
        ):  # no TOML, or none that tomlkit writes
            return self._tokens(content, others)

    def _change(self, document: dict[str, Any]) -> None:
        chance = self._chance
        tables = list(_tables(document))
        table = chance.choice(tables)
        known = APP if table is not document else ("manager", "defaults", "apps")
        key = chance.choice(list(table) or ["x"]) if chance.random() < 0.6 else chance.choice(list(known))
        match chance.randrange(6):
            case 0:
                table.pop(key, None)
            case 1 if key in table:
                table[chance.choice((*_KEYS, key[:-1], key.upper(), f"{key}s", "a b", ""))] = table.pop(key)
            case 2 if key in table:
                chance.choice(tables)[key] = _copy(table[key])
            case 3 if key in table:
                table[key] = chance.choice(
                    ([table[key]], {"x": table[key]}, {key: table[key]}, str(table[key]))
                )
            case _:
                value = chance.choice(_VALUES)
                table[key] = "" if value is None else _copy(value)


def _tables(value: object) -> list[dict[str, Any]]:
    """Return every table in a value, itself first."""
    found: list[dict[str, Any]] = []
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            found.append(each)
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
    return found


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(each) for key, each in value.items()}
    return [_copy(each) for each in value] if isinstance(value, list) else value
