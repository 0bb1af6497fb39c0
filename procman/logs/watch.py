"""Looks for a line while an app starts: `check = { log = "regex" }`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from procman.logs.clean import plain
from procman.logs.segments import Stream
from procman.logs.within import Overrun, within

LONGEST = 4096  # bytes of a line that are looked at; `.*x` takes 10 ms on so many without an x
AT_MOST_S = 0.05  # for all lines that came at once: so long nothing else in the manager can be done
OVERRUNS = 20  # in one run; then the manager has spent a second on a pattern that is of no use


class LineWatch:
    """Puts lines together, each stream for itself, and tells the first that fits; owned by the capture.

    A pattern that takes too long costs the lines that came with the one it was slow on: they are not looked
    at any more, `problem` says so, and what comes later is.
    """

    __slots__ = ("_begun", "_looked_at", "_on_slow", "_overruns", "_pattern", "problem")

    def __init__(self, pattern: re.Pattern[str], on_slow: Callable[[], None]) -> None:
        """Look for `pattern`, and call `on_slow` when there is a `problem` for the first time."""
        self._pattern = pattern
        self._on_slow = on_slow
        self._begun: dict[Stream, bytes] = {}
        self._looked_at = ""
        self._overruns = 0
        self.problem: str | None = None  # what the pattern has cost, from the first time on

    def feed(self, stream: Stream, data: bytes) -> str | None:
        """Return the first line that has ended in `data` and in which the pattern is found, or None."""
        first, *others = data.split(b"\n")
        lines = [self._begun.get(stream, b"") + first[:LONGEST], *others]
        self._begun[stream] = lines.pop()[:LONGEST]
        return self.first(lines)

    def first(self, lines: Iterable[bytes]) -> str | None:
        """Return the first of these lines in which the pattern is found, as plain text, or None."""
        if self._overruns == OVERRUNS:
            return None
        try:
            return within(AT_MOST_S, lambda: self._search(lines))
        except Overrun:
            self._overruns += 1
            self._complain()
            return None

    def _search(self, lines: Iterable[bytes]) -> str | None:
        for line in lines:
            text = self._looked_at = plain(line[:LONGEST].decode(errors="replace"))
            if self._pattern.search(text):
                return text
        return None

    def _complain(self) -> None:
        line = f"a line of {len(self._looked_at)} characters"
        self.problem = f"took more than {AT_MOST_S * 1000:.0f} ms on {line}"
        if self._overruns == OVERRUNS:
            self.problem += f", for the {OVERRUNS}th time, and is not looked for any more"
        if self._overruns == 1:
            self._on_slow()
