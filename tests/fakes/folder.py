"""A project folder for tests of commands: a file with three apps, logs, and a terminal to type in."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from procman.core.config import LogBudget
from procman.logs.segments import Stream
from procman.logs.store import Store

REPOSITORY = Path(__file__).parents[2]
FAKE_MANAGER = (sys.executable, "-m", "tests.fakes.manager")
EXAMPLE = """\
[apps.api]
command = "node server.js"
port = 3000
tags = ["back"]

[apps.web]
command = "npm run dev"
port = 5173
depends_on = ["api"]

[apps.worker]
command = "node worker.js"
tags = ["back"]
"""
# `procman` with the fake manager instead of the real one; the terminal is its own, so that Ctrl-C reaches it.
_IN_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from procman.cli import entry
from procman.control import beginning
from tests.fakes.folder import FAKE_MANAGER
beginning.MANAGER = FAKE_MANAGER
sys.exit(entry.main())
"""


def write_log(
    home: Path, app: str, text: bytes, at: float, *, stream: Stream = Stream.OUT, run: int = 1
) -> None:
    """Append what an app has printed to its log."""
    store = Store(home / "logs" / app, LogBudget(), lambda: at)
    read, write = os.pipe()
    try:
        os.write(write, text)
        store.begin(run)
        store.take(read, stream, 1 << 16)
    finally:
        os.close(read)
        os.close(write)
        store.close()


class Terminal:
    """A command in a terminal of its own, 100 columns wide."""

    def __init__(self, words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._screen = inside = -1
        if sys.platform != "win32":
            self._screen, inside = pty.openpty()
        self._seen = ""
        same = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
        same |= {"COLUMNS": "100", "TERM": "xterm", "PYTHONPATH": str(REPOSITORY), **environment}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _IN_TERMINAL, *words],
            cwd=folder,
            env=same,
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
        )
        os.close(inside)

    def close(self) -> None:
        """End the command, if it has not ended by itself."""
        self.process.kill()
        self.process.wait()
        self.hang_up()

    def hang_up(self) -> None:
        """Close the terminal under the command."""
        if self._screen >= 0:
            os.close(self._screen)
            self._screen = -1

    def type(self, text: str) -> None:
        """Press keys; `\\x03` is Ctrl-C."""
        os.write(self._screen, text.encode())

    def wait(self) -> int:
        """Return the exit code, once everything that the command has printed is read."""
        self._read_until(None)
        return self.process.wait(10)

    def expect(self, text: str) -> None:
        """Read until the command has printed a text, and fail if it does not."""
        self._read_until(text)

    def peek(self) -> str:
        """Return what was printed so far, without waiting for more."""
        while self._screen >= 0 and select.select([self._screen], [], [], 0)[0]:
            self._seen += os.read(self._screen, 1 << 16).decode(errors="replace")
        return self.shown

    @property
    def coloured(self) -> str:
        """All that was printed, as it was."""
        return self._seen

    @property
    def shown(self) -> str:
        """All that was printed, without colours."""
        return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", self._seen).replace("\r\n", "\n")

    def _read_until(self, text: str | None) -> None:
        deadline = time.monotonic() + 20
        while text is None or text not in self.shown:
            if not select.select([self._screen], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"no {text!r} in:\n{self.shown}")
            try:
                chunk = os.read(self._screen, 1 << 16)
            except OSError:  # the last process that had it open has ended
                chunk = b""
            if not chunk:
                if text is None:
                    return
                raise AssertionError(f"no {text!r} in:\n{self.shown}")
            self._seen += chunk.decode(errors="replace")
