"""This machine, looked at by a command itself; faults come as `Failure`."""

from __future__ import annotations

import os
import sys

from procman.cli import exits
from procman.cli.failure import Failure
from procman.cli.project import Project, find_project
from procman.control.ask import Lost, Refused
from procman.control.local import Holding, Unreadable, find_holdings


def nearest_project(file: str | None) -> Project | None:
    """Return the project that is meant, or None outside of any: the machine can be looked at all the same."""
    try:
        return find_project(file)
    except Failure:
        return None


def look(project: Project | None) -> tuple[Holding, ...]:
    """Return who listens on this machine, by port."""
    try:
        return find_holdings(project.home if project is not None else None)
    except Unreadable as error:
        raise Failure(exits.FAILED, "this system does not tell who listens on its ports") from error
    except (Lost, Refused) as error:
        assert project is not None, "outside of a project no manager is asked"
        raise project.failure(error) from error


def who_sees_more() -> str:
    """Return where a process is that this user can't see, and who can."""
    if sys.platform == "win32":
        return "it is another user's, and an administrator would see more"
    if os.geteuid() == 0:
        return "it is outside of this container, or the kernel itself"
    return "it is another user's, and root would see more"
