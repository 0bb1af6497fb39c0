"""circus."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.rivals.base import Rival


class Circus(Rival):
    """circusd and circusctl, over sockets in the folder."""

    name = "circus"
    bare = (sys.executable, "-c", "pass")
    period = 5.0

    def configure(self) -> None:
        """Write circus.ini."""
        head = (
            f"[circus]\nendpoint = ipc://{self.folder}/e\npubsub_endpoint = ipc://{self.folder}/p\n"
            "statsd = False\n"
        )
        watchers = "".join(
            f"[watcher:{name}]\ncmd = {words[0]}\nargs = {shlex.join(words[1:])}\n" + self._log(name)
            for name, words in self.apps.items()
        )
        (self.folder / "circus.ini").write_text(head + watchers)

    def start(self) -> None:
        """Begin it in the foreground."""
        self._begin(self._beside("circusd"), "circus.ini")

    def stop(self) -> None:
        """`circusctl stop --waiting`."""
        self._control("stop", "--waiting")

    def status(self) -> None:
        """`circusctl status`."""
        self._control("status")

    def edit(self, name: str, words: Sequence[str]) -> None:
        """`circusctl reloadconfig`."""
        self.apps[name] = words
        self.configure()
        self._control("reloadconfig")

    def files(self, name: str) -> list[Path]:
        """Return the file of its stream."""
        return [self.folder / f"{name}.out"]

    def _log(self, name: str) -> str:
        """Return a stream into a file; it keeps no output where none is named."""
        path = self.folder / f"{name}.out"
        return f"stdout_stream.class = FileStream\nstdout_stream.filename = {path}\n" if self.logged else ""

    def _control(self, *words: str) -> None:
        self._tell(self._beside("circusctl"), "--endpoint", f"ipc://{self.folder}/e", *words)
