"""What a terminal gets to see of an app's output."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procman.logs.read import clean, plain

RESET = "\x1b[0m"
COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
DANGEROUS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
# Much of what matters happens between introducers, finals and terminators, so they are drawn often.
TEXTS = st.lists(
    st.one_of(
        st.sampled_from(
            ["\x1b", "[", "]", "31", ";", "m", "J", "\x07", "\\", "\x9b", "\x9d", "\x9c", "P", "\r", "(", "a"]
        ),
        st.text(max_size=3),
    )
).map("".join)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain text\twith a tab", "plain text\twith a tab"),
        ("łąka 🦊 ➜", "łąka 🦊 ➜"),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\x1b[1;38:2::255:0:0mbold\x1b[m", "\x1b[1;38:2::255:0:0mbold\x1b[m"),
        ("\x1b[31mred", "\x1b[31mred" + RESET),
        ("\x1b[0m\x1b[4munderlined", "\x1b[0m\x1b[4munderlined" + RESET),
        ("\x1b[2J\x1b[H\x1b[3Jcleared", "cleared"),
        ("up\x1b[1A\x1b[2Kdown", "updown"),
        ("\x1b[?25l\x1b[?1049hmodes\x1b[!p", "modes"),
        ("\x1bcreset\x1b7\x1b8\x1bM", "reset"),
        ("\x1b(0box\x1b(B\x1b#8", "box"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]2;title\x1b\\text", "text"),
        ("\x1b]52;c;Y2xpcGJvYXJk\x07text", "text"),
        ("\x1b]8;;http://localhost\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPq#0;2;0;0;0\x1b\\sixel", "sixel"),
        ("\x1b_application\x1b\\\x1b^private\x1b\\\x1bXstring\x1b\\text", "text"),
        ("\x9b2Jc1\x9d0;title\x9ctext\x85", "c1text"),
        ("\x1b]0;without an end", "0;without an end"),
        ("\x1b]0;without an end \x1b[31mred", "0;without an end \x1b[31mred" + RESET),
        ("\x1b[31", ""),
        ("cut\x1b", "cut"),
        ("\x1b\x1b[2J[2Jtwice", "[2Jtwice"),
        ("\x1b[3\x1b[31mred\x1b[m", "\x1b[31mred\x1b[m"),
        ("nul\0bell\x07backspace\x08delete\x7f", "nulbellbackspacedelete"),
        ("10%\r\r50%\r100%\r\r", "10% 50% 100%"),
        ("", ""),
    ],
)
def test_a_terminal_gets_text_and_colours_and_nothing_else(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned
    assert plain(text) == COLOUR.sub("", cleaned)


@given(TEXTS)
def test_no_text_gets_anything_but_colours_through(text: str) -> None:
    assert not DANGEROUS.search(COLOUR.sub("", clean(text)))
    assert not DANGEROUS.search(plain(text))


@given(TEXTS)
def test_colours_do_not_reach_beyond_their_line(text: str) -> None:
    colours = COLOUR.findall(clean(text))
    assert not colours or colours[-1] in {"\x1b[0m", "\x1b[m"}


@given(TEXTS)
def test_what_is_clean_stays_as_it_is(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    assert plain(plain(text)) == plain(text)


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"])))
def test_text_without_control_characters_is_left_alone(text: str) -> None:
    assert clean(text) == plain(text) == text
