"""What a service manager gives: the contract of systemd, launchd and the services of Windows."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

PATIENCE = 120.0  # seconds for a service manager to do what it was asked: a start waits for `READY`


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program of the system has said."""

    code: int
    out: str
    err: str


Ask = Callable[[Sequence[str], Mapping[str, str]], Answer]  # words, and variables beside those of ours


class NotDone(Exception):
    """The service manager did not do it; says why, and what to type."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What a service manager says of one service."""

    is_known: bool = False
    is_enabled: bool = False  # starts with the machine
    word: str = "not installed"  # its own word for what the service does: `active`
    pid: int | None = None  # of the manager
    text: str = ""  # what the manager says of itself
    error: str = ""  # how it ended last, if not well


class ServiceManager(Protocol):
    """What starts services with the machine, for one user or for all."""

    kind: str  # its name
    system: bool

    def folder(self) -> str:
        """Return the folder that has the file of each service."""
        ...

    def file_name(self, name: str) -> str:
        """Return the name of the file of a service."""
        ...

    def name_of(self, file_name: str) -> str:
        """Return the name of the service that has a file of this name."""
        ...

    def demand(self) -> None:
        """Return if services can be installed here.

        Raises:
            NotDone: they can't.
        """
        ...

    def enable(self, name: str) -> None:
        """Have a service start with the machine from now on, as its file says now; raises `NotDone`."""
        ...

    def start(self, name: str) -> None:
        """Start a service, and return when it is ready; raises `NotDone`."""
        ...

    def remove(self, name: str) -> None:
        """Stop a service, and have it start no more; raises `NotDone`."""
        ...

    def forget(self, name: str) -> None:
        """Take note that the file of a service is gone."""
        ...

    def state(self, name: str) -> ServiceState:
        """Return what it does."""
        ...

    def lingers(self) -> bool | None:
        """Return whether services of this user run while nobody is logged in; None where all do."""
        ...

    def linger(self) -> None:
        """Have services of this user run from the start of the machine on; raises `NotDone`."""
        ...

    def spell(self, verb: str, name: str) -> str:
        """Return what to type for `start`, `stop` or `status` of a service."""
        ...


def ask(words: Sequence[str], variables: Mapping[str, str]) -> Answer:
    """Run a program of the system and return what it says; 127 if it is not there."""
    try:
        done = subprocess.run(
            list(words),
            env={**os.environ, "LC_ALL": "C.UTF-8", **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
        )
    except FileNotFoundError:
        return Answer(127, "", f"there is no `{words[0]}` here")
    except subprocess.TimeoutExpired:
        return Answer(124, "", f"`{' '.join(words)}` has not ended for {PATIENCE:g}s")
    except OSError as error:
        return Answer(126, "", f"`{words[0]}` can't be run: {error.strerror}")
    return Answer(done.returncode, done.stdout, done.stderr)
