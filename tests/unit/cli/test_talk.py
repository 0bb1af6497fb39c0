"""What may be said to a terminal, and what is made harmless."""

from __future__ import annotations

import io
import json
import sys

import pytest

from procman.cli import render, talk
from procman.control.protocol import encode

HOSTILE = {
    "a title": "\x1b]0;owned\x07",
    "the clipboard": "\x1b]52;c;cm0gLXJm\x1b\\",
    "a pasted command": "\x1b[200~rm -rf /\n\x1b[201~",
    "a cleared screen": "\x1b[2J\x1b[H",
    "a report that is typed": "\x1b[6n\x1bZ\x05",
    "eight bits": "\x9b2J\x9d0;owned\x9c\x90q\x9c",
    "overwritten": "all is well\rnothing is",
    "taken back": "bad\b\b\bgood\x7f",
    "another character set": "\x1b(0\x0e",
    "a colour that is none": "\x1b[31mred\x1b[?25l",
}
ALLOWED = "one\ttwo\nthree \x1b[1;31mred\x1b[0m, ünïcödé, 日本, 🦭\n"


def is_harmless(text: str) -> bool:
    rest = text
    for colour in ("\x1b[1;31m", "\x1b[31m", "\x1b[0m"):
        rest = rest.replace(colour, "")
    return not any((ord(each) < 32 and each not in "\n\t") or 127 <= ord(each) < 160 for each in rest)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_that_is_said_steers_the_terminal(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert is_harmless(talk.steady(f"before {text} after"))
    talk.fail(text, text)
    talk.fail_as_is(text)
    talk.note(text)
    assert is_harmless(capsys.readouterr().err)


def test_lines_tabs_colours_and_letters_stay() -> None:
    assert talk.steady(ALLOWED) == ALLOWED


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_terminal_gets_only_what_is_steady(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, "utf-8")
    monkeypatch.setattr(out, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdout", out)
    talk.steady_stdout()
    talk.steer("\x1b[H")
    print(f"{ALLOWED}{text}")
    sys.stdout.flush()
    printed = raw.getvalue().decode()
    assert printed.startswith(f"\x1b[H{ALLOWED}")
    assert is_harmless(printed.removeprefix("\x1b[H"))


def test_what_is_no_terminal_gets_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "utf-8"))
    talk.steady_stdout()
    print("\x1b[2J", end="", flush=True)
    assert raw.getvalue() == b"\x1b[2J"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_json_has_no_control_characters_and_means_the_same(text: str) -> None:
    document = {"text": text, 'a "key"\x9b': [text]}
    for line in (render.as_json(document), encode(document).decode().removesuffix("\n")):
        assert json.loads(line) == document
        assert is_harmless(line)
        assert "\n" not in line
