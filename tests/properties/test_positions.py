"""Every key, value and character of a TOML text is found where it stands; with bugs that prove it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import pytest
from hypothesis import strategies as st

from procman.config import positions
from procman.config.positions import Span, inside_string, locate
from tests.properties.promises import promise

TEXT = st.text(st.sampled_from("ab \t#=.,'\"\\[]{}\n\r\u00e9日\U0001f600"), max_size=8)
SCALARS = (
    st.integers(-9, 99)
    | st.booleans()
    | st.sampled_from(["1979-05-27 07:32:00", "1979-05-27T07:32:00Z", "07:32:00", "1_000.5e3", "inf"])
)


@st.composite
def string_token(draw: st.DrawFn) -> str:
    """A string in one of the four notations of TOML."""
    value = draw(TEXT)
    style = draw(st.sampled_from(["basic", "literal", "several", "several literal"]))
    if style == "literal":
        return "'" + re.sub(r"['\n\r]", "", value) + "'"
    if style == "several literal":
        return "'''" + draw(st.sampled_from(["", "\n"])) + re.sub(r"'{3,}|\r", "", value).rstrip("'") + "'''"
    basic = "".join(
        draw(st.sampled_from([f"\\u{ord(c):04x}", c]))
        if ord(c) in range(0xA0, 0xD800)
        else {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\t"}.get(c, c)
        for c in value
    )
    if style == "basic":
        return f'"{basic}"'
    glue = draw(st.sampled_from(["", "\n", "\\\n   ", 'a""b', '""', "\r\n", "\\  \r\n \n"]))
    opening = draw(st.sampled_from(["", "\n", "\r\n"]))
    more = draw(st.sampled_from(["", '"', '""', "x y"]))
    content = re.sub('"{3,}', '""', f"{basic}{glue}{more}")
    return f'"""{opening}{content}"""'


BARE_KEYS = st.sampled_from(["a", "b-1", "c_", "7"])
KEYS = BARE_KEYS | st.sampled_from(['"a b"', "'c.d'", '"\\u0041"', '""'])
SPACE = st.sampled_from(["", " ", "\t", "  "])
GAP = st.sampled_from(["", " ", "\n", "# ] } ' \"\n", "\r\n\t"])


@st.composite
def value_token(draw: st.DrawFn, depth: int = 2) -> str:
    kind = draw(st.sampled_from(["string", "scalar", "array", "table"] if depth else ["string", "scalar"]))
    if kind == "string":
        return draw(string_token())
    if kind == "scalar":
        scalar = draw(SCALARS)
        return str(scalar).lower() if isinstance(scalar, bool) else str(scalar)
    if kind == "array":
        items = draw(st.lists(value_token(depth - 1), max_size=3))
        gaps = [draw(GAP) for _ in range(2 * len(items) + 2)]
        body = ",".join(f"{gaps[2 * i]}{item}{gaps[2 * i + 1]}" for i, item in enumerate(items))
        return f"[{body}{',' if bool(items) and draw(st.booleans()) else ''}{gaps[-1]}]"
    names = draw(st.lists(KEYS, max_size=3, unique=True))
    return "{" + ",".join(f"{draw(SPACE)}{name} = {draw(value_token(depth - 1))} " for name in names) + "}"


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A TOML text in any style; a few of them say a key twice, and are not for us."""
    lines: list[str] = []
    for section in range(draw(st.integers(1, 4))):
        name = ".".join(draw(st.lists(KEYS, min_size=1, max_size=2)))
        header = draw(st.sampled_from([f"[t{section}.{name}]", f"[ s . x{section} ]", "[[ list ]]", ""]))
        if header == "[[ list ]]" and draw(st.booleans()):
            header += f"\n[list.sub{section}]"
        lines += [header] if section else []
        for _ in range(draw(st.integers(0, 3))):
            dotted = f"{draw(SPACE)}.{draw(SPACE)}".join(draw(st.lists(KEYS, min_size=1, max_size=2)))
            comment = draw(st.sampled_from(["", " # = [ \"'"]))
            lines.append(f"{draw(SPACE)}{dotted}{draw(SPACE)}={draw(SPACE)}{draw(value_token())}{comment}")
    return draw(st.sampled_from(["\n", "\r\n", "\n\n"])).join(lines) + draw(st.sampled_from(["", "\n"]))


