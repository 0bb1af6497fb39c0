"""The text of a script as the commands that it runs, and what each of them comes down to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text, each once."""
    return frozenset(text.split())


_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<redirect>\d*[<>]{1,2}(?:&\d?)?)
    | (?P<operator>&&|\|\||[|;&])
    | '(?P<single>[^']*)'
    | "(?P<double>(?:\\.|[^"\\])*)"
    | (?P<plain>[^\s'"|;&<>\\]+|\\.|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_IN_MODULES = re.compile(r"(?:.*/)?node_modules/(?:\.bin/)?((?:@[^/]+/)?[^/]+)(?:/.*)?")
_FLAG = re.compile(r"--?[A-Za-z]")
_FROM_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?-(\d+))?\}|(\w+))|%(\w+)%")

# Programs that run the one after them.
_CARRIERS = word_set(
    """cross-env cross-env-shell env exec time nice dotenvx dotenv dotenv-flow env-cmd npx bunx pnpx doppler
    infisical with-env varlock"""
)
_CARRIERS_RUN = {"npm": ("exec", "x"), "pnpm": ("exec", "dlx"), "yarn": ("exec", "dlx"), "bun": ("x",)}
_TAKING = frozenset(("-e", "-f", "-c", "-p", "--package", "-v", "-o", "--env-file", "--call"))  # and a value


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a script."""

    words: tuple[str, ...]  # of the program that does the work: `npx`, `cross-env` and the like are gone
    variables: Mapping[str, str] = field(default_factory=dict)  # set for it, as `PORT=4000 node server.js`
    after: str = ""  # the operator behind it; empty for the last

    @property
    def program(self) -> str:
        """The name of the program, without its folder."""
        word = self.words[0] if self.words else ""
        return word.rpartition("/")[2] if not word.startswith("@") else word

    @property
    def arguments(self) -> tuple[str, ...]:
        """The words behind the program."""
        return self.words[1:]

    def option(self, *names: str) -> str | None:
        """Return what is given to one of these flags, as `--port 4000`, `--port=4000` or `-p4000`."""
        for index, word in enumerate(self.words):
            for name in names:
                if word == name and index + 1 < len(self.words):
                    return self.words[index + 1]
                if word.startswith(f"{name}="):
                    return word[len(name) + 1 :]
                if len(name) == 2 and re.fullmatch(rf"{name}\d+", word):
                    return word[2:]
        return None

    @property
    def plain(self) -> tuple[str, ...]:
        """The arguments that are no flags; the value of a flag, if not written with `=`, is one of them."""
        return tuple(word for word in self.arguments if not _FLAG.match(word) and word != "--")

    def watches(self) -> bool:
        """Return whether it is told to go on and build again."""
        return any(
            word in ("-w", "-W", "watch", "dev") or word.lower().startswith("--watch")
            for word in self.arguments
        )


def steps(script: str) -> tuple[Step, ...]:
    """Return the commands of a script, in order; quotes are taken away, nothing is filled in."""
    found: list[Step] = []
    for words, operator in _commands(script):
        step = _reduced(words, operator)
        if step.words:
            found.append(step)
    return tuple(found)


def split_words(text: str) -> tuple[str, ...]:
    """Return the words of a command, as far as it is one."""
    return tuple(word for words, _ in _commands(text) for word in words)


def side_by_side(script: str) -> tuple[str, ...]:
    """Return what a script runs at the same time, each as it is written: `a & b` gives `a` and `b`."""
    parts, start = [], 0
    for match in _TOKEN.finditer(script):
        if match["operator"] == "&":
            parts.append(script[start : match.start()])
            start = match.end()
    return tuple(part.strip() for part in (*parts, script[start:]) if part.strip() not in ("", "wait"))


def given(value: str) -> tuple[int | None, str | None] | None:
    """Return the number and the variable that a port is given as, or None: it is neither.

    `4000`, `$PORT`, `${PORT:-4000}`; an address, as `tcp://0.0.0.0:4000`, stands for its port.
    """
    if match := _FROM_VARIABLE.fullmatch(value.rpartition(":")[2] if value.startswith("tcp:") else value):
        return _port(match[2] or ""), match[1] or match[3] or match[4]
    number = _port(value.rpartition(":")[2])
    return None if number is None else (number, None)


def _port(digits: str) -> int | None:
    """Return the port that a text is, or None."""
    return int(digits) if re.fullmatch(r"[0-9]{1,5}", digits) and 0 < int(digits) < 65536 else None


def _commands(script: str) -> list[tuple[list[str], str]]:
    """Return the words of each command, and the operator behind it."""
    commands: list[tuple[list[str], str]] = []
    words: list[str] = []
    word: str | None = None
    for match in _TOKEN.finditer(script):
        if match.lastgroup in ("space", "operator"):
            words += [] if word is None else [word]
            word = None
            if match.lastgroup == "operator":
                commands.append((words, match[0]))
                words = []
        elif match.lastgroup == "double":
            word = (word or "") + re.sub(r'\\(["\\$`])', r"\1", match["double"])
        elif match.lastgroup == "single":
            word = (word or "") + match["single"]
        else:
            word = (word or "") + match[0].removeprefix("\\")
    words += [] if word is None else [word]
    return [*commands, (words, "")] if words else commands


def _reduced(words: list[str], after: str) -> Step:
    """Return the command that does the work, and the variables that are set on the way to it."""
    variables: dict[str, str] = {}
    while words:
        if assignment := _ASSIGNMENT.fullmatch(words[0]):
            variables[assignment[1]] = assignment[2]
            words = words[1:]
            continue
        rest = _carried(words)
        if rest is None:
            break
        words = rest
    if words and (package := _IN_MODULES.fullmatch(words[0])):
        words = [package[1].rpartition("/")[2], *words[1:]]
    return Step(tuple(words), variables, after)


def _carried(words: list[str]) -> list[str] | None:
    """Return the words behind a program that only runs another, or None if it is not one."""
    program, *rest = words
    name = program.rpartition("/")[2]
    if name in _CARRIERS_RUN and rest and rest[0] in _CARRIERS_RUN[name]:
        return _behind_flags(rest[1:])
    if name in _CARRIERS:
        return _behind_flags(rest)
    if name in ("node", "bun", "deno"):  # `node node_modules/.bin/vite`, `bun --bun vite`
        plain = _behind_flags(rest, values=False)
        if plain and _IN_MODULES.fullmatch(plain[0]):
            return plain
        if name == "bun" and "--bun" in rest:
            return plain[1:] if plain[:1] == ["run"] else plain
    return None


def _behind_flags(words: list[str], *, values: bool = True) -> list[str]:
    """Return what stands behind the first `--`, or else behind the flags and their values."""
    if values and words and words[0].startswith(("-", "run")) and "--" in words:
        return words[words.index("--") + 1 :]
    while words and _FLAG.match(words[0]):
        words = words[2 if values and words[0] in _TAKING else 1 :]
    return [word for word in words[:1] if word != "run"] + words[1:]
