"""Starts the manager in the background, at most one for each project.

The manager is always a process of its own, in its own session: the terminal that `up` was typed in may close,
and Ctrl-C in it reaches the command alone.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from procman.control import endpoint
from procman.control.ask import NotRunning
from procman.control.client import call
from procman.control.protocol import Request
from procman.core.identity import FOR_THE_MANAGER, MARKER

# -P: with -m alone the project's folder would come first on the path, and a `json.py` in it be imported
MANAGER = (sys.executable, "-P", "-m", "procman.manager")
PATIENCE = 10.0  # seconds for a manager that somebody else is starting to answer
BUSY = 0.5  # seconds to reach it before we try again to be it: the holder of the claim may be ending
RETRY = 0.02  # seconds between attempts to reach it
LAST_LINES = 10  # of the manager's own log, when it ended before it was ready


class LaunchFailed(Exception):
    """No manager could be started; `code` is the exit code that this is worth."""

    def __init__(self, message: str, code: int = 1, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Manager:
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

    Raises:
        LaunchFailed: it could not be started, or does not answer.
    """
    deadline = time.monotonic() + patience
    words = [*(command or MANAGER), "--file", file, "--home", home, *(("--then", then) if then else ())]
    manager = _reach_within(home, 0.0)
    while manager is None:
        process, answer = _start(file, home, words)
        if answer.get("ready"):
            return _reach(home, process)
        _demand_busy(answer, process.wait(), home)
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


def _start(file: str, home: str, words: Sequence[str]) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    try:
        endpoint.prepare_home(home)
        return _spawn(file, home, words)
    except OSError as error:
        hint = "`PROCMAN_HOME` names another folder for what procman keeps"
        raise LaunchFailed(f"can't use the folder `{home}`: {error.strerror}", hint=hint) from error


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


def _spawn(file: str, home: str, words: Sequence[str]) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """Start a manager, and return it with what it says once it is ready or knows that it won't be."""
    read, write = os.pipe()
    # A manager belongs to no run and to no service, though `up` may have been typed inside one.
    not_ours = {MARKER, *FOR_THE_MANAGER}
    environment = {name: value for name, value in os.environ.items() if name not in not_ours}
    try:
        with open(os.path.join(home, endpoint.LOG), "ab", opener=_not_elsewhere) as log:
            process = _begun(words, write, os.path.dirname(file), environment, log)
    except BaseException:
        os.close(read)
        raise
    finally:
        os.close(write)
    try:
        with open(read, "rb") as pipe:
            line = pipe.readline()
    except BaseException:  # Ctrl-C: nobody would know of the manager
        process.terminate()
        process.wait()
        raise
    return process, json.loads(line) if line.endswith(b"\n") else {}


def _begun(
    words: Sequence[str], ready: int, folder: str, environment: dict[str, str], log: BinaryIO
) -> subprocess.Popen[bytes]:
    """Start a manager; raises `LaunchFailed`, as what fails here is not for want of its state folder."""
    try:
        return _detached(words, ready, folder, environment, log)
    except OSError as error:
        hint = "its user or its cgroup has as many processes as it may: see `ulimit -u` and `pids.max`"
        raise LaunchFailed(
            f"no manager can be started by `{words[0]}`: {error.strerror}",
            hint=hint if error.errno == errno.EAGAIN else None,
        ) from error


def _detached(
    words: Sequence[str], ready: int, folder: str, environment: dict[str, str], log: BinaryIO
) -> subprocess.Popen[bytes]:
    """Start a manager that has nothing to do with this terminal, and can write to the descriptor `ready`."""
    common: dict[str, Any] = {
        "cwd": folder,
        "env": environment,
        "stdin": subprocess.DEVNULL,
        "stdout": log,
        "stderr": log,
    }
    process: subprocess.Popen[bytes]
    if sys.platform != "win32":
        arguments = [*words, "--ready", str(ready)]
        process = subprocess.Popen(arguments, pass_fds=[ready], start_new_session=True, **common)
        return process
    import msvcrt

    handle = msvcrt.get_osfhandle(ready)
    os.set_handle_inheritable(handle, True)
    arguments = [*words, "--ready", str(handle)]
    startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": [handle]})
    flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
    # Out of the job of the terminal, whose end would be ours too; some jobs let nobody out.
    for way in (flags | subprocess.CREATE_BREAKAWAY_FROM_JOB, flags):
        with contextlib.suppress(PermissionError):
            process = subprocess.Popen(arguments, startupinfo=startup, creationflags=way, **common)
            return process
    raise PermissionError(errno.EACCES, "no process can be started", words[0])


def receive_ready(option: str) -> int:
    """Return the descriptor that `--ready` stands for: Windows passes on handles."""
    if sys.platform == "win32" and option != "-1":
        import msvcrt

        return msvcrt.open_osfhandle(int(option), os.O_WRONLY)
    return int(option)


def _not_elsewhere(path: str, flags: int) -> int:
    """Open a file for its owner only, where it is and not where a link leads."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)


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
