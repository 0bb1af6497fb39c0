"""A manager's process, from the outside: how it begins, and loads before it is told that it is wanted.

It is always a process of its own, in its own session: the terminal that `up` was typed in may close, and
Ctrl-C in it reaches the command alone.

A manager takes 0.1 s to load, and so does a command to find out whether the file is valid and what is meant.
With two processors both go on at once: the process begins first, and reads a byte from its stdin before it
does anything that others could notice. Whoever has begun it may end without a word: then it ends too.

Light, as `ask`: what is imported here the manager waits for.
"""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys

from procman.control import endpoint
from procman.control.ask import Lost, NotRunning, connect
from procman.core.identity import FOR_THE_MANAGER, MARKER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, BinaryIO

# -P: with -m alone the project's folder would come first on the path, and a `json.py` in it be imported
MANAGER = (sys.executable, "-P", "-m", "procman.manager")


class LaunchFailed(Exception):
    """No manager could be started; `code` is the exit code that this is worth."""

    def __init__(self, message: str, code: int = 1, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint


class Begun:
    """A manager's process that was not told yet whether it is wanted; `ready` is where it answers then."""

    def __init__(self, process: subprocess.Popen[bytes], ready: int) -> None:
        assert process.stdin is not None, "it is begun with a pipe"
        self.process = process
        self._stdin = process.stdin
        self._ready = ready

    def go(self) -> dict[str, Any]:
        """Let it be the manager, and return what it says once it is ready or knows that it won't be."""
        from json import loads

        try:
            with contextlib.suppress(BrokenPipeError):  # it has ended, and said why
                self._stdin.write(b"\n")
            self._stdin.close()
            with open(self._ready, "rb") as pipe:
                line = pipe.readline()
        except BaseException:  # Ctrl-C: nobody would know of the manager
            self.process.terminate()
            self.process.wait()
            raise
        answer: dict[str, Any] = loads(line) if line.endswith(b"\n") else {}
        return answer

    def drop(self) -> None:
        """End it: it has done nothing yet."""
        self.process.kill()
        self.process.wait()
        self._stdin.close()
        os.close(self._ready)


def begin_early(file: str, home: str) -> Begun | None:
    """Return a manager that loads, or None where one runs; None too where `begin` will say why not."""
    try:
        connect(home).close()
    except NotRunning:
        try:
            return begin(file, home)
        except LaunchFailed:
            return None
    except Lost:
        return None
    return None


def begin(file: str, home: str, *, then: str | None = None, command: Sequence[str] | None = None) -> Begun:
    """Begin a manager's process; the arguments are those of `ensure_manager`.

    Raises:
        LaunchFailed: the state folder can't be used, or the program not be run.
    """
    words = [*(command or MANAGER), "--file", file, "--home", home, *(("--then", then) if then else ())]
    try:
        endpoint.prepare_home(home)
        return _spawn(file, home, words)
    except OSError as error:
        hint = "`PROCMAN_HOME` names another folder for what procman keeps"
        raise LaunchFailed(f"can't use the folder `{home}`: {error.strerror}", hint=hint) from error


def _spawn(file: str, home: str, words: Sequence[str]) -> Begun:
    read, write = os.pipe()
    # A manager belongs to no run and to no service, though `up` may have been typed inside one.
    not_ours = {MARKER, *FOR_THE_MANAGER}
    environment = {name: value for name, value in os.environ.items() if name not in not_ours}
    try:
        with open(os.path.join(home, endpoint.LOG), "ab", opener=_not_elsewhere) as log:
            process = _started(words, write, os.path.dirname(file), environment, log)
    except BaseException:
        os.close(read)
        raise
    finally:
        os.close(write)
    return Begun(process, read)


def _started(
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
        "stdin": subprocess.PIPE,
        "bufsize": 0,
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


def await_word() -> bool:
    """Return whether this manager is wanted by whoever has begun it; there is nothing on its stdin then."""
    told = bool(os.read(0, 1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return told


def _not_elsewhere(path: str, flags: int) -> int:
    """Open a file for its owner only, where it is and not where a link leads."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)
