"""The service of a project, as a command finds and changes it on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NoReturn

from procman.control.ask import Lost, NotRunning, Refused
from procman.control.beginning import MANAGER
from procman.control.client import call
from procman.control.protocol import Request
from procman.engine.local import NotDone, service_manager, services_of
from procman.engine.service import DIALECTS, Installation, Told, Wish, describe

__all__ = [
    "DIALECTS",
    "Installation",
    "NotDone",
    "Told",
    "Wish",
    "become_manager",
    "open_service",
    "running_manager",
    "start_of_service",
    "text_for",
]


def open_service(file: str, *, system: bool) -> Installation:
    """Return the service of a project, be it installed or not; raises `NotDone` where there can be none."""
    return Installation(service_manager(system=system), file)


def start_of_service(file: str) -> tuple[str, str] | None:
    """Return the service that is installed for a project and the command that starts it, or None."""
    service = next((each for each in services_of(file) if each.is_there), None)
    return None if service is None else (service.name, service.manager.spell("start", service.name))


def text_for(kind: str, wish: Wish, name: str) -> str:
    """Return the file of a service as another kind of service manager has it."""
    return DIALECTS[kind].write(describe(wish, name, kind))


def running_manager(home: str) -> int | None:
    """Return the pid of the project's manager, whoever started it, or None."""
    try:
        *_, answer = call(home, Request("ping"))
    except (NotRunning, Lost, Refused):
        return None
    return int(answer["pid"])


def become_manager(file: str, home: str) -> NoReturn:
    """Become the manager of a project, as a service: the same process, which its service manager knows."""
    words = [*MANAGER, "--file", file, "--home", home, "--ready", "-1", "--then", "up"]
    sys.stdout.flush()
    if os.name == "nt":  # what is called exec there is a new process, and the end of the old one
        sys.exit(subprocess.call(words))
    os.execv(words[0], words)
