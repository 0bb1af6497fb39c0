"""Sees to it that a project has a manager, at most one; how its process begins is in `beginning`."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from procman.control import endpoint
from procman.control.ask import NotRunning
from procman.control.beginning import Begun, LaunchFailed, begin
from procman.control.client import call
from procman.control.protocol import Request

PATIENCE = 10.0  # seconds for a manager that somebody else is starting to answer
BUSY = 0.5  # seconds to reach it before we try again to be it: the holder of the claim may be ending
RETRY = 0.02  # seconds between attempts to reach it
LAST_LINES = 10  # of the manager's own log, when it ended before it was ready


class Manager(NamedTuple):
    """A manager that answers; `process` if this command has started it."""

    pid: int
    file: str
    process: subprocess.Popen[bytes] | None

    @property
    def is_ours(self) -> bool:
        """Whether this command has started it."""
        return self.process is not None

    def reap(self) -> None:
        """Wait for the end of a manager that this command has started, once it is known to end."""
        if self.process is not None:
            self.process.wait()


def ensure_manager(
    file: str,
    home: str,
    *,
    then: str | None = None,
    command: Sequence[str] | None = None,
    patience: float = PATIENCE,
    begun: Begun | None = None,
) -> Manager:
    """Return the manager of a project, started if none runs.

    Two that are started at once agree through the lock in `home`: the second one says that it is busy and
    ends, and its client talks to the first.

    Args:
        file: absolute path of the project's file.
        home: its state folder, made here if need be.
        then: `down` for a manager that only ends what one before it has left.
        command: what to run instead of `procman.manager`; it gets the same options.
        patience: seconds until a manager that somebody else has started must answer.
        begun: one that loads already, and is ended if it is not needed.

    Raises:
        LaunchFailed: it could not be started, or does not answer.
    """
    deadline = time.monotonic() + patience
    manager = _reach_within(home, 0.0)
    if manager is not None and begun is not None:
        begun.drop()
    while manager is None:
        begun = begun or begin(file, home, then=then, command=command)
        answer = begun.go()
        if answer.get("ready"):
            return _reach(home, begun.process)
        _demand_busy(answer, begun.process.wait(), home)
        begun = None
        manager = _reach_within(home, BUSY)
        if manager is None and time.monotonic() > deadline:
            hint = f"`{os.path.join(home, endpoint.LOG)}` may say why"
            raise LaunchFailed(f"a manager holds `{home}`, and does not answer", hint=hint)
    return manager


def leaves_anything(home: str) -> bool:
    """Return whether a manager that is gone may have left running apps in this state folder."""
    try:
        return any(name.endswith(".json") for name in os.listdir(os.path.join(home, "run")))
    except OSError:
        return False


def _demand_busy(answer: dict[str, Any], code: int, home: str) -> None:
    """Return if a new manager has ended because there is one already; raise if it has failed."""
    if answer.get("busy"):
        return
    if "error" in answer:
        raise LaunchFailed(str(answer["error"]), int(answer.get("exit", 1)))
    raise LaunchFailed(
        f"the manager ended with code {code} before it was ready\n{_last_words(home)}".rstrip(),
        hint=f"`{os.path.join(home, endpoint.LOG)}` has all of it",
    )


def _reach(home: str, process: subprocess.Popen[bytes] | None) -> Manager:
    for frame in call(home, Request("ping")):
        if frame["type"] == "done":
            return Manager(frame["pid"], frame["file"], process)
    raise AssertionError("an answer ends with `done` or an exception")


def _reach_within(home: str, seconds: float) -> Manager | None:
    """Return the manager that runs, or that somebody else is starting, if it listens by then."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return _reach(home, None)
        except NotRunning:
            if time.monotonic() >= deadline:
                return None
        time.sleep(RETRY)


def _last_words(home: str) -> str:
    """Return the end of the manager's own log."""
    try:
        with open(os.path.join(home, endpoint.LOG), "rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - 8192))
            lines = log.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(f"  {line}" for line in lines[-LAST_LINES:])
