"""The calls of Windows that its host is made of, as few as can be; `win32_calls.py` makes them.

All that is decided about them is in `host.py`, which the tests run on Linux against a simulated kernel
that keeps this contract (`tests/fakes/windows.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, NewType, Protocol

Handle = NewType("Handle", int)

CONTROL_C_EXIT = 0xC000013A  # the exit code of whom Ctrl-C or Ctrl-Break has ended
# winerror.h
FILE_NOT_FOUND = 2
PATH_NOT_FOUND = 3
TOO_MANY_OPEN_FILES = 4
ACCESS_DENIED = 5
NOT_ENOUGH_MEMORY = 8
BAD_FORMAT = 193
DIRECTORY = 267  # the folder's name is none
ELEVATION_REQUIRED = 740
NO_SYSTEM_RESOURCES = 1450


class CallFailed(Exception):
    """A call has failed, with this code of winerror.h."""

    def __init__(self, code: int, call: str) -> None:
        super().__init__(f"{call}: error {code}")
        self.code = code


class Birth(NamedTuple):
    """A process that was started."""

    pid: int
    process: Handle
    started: int  # microseconds since 1970


class Seen(NamedTuple):
    """A process in the system's list."""

    pid: int
    parent: int  # who has started it; it may be long gone, and its number another's
    started: int
    name: str


class Win32(Protocol):
    """The kernel. A method that does not say otherwise raises `CallFailed`."""

    def is_file(self, path: str) -> bool:
        """Return whether there is a file."""
        ...

    def create_process(
        self,
        program: str,
        command: str,
        environment: Mapping[str, str],
        folder: str,
        standard: tuple[int, int, int],
        job: Handle | None,
    ) -> Birth:
        """Start a process in a job, with a console of its own that is not seen, and a group of its own.

        It executes nothing before it is in the job. `standard` are file descriptors of this process, which
        are all that it inherits; negative ones are as for `subprocess`: -3 is nothing.
        """
        ...

    def open_process(self, pid: int) -> Handle | None:
        """Return a handle to wait for a process and to end it; None if there is none of that number."""
        ...

    def started(self, process: Handle) -> int:
        """Return when a process was born, in microseconds since 1970."""
        ...

    def exit_code(self, process: Handle) -> int | None:
        """Return the code that a process has ended with, or None while it lives."""
        ...

    def terminate(self, process: Handle, code: int) -> None:
        """End a process now, with this exit code."""
        ...

    def close(self, handle: Handle) -> None:
        """Give a handle back; raises nothing."""
        ...

    def when_ended(self, process: Handle, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback`, in any thread, once the process has ended; return what calls it off."""
        ...

    def create_job(self, name: str) -> Handle:
        """Make a job that nothing ends but itself: its processes outlive every handle of it."""
        ...

    def open_job(self, name: str) -> Handle | None:
        """Return a job by its name, which it has as long as somebody has a handle of it."""
        ...

    def share_job(self, job: Handle, process: Handle) -> None:
        """Give a process of the job a handle of it, which its children inherit: that keeps the job's name."""
        ...

    def lend(self, descriptor: int, process: Handle) -> None:
        """Give a process a handle of what one of our descriptors stands for; it never learns of it."""
        ...

    def job_pids(self, job: Handle) -> list[int]:
        """Return the living processes of a job."""
        ...

    def terminate_job(self, job: Handle, code: int) -> None:
        """End all processes of a job at one blow."""
        ...

    def interrupt(self, pid: int, group: int) -> list[int]:
        """Send Ctrl-Break to a group in the console of process `pid`; return all pids in that console."""
        ...

    def processes(self, only: int | None = None) -> list[Seen]:
        """Return the processes of the machine that live, or the one of that number."""
        ...

    def asleep(self) -> float:
        """Return for how many seconds the machine was suspended since its boot; raises nothing."""
        ...

    def boot(self) -> str:
        """Return what names the present boot, or nothing; raises nothing."""
        ...
