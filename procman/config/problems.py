"""What is wrong with a file, gathered while it is read; places are looked up once, at the end, if at all."""

from __future__ import annotations

import re
from collections.abc import Sequence

from procman.config.diagnostics import Diagnostic, Lines
from procman.config.positions import Path, Span, inside_string, locate
from procman.config.source import Source
from procman.core.frozen import Frozen
from procman.core.values import Bad, quoted

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Problem(Frozen):
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
        """Return every problem with its place, in the order of the file, and then of its local file."""
        texts = [_Text(each) for each in (source, source.local) if each is not None]

        def diagnostic(problem: Problem) -> tuple[int, Diagnostic]:
            text = max(reversed(texts), key=lambda each: each.depth(problem.path))  # the local one wins
            span = text.positions.nearest(problem.path, key=problem.key)
            if problem.part and text.positions.values.get(problem.path) == span:
                first, end = (inside_string(text.source.text, span, index) for index in problem.part)
                span = Span(first, end)
            message = f"{dotted(problem.path)}: {problem.message}"
            if problem.beside is not None:
                message += f" ({_other_place(problem.beside, text, texts)})"
            found = text.lines.at(text.source.shown, span.start, span.end, message, problem.hint)
            return texts.index(text), found

        found = sorted(
            map(diagnostic, self._found), key=lambda item: (item[0], item[1].line or 0, item[1].column or 0)
        )
        return tuple(each for _, each in found)


class _Text:
    """One file, and where things stand in it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.lines = Lines(source.text)
        self.positions = locate(source.text)

    def depth(self, path: Path) -> int:
        """Return how much of a path stands here."""
        known = self.positions.keys.keys() | self.positions.values.keys()
        return next((length for length in range(len(path), 0, -1) if path[:length] in known), 0)


def _other_place(path: Path, here: _Text, texts: Sequence[_Text]) -> str:
    text = max(reversed(texts), key=lambda each: each.depth(path))
    line = text.lines.number(text.positions.nearest(path, key=False).start)
    return f"line {line}" if text is here else f"{text.source.shown}:{line}"


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
