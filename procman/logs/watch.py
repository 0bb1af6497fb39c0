"""Looks for a line while an app starts: `check = { log = "regex" }`."""

from __future__ import annotations

import re

from procman.logs.clean import plain
from procman.logs.segments import Stream

LONGEST = 1 << 16  # bytes of a line that are looked at


class LineWatch:
    """Puts lines together, each stream for itself, and tells the first that fits; owned by the capture."""

    __slots__ = ("_begun", "_pattern")

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern
        self._begun: dict[Stream, bytes] = {}

    def feed(self, stream: Stream, data: bytes) -> str | None:
        """Return the first line that has ended in `data` and in which the pattern is found, or None."""
        first, *others = data.split(b"\n")
        lines = [self._begun.get(stream, b"") + first[:LONGEST], *others]
        self._begun[stream] = lines.pop()[:LONGEST]
        for line in lines:
            text = plain(line[:LONGEST].decode(errors="replace"))
            if self._pattern.search(text):
                return text
        return None
