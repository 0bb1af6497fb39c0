"""What Windows is told to execute: one text, which each program takes apart by itself.

A batch file, as `npm.cmd` is one, is read by cmd.exe, which finds commands in its arguments (`a&calc`): to
quote as for a program does not help (CVE-2024-24576). So they get the quoting that Rust's standard library
uses since then, and what can't be quoted is refused.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from ntpath import isabs, join, splitext
from typing import NamedTuple

BATCH = (".bat", ".cmd")
ENDINGS = ".COM;.EXE;.BAT;.CMD"  # what PATHEXT is where nobody has set it
LONGEST_COMMAND = 32_767  # characters that CreateProcess takes, its final NUL included
LONGEST_BATCH = 8_191  # that cmd.exe takes
# As they are, these mean nothing to cmd.exe and to whoever splits at spaces.
_PLAIN = re.compile(r"[A-Za-z0-9#$*+\-./:?@\\_]+")
# Expands to nothing, and so ends what `%` would begin: of `cd` no letter is asked for.
_NOTHING = "%%cd:~,"


class NoCommand(Exception):
    """There is no such program: its name."""


class Unfit(Exception):
    """An argument can't be handed to a program; says why."""


class CommandLine(NamedTuple):
    """What CreateProcess is given."""

    program: str  # the whole path
    text: str


def command_line(
    words: Sequence[str],
    *,
    shell: bool,
    folder: str,
    environment: Mapping[str, str],
    is_file: Callable[[str], bool],
) -> CommandLine:
    """Return how to execute a command.

    Args:
        words: program and arguments; one text if `shell`.
        shell: whether cmd.exe is to read the text.
        folder: that the process will work in.
        environment: that it will have; its PATH and PATHEXT are looked through.
        is_file: returns whether there is a file.

    Raises:
        NoCommand: nothing of that name is there.
        Unfit: no program could be told that.
    """
    cmd = _value(environment, "COMSPEC") or join(_value(environment, "SYSTEMROOT") or "C:\\Windows", _CMD)
    if shell:
        return CommandLine(cmd, _checked(f'"{cmd}" /d /s /c "{words[0]}"', LONGEST_BATCH))
    program = find(words[0], folder, environment, is_file)
    if splitext(program)[1].lower() in BATCH:
        # /e:ON, or `%cd:~,` is not understood; /v:OFF, or `!` is an expansion; /d: no AutoRun
        inner = " ".join([f'"{program}"', *map(quote_for_batch, words[1:])])
        return CommandLine(cmd, _checked(f'"{cmd}" /e:ON /v:OFF /d /c "{inner}"', LONGEST_BATCH))
    return CommandLine(program, _checked(subprocess.list2cmdline([program, *words[1:]]), LONGEST_COMMAND))


_CMD = "System32\\cmd.exe"


def find(name: str, folder: str, environment: Mapping[str, str], is_file: Callable[[str], bool]) -> str:
    """Return the path of a program; raises `NoCommand` if there is none.

    On PATH if it is a bare name, else from `folder`. Unlike cmd.exe this does not look into the folder for a
    bare name: what a project happens to contain as `git.cmd` is not git.
    """
    if '"' in name or not name.strip():
        raise NoCommand(name)
    if re.search(r"[\\/]", name) or isabs(name):
        places = [join(folder, name.replace("/", "\\"))]
    else:
        path = _value(environment, "PATH") or ""
        places = [join(folder, each.strip('"'), name) for each in path.split(";") if each]
    endings = [each for each in (_value(environment, "PATHEXT") or ENDINGS).split(";") if each]
    for place in places:
        for candidate in _candidates(place, endings):
            if is_file(candidate):
                return candidate
    raise NoCommand(name)


def _candidates(place: str, endings: Sequence[str]) -> Iterator[str]:
    """Yield a path as it is if it has an ending that can be executed, then with each of these.

    npm puts a shell script `npm` beside `npm.cmd`, which Windows can't execute.
    """
    if splitext(place)[1].lower() in {each.lower() for each in endings}:
        yield place
    yield from (place + each.lower() for each in endings)


def quote_for_batch(word: str) -> str:
    """Return an argument so that cmd.exe and the batch file's program both take it as one, and as text.

    Raises:
        Unfit: it has a line's end, which ends the command for cmd.exe, quoted or not.
    """
    if re.search(r"[\r\n]", word):
        raise Unfit("a line's end in an argument can't be handed to a batch file")
    if _PLAIN.fullmatch(word) and not word.endswith("\\"):
        return word
    quoted = re.sub(r'(\\*)"', r'\1\1""', word)  # a quote is doubled, and backslashes before it
    quoted = re.sub(r"(\\+)$", r"\1\1", quoted).replace("%", f"{_NOTHING}%")
    return f'"{quoted}"'


def _checked(text: str, most: int) -> str:
    if "\0" in text:
        raise Unfit("a command can't have a NUL character in it")
    if len(text) >= most:
        raise Unfit(f"the command has {len(text)} characters, expected at most {most - 1}")
    return text


def _value(environment: Mapping[str, str], name: str) -> str | None:
    """Return a variable: their names have no case here, and `Path` is a usual spelling."""
    return next((value for each, value in environment.items() if each.upper() == name), None)
