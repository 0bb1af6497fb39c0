"""What fuzzing has found is replayed: read, or refused with a place, and never more than that.

Each file of the corpus shows a message, or runs a line of the reader, that no other one does. `make fuzz`
looks for more.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from procman.config import diagnostics, env_file, overlay, positions, read, relations, source
from procman.config.diagnostics import Diagnostic, InvalidConfig
from procman.config.positions import Span
from procman.config.problems import Problems
from procman.config.source import Source
from tests.fuzz.corpus import CORPUS, begin_with, kept
from tests.fuzz.judge import KINDS, judge
from tests.fuzz.mutation import Mutator

LARGEST = 300_000  # bytes of the whole corpus
FRESH = 150  # inputs of each kind that are damaged anew, the same in every run


def replay(kind: str, folder: Path) -> frozenset[str]:
    """Judge every input of a kind that is kept, and return all that was said."""
    said: frozenset[str] = frozenset()
    for name, content in (*kept(kind), *((f"example {i}", each) for i, each in enumerate(begin_with(kind)))):
        try:
            said |= judge(kind, content, folder)
        except Exception as error:
            raise AssertionError(f"{kind}/{name}: {content!r}") from error
    return said


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_kept_is_read_or_told_what_is_wrong(kind: str, tmp_path: Path) -> None:
    assert replay(kind, tmp_path)


def test_the_corpus_shows_most_that_the_reader_can_say(tmp_path: Path) -> None:
    """Kinds of messages: a corpus that was lost, or a judge that no longer tells them apart, says fewer."""
    assert len(replay("toml", tmp_path)) >= 70
    assert len(replay("env", tmp_path)) >= 4
    assert len(replay("procfile", tmp_path)) >= 6


def test_the_corpus_stays_small() -> None:
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < LARGEST


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_damaged_anew_is_read_or_told_what_is_wrong(kind: str, tmp_path: Path) -> None:
    pool = [*begin_with(kind), *(content for _, content in kept(kind))]
    chance = random.Random(kind)
    mutator = Mutator(kind, chance)
    for _ in range(FRESH):
        content = mutator.mutate(chance.choice(pool), pool)
        try:
            judge(kind, content, tmp_path)
        except Exception as error:
            raise AssertionError(f"{content!r}") from error


# Planted bugs


def _lost_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the line of a key."""
    real = diagnostics.Lines.at

    def at(self: diagnostics.Lines, *arguments: Any) -> Diagnostic:
        found = real(self, *arguments)
        return Diagnostic(found.file, found.message)

    monkeypatch.setattr(diagnostics.Lines, "at", at)


def _shifted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for a value one character behind where it stands."""
    real = positions.locate

    def locate(text: str) -> positions.Positions:
        found = real(text)
        found.values = {path: Span(span.start + 1, span.end + 1) for path, span in found.values.items()}
        return found

    monkeypatch.setattr(positions, "locate", locate)


def _unordered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell problems in the order in which they were found."""
    real = Problems.diagnostics
    monkeypatch.setattr(Problems, "diagnostics", lambda self, source: real(self, source)[::-1])


def _no_unicode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take any bytes for text."""
    monkeypatch.setattr(source, "_decoded", lambda content, shown: content.decode())


def _no_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for a cycle as if there could be none."""
    monkeypatch.setattr(relations, "find_cycle", lambda graph: ("x",) if any(graph.values()) else None)


def _local_wins_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay a value over a table without a look at what is there."""
    monkeypatch.setattr(overlay, "_laid_over", lambda below, above, path: {**below, **above[""]})


def _deep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a parser's own error through."""
    import tomllib

    def parse(read_from: Source) -> dict[str, object]:
        return tomllib.loads(read_from.text)

    monkeypatch.setattr(overlay, "parse_toml", parse)


def _silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse a file without a word."""

    def refuse(config: object) -> None:
        raise InvalidConfig([])

    monkeypatch.setattr(read, "resolve_conditions", lambda complete, declared: refuse(complete))


def _lost_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget which line of an env file is wrong."""
    monkeypatch.setattr(
        env_file, "Diagnostic", lambda file, message, *place, **more: Diagnostic(file, message)
    )


BUGS: list[tuple[str, Callable[[pytest.MonkeyPatch], None]]] = [
    ("toml", _lost_place),
    ("procfile", _lost_place),
    ("toml", _shifted),
    ("toml", _unordered),
    ("toml", _no_unicode),
    ("procfile", _no_unicode),
    ("toml", _no_cycles),
    ("toml", _local_wins_all),
    ("toml", _deep),
    ("toml", _silent),
    ("env", _lost_line),
]


@pytest.mark.parametrize(("kind", "bug"), BUGS, ids=lambda each: getattr(each, "__name__", each))
def test_a_planted_bug_is_found(
    kind: str, bug: Callable[[pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bug(monkeypatch)
    with pytest.raises(AssertionError):
        replay(kind, tmp_path)
