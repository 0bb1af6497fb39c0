"""What CreateProcess is given: where programs are found, and how arguments are quoted."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procman.host.windows.command import (
    CommandLine,
    NoCommand,
    Unfit,
    command_line,
    find,
    quote_for_batch,
)

FILES = {
    "C:\\node\\node.exe",
    "C:\\node\\npm",
    "C:\\node\\npm.cmd",
    "C:\\tools\\git.exe",
    "C:\\shop\\git.cmd",
    "C:\\shop\\bin\\serve.bat",
    "C:\\shop\\node_modules\\.bin\\vite.cmd",
}
ENVIRONMENT = {"Path": 'C:\\node;;"C:\\tools"', "SystemRoot": "C:\\Windows"}
CMD = "C:\\Windows\\System32\\cmd.exe"


def is_file(path: str) -> bool:
    return path.lower() in {each.lower() for each in FILES}


def line(*words: str, shell: bool = False) -> CommandLine:
    return command_line(words, shell=shell, folder="C:\\shop", environment=ENVIRONMENT, is_file=is_file)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("node", "C:\\node\\node.exe"),
        ("node.exe", "C:\\node\\node.exe"),
        ("npm", "C:\\node\\npm.cmd"),  # not the shell script beside it
        ("npm.cmd", "C:\\node\\npm.cmd"),
        ("git", "C:\\tools\\git.exe"),  # not the project's git.cmd
        ("./bin/serve", "C:\\shop\\.\\bin\\serve.bat"),
        ("node_modules/.bin/vite", "C:\\shop\\node_modules\\.bin\\vite.cmd"),
        ("C:\\node\\node", "C:\\node\\node.exe"),
    ],
)
def test_a_program_is_found_by_path_and_pathext(name: str, path: str) -> None:
    files = {each.replace("\\.\\", "\\") for each in FILES}
    found = find(name, "C:\\shop", ENVIRONMENT, lambda each: each.replace("\\.\\", "\\") in files)
    assert found == path


@pytest.mark.parametrize("name", ["nothing", "serve", "./git.exe", "", " ", 'no"de', "C:\\node\\npm\\x"])
def test_what_is_not_there_is_not_found(name: str) -> None:
    with pytest.raises(NoCommand):
        find(name, "C:\\shop", ENVIRONMENT, is_file)


def test_the_endings_are_those_of_the_process() -> None:
    files = {"C:\\node\\tool.py", "C:\\node\\tool.exe"}
    environment = {**ENVIRONMENT, "PathExt": ".PY;.EXE"}
    assert find("tool", "C:\\shop", environment, files.__contains__) == "C:\\node\\tool.py"


def test_a_program_gets_its_arguments_as_c_programs_take_them_apart() -> None:
    assert line("node", "server.js", "two words", 'a"b', "50%") == (
        "C:\\node\\node.exe",
        'C:\\node\\node.exe server.js "two words" a\\"b 50%',
    )


def test_a_text_for_the_shell_is_handed_over_as_it_is() -> None:
    assert line('echo "a" & echo %PATH%', shell=True) == (
        CMD,
        f'"{CMD}" /d /s /c "echo "a" & echo %PATH%"',
    )


def test_a_batch_file_is_run_by_cmd_with_everything_quoted_that_it_could_read() -> None:
    assert line("npm", "run", "dev", "--", "--host=a&calc.exe") == (
        CMD,
        f'"{CMD}" /e:ON /v:OFF /d /c ""C:\\node\\npm.cmd" run dev -- "--host=a&calc.exe""',
    )


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("run", "run"),
        ("--port", "--port"),
        ("@scope/app", "@scope/app"),
        ("", '""'),
        ("two words", '"two words"'),
        ("a&b", '"a&b"'),
        ("a^b", '"a^b"'),
        ("a!b", '"a!b"'),
        ("a=b", '"a=b"'),
        ("%PATH%", '"%%cd:~,%PATH%%cd:~,%"'),
        ('a"&calc', '"a""&calc"'),
        ('a\\"b', '"a\\\\""b"'),
        ("C:\\dir\\", '"C:\\dir\\\\"'),
        ("C:\\a b\\", '"C:\\a b\\\\"'),
        ("grün", '"grün"'),
    ],
)
def test_an_argument_of_a_batch_file(word: str, quoted: str) -> None:
    assert quote_for_batch(word) == quoted


@pytest.mark.parametrize("word", ["a\nb", "a\r", "\n"])
def test_a_lines_end_is_refused_for_a_batch_file(word: str) -> None:
    with pytest.raises(Unfit, match="line's end"):
        line("npm", word)


def test_too_long_a_command_is_refused_with_its_length() -> None:
    with pytest.raises(Unfit, match="expected at most 8190"):
        line("npm", "x" * 8191)
    with pytest.raises(Unfit, match="expected at most 32766"):
        line("node", "x" * 32767)
    with pytest.raises(Unfit, match="NUL"):
        line("node", "a\0b")


@given(st.lists(st.text(string.printable.replace("\n", "").replace("\r", "")), max_size=4))
def test_cmd_never_sees_a_character_of_its_own_outside_of_quotes(words: list[str]) -> None:
    for word in words:
        quoted = quote_for_batch(word)
        # cmd.exe toggles at every quote, whatever stands before it, and `""` toggles twice.
        outside = "".join(quoted.split('"')[::2])
        assert not re.search(r"[&|<>^()!\s,;=]", outside)
        assert "%" not in quoted.replace("%%cd:~,%", "")


@given(st.text(string.printable.replace("\n", "").replace("\r", "")))
def test_a_program_behind_a_batch_file_gets_the_very_argument(word: str) -> None:
    assert taken_apart(quote_for_batch(word).replace("%%cd:~,%", "%")) == word


def taken_apart(text: str) -> str:
    """Return the argument as Microsoft's C library reads it: its rules for quotes and backslashes."""
    found, quoted, at = "", False, 0
    while at < len(text):
        slashes = len(text) - at - len(text[at:].lstrip("\\"))
        if text[at + slashes : at + slashes + 1] == '"':
            found += "\\" * (slashes // 2)
            at += slashes
            if slashes % 2:
                found += '"'
            elif quoted and text[at + 1 : at + 2] == '"':
                found += '"'
                at += 1
            else:
                quoted = not quoted
            at += 1
        elif slashes:
            found += "\\" * slashes
            at += slashes
        else:
            found += text[at]
            at += 1
    return found
