"""Promises of the configuration layer for any input, each with bugs that prove it can be broken."""

from __future__ import annotations

import dataclasses
import itertools
import re
import shlex
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procman.config import commands, env_file, positions, source
from procman.config.commands import split
from procman.config.diagnostics import InvalidConfig
from procman.config.environment import merge_environment
from procman.config.positions import Span
from procman.config.read import read_config
from procman.core import order, values
from procman.core.config import AppConfig, Command
from procman.core.values import Bad, duration, duration_text, size, size_text
from tests.properties.promises import promise

# --- durations and sizes ---------------------------------------------------------------------------------


@promise(st.integers(0, 86_400_000) | st.integers(0, 8000).map(lambda hours: hours * 3_600_000))
def a_duration_survives_being_written(milliseconds: int) -> None:
    assert duration(0)(duration_text(milliseconds / 1000)) == milliseconds / 1000


UNITS = [1, 10**3, 10**6, 10**9, 2**10, 2**20, 2**30]


@promise(
    st.integers(0, 2**62)
    | st.integers(0, 999).map(lambda n: n * 10**9)
    | st.integers(0, 99).map(lambda n: n << 30)
)
def a_size_survives_being_written(count: int) -> None:
    assert size(0)(size_text(count)) == count


def test_a_duration_survives_being_written() -> None:
    a_duration_survives_being_written.holds()


def test_a_size_survives_being_written() -> None:
    a_size_survives_being_written.holds()


FORGETFUL = r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)m?s)?"


def test_a_duration_that_forgets_a_unit_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "_DURATION", re.compile(FORGETFUL))
    a_duration_survives_being_written.is_broken()


def test_a_size_whose_units_are_mixed_up_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "_UNITS", {**values._UNITS, "gib": 10**9})
    a_size_survives_being_written.is_broken()


# --- commands --------------------------------------------------------------------------------------------

PLAIN = st.text(st.sampled_from("ab=-/{}.$ \t'\"\\"), max_size=20)


@promise(PLAIN)
def words_are_those_of_shlex(text: str) -> None:
    try:
        words = split(text)
    except Bad:
        return
    # In double quotes `\$` is an escape for a shell, and not for shlex.
    assert list(words) == shlex.split(text.replace("\\$", "$") if '"' in text else text)


def test_words_are_those_of_shlex() -> None:
    words_are_those_of_shlex.holds()


@pytest.mark.parametrize(
    "pattern",
    [
        # A quote that is escaped between double quotes.
        r"""(?P<space>\s+)|(?P<single>'[^']*')|(?P<double>"[^"]*")|(?P<escaped>\\.)|(?P<plain>[^\s'"\\]+)""",
        # A tab between words.
        r"""(?P<space> +)|(?P<single>'[^']*')|(?P<double>"(\\.|[^"\\])*")|(?P<plain>[^ '"]+)""",
    ],
)
def test_words_that_end_in_the_wrong_place_are_caught(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_TOKEN", re.compile(pattern, re.DOTALL))
    words_are_those_of_shlex.is_broken()


# --- env files -------------------------------------------------------------------------------------------

NAMES = st.from_regex(r"[A-Z_][A-Z0-9_]{0,3}", fullmatch=True)
ENV_TEXT = st.text(st.sampled_from("ab #'\"\\\n\t=é"), max_size=8)


@st.composite
def assignments(draw: st.DrawFn) -> tuple[str, str, str]:
    """A name, a value, and a line that says so."""
    name, value = draw(NAMES), draw(ENV_TEXT)
    styles = ["double"]
    styles += ["single"] if "'" not in value else []
    bare = value.strip() == value and value[:1] not in ("'", '"', "#")
    styles += ["bare"] if bare and not re.search(r"[\n]|[ \t]#", value) else []
    style = draw(st.sampled_from(styles))
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    if draw(st.booleans()):
        escaped = escaped.replace("\n", "\\n").replace("\t", "\\t")
    token = {"double": f'"{escaped}"', "single": f"'{value}'", "bare": value}[style]
    before = draw(st.sampled_from(["", "export ", "\n", "# c\n", "  "]))
    after = draw(st.sampled_from(["", " ", " # c"]))
    return name, value, f"{before}{name}={token}{after}"


@promise(st.lists(assignments(), max_size=5))
def an_env_file_says_what_was_written(lines: list[tuple[str, str, str]]) -> None:
    file = env_file.parse_env_file("\n".join(line for _, _, line in lines), ".env")
    app = AppConfig("web", Command(("x",)))
    assert merge_environment(app, {}, [file], port=None) == {name: value for name, value, _ in lines}


def test_an_env_file_says_what_was_written() -> None:
    an_env_file_says_what_was_written.holds()


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("_COMMENT", r"#.*"),
        ("_COMMENT", r"(?!)"),
        ("_SINGLE", r"'([^'\n]*)'"),
        ("_DOUBLE", r'"([^"]*)"'),
        ("_UNESCAPE", r"\\([nrt])"),
        ("_KEY", r"([^\s=#'\"]+)[ \t]*=[ \t]*"),
        ("_IGNORED", r"[ \t\r\n]*"),
    ],
)
def test_an_env_file_that_is_read_wrongly_is_caught(
    name: str, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(env_file, name, re.compile(pattern, re.DOTALL if name != "_COMMENT" else 0))
    an_env_file_says_what_was_written.is_broken()


# --- order -----------------------------------------------------------------------------------------------

GRAPHS = st.lists(st.lists(st.integers(0, 6), max_size=3), max_size=6).map(
    lambda edges: {str(i): [str(j) for j in targets] for i, targets in enumerate(edges)}
)


@promise(GRAPHS)
def an_order_respects_every_dependency(graph: dict[str, list[str]]) -> None:
    cycle = order.find_cycle(graph)
    if cycle is not None:
        assert cycle[0] == cycle[-1]
        assert all(after in graph[before] for before, after in itertools.pairwise(cycle))
    try:
        ordered = order.start_order(graph)
    except ValueError:
        assert cycle is not None
        return
    assert cycle is None
    assert sorted(ordered) == sorted(graph)
    for name, dependencies in graph.items():
        for dependency in set(dependencies) & set(graph):
            assert ordered.index(dependency) < ordered.index(name)
            assert dependency in order.with_dependencies([name], graph)


def test_an_order_respects_every_dependency() -> None:
    an_order_respects_every_dependency.holds()


@pytest.mark.parametrize(
    ("name", "bug"),
    [
        ("start_order", lambda graph: tuple(graph)),
        ("find_cycle", lambda graph: None),
        ("find_cycle", lambda graph: ("0", "0") if graph.get("0") else None),
        ("with_dependencies", lambda names, graph: tuple(names)),
    ],
)
def test_an_order_that_forgets_is_caught(
    name: str, bug: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order, name, bug)
    an_order_respects_every_dependency.is_broken()


# --- whatever stands in a file ---------------------------------------------------------------------------

GOOD = b"""\
[manager]
stop_timeout = "10s"
logs = { max_size = "10MB", keep = 5 }

[defaults]
check_interval = "10s"

[apps.web]
command = "npm run dev -- --port {port}"
cwd = "web"  # comment \xc3\xa9
port = 5173
check = { http = "/health", timeout = "2s", failures = 3 }
depends_on = ["db"]
env = { NODE_ENV = 'development', N = 1.5 }

[apps.db]
command = [
  "node", "db.js",
]
give_up.starts = 0
tags = []
restart = "never"
"""
GOOD_PROCFILE = b"# all of it\nweb: npm run dev\nworker: node 'w.js' && true\n"
SPLINTERS = st.sampled_from(
    [b"", b"\n", b'"', b"'", b"[", b"]", b"{", b"}", b"=", b"#", b"\\", b".", b",", b"\0", b"\xff", b"\xc3",
     b"\xef\xbb\xbf", b"0", b"-1", b"99999999999999999999", b"true", b'""', b'"""', b"'''", b"{port}",
     b"\r", b"\t", b"$", b"1979-05-27", b"nan", b"[apps.db]\n", b"depends_on = ['web']\n", b"\xe2\x80\xae",
     b" && "]
)  # fmt: skip


@st.composite
def mutants(draw: st.DrawFn, good: bytes) -> bytes:
    content = good
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.sampled_from([0, 0, 1, 2, 5, 40])))
        content = content[:start] + draw(SPLINTERS) + content[end:]
    return content


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