def leaves(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], object]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    elif path:
        yield path, value


@promise(documents())
def every_value_is_found_where_it_stands(text: str) -> None:
    try:
        meaning = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    found = locate(text)
    assert found.stuck is None
    for path, value in leaves(meaning):
        span = found.values[path] if path in found.values else found.keys[path]
        token = text[span.start : span.end]
        if not (value in ({}, []) and (token.startswith("[") or path not in found.values)):  # a header
            assert tomllib.loads(f"x = {token}")["x"] == value or value != value
    for path, span in found.keys.items():
        if isinstance(path[-1], str):
            assert list(tomllib.loads(f"{text[span.start : span.end]} = 1")) == [path[-1]]


@promise(string_token())
def every_character_of_a_string_is_found(token: str) -> None:
    text = f"x = {token}"
    value = tomllib.loads(text)["x"]
    span = Span(4, len(text))
    quote = token[:3] if token[:3] in ('"""', "'''") and len(token) >= 6 else token[0]
    before = span.start
    for index in range(len(value)):
        at = inside_string(text, span, index)
        assert at >= before
        assert tomllib.loads(text[:at] + quote)["x"] == value[:index]
        before = at
    assert inside_string(text, span, len(value)) <= len(text) - len(quote)


def test_every_value_of_a_document_is_found_where_it_stands() -> None:
    every_value_is_found_where_it_stands.holds()


def test_every_character_of_a_string_is_found() -> None:
    every_character_of_a_string_is_found.holds()


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("_TEXT", r'''"""(?:\\.|[^\\])*?"{3}|\'\'\'.*?'{3}'''),  # quotes before the end of a string
        ("_TEXT", r'''"""(?:\\.|[^\\])*"{3,5}|\'\'\'.*?'{3,5}'''),  # up to the last string of the text
        ("_STRING", r""""[^"\n]*"|'[^'\n]*\'"""),  # escaped quotes
        ("_SCALAR", r"[^\s,\]}#]+"),  # a date and a time
        ("_SCALAR", r"[^\n,\]}]+"),  # a comment behind a value
        ("_KEY", r"[A-Za-z0-9_-]+|'[^'\n]*'"),  # quoted keys
        ("_BLANK", r" *"),  # tabs
        ("_SPACE", r"[ \t\r\n]*"),  # comments between the items of an array
    ],
)
def test_a_scanner_that_reads_a_token_wrongly_is_caught(
    name: str, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(positions, name, re.compile(pattern, re.DOTALL))
    every_value_is_found_where_it_stands.is_broken()


def test_a_scanner_that_does_not_count_tables_of_an_array_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions._Scanner, "_resolved", lambda self, path: path)
    every_value_is_found_where_it_stands.is_broken()


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("_BASIC_UNIT", r"(?P<nothing>(?!))|\\u.{4}|\\.|\r\n|."),  # joined lines
        ("_BASIC_UNIT", r"(?P<nothing>\\[ \t]*\r?\n\s*)|\\.|\r\n|."),  # escapes of several characters
        ("_BASIC_UNIT", r"(?P<nothing>\\[ \t]*\r?\n\s*)|\\u.{4}|\\.|."),  # line ends of two characters
        ("_LITERAL_UNIT", r"(?P<nothing>(?!))|\\.|."),  # a backslash that is only a backslash
    ],
)
def test_a_character_that_is_looked_for_wrongly_is_caught(
    name: str, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(positions, name, re.compile(pattern, re.DOTALL))
    every_character_of_a_string_is_found.is_broken()
