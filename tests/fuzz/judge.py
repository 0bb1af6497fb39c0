"""What a reader owes to any bytes: a meaning, or every mistake with its place; and nothing else."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

from procman.config import positions
from procman.config.diagnostics import Diagnostic, InvalidConfig
from procman.config.env_file import parse_env_file
from procman.config.environment import merge_environment
from procman.config.read import read_config
from procman.core.config import AppConfig, Command
from procman.core.plan import make_plan

# One input may be two files: what stands behind this line is laid over what stands before it.
LOCAL = b"# --- portwatch.local.toml ---\n"
KINDS = ("toml", "procfile", "env")
NAMES = {"toml": "portwatch.toml", "procfile": "Procfile", "env": ".env"}

_PATH = re.compile(r'(?:[A-Za-z0-9_.\[\]-]|"(?:\\.|[^"\\])*")+: ')
_ANY = (  # what a message is about
    (re.compile(r"^`.*` is filled in"), "`…` is filled in"),  # the name may hold anything
    (re.compile(r"`[^`]*`"), "`…`"),
    (re.compile(r"\b(got|called|of|is no|cycle:|expression:|already) \S.*"), r"\1 …"),
    (re.compile(r"\d[\w.:-]*"), "0"),
    (re.compile(r"'[^']*'|\"[^\"]*\""), "'…'"),
)


def judge(kind: str, content: bytes, folder: Path) -> frozenset[str]:
    """Return the shapes of all messages about an input; of none, that it was read.

    Args:
        kind: which reader: one of `KINDS`.
        content: what stands in the file.
        folder: where the file may be put.

    Raises:
        AssertionError: a message has no place, or one that is not in the file.
        Exception: whatever else the reader raises is its defect.
    """
    try:
        if kind == "env":
            return _judge_env(content)
        return _judge_config(kind, content, folder)
    except InvalidConfig as error:
        texts = _texts(kind, content, folder)
        check_places(error.diagnostics, texts)
        return frozenset(shape(each.message) for each in error.diagnostics)


def check_places(diagnostics: Iterable[Diagnostic], texts: dict[str, str]) -> None:
    """Fail unless each message has a place in the text of its file, and they come in order.

    Args:
        diagnostics: what was said.
        texts: of each file, by the name that it is told by.
    """
    found = tuple(diagnostics)
    assert found, "refused without a word"
    order = [(list(texts).index(each.file), each.line or 0, each.column or 0) for each in found]
    assert order == sorted(order), f"out of order: {[each.headline for each in found]}"
    for each in found:
        lines = texts[each.file].split("\n")
        assert each.line is not None, f"no line: {each.headline}"
        assert each.column is not None, f"no column: {each.headline}"
        assert each.length >= 1, f"nothing marked: {each.headline}"
        assert 1 <= each.line <= len(lines), f"no such line: {each.headline}"
        assert 1 <= each.column <= len(lines[each.line - 1]) + 1, f"no such column: {each.headline}"
        headline, *_ = each.render().splitlines()
        assert headline.isprintable(), f"a headline that steers the terminal: {headline!r}"
        assert re.match(r".+:\d+:\d+: \S", headline), headline


def shape(message: str) -> str:
    """Return what is said, without what it is said about: one for each kind of mistake."""
    path = _PATH.match(message)
    said = message[path.end() :] if path else message
    for pattern, instead in _ANY:
        said = pattern.sub(instead, said)
    return said


def _judge_config(kind: str, content: bytes, folder: Path) -> frozenset[str]:
    path = folder / NAMES[kind]
    below, mark, above = content.partition(LOCAL) if kind == "toml" else (content, b"", b"")
    path.write_bytes(below)
    local = folder / "portwatch.local.toml"
    local.unlink(missing_ok=True)
    if mark:
        local.write_bytes(above)
    try:
        config = read_config(str(path), shown_as=path.name)
    finally:
        if kind == "toml":
            for text in _texts(kind, content, folder).values():
                _check_spans(text)
    assert config.apps, "a file without apps was taken"
    assert read_config(str(path)).apps == config.apps, "read twice, it says two things"
    plan = make_plan(config, config)
    assert not plan, f"what has not changed would be changed: {plan}"
    return frozenset({"read"})


def _judge_env(content: bytes) -> frozenset[str]:
    text = content.decode(errors="replace")
    file = parse_env_file(text, NAMES["env"])
    merge_environment(AppConfig("web", Command(("x",))), {}, [file], port=1)
    return frozenset({"read"})


def _texts(kind: str, content: bytes, folder: Path) -> dict[str, str]:
    if kind == "env":
        return {NAMES["env"]: content.decode(errors="replace")}
    below, mark, above = content.partition(LOCAL) if kind == "toml" else (content, b"", b"")
    texts = {NAMES[kind]: below.decode(errors="replace").removeprefix("\ufeff")}
    if mark:
        texts[str(folder / "portwatch.local.toml")] = above.decode(errors="replace").removeprefix("\ufeff")
    return texts


def _check_spans(text: str) -> None:
    """Fail unless each value stands where it is said to: for a text that is TOML."""
    normal = text.replace("\r\n", "\n")
    try:
        document = tomllib.loads(normal)
    except (ValueError, RecursionError):
        return
    for path, span in positions.locate(normal).values.items():
        value: object = document
        for part in path:
            value = value[part]  # type: ignore[index]
        token = normal[span.start : span.end]
        if isinstance(value, dict) and not token.startswith("{"):
            continue  # a header
        if isinstance(value, list) and token.startswith("[["):
            continue
        again = tomllib.loads(f"value = {token}")["value"]
        assert repr(again) == repr(value), f"{path} is not at {span}: {token!r}"
