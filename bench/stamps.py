"""The app that is supervised in every measurement, and what it says about itself."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

HERE = Path(__file__).parent
PIPES = 300
PATIENCE = 30.0  # s until a program that says nothing is taken for an error of the measurement


def now() -> int:
    """Return nanoseconds of the clock that the program reads too."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def ms(begin: int, end: int) -> float:
    """Return the milliseconds from one reading of the clock to another."""
    return (end - begin) / 1e6


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a program did, and when."""

    what: str  # `began`, `closed`; a talker's `talks` and `silent`
    pid: int
    at: int  # ns


class Stamps:
    """The FIFO into which programs write what they do."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)  # and so never at its end
        self._rest = b""
        self._pending: list[Stamp] = []

    def close(self) -> None:
        """Listen no longer."""
        os.close(self._descriptor)

    def take(self, count: int, patience: float = PATIENCE) -> list[Stamp]:
        """Return the next `count` stamps, oldest first, waiting `patience` seconds at most.

        Raises:
            TimeoutError: so many have not come.
        """
        until = time.monotonic() + patience
        while len(self._pending) < count:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._descriptor], [], [], left)[0]:
                raise TimeoutError(f"{len(self._pending)} of {count} programs have said something")
            self._read()
        taken, self._pending = self._pending[:count], self._pending[count:]
        return taken

    def waiting(self) -> list[Stamp]:
        """Return every stamp that has come and was not taken yet."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._read()
        return self.take(len(self._pending))

    def _read(self) -> None:
        """Read what has come.

        Raises:
            BlockingIOError: nothing has.
        """
        *lines, self._rest = (self._rest + os.read(self._descriptor, 65536)).split(b"\n")
        for line in lines:
            what, pid, at = line.decode().split()
            self._pending.append(Stamp(what, int(pid), int(at)))


def describe_folder() -> str:
    """Return where the projects of the measurements are, and what it costs there to make a file.

    A start makes three named pipes. ext4 takes 0.02 ms for one, and 0.6 ms where many were deleted within
    seconds, as in a busy /tmp: it looks at each of their inodes before it takes a free one.
    """
    with tempfile.TemporaryDirectory() as folder:
        begin = now()
        for number in range(PIPES):
            os.mkfifo(f"{folder}/{number}")
        each = ms(begin, now()) / PIPES
    return f"projects in {tempfile.gettempdir()}, where a named pipe takes {each:.2f} ms to make"


class Program:
    """The program, compiled in a folder of its own for as long as the context lasts."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="procman-bench-"))
        self._words, self.description = self._make()

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.folder)

    def command(self, stamps: Stamps, port: int | None = None) -> list[str]:
        """Return the words that start the program."""
        return [*self._words, str(stamps.path), *([] if port is None else [str(port)])]

    def _make(self) -> tuple[list[str], str]:
        binary, compiler = self.folder / "stamp", shutil.which("cc") or shutil.which("gcc")
        for linking in (["-static"], []) if compiler is not None else ():
            words = [str(compiler), "-O2", *linking, "-o", str(binary), str(HERE / "stamp.c")]
            if subprocess.run(words, capture_output=True, check=False).returncode == 0:
                return [str(binary)], "the apps are a small C program that reads the clock as its first act"
        fallback = [sys.executable, "-I", "-S", str(HERE / "stamp.py")]
        return (
            fallback,
            "no C compiler: the apps are in Python, whose own start (about 10 ms) is in the figures",
        )
