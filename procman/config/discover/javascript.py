"""What a JavaScript or TypeScript file says about ports, read from its text: none is ever run.

It is a reading, not a parse: what is written the way nearly everybody writes it is found, the rest is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_STRING = r"""(?:"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)"""
_SKIPPED = re.compile(rf"({_STRING})|//[^\n]*|/\*.*?\*/", re.DOTALL)
_NESTING = re.compile(rf"{_STRING}|[\[({{}})\],;]", re.DOTALL)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_KEY = re.compile(r"""\s*(?:async\s+)?(["']?)([\w$-]+)\1\s*(?::|(?=,|$|\s*\())""")
_NUMBER = re.compile(r"(?<![\w.$])\d{2,5}(?![\w.])")
_RADIX = re.compile(r",\s*10\s*\)")
_VARIABLE = re.compile(
    r"""
      (?:\benv|\bBun\.env|\bparsed)(?:\.|\[\s*["'])(\w*PORT\w*)   # process.env.PORT, env["PORT"]
    | \b(?:get|env|envInt|str|num|port)\w*(?:<[^<>()]*>)?\(\s*["'](\w*PORT\w*)["']    # Deno.env.get("PORT")
    """,
    re.VERBOSE,
)
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_WORDS = frozenset("Number parseInt String normalizePort process env config this get set app".split())  # noqa: SIM905
_LONGEST = 20_000  # characters of one expression


@dataclass(frozen=True, slots=True)
class Port:
    """What an expression says about a port."""

    number: int | None  # None: whatever the variable says
    variable: str | None = None  # the environment variable that can say another


def uncommented(text: str) -> str:
    """Return a text with blanks for its comments; its lines keep their numbers."""
    return _SKIPPED.sub(lambda match: match[1] or re.sub(r"[^\n]", " ", match[0]), text)


def value_at(text: str, *keys: str) -> str | None:
    """Return the text of a value in nested objects, wherever the first of its keys is: `server`, `port`.

    An object that a name stands for is looked up, also if that name is the key.
    """
    key, *deeper = keys
    word = re.escape(key)
    for pattern in (
        rf"""(?<![\w$.])["']?{word}["']?\s*:""",
        rf"\b(?:const|let|var)\s+{word}\b[^=;\n]*=(?!=)\s*",
    ):
        for match in re.finditer(pattern, text):
            found = _inside(_value(text, match.end()), deeper, text)
            if found is not None:
                return found
    return None


def port_of(expression: str, texts: Sequence[str]) -> Port | None:
    """Return the port that an expression stands for, or None.

    `3000`, `process.env.PORT || 3000`, `parseInt(env["PORT"] ?? "3000", 10)`, and names that stand for these.

    Args:
        expression: as it is written.
        texts: where names are looked up: the file itself, and those that it imports.
    """
    return _port_of(expression, texts, set())


def _port_of(expression: str, texts: Sequence[str], seen: set[str]) -> Port | None:
    variable = _VARIABLE.search(expression)
    numbers = [int(each) for each in _NUMBER.findall(_RADIX.sub(")", expression))]
    ports = [each for each in numbers if each <= 65535]
    if variable:
        return Port(ports[-1] if ports else None, variable[1] or variable[2])
    if ports:
        return Port(ports[-1])
    names = [each for each in _NAME.findall(expression) if each not in _WORDS]
    for name in reversed(names):
        if name in seen:  # of names that stand for each other, each is looked up once
            continue
        seen.add(name)
        for meaning in _meanings(name, texts):
            if found := _port_of(meaning, texts, seen):
                return found
    return None


def listening(texts: Sequence[str]) -> tuple[Port, int, int] | None:
    """Return the port that a program listens on, the number of the text that says so, and of its line.

    Args:
        texts: without comments: the file that is run, and those that it imports.
    """
    for number, text in enumerate(texts):
        for at, expression in _asked(text):
            ordered = (text, *texts[:number], *texts[number + 1 :])
            if found := port_of(expression, ordered):
                return found, number, text.count("\n", 0, at) + 1
    return None


def imports(text: str) -> list[str]:
    """Return the relative paths that a file imports."""
    return re.findall(r"""(?:\bfrom|\bimport|\brequire|\bimport)\s*\(?\s*["'](\.{1,2}/[^"'\n]+)["']""", text)


def _asked(text: str) -> Iterator[tuple[int, str]]:
    """Yield what is asked to listen where, most telling first: each with where it stands."""
    for match in re.finditer(r"\.listen\s*\(", text):
        argument = _value(text, match.end())
        if argument.startswith("{"):
            argument = _inside(argument, ["port"], text) or ""
        yield match.start(), argument
    servers = r"\b(?:serve|[sS]erver|createServer)\s*\(\s*\{"
    for match in re.finditer(servers, text):
        if (port := _inside(_value(text, match.end() - 1), ["port"], text)) is not None:
            yield match.start(), port
    for match in re.finditer(r"\bexport\s+default\s+\{", text):  # what Bun and Deno serve
        if (port := _inside(_value(text, match.end() - 1), ["port"], text)) is not None:
            yield match.start(), port
    for match in re.finditer(r"\bprocess\.env\.PORT\b", text):
        yield match.start(), _value(text, match.start())


def _value(text: str, start: int) -> str:
    """Return the expression that begins at `start`: up to the comma, semicolon or bracket that ends it."""
    depth, end = 0, min(len(text), start + _LONGEST)
    for match in _NESTING.finditer(text, start, end):
        token = match[0]
        if token in _CLOSING:
            depth += 1
        elif token in _CLOSING.values():
            if not depth:
                return text[start : match.start()].strip()
            depth -= 1
        elif token in ",;" and not depth:
            return text[start : match.start()].strip()
    return text[start:end].strip()


def _inside(value: str, keys: Sequence[str], text: str) -> str | None:
    """Return the text at `keys` in an object, or the value itself where there are none."""
    if not keys:
        return value or None
    if _NAME.fullmatch(value):
        match = re.search(rf"\b(?:const|let|var)\s+{re.escape(value)}\b[^=;\n]*=\s*(?=\{{)", text)
        value = _value(text, match.end()) if match else ""
    key, *deeper = keys
    for name, inner in _properties(value):
        if name == key:
            return _inside(inner or name, deeper, text)
    return None


def _properties(value: str) -> Iterator[tuple[str, str]]:
    """Yield the names and values of an object; the value of a shorthand is empty."""
    at = value.find("{") + 1 if value.startswith("{") else len(value)
    while at < len(value):
        part = _value(value, at)
        begin = value.index(part, at) if part else at
        if match := _KEY.match(part):
            yield match[2], part[match.end() :].strip()
        at = begin + len(part)
        while at < len(value) and value[at] not in ",}":
            at += 1
        at += 1


def _meanings(name: str, texts: Sequence[str]) -> Iterator[str]:
    """Yield the expressions that a name may stand for."""
    word = re.escape(name)
    for text in texts:
        for match in re.finditer(rf"\b(?:const|let|var)\s+{word}\b\s*(?::[^=;\n]+)?=(?!=)\s*", text):
            yield _value(text, match.end()).partition("\n")[0]
        for match in re.finditer(
            rf"\{{([^{{}}]*\b{word}\b[^{{}}]*)\}}\s*=\s*(?:process\.|Bun\.)?env\b", text
        ):
            default = re.search(rf"\b{word}\b(?:\s*:\s*\w+)?\s*=\s*([^,}}]+)", match[1])
            yield f"env.{name} || {default[1] if default else ''}"
        for match in re.finditer(rf"""\.set\(\s*["']{word}["']\s*,""", text):
            yield _value(text, match.end())
        for match in re.finditer(rf"""(?<![\w$.])["']?{word}["']?\s*:(?!:)""", text):
            yield _value(text, match.end()).partition("\n")[0]
