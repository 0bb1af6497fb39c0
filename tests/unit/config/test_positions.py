"""Where things stand, also in a text that goes wrong; `tests/properties/test_positions.py` has the rest."""

from __future__ import annotations

import pytest

from procman.config.positions import Span, inside_string, locate


def test_the_span_of_a_table_is_its_header() -> None:
    text = "[apps.web]\nport = 1\n"
    found = locate(text)

    assert found.values["apps", "web"] == Span(0, 10)
    assert found.keys["apps", "web"] == Span(6, 9)
    assert found.keys["apps", "web", "port"] == Span(11, 15)


def test_what_has_no_place_gets_that_of_what_is_around_it() -> None:
    found = locate("[apps.web]\nport = 1\n")

    assert found.nearest(("apps", "web", "command"), key=False) == found.values["apps", "web"]
    assert found.nearest(("apps", "web", "port"), key=True) == found.keys["apps", "web", "port"]
    assert found.nearest(("apps",), key=False) == found.keys["apps",]
    assert found.nearest(("other",), key=False) == Span(0, 1)


@pytest.mark.parametrize(
    ("text", "stuck"),
    [
        ("a = 'x", 4),
        ('a = "x\nb = 1', 4),
        ('a = """x"', 4),
        ("a = [1, 2", 4),
        ("a = { b = 1", 4),
        ("[a.b", 0),
        ("b = 1\na", 6),
        ("a =", 3),
        ('"\\q" = 1', 0),
        ("= 1", 0),
        ("a = 1", None),
    ],
)
def test_a_token_without_an_end_is_told_by_its_beginning(text: str, stuck: int | None) -> None:
    assert locate(text).stuck == stuck


def test_what_was_said_before_is_told() -> None:
    found = locate("a = 1\n[t]\na = 1\na = 2\n[t]\n[t.a]\n[x.y]\n[x]\n")
    assert [path for path, _ in found.repeated] == [("t", "a"), ("t",), ("t", "a")]


def test_a_character_behind_a_joined_line_is_found() -> None:
    text = 'a = """\nb \\\n   c\\u0041d"""'
    span = Span(4, len(text))
    found = {index: text[inside_string(text, span, index)] for index in range(5)}
    assert found == {0: "b", 1: " ", 2: "c", 3: "\\", 4: "d"}
