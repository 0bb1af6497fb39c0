"""Small inputs in the place of large ones: as few, and each as short, as show the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.fuzz.corpus import begin_with, kept
from tests.fuzz.judge import KINDS, judge
from tests.fuzz.lines import Lines

TRIES = 400  # at one input: what is left by then is short enough


def reduced(found: Iterable[tuple[str, bytes]], folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the inputs among those found that are worth keeping, each made as short as it can be.

    The shortest come first, so that what a later one shows as well is not kept twice.
    """
    lines = Lines()
    shapes: set[tuple[str, str]] = set()
    for kind in KINDS:
        for content in (*begin_with(kind), *(each for _, each in kept(kind))):
            with lines.watched():
                shapes |= {(kind, each) for each in _shown(kind, content, folder)}
    for kind, content in sorted(found, key=lambda each: len(each[1])):
        before = lines.count
        with lines.watched():
            shown = {(kind, each) for each in _shown(kind, content, folder)}
        if not shown - shapes and lines.count == before:
            continue
        if lines.count > before:  # what it is that makes the line run cannot be told: it is kept as it is
            yield kind, content
        else:
            wanted = {each for _, each in shown - shapes}
            yield kind, _shortened(kind, content, frozenset(wanted), folder)
        shapes |= shown


def _shortened(kind: str, content: bytes, wanted: frozenset[str], folder: Path) -> bytes:
    """Return a part of an input about which the same is said: its lines fewer, then its characters."""
    tries = TRIES
    for split, glue in ((b"\n", b"\n"), (b"", b"")):
        pieces = content.split(split) if split else [bytes([each]) for each in content]
        size = max(1, len(pieces) // 2)
        while size and tries:
            at = 0
            while at < len(pieces) and tries:
                tries -= 1
                rest = pieces[:at] + pieces[at + size :]
                if wanted <= _shown(kind, glue.join(rest), folder):
                    pieces = rest
                else:
                    at += size
            size //= 2
        content = glue.join(pieces)
    return content


def _shown(kind: str, content: bytes, folder: Path) -> frozenset[str]:
    """Return what is said about an input; nothing of one that shows a defect, which is kept as it is."""
    try:
        return judge(kind, content, folder)
    except Exception:
        return frozenset()
