"""A command as written to a command that can be run: words, or one text for a shell."""

from __future__ import annotations

import re
from collections.abc import Callable

from procman.core.config import Command
from procman.core.frozen import Frozen
from procman.core.values import Bad, inside

# In the order in which they are tried. What a shell would do with a token is only asked outside quotes:
# between them, `&&` is text for the program.
_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\n]+)
    | (?P<single>'[^']*')
    | (?P<double>"(?:\\.|[^"\\])*")
    | (?P<escaped>\\.)
    | (?P<operator>&&|\|\||>>|<<|\$\(|[|;<>&`])
    | (?P<reference>\$\{apps\.[^{}\s]*\})
    | (?P<variable>\$\{?[A-Za-z_])
    | (?P<plain>[^\s'"\\|;<>&`$]+|\$)
    """,
    re.VERBOSE | re.DOTALL,
)
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=([^\s'\"\\]*)")
_LINE_BREAK = re.compile(r"\S[ \t\r]*(\n)\s*\S")
_FILL = re.compile(r"(?<!\$)\{(port|name)\}")  # `${port}` is a variable of a shell
_LONGEST = 40  # characters of a name that a message repeats
_SHELL = "set `shell = true`"


class Filling(Frozen):
    """What stands for `{name}`, `{port}` and references in the commands of an app."""

    name: str
    port: int | None
    refer: Callable[[str], str] = str  # fills in `${apps.api.port}`; raises `Bad`

    def fill(self, text: str) -> str:
        """Return `text` with `{port}`, `{name}` and references filled in; all other braces stay.

        Raises:
            Bad: there is a `{port}`, and the app has none; or a reference leads nowhere.
        """
        if "{" not in text:
            return text
        self.refer(text)  # now, because an error has a place in what is written
        for match in _FILL.finditer(text):
            if match[1] == "port" and self.port is None:
                message = f"`{{port}}` needs a port, and `{self.name}` has none"
                raise Bad(message, "add `port = …` to the app", part=match.span())
        filled = _FILL.sub(lambda match: self.name if match[1] == "name" else str(self.port), text)
        return self.refer(filled)


def make_command(written: str | tuple[str, ...], filling: Filling, *, shell: bool) -> Command:
    """Return the command that was written as a string, or as the words of an array.

    Raises:
        Bad: it needs a shell and has none, has a quote without an end, or `{port}` without a port.
    """
    if isinstance(written, str):
        text = filling.fill(written)
        if shell:
            return Command((text,), shell=True)
        return Command(tuple(map(filling.fill, split(written))))  # filled in later: a name splits no word
    return Command(tuple(inside(filling.fill, word, index) for index, word in enumerate(written)))


def split(text: str) -> tuple[str, ...]:
    """Return the words of a command, split as a POSIX shell splits them.

    Raises:
        Bad: a quote has no end, or something unquoted is the work of a shell: an operator, a line break
            between commands, a variable, an assignment before the command.
    """
    if assignment := _ASSIGNMENT.match(text, len(text) - len(text.lstrip())):
        name, value = assignment.groups()
        hint = f'write `env = {{ {name} = "{value}" }}` beside it, or {_SHELL}'
        raise Bad(f"`{name}=` before the command needs a shell", hint, part=assignment.span())
    if line_break := _LINE_BREAK.search(_without_quoted(text)):
        where = line_break.start(1)
        raise Bad("a line break between commands needs a shell", _SHELL, part=(where, where + 1))
    words: list[str] = []
    word: str | None = None
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if not match:
            raise _unfinished(text, at)
        at = match.end()
        if match[0] == "\\\n":  # joins two lines, and is nothing by itself
            continue
        if match.lastgroup == "space":
            words += [] if word is None else [word]
            word = None
        else:
            word = (word or "") + _meant(match, text)
    words += [] if word is None else [word]
    if not words or not words[0]:
        raise Bad("expected a command, got an empty one")
    return tuple(words)


def _meant(token: re.Match[str], text: str) -> str:
    """Return what a token adds to its word."""
    part = token[0]
    match token.lastgroup:
        case "single":
            return part[1:-1]
        case "double":
            return re.sub(r'\\(["\\$`\n])', lambda escape: escape[1].replace("\n", ""), part[1:-1])
        case "escaped":
            return part[1:]
        case "operator":
            raise _operator(part, text, token.span())
        case "variable":
            name = re.match(r"\$(\{[^}]*\}?|\w+)", text[token.start() :])
            assert name, "the token is the beginning of such a name"
            hint = "write `{port}`" if name[1].strip("{}") == "PORT" else _SHELL
            end = token.start() + len(name[0])
            shown = name[0] if len(name[0]) <= _LONGEST else f"{name[0][:_LONGEST]}…"
            raise Bad(f"`{shown}` is filled in by a shell only", hint, part=(token.start(), end))
    return part


def _operator(operator: str, text: str, part: tuple[int, int]) -> Bad:
    shown = {"`": "a backquote", "$(": "`$(…)`"}.get(operator, f"`{operator}`")
    hint = f"{_SHELL}, or quote it if the program is to get it"
    if folder := re.match(r"\s*cd\s+([^\s;&|'\"]+)\s*&&", text):
        hint = f'write `cwd = "{folder[1]}"` in place of `cd`, or {_SHELL}'
    return Bad(f"{shown} needs a shell", hint, part=part)


def _unfinished(text: str, at: int) -> Bad:
    if text[at] == "\\":
        return Bad("the backslash at the end escapes nothing", part=(at, at + 1))
    return Bad(f"the quote `{text[at]}` has no end", part=(at, at + 1))


def _without_quoted(text: str) -> str:
    """Return the text with `x` for each character that is quoted or escaped."""
    quoted = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.""", re.DOTALL)
    return quoted.sub(lambda match: "x" * len(match[0]), text)
