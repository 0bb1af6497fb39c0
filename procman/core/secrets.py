"""Which values are never shown: those whose name, or whose own text, says that they are a secret."""

from __future__ import annotations

import re
from collections.abc import Iterable

WORDS = (
    "SECRET",
    "TOKEN",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "CREDENTIAL",
    "PRIVATE",
    "AUTH",
    "COOKIE",
    "DSN",
)
ENDINGS = ("KEY", "KEYS", "PASS", "PWD", "JWT")  # of a part of the name: `API_KEY`, `DB_PASS_2`
FOLDERS = ("PWD", "OLDPWD")  # what a shell calls the working folder, now and before
HIDDEN = "(hidden)"
_GIVEN = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)[\"']?\s*[=:]")  # `API_KEY = …`, `"token": …`


def is_secret(name: str) -> bool:
    """Return whether a variable of this name is taken for a secret: `API_KEY`, `DB_PASSWORD`, `NPM_TOKEN`."""
    upper = name.upper()
    if upper in FOLDERS:
        return False
    parts = (part.rstrip("0123456789") for part in re.split("[^A-Z0-9]+", upper))
    return any(word in upper for word in WORDS) or any(part.endswith(ENDINGS) for part in parts)


def hide(name: str, value: str) -> str:
    """Return what may be shown of a variable's value: nothing of a secret, nor of a text that holds one.

    A connection string does: `postgres://user:word@host/db`, `Server=db;Password=word`, `…?token=word`.
    """
    upper = value.upper()
    with_user = "://" in value and "@" in value
    with_secret = any(f"{word}=" in upper for word in WORDS)
    return HIDDEN if is_secret(name) or with_user or with_secret else value


def holds_secret(line: str) -> bool:
    """Return whether a line of a file gives a value to something that is taken for a secret."""
    return hide("", line) == HIDDEN or any(map(is_secret, _GIVEN.findall(line)))


def show_command(arguments: Iterable[str], most: int | None = None) -> str:
    """Return a command line on one line, with nothing in it that may not be shown.

    Hidden is what follows a secret's name, as in `API_KEY=word`, `--token=word` and `--token word`, and every
    word that holds a secret by itself. An argument of several words, as a shell is given, is taken apart.

    Args:
        arguments: the whole command line: a secret that is cut is not known any more.
        most: characters, until it is cut here.
    """
    shown: list[str] = []
    length = -1  # of what is shown, with spaces between
    follows = False  # whether the word before was the flag of a secret
    for word in " ".join(arguments).split():
        name, equals, value = word.partition("=")
        if follows and not word.startswith("-"):
            shown.append(HIDDEN)
        elif equals:
            shown.append(f"{name}={hide(name, value)}")
        else:
            shown.append(hide("", word) if "://" in word else word)  # what else hides a word has a `=` in it
        follows = word.startswith("-") and not equals and is_secret(name)
        length += 1 + len(shown[-1])
        if most is not None and length > most:
            return f"{' '.join(shown)[: most - 1]}…"
    return " ".join(shown)
