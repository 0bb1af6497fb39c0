"""What is wrong with a file, gathered while it is read; places are looked up once, at the end, if at all."""

from __future__ import annotations

import re
from dataclasses import dataclass

from procman.config.diagnostics import Diagnostic, Lines
from procman.config.positions import Path, Span, inside_string, locate
from procman.config.source import Source
from procman.core.values import Bad, quoted

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, by the path of keys and indexes to it."""

    path: Path
    message: str
    hint: str | None = None
    key: bool = False  # the key is at fault and not its value
    part: tuple[int, int] | None = None  # the characters at fault, in the string that is the value
    beside: Path | None = None  # a second place, whose line the message ends with


class Problems:
    """The problems of one file, each once."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, problem: Problem) -> None:
        """Note a problem; a value in [defaults] that is wrong for each app is wrong once."""
        self._found[problem] = None

    def add_bad(self, path: Path, bad: Bad) -> None:
        """Note that the value at `path` means nothing there."""
        self.add(Problem((*path, *bad.at), bad.message, bad.hint, bad.key, bad.part))

    def diagnostics(self, source: Source) -> tuple[Diagnostic, ...]:
        """Return every problem with its place, in the order of the file."""
        lines, positions = Lines(source.text), locate(source.text)

        def diagnostic(problem: Problem) -> Diagnostic:
            span = positions.nearest(problem.path, key=problem.key)
            if problem.part and positions.values.get(problem.path) == span:
                first, end = (inside_string(source.text, span, index) for index in problem.part)
                span = Span(first, end)
            message = f"{dotted(problem.path)}: {problem.message}"
            if problem.beside is not None:
                other = positions.nearest(problem.beside, key=False)
                message += f" (line {lines.number(other.start)})"
            return lines.at(source.shown, span.start, span.end, message, problem.hint)

        found = map(diagnostic, self._found)
        return tuple(sorted(found, key=lambda item: (item.line or 0, item.column or 0)))


def dotted(path: Path) -> str:
    """Return a path as one would write it: `apps.web.depends_on[1]`."""
    written = ""
    for part in path:
        if isinstance(part, int):
            written += f"[{part}]"
        else:
            name = part if _BARE_KEY.fullmatch(part) else quoted(part)
            written += f".{name}" if written else name
    return written
