"""Which values are never shown: those whose name, or whose own text, says that they are a secret."""

from __future__ import annotations

import re

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
