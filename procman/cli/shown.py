"""What `procman status` prints, without click, whose import takes as long as all else that it does."""

from __future__ import annotations

import sys
import time

from procman.cli import render, talk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def show(document: Mapping[str, Any], *, wide: bool = False) -> None:
    """Print the table of all apps, and what to type where one of them is not well."""
    coloured, width = talk.wants_colour(sys.stdout), talk.width(sys.stdout)
    print(render.status(document, now=time.time(), width=width, coloured=coloured, wide=wide))
    sys.stdout.flush()  # before the hint, which goes to stderr
    unwell = render.unwell(document["apps"])
    if unwell is not None:
        talk.hint(f"`procman why {unwell}` tells how it came to that")


def show_apps(apps: Sequence[Mapping[str, Any]]) -> None:
    """Print the table of some apps."""
    coloured, width = talk.wants_colour(sys.stdout), talk.width(sys.stdout)
    print(render.table(apps, now=time.time(), width=width, coloured=coloured), flush=True)
