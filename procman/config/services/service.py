"""One manager that starts with the machine, whichever service manager it is that starts it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

FORMAT = 1  # of what is written; one with another is told by `procman doctor`
WATCHDOG = 60.0  # seconds without a heartbeat until a manager counts as hung
RESTART_AFTER = 2.0  # s; a start takes 0.3 s of CPU, so one that fails for ever takes a seventh of a core
ABORT_WITHIN = 10.0  # seconds for a manager that hangs to end by SIGABRT; it has nothing to finish


@dataclass(frozen=True, slots=True)
class Service:
    """What a service manager has to know."""

    name: str  # `procman-shop`
    file: str  # absolute path of the project's file
    program: tuple[str, ...]  # runs procman, and stays where it is when procman is upgraded
    stop_within: float  # seconds that a stop of all apps may take
    system: bool = False  # of the machine, not of one user
    user: str | None = None  # of a service of the machine: as whom it runs
    state: str | None = None  # `PROCMAN_HOME`, where that is set

    @property
    def folder(self) -> str:
        """The folder of the file."""
        return os.path.dirname(self.file)

    def command(self, *words: str) -> tuple[str, ...]:
        """Return a command of procman about this project."""
        return (*self.program, "-f", self.file, *words)

    @property
    def environment(self) -> dict[str, str]:
        """What the manager gets in its environment; node is found at each start of an app."""
        return {"PROCMAN_PATH": "auto", **({} if self.state is None else {"PROCMAN_HOME": self.state})}


def usual_name(file: str, *, taken: bool = False) -> str:
    """Return the name of the service of a file: after its folder, and with a digest if that name is taken."""
    folder = os.path.basename(os.path.dirname(file)).lower()
    name = f"procman-{re.sub(r'[^a-z0-9]+', '-', folder).strip('-') or 'project'}"
    return f"{name}-{hashlib.sha256(os.fsencode(file)).hexdigest()[:6]}" if taken else name


def differing(wanted: Mapping[str, object], found: Mapping[str, object]) -> list[str]:
    """Return what differs between two descriptions of a service, by key, in the order of the wanted one."""
    return [
        f"`{key}` is {_shown(found.get(key))}, not {_shown(wanted.get(key))}"
        for key in dict.fromkeys((*wanted, *found))
        if wanted.get(key) != found.get(key)
    ]


def _shown(value: object) -> str:
    return "not set" if value is None else f"`{value}`"
