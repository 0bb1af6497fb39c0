"""What `procman status` prints, without click, whose import takes as long as all else that it does."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from procman.cli import render, talk


def show(document: Mapping[str, Any], *, wide: bool = False) -> None:
    """Print the table of all apps, and what to type where one of them is not well."""
    coloured, width = talk.wants_colour(sys.stdout), talk.width(sys.stdout)
    print(render.status(document, now=time.time(), width=width, coloured=coloured, wide=wide))
    sys.stdout.flush()  # before the hint, which goes to stderr
    unwell = render.unwell(document["apps"])
    if unwell is not None:
        talk.hint(f"`procman why {unwell}` tells how it came to that")
