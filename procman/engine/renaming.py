"""A new name for an app that goes on: its log and the pipes of its run get it, its processes keep the marker.

Between closing the pipes and opening them again nothing is lost: an app has them open itself, and the kernel
keeps what nobody has read.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from procman.engine import output
from procman.engine.supervised import Supervised
from procman.host.outputs import fifo


def move_files(home: Path, supervised: Supervised, new: str) -> bool:
    """Close the files of an app, give them its new name, and return whether that was possible.

    If not, they have their old names: a log that another app of the new name has left is in the way, or the
    system refuses. The app can go on then, and nobody reads its pipes before `Capture.end`.

    Args:
        home: the state folder.
        supervised: the app, under its old name still.
        new: the name that it is to have.
    """
    if os.path.lexists(home / "logs" / new):
        return False
    output.unfollow(supervised)
    supervised.capture.close()
    moved: list[tuple[str, str]] = []
    try:
        for source, target in _pairs(home, supervised, new):
            if os.path.exists(source):  # an app that has printed nothing has no log
                os.rename(source, target)
                moved.append((source, target))
    except OSError:
        with contextlib.suppress(OSError):
            for source, target in moved:
                os.rename(target, source)
            go_on(supervised)
        return False
    return True


def go_on(supervised: Supervised) -> None:
    """Open the pipes of an app's run again, if it has one.

    Raises:
        OSError: they can't be opened.
    """
    if supervised.run is not None:
        supervised.capture.adopt(supervised.app.generation)


def _pairs(home: Path, supervised: Supervised, new: str) -> list[tuple[str, str]]:
    """Return each path of an app, and what it is to be."""
    old, run = supervised.name, supervised.app.generation
    before, after = (fifo.RunFifos.of(home / "run", name, run) for name in (old, new))
    pipes = [(before.stdout, after.stdout), (before.stderr, after.stderr)]
    logs = home / "logs"
    return [(str(logs / old), str(logs / new)), *(pipes if supervised.run is not None else ())]
