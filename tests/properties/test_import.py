"""A file of another tool that somebody has damaged is imported or refused, and never brings procman down."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from procman.config.diagnostics import InvalidConfig
from procman.config.formats.detect import FORMATS, format_of, import_evaluated, import_source, is_script
from procman.config.formats.draft import Draft, Imported, Loss
from procman.config.formats.finish import Finished, finish
from procman.config.formats.nodes import Node
from procman.config.source import Source
from procman.core.config import Config, ManagerConfig

CASES = Path(__file__).parents[1] / "golden" / "import"
FILES = sorted(file for file in CASES.glob("*/*.*") if file.suffix != ".py" and not is_script(file.name))
FILES += sorted(CASES.glob("*/Procfile"))
ROUNDS = 60  # of each file
# What means something to a parser, or to a rule.
PIECES = [
    *"{}[]:,'\"#%$&*!|>-=\\\n\t \0é\u2028\ue000",
    *("null", "true", "-1", "1e999", "99999999999999999999", "0x", "~", "${", "}", "%(", ")s", "%(ENV_X)s"),
    *("<<: *a", "- ", "[[", "env", "command", "PORT: ", "nan", "&x", "*x", "!!binary x", "2001-01-01"),
    *("{port}", "{name}", "''"),
]


def damaged(text: str, chance: random.Random) -> str:
    """Return a text in which a few places were cut, doubled, or written over."""
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(len(text) + 1), chance.choice((0, 1, 1, 3, 20))
        piece = chance.choice(PIECES)
        if chance.random() < 0.2:  # a part from elsewhere
            start = chance.randrange(len(text) + 1)
            piece = text[start : start + chance.randint(1, 40)]
        text = text[:at] + piece + text[at + length :]
    return text


def attempt(text: str, path: Path, chosen: str) -> str:
    """Import a text, and return whether it was imported or refused."""
    source = Source(f"/nowhere/{path.name}", path.name, text, "")
    try:
        finished = finish(import_source(source, chosen), source, source.folder)
    except InvalidConfig as error:
        refusal = error.render()
    else:
        refusal = ""
    if refusal:
        assert path.name in refusal
        return "refused"
    assert finished.config.apps
    assert all(loss.place.startswith(path.name) and loss.what and loss.why for loss in finished.losses)
    return "imported"


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.name}")
def test_a_damaged_file_is_imported_or_refused(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    chosen = format_of(file.name, text) or "compose"
    chance = random.Random(file.parent.name)

    for _ in range(ROUNDS):
        attempt(damaged(text, chance), file, chosen)


@pytest.mark.parametrize("chosen", FORMATS)
def test_a_file_of_another_format_is_imported_or_refused(chosen: str) -> None:
    for file in FILES:
        attempt(file.read_text(encoding="utf-8"), file, chosen)


SHAPES = [None, True, 0, -1, 1.5, "", "x", "a b", [], [None], [[]], {}, {"": None}, {"x": {"y": []}}]
PM2_KEYS = (
    "name script args interpreter node_args cwd env env_file instances exec_mode watch ignore_watch "
    "autorestart merge_logs "
    "max_memory_restart max_restarts min_uptime restart_delay kill_timeout cron_restart uid namespace"
)


@pytest.mark.parametrize("key", PM2_KEYS.split())
def test_a_script_may_evaluate_to_anything(key: str) -> None:
    source = Source("/nowhere/ecosystem.config.js", "ecosystem.config.js", "module.exports = …", "")
    for shape in SHAPES:
        app = {"name": "web", "script": "web.js", key: shape}
        for value in (shape, {"apps": shape}, {"apps": [shape]}, {"apps": [app]}):
            try:
                finish(import_evaluated(source, value), source, source.folder)
            except InvalidConfig:
                continue


def unfinished(imported: Imported, source: Source, folder: str) -> Finished:
    """Say that all is fine, whatever is in the file."""
    return Finished("", Config("", "", ManagerConfig(), {}), ())


def careless(draft: Draft, key: str, value: object, node: Node) -> bool:
    """Take any value for right."""
    draft.values[key.partition(".")[0]] = value
    return True


def placeless(draft: Draft, node: Node, why: str) -> None:
    """Forget where it was."""
    draft.losses.append(Loss("", node.path, why))


@pytest.mark.parametrize(
    ("place", "bug"),
    [
        ("", unfinished),
        ("procman.config.formats.draft.Draft.put", careless),
        ("procman.config.formats.draft.Draft.lose", placeless),
    ],
    ids=["nothing is imported", "a value is not looked at", "a loss has no place"],
)
def test_a_planted_bug_is_found(place: str, bug: object, monkeypatch: pytest.MonkeyPatch) -> None:
    if place:
        monkeypatch.setattr(place, bug)
    else:
        monkeypatch.setitem(globals(), "finish", bug)

    def all_files() -> None:
        for file in FILES:
            attempt(file.read_text(encoding="utf-8"), file, format_of(file.name, "") or "compose")

    with pytest.raises((AssertionError, TypeError, AttributeError, ValueError, KeyError)):
        all_files()
