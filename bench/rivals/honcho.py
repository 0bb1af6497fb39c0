"""honcho."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from bench.rivals.base import Rival


class Honcho(Rival):
    """honcho, which restarts nothing and stops with its apps."""

    name = "honcho"
    bare = (sys.executable, "-c", "pass")
    restarts = False
    flood = 1 / 16  # it takes some minutes of CPU for a GiB

    def configure(self) -> None:
        """Write a Procfile."""
        lines = (f"{name}: exec {shlex.join(words)}\n" for name, words in self.apps.items())
        (self.folder / "Procfile").write_text("".join(lines))

    def start(self) -> None:
        """`honcho start`, and `> out` if its output is to be kept: it prints all of it."""
        self._begin(self._beside("honcho"), "start", output=self.folder / "out" if self.logged else None)

    def stop(self) -> None:
        """SIGTERM."""
        self._end_process()

    def files(self, name: str) -> list[Path]:
        """Return the file that it prints into."""
        return [self.folder / "out"]
