"""What a command finds out on this machine itself: who listens where, and what is wrong.

A manager is asked only for the runs that it has. The rest would be the same from there, but cost it time, and
a command that is run as root sees more than a manager that is not.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from procman.control import endpoint
from procman.control.ask import Lost, NotRunning, Refused
from procman.control.client import call
from procman.control.protocol import Frame, Request
from procman.core.config import AppConfig
from procman.engine.adoption import newest_runs
from procman.engine.doctor import Patient, Reached, examine
from procman.engine.findings import Finding, Grade
from procman.engine.freeing import Freed, Freeing, Permit, permit, targets
from procman.engine.local import services_of, this_machine, variables_of
from procman.engine.ports import Current, Holding, last_sign, look, rows, tell_apart
from procman.engine.runs import project_mark

__all__ = [
    "Finding",
    "Freed",
    "Grade",
    "Holding",
    "Permit",
    "Unreadable",
    "end_holders",
    "examine_here",
    "find_holdings",
    "living_apps",
    "permit",
    "rows",
    "variables_of",
]


class Unreadable(Exception):
    """Who listens can't be told here: no netlink, no `/proc/net`, no `lsof`."""


def find_holdings(home: str | None) -> tuple[Holding, ...]:
    """Return who listens on this machine, by port, and whose that is.

    Args:
        home: the state folder of the project, or None outside of any.

    Raises:
        Unreadable: the system does not tell.
        Lost: a manager runs and does not answer.
        Refused: it does not know what it is asked for.
    """

    async def find() -> tuple[Holding, ...]:
        with this_machine() as host:
            sight = look(host, None if home is None else project_mark(Path(home)))
            if sight is None:
                raise Unreadable
            # In this order: what a run has that begins after the look was not seen in it.
            current = None if home is None else _runs(home)
            return tell_apart(host, sight, current, None if home is None else last_sign(Path(home)))

    return asyncio.run(find())


def end_holders(port: int, holdings: Sequence[Holding], apps: Mapping[str, AppConfig]) -> Freed:
    """End what holds a port, and return what became of it; at the latest when SIGKILL has not helped.

    Args:
        port: what is to be free.
        holdings: who holds it, as found before; a process that has got the pid of one since then is safe.
        apps: how an app's processes are stopped, by its name.
    """

    async def end() -> Freed:
        done = asyncio.get_running_loop().create_future()
        with this_machine() as host:
            Freeing(host, port, targets(holdings, apps), done.set_result).begin()
            freed: Freed = await done
            return freed

    return asyncio.run(end())


def living_apps(home: str) -> tuple[str, ...]:
    """Return the apps of which a process lives, be there a record of it or not, by the names they had."""

    async def find() -> set[str]:
        with this_machine() as host:
            return set(newest_runs(host.marked(project_mark(Path(home))), {})[0])

    return tuple(sorted(asyncio.run(find())))


def examine_here(file: str, home: str) -> list[Finding]:
    """Return what is right and wrong with the project, its manager and this machine."""
    manager, silence = _reach(home)

    async def run() -> list[Finding]:
        with this_machine() as host:
            folder = Path(home)
            socket = folder / endpoint.SOCKET
            services = services_of(file)
            patient = Patient(host, file, folder, socket, os.environ, manager, silence, services)
            return list(examine(patient))

    return asyncio.run(run())


def _runs(home: str) -> tuple[Current, ...] | None:
    """Return the runs that the manager has, or None if there is no manager."""
    try:
        return _current(_last(home, "runs"))
    except NotRunning:
        return None


def _reach(home: str) -> tuple[Reached | None, str | None]:
    """Return the manager, or why there is one that can't be asked."""
    try:
        answer = _last(home, "ping")
        pid, version, file = answer["pid"], answer["version"], answer["file"]
    except NotRunning:
        return None, None
    except (Lost, Refused) as error:
        return None, str(error)
    try:
        return Reached(pid, version, file, _current(_last(home, "runs"))), None
    except (NotRunning, Lost, Refused):  # it has just ended, or is of a version that does not know the verb
        return Reached(pid, version, file, None), None


def _last(home: str, verb: str) -> Frame:
    return [*call(home, Request(verb))][-1]


def _current(answer: Mapping[str, Any]) -> tuple[Current, ...]:
    return tuple(Current(each["app"], each["marker"], tuple(each["pids"])) for each in answer["runs"])
