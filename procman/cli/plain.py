"""Commands as they are mostly typed, with apps and flags alone: they are done without click.

Its import takes 15 ms, and the machinery that it needs 10 more: half of what a `stop` took. Whatever else was
typed is for click to understand, or to explain.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

_JSON = {"--json": "as_json"}
_NO_WAIT = {"--no-wait": "no_wait"}
_FORCE = {"--force": "force"}
# The flags of each command, and what they are called in the code: some of those that click knows.
FLAGS = {
    "up": {"-d": "detach", "--detach": "detach", **_NO_WAIT, **_JSON},
    "down": {**_FORCE, **_JSON},
    "start": {**_NO_WAIT, **_JSON},
    "stop": {**_FORCE, **_NO_WAIT, **_JSON},
    "restart": {**_NO_WAIT, **_JSON},
}
# Whether it goes with names of apps, and without.
NAMES = {"up": (True, False), "down": (False,), "start": (True,), "stop": (True,), "restart": (True,)}
SETTING = "PROCMAN_LOG_FORMAT"  # an option of `up` that is typed once for all


def understand(words: Sequence[str]) -> tuple[str, dict[str, Any]] | None:
    """Return the command that `words` are, and its arguments; None where they may mean anything else."""
    verb, *rest = words or [""]
    known = FLAGS.get(verb)
    if known is None or (verb == "up" and SETTING in os.environ):
        return None
    apps = tuple(word for word in rest if not word.startswith("-"))
    flags = [word for word in rest if word.startswith("-")]
    if not all(flag in known for flag in flags) or bool(apps) not in NAMES[verb]:
        return None
    arguments: dict[str, Any] = {known[flag]: True for flag in flags}
    return verb, arguments if verb == "down" else {"apps": apps, **arguments}


def deed_of(words: Sequence[str]) -> Callable[[str | None], int] | None:
    """Return what does as `words` say with the project of a file; None where that is not understood here."""
    understood = understand(words)
    if understood is None:
        return None
    verb, arguments = understood
    if verb == "up":
        from procman.cli.bring_up import up

        return lambda file: up(file, **arguments)
    from procman.cli import deeds

    deed: Callable[..., int] = getattr(deeds, verb)
    return lambda file: deed(file, **arguments)
