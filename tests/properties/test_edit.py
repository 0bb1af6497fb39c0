"""Edits do to the meaning what they say, and keep each line that they do not name; with bugs for proof."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import strategies as st

from procman.config import edit
from tests.properties.promises import promise

Path = tuple[str, ...]
Step = tuple[str, Path, str | None]  # what is done, to which path, with which value

NAMES = ("web", "db", "api.v2")
ADDED = ("new", "n.2")
KEYS: list[Path] = [("port",), ("tags",), ("check",), ("check", "timeout"), ("check", "failures")]
KEYS += [("env", "A B"), ("env", "Z")]
VALUES = {
    "port": "7",
    "tags": '[ "a",\n"b" ]',
    "check": "{ http = '/new' }",
    "timeout": "'9s'",
    "failures": "4",
}
VALUES |= {"A B": '"#]\\""', "Z": "'z'", "stop_timeout": "2", "host": "'h'"}


def owned(line: str, *owner: str) -> str:
    """Return a line whose comment says whose it is: it may go, or change, with its owner and nobody else."""
    return f"{line} # @{'/'.join(owner)}"


@st.composite
def sections(draw: st.DrawFn, name: str) -> list[str]:
    """An app with headers, in one of many layouts."""
    app = ("apps", name)
    quoted = f'"{name}"' if "." in name else name
    space = draw(st.sampled_from(["", " ", "\t"]))
    check = draw(
        st.sampled_from(["", "{}", "{ http = '/' }", "{timeout=1,failures = 2 }", "dotted", "header"])
    )
    lines = [owned("", "comment", "above"), owned(f"{space}[ apps . {quoted} ]", *app, "header")]
    lines += [owned(f"{space}command{space}={space}'run {name}'", *app, "command")]
    if draw(st.booleans()):
        lines += [owned(f"{space}port = 1", *app, "port")]
    if draw(st.booleans()):
        lines += [owned("tags = [ 'x',", *app, "tags"), owned(" 'y' ]", *app, "tags")]
    if check == "header":
        lines += ["", owned("", *app, "between")] * draw(st.integers(0, 1))
        lines += [owned(f"  [apps.{quoted}.check]", *app, "check", "header")]
        lines += [owned("failures = 2", *app, "check", "failures")]
    elif check == "dotted":
        lines += [owned("check.http = '/'", *app, "check", "http")]
        lines += [owned("check.failures = 2", *app, "check", "failures")]
    elif check:
        lines += [owned(f"check = {check}", *app, "check")]
    return lines + [owned("", "comment", "below")] * draw(st.integers(0, 1))


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A file of three apps in any notation, order and line ending."""
    style = draw(st.sampled_from(["headers", "headers", "headers", "dotted", "one table", "braces"]))
    lines = [owned("", "comment", "top")]
    if style == "headers":
        blocks = [draw(sections(name)) for name in draw(st.permutations(NAMES))]
        manager = [
            owned("[manager]", "manager", "header"),
            owned("stop_timeout = 1", "manager", "stop_timeout"),
        ]
        blocks.insert(draw(st.integers(0, 3)), manager)
        for block in blocks:
            lines += [*block, *[""] * draw(st.integers(0, 2))]
    elif style == "braces":
        lines += [
            owned("apps = { web = { command = 'a', port=1 },db={command='b'}, 'api.v2'.port = 3 }", "apps")
        ]
    else:
        prefix = "apps." if style == "dotted" else ""
        lines += [owned("[apps]", "apps", "header")] * (style == "one table")
        lines += [owned(f"{prefix}web.command = 'a'", "apps", "web", "command")]
        lines += [owned(f"{prefix}db = {{ command = 'b' }}", "apps", "db"), owned("", "comment", "above")]
        lines += [owned(f"{prefix}'api.v2'.command = 'c'", "apps", "api.v2", "command")]
        lines += [owned(f"{prefix}'api.v2'.env.Z = '#'", "apps", "api.v2", "env", "Z")]
        lines += ["", owned("[manager]", "manager", "header")]
    text = "\n".join(lines).rstrip("\n") + draw(st.sampled_from(["", "\n", "\n\n"]))
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """One edit; some are about what is not there."""
    verb = draw(st.sampled_from(["set", "set", "set", "unset", "unset", "remove", "add"]))
    if verb == "add":
        return verb, ("apps", draw(st.sampled_from(ADDED))), None
    app = ("apps", draw(st.sampled_from(NAMES)))
    if verb == "remove":
        return verb, app, None
    path = (*app, *draw(st.sampled_from(KEYS)))
    path = draw(st.sampled_from([path] * 4 + [("manager", "stop_timeout"), ("defaults", "host")]))
    return verb, path, VALUES[path[-1]] if verb == "set" else None


def perform(text: str, step: Step) -> str:
    """Return the text after a step."""
    verb, path, token = step
    if verb == "add":
        return edit.set_value(edit.add_table(text, path), (*path, "command"), "'n'")
    return edit.remove(text, path) if token is None else edit.set_value(text, path, token)


def expected(meaning: dict[str, Any], step: Step) -> dict[str, Any]:
    """Return what a text of this meaning is to mean after a step."""
    verb, path, token = step
    if verb == "add":
        path, token = (*path, "command"), "'n'"
    after = copy.deepcopy(meaning)
    table: Any = after
    for name in path[:-1]:
        table = table.setdefault(name, {})
    table.pop(path[-1], None)
    if token is not None:
        table[path[-1]] = tomllib.loads(f"value = {token}")["value"]
    return after


