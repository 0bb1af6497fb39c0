"""What environment an app gets, and env files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from procman.config.diagnostics import InvalidConfig
from procman.config.env_file import parse_env_file
from procman.config.environment import (
    build_environment,
    expand,
    merge_environment,
    trace_environment,
    without_npm,
)
from procman.core.config import AppConfig, Command

APP = AppConfig("web", Command(("x",)))


def merged(
    app: AppConfig, manager_env: Mapping[str, str], *files: str, port: int | None = None
) -> dict[str, str]:
    return merge_environment(app, manager_env, [parse_env_file(text, ".env") for text in files], port=port)


def parsed(text: str, **known: str) -> dict[str, str]:
    return merged(replace(APP, inherit_env=False), known, text)


def broken(text: str) -> list[str]:
    with pytest.raises(InvalidConfig) as caught:
        parse_env_file(text, ".env")
    return caught.value.render().splitlines()


def test_env_wins_over_files_and_files_over_the_manager() -> None:
    app = replace(APP, env=(("A", "env"),))
    result = merged(app, {"A": "m", "B": "m", "C": "m", "D": "m"}, "A=1\nB=1\nC=1", "C=2")
    assert result == {"A": "env", "B": "1", "C": "2", "D": "m"}


def test_the_port_is_what_is_checked_unless_env_says_otherwise() -> None:
    assert merged(APP, {"PORT": "1"}, "PORT=2", port=3)["PORT"] == "3"
    assert merged(replace(APP, env=(("PORT", "4"),)), {}, "PORT=2", port=3)["PORT"] == "4"
    assert merged(APP, {"PORT": "1"}, "PORT=2")["PORT"] == "2"
    assert "PORT" not in merged(APP, {})
    assert merged(APP, {}, "URL=http://localhost:${PORT}", port=3)["URL"] == "http://localhost:3"


def test_its_folder_is_that_of_the_app_and_not_of_the_manager() -> None:
    app = replace(APP, cwd="/p/web")
    assert merged(app, {"PWD": "/home/me", "OLDPWD": "/tmp"}) == {"PWD": "/p/web"}
    assert merged(app, {}) == {}, "where nobody says it, nobody is told"
    assert merged(replace(app, env=(("PWD", "/x"),)), {"PWD": "/home/me"}) == {"PWD": "/x"}


def test_without_inheritance_only_what_every_program_needs_is_left() -> None:
    manager = {"PATH": "/bin", "HOME": "/h", "LC_ALL": "C", "TOKEN": "t", "LANG": "C", "EDITOR": "vi"}
    app = replace(APP, inherit_env=False, env=(("KEY", "${TOKEN}"),))

    assert merged(app, manager) == {"PATH": "/bin", "HOME": "/h", "LC_ALL": "C", "LANG": "C", "KEY": "t"}


def test_a_reference_sees_what_comes_before_it() -> None:
    app = replace(APP, env=(("PATH", "./bin:${PATH}"), ("B", "${A}${F}"), ("A", "new"), ("C", "${A}")))
    result = merged(app, {"PATH": "/bin", "A": "old"}, "F=${A}!")
    assert result == {"PATH": "./bin:/bin", "A": "new", "B": "oldold!", "C": "new", "F": "old!"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "1"),
        ("x${A}y${A}", "x1y1"),
        ("${NONE}", ""),
        ("${NONE:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${A:-d}", "1"),
        ("${NONE:-${A}}", "1"),
        ("${NONE:-{x}", "{x"),
        ("${NONE:-${EMPTY:-e}f}g", "efg"),
        ("${NONE:-}", ""),
        ("$A $ $$ $(A) a$", "$A $ $$ $(A) a$"),
        ("$${A}", "${A}"),
        ("${}", "${}"),
        ("${1}", "${1}"),
        ("${A", "${A"),
        ("${NONE:-x", "${NONE:-x"),
        ("${NONE:-${A}", "${NONE:-1"),
        ("${A-x}", "${A-x}"),
    ],
)
def test_a_variable_is_filled_in(text: str, value: str) -> None:
    assert expand(text, {"A": "1", "EMPTY": ""}.get) == value


def test_what_npm_adds_stays_out_if_npm_started_the_manager() -> None:
    leaked = {"npm_config_port": "1", "npm_package_name": "x", "INIT_CWD": "/x", "npm_execpath": "/npm"}

    assert without_npm({**leaked, "A": "1"}) == {"A": "1"}
    assert without_npm({"npm_lifecycle_event": "up", "npm_node_execpath": "/x"}) == {}
    assert without_npm({"npm_config_registry": "x", "A": "1"}) == {"npm_config_registry": "x", "A": "1"}


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("", {}),
        ("# a comment\n\n  \nA=1\n", {"A": "1"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("export A=1\nexport\tB = 2", {"A": "1", "B": "2"}),
        ("A=", {"A": ""}),
        ("A= # comment", {"A": ""}),
        ("A=a b  # comment", {"A": "a b"}),
        ("A=a#b", {"A": "a#b"}),
        ("A=it's", {"A": "it's"}),
        ("A='a # ${X} \\n b' # c", {"A": "a # ${X} \\n b"}),
        ('A="a # b"# c', {"A": "a # b"}),
        ('A="\\n\\t\\r\\"\\\\\\$\\d"', {"A": '\n\t\r"\\$\\d'}),
        ('A="one\ntwo"\nB=3', {"A": "one\ntwo", "B": "3"}),
        ('A="one\\\ntwo"', {"A": "onetwo"}),
        ("A='one\ntwo'", {"A": "one\ntwo"}),
        ("A=1\nA=2", {"A": "2"}),
        ("A.b-c=1", {"A.b-c": "1"}),
        ('A=${X}\nB="${X}"\nC=\'${X}\'\nD="\\${X}"', {"A": "x", "B": "x", "C": "${X}", "D": "${X}"}),
        ("A=1\nB=${A}2", {"A": "1", "B": "12"}),
        ("A=a=b", {"A": "a=b"}),
        ("A=$ecret", {"A": "$ecret"}),
    ],
)
def test_an_env_file_means(text: str, variables: dict[str, str]) -> None:
    assert parsed(text, X="x") == variables


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("A", [".env:1:1: expected `KEY=VALUE`", "hint: write a comment with `#` before it"]),
        ("A=1\n  B 2\n", [".env:2:3: expected `KEY=VALUE`", "hint: write a comment with `#` before it"]),
        ("export 1A=1", [".env:1:8: expected a name of letters, digits and `_` before the `=`"]),
        ("A='secret\nB=1", [".env:1:3: A: the quote `'` has no end", "hint: close it with `'`"]),
        ('A="secret\\"', ['.env:1:3: A: the quote `"` has no end', 'hint: close it with `"`']),
        ('A="a" b', [".env:1:6: A: expected the end of the line after the closing quote"]),
        ("=x", [".env:1:1: expected `KEY=VALUE`", "hint: write a comment with `#` before it"]),
    ],
)
def test_a_broken_line_has_a_place_and_its_secret_is_not_repeated(text: str, errors: list[str]) -> None:
    assert broken(text) == errors


def test_every_broken_line_is_told() -> None:
    assert [line for line in broken("A\nB=1\n1=2\nC\n") if line.startswith(".env")] == [
        ".env:1:1: expected `KEY=VALUE`",
        ".env:3:1: expected a name of letters, digits and `_` before the `=`",
        ".env:4:1: expected `KEY=VALUE`",
    ]


def test_env_files_are_read_at_each_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = tmp_path / ".env", tmp_path / ".env.local"
    app = replace(APP, port=80, cwd=str(tmp_path), env_file=(str(first), str(second)), inherit_env=False)
    first.write_text("A=1\nB=1\n")

    with pytest.raises(InvalidConfig) as caught:
        build_environment(app, {})
    assert caught.value.render() == (
        ".env.local: no such file, though `env_file` of `web` names it\n"
        f"hint: it is looked for from `{tmp_path}`"
    )
    second.write_text("")
    assert build_environment(app, {}) == {"A": "1", "B": "1", "PORT": "80"}
    second.write_text("B=2\n")
    assert build_environment(app, {}, port=81) == {"A": "1", "B": "2", "PORT": "81"}


def test_every_error_of_every_env_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_text("x\n")
    (tmp_path / "b").mkdir()
    app = replace(APP, env_file=tuple(str(tmp_path / name) for name in "abc"))

    with pytest.raises(InvalidConfig) as caught:
        build_environment(app, {})
    assert [diagnostic.headline for diagnostic in caught.value.diagnostics] == [
        "a:1:1: expected `KEY=VALUE`",
        "b: expected a file, got a directory",
        "c: no such file, though `env_file` of `web` names it",
    ]


def test_an_app_with_a_terminal_has_a_term_where_nobody_else_says_one() -> None:
    app = AppConfig("web", Command(("x",)), tty=True)
    assert build_environment(app, {})["TERM"] == "xterm-256color"
    assert build_environment(app, {"TERM": "dumb"})["TERM"] == "dumb"
    assert build_environment(replace(app, env=(("TERM", "vt100"),)), {})["TERM"] == "vt100"
    assert "TERM" not in build_environment(replace(app, tty=False), {})
    assert [(each.name, each.source) for each in trace_environment(app, {})] == [("TERM", "`tty`")]


def test_on_windows_an_app_gets_what_every_program_needs_there(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"Path": "C:\\node", "SystemRoot": "C:\\Windows", "SECRET": "word"}
    app = replace(APP, inherit_env=False)
    with monkeypatch.context() as windows:
        windows.setattr("sys.platform", "win32")
        assert build_environment(app, there) == {"Path": "C:\\node", "SystemRoot": "C:\\Windows"}
    assert build_environment(app, there) == {}
