"""How an error looks."""

from __future__ import annotations

import pytest

from procman.config.diagnostics import Diagnostic, Lines


def rendered(source: str, column: int, length: int = 1) -> list[str]:
    return Diagnostic("f", "m", 7, column, length, source).render().splitlines()[2:]


def test_an_error_has_its_place_its_line_and_its_hint() -> None:
    diagnostic = Diagnostic("a.toml", "apps.web.port: no", 12, 8, 5, "port = 99999", "yes")
    assert diagnostic.render() == (
        "a.toml:12:8: apps.web.port: no\n   |\n12 | port = 99999\n   |        ^^^^^\nhint: yes"
    )


def test_an_error_about_a_whole_file_has_no_line() -> None:
    assert Diagnostic("a.toml", "no such file").render() == "a.toml: no such file"


def test_a_caret_stands_under_its_character_behind_tabs_and_wide_letters() -> None:
    assert rendered("\ta = 1", 2) == ["7 | \ta = 1", "  | \t^"]
    assert rendered("日本 = 1", 6) == ["7 | 日本 = 1", "  |        ^"]
    assert rendered("x = 日本", 5, 2) == ["7 | x = 日本", "  |     ^^^^"]
    assert rendered("e\u0301 = 1", 6) == ["7 | e\u0301 = 1", "  |     ^"]


def test_a_caret_may_stand_behind_the_line() -> None:
    assert rendered("port =", 7) == ["7 | port =", "  |       ^"]
    assert rendered("", 1) == ["7 | ", "  | ^"]


def test_what_would_steer_a_terminal_is_not_printed() -> None:
    assert rendered("a\x1b[2J\u202eb\x00", 1)[0] == "7 | a�[2J�b�"


def test_a_line_with_a_secret_is_not_shown_for_a_message_goes_into_logs() -> None:
    shown, *_ = rendered('env = { API_KEY = "word", PORT = [] }', 33)
    assert shown == "7 | (not shown: it holds what looks like a secret)"


@pytest.mark.parametrize("column", [1, 30, 60, 150, 500, 999, 1000])
def test_a_long_line_is_cut_around_its_fault(column: int) -> None:
    source = "".join(chr(ord("a") + i % 26) for i in range(1000))
    shown, caret = rendered(source, column)

    assert len(shown) < 130
    assert shown[caret.index("^")] == source[column - 1]


def test_lines_end_with_newlines_only() -> None:
    lines = Lines("a\x0cb\u2028c\r\nd\n")
    assert (lines.line(1), lines.line(2), lines.line(3)) == ("a\x0cb\u2028c\r", "d", "")
    assert [lines.place(offset) for offset in (0, 6, 7, 8, 9)] == [(1, 1), (1, 7), (2, 1), (2, 2), (3, 1)]
    assert lines.offset(2, 2) == 8
    assert lines.offset(9, 9) == 9
    assert lines.at("f", 4, 99, "m").length == 1


def test_a_name_that_is_quoted_steers_no_terminal() -> None:
    said = Diagnostic("f", "no app is called `\x1b[2J\ue000`", 1, 1, hint="did you mean `\x07web`?").render()
    assert said == "f:1:1: no app is called `\\x1b[2J\\ue000`\nhint: did you mean `\\x07web`?"
