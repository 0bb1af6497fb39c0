"""Which files an app's `watch` means, and which folders need not be looked into for that."""

from __future__ import annotations

import posixpath
import re

from procman.core.frozen import Frozen
from procman.core.globs import Glob, read_glob

# What tools write, and nobody edits. A pattern that begins in one of these folders means it all the same.
IGNORED_FOLDERS = frozenset(
    (
        "node_modules", "bower_components", ".git", ".hg", ".svn", ".procman", "__pycache__", ".venv", "venv",
        ".tox", ".mypy_cache", ".pytest_cache", ".ruff_cache", "dist", "build", "out", "target", "coverage",
        ".next", ".nuxt", ".output", ".svelte-kit", ".astro", ".angular", ".turbo", ".parcel-cache", ".vite",
        ".cache", ".nyc_output", ".idea", ".vscode",
    )
)  # fmt: skip
# Backups, swap files, vim's test whether a folder can be written to, what Emacs, JetBrains and GNOME leave.
IGNORED_FILES = re.compile(
    r".*~|\..*\.sw[a-z]|4913|\.#.*|#.*#|.*\.tmp|.*___jb_(tmp|old)___|\.goutputstream-.*|.*\.pyc|.*\.log|\.DS_Store"
)


class _Pattern(Frozen):
    """A pattern, and the absolute path of the folder that it begins in."""

    folder: str
    glob: Glob

    def matches(self, path: str) -> bool:
        """Return whether an absolute path is meant."""
        inside = f"{self.folder.rstrip('/')}/"
        return path.startswith(inside) and self.glob.matches(path[len(inside) :])


class Watched:
    """The files that an app's `watch` means.

    Args:
        cwd: the absolute path of the app's folder.
        watch: patterns, relative to it.
        ignore: patterns of what does not count.
        state: the absolute path of the folder in which our own files are.
    """

    def __init__(self, cwd: str, watch: tuple[str, ...], ignore: tuple[str, ...], state: str) -> None:
        self._watch = tuple(_placed(cwd, each) for each in watch)
        self._ignore = tuple(_placed(cwd, each) for each in ignore)
        self._state = state
        begins = sorted({each.folder for each in self._watch})
        self.folders = tuple(each for each in begins if not self._is_seen_from(begins, each))

    def wants(self, path: str) -> bool:
        """Return whether a change of the file at this absolute path counts."""
        folder, name = posixpath.split(path)
        return (
            not IGNORED_FILES.fullmatch(name)
            and any(each.matches(path) and self._leads(each.folder, folder) for each in self._watch)
            and not any(each.matches(path) for each in self._ignore)
        )

    def enters(self, folder: str) -> bool:
        """Return whether there may be files that count in this folder below one of `folders`."""
        reached = any(self._leads(each.folder, folder) for each in self._watch)
        return reached and not any(each.matches(folder) for each in self._ignore)

    def _leads(self, begin: str, folder: str) -> bool:
        """Return whether nothing that is ignored lies between the begin of a pattern and a folder in it."""
        if folder == begin:
            return True
        if begin.startswith(f"{folder.rstrip('/')}/"):  # on the way to it
            return True
        inside = f"{begin.rstrip('/')}/"
        if not folder.startswith(inside) or folder == self._state or folder.startswith(f"{self._state}/"):
            return False
        return IGNORED_FOLDERS.isdisjoint(folder[len(inside) :].split("/"))

    def _is_seen_from(self, begins: list[str], folder: str) -> bool:
        """Return whether who looks into another of these folders comes by this one."""
        return any(
            folder.startswith(f"{other.rstrip('/')}/") and self._all_lead(other, folder)
            for other in begins
            if other != folder
        )

    def _all_lead(self, begin: str, folder: str) -> bool:
        inside = folder[len(begin.rstrip("/")) + 1 :].split("/")
        return IGNORED_FOLDERS.isdisjoint(inside)


def _placed(cwd: str, pattern: str) -> _Pattern:
    glob = read_glob(pattern)
    return _Pattern(posixpath.normpath(posixpath.join(cwd, glob.folder)), glob)
