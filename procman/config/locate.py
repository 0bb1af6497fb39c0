"""Where the project's file is. Every command asks this first, so nothing but `os` is imported."""

from __future__ import annotations

import os

NAMES = ("portwatch.toml", "Procfile")  # the first wins, wherever above it lies
_SOCKET = os.path.join(".procman", "control.sock")


class NoFile(Exception):
    """No file was named, and none was found; `hint` says what to do."""

    hint = "`procman init` writes a `portwatch.toml` from what it finds here; `-f` names another file"


def find_file(explicit: str | None = None) -> str:
    """Return the absolute path of the project's file, which need not exist when it was named.

    Args:
        explicit: what `--file` says; then comes `PROCMAN_FILE`, then the search upwards.

    Raises:
        NoFile: nothing was named and nothing found.
    """
    named = explicit or os.environ.get("PROCMAN_FILE")
    try:
        if named:
            return os.path.abspath(named)
        here = os.getcwd()
    except FileNotFoundError as error:
        raise NoFile("the current folder does not exist any more") from error
    found = search(here)
    if found is None:
        raise NoFile("no `portwatch.toml` and no `Procfile` here or in any folder above")
    return found


def search(folder: str) -> str | None:
    """Return the project's file in `folder` or the nearest folder above it, or None.

    Whatever has the name counts, be it a folder or a link that leads nowhere: reading it says what is wrong.
    A file that was deleted while its manager runs is still where the manager's socket is.
    """
    for name in NAMES:
        for each in _upwards(folder):
            if os.path.lexists(os.path.join(each, name)):
                return os.path.join(each, name)
    for each in _upwards(folder):
        if os.path.lexists(os.path.join(each, _SOCKET)):
            return os.path.join(each, NAMES[0])
    return None


def _upwards(folder: str) -> list[str]:
    folders = [os.path.abspath(folder)]
    while (parent := os.path.dirname(folders[-1])) != folders[-1]:
        folders.append(parent)
    return folders
