"""Errors that a user can act on: the place, the line, what was expected, and what to type instead."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from procman.core.frozen import Frozen
from procman.core.secrets import holds_secret

_WIDTH = 120  # characters of a source line that are shown; a longer one is cut around its fault
_BEFORE = 40  # characters kept before the fault in a line that is cut


class Diagnostic(Frozen):
    """One error in one file."""

    file: str  # as its user names it
    message: str  # begins with the key, if it is about one: `apps.web.port: expected …`
    line: int | None = None  # from 1; None when the file as a whole is wrong
    column: int | None = None  # from 1, in characters; a tab is one
    length: int = 1  # characters; what lies behind the end of the line is not marked
    source: str | None = None  # the line itself
    hint: str | None = None

    @property
    def headline(self) -> str:
        """The first line: `portwatch.toml:12:8: apps.web.port: expected 1 to 65535, got 99999`."""
        place = "" if self.line is None else f":{self.line}:{self.column}"
        return f"{self.file}{place}: {_harmless(self.message)}"

    def render(self) -> str:
        """Return the headline, the line with a caret under the fault, and the hint."""
        hint = (f"hint: {_harmless(self.hint)}",) if self.hint else ()
        return "\n".join((self.headline, *self._marked(), *hint))

    def _marked(self) -> Iterator[str]:
        if self.line is None or self.column is None or self.source is None:
            return
        shown, start = self.source.rstrip("\r"), self.column - 1
        if len(shown) > _WIDTH:
            first = max(0, start - _BEFORE)
            cut = shown[first : first + _WIDTH]
            start += 1 - first if first else 0
            shown = ("…" if first else "") + cut + ("…" if first + _WIDTH < len(self.source) else "")
        number = str(self.line)
        if holds_secret(self.source):  # a message goes into logs, the history and JSON
            yield f"{' ' * len(number)} |"
            yield f"{number} | (not shown: it holds what looks like a secret)"
            return
        marked = shown[start : start + self.length]
        pad = "".join("\t" if c == "\t" else " " * _columns(c) for c in shown[:start])
        yield f"{' ' * len(number)} |"
        yield f"{number} | {''.join(map(_printable, shown))}"
        yield f"{' ' * len(number)} | {pad}{'^' * max(1, sum(map(_columns, marked)))}"


class InvalidConfig(Exception):
    """A file that cannot be used; it says everything that is wrong with it, in the order of the file."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(self.summary)

    @property
    def summary(self) -> str:
        """One line: the first error, and how many more there are."""
        first, *others = self.diagnostics
        return first.headline + (f" (and {len(others)} more)" if others else "")

    def render(self) -> str:
        """Return every error with its line and hint."""
        return "\n\n".join(diagnostic.render() for diagnostic in self.diagnostics)


class MissingFile(InvalidConfig):
    """The file is not there (yet, or at this moment of a swap)."""


class EmptyFile(InvalidConfig):
    """The file has no content; perhaps its editor has only just begun to write it."""


class Lines:
    """A text as lines that end with `\\n`, and nothing else: not form feeds, nor U+2028."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0]
        while following := text.find("\n", self._starts[-1]) + 1:
            self._starts.append(following)

    def at(self, file: str, start: int, end: int, message: str, hint: str | None = None) -> Diagnostic:
        """Return the error about the characters from `start` up to `end`; only the first line is marked."""
        line, column = self.place(start)
        source = self.line(line)
        length = max(1, min(end - start, len(source.rstrip("\r")) - column + 1))
        return Diagnostic(file, message, line, column, length, source, hint)

    def place(self, offset: int) -> tuple[int, int]:
        """Return the line and the column of a character, both from 1."""
        line = self.number(offset)
        return line, offset - self._starts[line - 1] + 1

    def number(self, offset: int) -> int:
        """Return the number of the line of a character."""
        return bisect_right(self._starts, offset)

    def line(self, number: int) -> str:
        """Return a line without its end."""
        start = self._starts[number - 1]
        end = self._text.find("\n", start)
        return self._text[start : end if end >= 0 else len(self._text)]

    def offset(self, line: int, column: int) -> int:
        """Return where a line and a column, both from 1, lie in the text."""
        return min(self._starts[min(line, len(self._starts)) - 1] + column - 1, len(self._text))


def _harmless(text: str) -> str:
    """Return a text that may quote a name of the file: with escapes for what a terminal would obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _printable(character: str) -> str:
    """Return what to show of a character: nothing in a file may steer the terminal."""
    return "�" if unicodedata.category(character)[0] == "C" and character != "\t" else character


def _columns(character: str) -> int:
    """Return how many columns of a terminal a character takes."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