def without_empty(value: Any) -> Any:
    """Return a meaning without its empty tables: one of dotted keys is gone with its last key."""
    if not isinstance(value, dict):
        return value
    items = {key: without_empty(item) for key, item in value.items()}
    return {key: item for key, item in items.items() if item != {}}


def foreign(text: str, path: Path) -> Iterator[tuple[str, str | None]]:
    """Yield each line that is neither inside of `path` nor around it, with the one below if that is, too."""
    lines = [line.rstrip("\r\n") for line in text.split("\n")]
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if is_foreign(line, path):
            yield line, below if is_foreign(below, path) and "@comment/above" in line else None


def is_foreign(line: str, path: Path) -> bool:
    owner = re.search(r"# @(\S+)$", line)
    if owner is None:
        return False
    names = tuple(owner[1].split("/"))
    return names[: len(path)] != path and path[: len(names)] != names


def check_lines(before: str, after: str, step: Step) -> None:
    """Raise unless what the step does not name is there as it was, in its order and its layout."""
    verb, path, _ = step
    lines = [line.rstrip("\r\n") for line in after.split("\n")]
    at = -1
    for line, below in foreign(before, path):
        at = lines.index(line, at + 1)
        assert below is None or lines[at + 1] == below, "a comment was parted from what it is about"
    assert after.endswith("\n") == before.endswith("\n")
    assert "\r" not in before or re.search(r"(?<!\r)\n", after) is None
    if verb == "unset":
        assert blank_lines(after) == blank_lines(before)
    if verb == "remove":
        assert blank_lines(after) >= blank_lines(before) - 5


def blank_lines(text: str) -> int:
    return sum(not line.strip() for line in text.split("\n"))


@promise(st.tuples(documents(), st.lists(steps(), min_size=1, max_size=4)))
def edits_change_what_they_name(example: tuple[str, list[Step]]) -> None:
    text, todo = example
    for step in todo:
        meaning = tomllib.loads(text)
        if step[0] == "add" and step[1][1] in meaning.get("apps", {}):
            continue
        after = perform(text, step)
        assert without_empty(tomllib.loads(after)) == without_empty(expected(meaning, step))
        check_lines(text, after, step)
        text = after


@promise(st.tuples(documents(), st.sampled_from(ADDED)))
def an_app_that_was_added_can_be_removed(example: tuple[str, str]) -> None:
    text, name = example
    step: Step = ("add", ("apps", name), None)
    assert edit.remove(perform(text, step), ("apps", name)) == text


def test_edits_change_what_they_name_and_nothing_else() -> None:
    edits_change_what_they_name.holds()


def test_an_app_that_was_added_can_be_removed_without_a_trace() -> None:
    an_app_that_was_added_can_be_removed.holds()


def _below_the_next_comment(layout: edit._Layout, index: int) -> int:
    """The bug of tomlkit: the section goes on until the next header."""
    later = [header.span.start for header in layout.headers[index + 1 :]]
    return (later[0] if later else len(layout.text)) - 1


REAL_CUT = edit._cut
REAL_WITHOUT_SECTIONS = edit._without_sections


def _with_the_comment_above(layout: edit._Layout, sections: list[int]) -> str:
    """The other bug of tomlkit, upside down: the comment above a table goes with it."""
    after = REAL_WITHOUT_SECTIONS(layout, sections)
    start = layout.text.rfind("\n", 0, layout.headers[sections[0]].span.start) + 1
    above = layout.text.rfind("\n", 0, max(0, start - 1)) + 1
    return after[:above] + after[start:] if layout.text[above : above + 3] == " # " else after


@pytest.mark.parametrize(
    ("name", "bug"),
    [
        ("_newline", lambda text: "\n"),
        ("_dotted", ".".join),
        ("_Layout.end", _below_the_next_comment),
        ("_Layout.end", lambda layout, index: layout.headers[index].span.end),
        ("_Layout.spelled", lambda layout, table: iter(())),
        ("_Layout.container", lambda layout, path: None),
        ("_Layout.section", lambda layout, offset: ()),
        ("_without_sections", _with_the_comment_above),
        ("_line_end", lambda text, offset: text.find("\n", text.find("\n", offset) + 1) + 1 or len(text)),
        ("_line_end", lambda text, offset: offset),
        ("_cut", lambda text, start, end: text[:start] + text[end:]),
        ("_cut", lambda text, start, end: REAL_CUT(text, start, end).rstrip("\n") + "\n"),
        ("_within", lambda path, outer: path[-1:] == outer[-1:]),
        ("_within", lambda path, outer: path == outer),
        ("_AFTER_ITEM", re.compile("(?!)")),
        ("_items", lambda layout, table: [pair for pair in layout.pairs if pair[:-1] == table]),
        ("add_table", lambda text, path: f"{text}[{edit._dotted(path)}]\n"),
    ],
)
def test_an_edit_that_goes_wrong_is_caught(
    name: str, bug: Callable[..., Any] | re.Pattern[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"procman.config.edit.{name}", bug)
    edits_change_what_they_name.is_broken()


@pytest.mark.parametrize(
    ("name", "pattern"), [("_LAST_BLANK_LINE", "(?!)"), ("_LAST_BLANK_LINE", r"\n\s*\Z")]
)
def test_a_gap_that_is_left_is_caught(name: str, pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edit, name, re.compile(pattern))
    an_app_that_was_added_can_be_removed.is_broken()
