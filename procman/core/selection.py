"""Which apps a command means: names, globs and `@tag`; nothing named means all.

The name of a table with several `instances` means all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from procman.core.config import AppConfig


class UnknownApp(Exception):
    """A pattern that matches no app, with the nearest name if one is near."""

    def __init__(self, pattern: str, known: Sequence[str]) -> None:
        self.pattern = pattern
        import difflib  # only a mistake pays for it

        self.suggestion = next(iter(difflib.get_close_matches(pattern, known, 1)), None)
        near = f"; did you mean `{self.suggestion}`?" if self.suggestion else ""
        names = ", ".join(f"`{name}`" for name in known) or "none"
        super().__init__(f"no app matches `{pattern}`{near} The apps here: {names}")


def select(patterns: Sequence[str], apps: Mapping[str, AppConfig]) -> tuple[str, ...]:
    """Return the names of the apps that `patterns` mean, in file order, each once.

    Raises:
        UnknownApp: a pattern matches nothing.
    """
    if not patterns:
        return tuple(apps)
    chosen: set[str] = set()
    for pattern in dict.fromkeys(patterns):
        if pattern.startswith("@"):
            matching = {name for name, app in apps.items() if pattern[1:] in app.tags}
        elif pattern in apps:  # no table has the name of another table's instance
            matching = {pattern}
        else:
            matching = {
                name
                for name, app in apps.items()
                if fnmatchcase(name, pattern) or fnmatchcase(app.table, pattern)
            }
        if not matching:
            raise UnknownApp(pattern, tuple(apps))
        chosen |= matching
    return tuple(name for name in apps if name in chosen)
