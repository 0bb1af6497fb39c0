"""Where the output of one run of an app passes through the state folder, whatever it passes through there."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Self

from procman.core.frozen import Frozen


class RunPaths(Frozen):
    """The names of what one run of an app prints into; `make` says what is there.

    Strings, as each run has others: `Path` interns every name, and CPython makes its table of those anew when
    some thousand have been there, three times as large (0.9 MB).
    """

    stdout: str
    stderr: str

    @classmethod
    def of(cls, folder: Path, app: str, generation: int) -> Self:
        """Return the paths for a run, whether or not anything is there."""
        stem = os.path.join(folder, f"{app}.{generation}")
        return cls(f"{stem}.out", f"{stem}.err")

    def create(self) -> None:
        """Make both, readable and writable by their owner only; what had their names is replaced.

        Raises:
            OSError: the folder is not there, or may not be written to; what was already made is removed.
        """
        try:
            for path in (self.stdout, self.stderr):
                self._make_anew(path)
        except OSError:
            self.remove()
            raise

    def _make_anew(self, path: str) -> None:
        try:
            self.make(path)
        except FileExistsError:
            with contextlib.suppress(OSError):
                os.unlink(path)
            self.make(path)

    def remove(self) -> None:
        """Take the names away. Who has either open keeps it; nobody can open it any more.

        A name that can't be removed stays: the next run has other names, so it is in nobody's way.
        """
        for path in (self.stdout, self.stderr):
            with contextlib.suppress(OSError):
                os.unlink(path)

    @staticmethod
    def make(path: str) -> None:
        """Make what the app is to print into; raises `OSError`."""
        raise NotImplementedError