def check_that_errors_have_a_place(path: Path, content: bytes) -> None:
    """A file is read, or every error of it has a place in it, and they come in order."""
    path.write_bytes(content)
    try:
        read_config(str(path), shown_as="file")
    except InvalidConfig as error:
        text = content.decode(errors="replace").removeprefix("\ufeff")
        lines = text.split("\n")
        places = [(item.line, item.column) for item in error.diagnostics]
        assert places == sorted(places)
        for item in error.diagnostics:
            assert item.line is not None
            assert item.column is not None
            assert item.length >= 1
            assert 1 <= item.line <= len(lines)
            assert 1 <= item.column <= len(lines[item.line - 1]) + 1, item.headline
            headline, *_ = item.render().splitlines()
            assert headline.isprintable()
            assert re.match(r"file:\d+:\d+: \S", headline)


@given(content=mutants(GOOD) | st.binary(max_size=40))
def test_whatever_stands_in_a_file_it_is_read_or_told_what_is_wrong(content: bytes, folder: Path) -> None:
    check_that_errors_have_a_place(folder / "portwatch.toml", content)


@given(content=mutants(GOOD_PROCFILE) | st.binary(max_size=40))
def test_whatever_stands_in_a_procfile_it_is_read_or_told_what_is_wrong(content: bytes, folder: Path) -> None:
    check_that_errors_have_a_place(folder / "Procfile", content)


@given(content=st.text(st.sampled_from("AB=#'\"\\\n \t${}:-x"), max_size=30))
def test_whatever_stands_in_an_env_file_it_is_read_or_told_what_is_wrong(content: str) -> None:
    try:
        file = env_file.parse_env_file(content, ".env")
    except InvalidConfig as error:
        if any(item.line is None for item in error.diagnostics):
            pytest.fail("an error without a place")
    else:
        merge_environment(AppConfig("web", Command(("x",))), {}, [file], port=1)


@pytest.mark.parametrize("bug", ["shifted", "unchecked"])
def test_a_reader_that_loses_the_place_is_caught(
    bug: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if bug == "shifted":
        real = positions.Positions.nearest

        def shifted(self: positions.Positions, path: positions.Path, *, key: bool) -> Span:
            span = real(self, path, key=key)
            return dataclasses.replace(span, start=span.start + 500, end=span.end + 500)

        monkeypatch.setattr(positions.Positions, "nearest", shifted)
    else:
        monkeypatch.setattr(source, "_decoded", lambda content, shown: content.decode())

    def check(content: bytes) -> None:
        check_that_errors_have_a_place(folder / "portwatch.toml", content)

    promise(mutants(GOOD))(check).is_broken()
