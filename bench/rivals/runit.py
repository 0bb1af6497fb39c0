"""runit, and s6 which is built like it: a process for each app, and one more that keeps these."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.rivals.base import Rival, await_end, parent
from bench.stamps import PATIENCE


class Runit(Rival):
    """runsvdir, with a runsv for each app."""

    name = "runit"

    def configure(self) -> None:
        """Write a folder with a `run` for each app."""
        for name, words in self.apps.items():
            self._write(name, words)
            if self.logged:
                (self.folder / "output" / name).mkdir(parents=True, exist_ok=True)
                self._write(f"{name}/log", self.logger(name))

    def logger(self, name: str) -> Sequence[str]:
        """Return what keeps an app's output: with a time before each line, since procman knows one too."""
        folder = self.folder / "output" / name
        (folder / "config").write_text("s10000000\nn1000\n")
        return [self._beside("svlogd") if self.peer is not None else "svlogd", "-tt", str(folder)]

    def start(self) -> None:
        """Begin runsvdir."""
        self._begin(self._beside("runsvdir"), str(self.folder / "service"))

    def stop(self) -> None:
        """`sv stop`."""
        self._tell(self._beside("sv"), "-w", "10", "stop", *self._services())

    def status(self) -> None:
        """`sv status`."""
        self._tell(self._beside("sv"), "status", *self._services())

    def edit(self, name: str, words: Sequence[str]) -> None:
        """`sv restart`."""
        self._write(name, words)
        self._tell(self._beside("sv"), "restart", str(self.folder / "service" / name))

    def files(self, name: str) -> list[Path]:
        """Return the logger's files."""
        folder = self.folder / "output" / name
        return [*sorted(folder.glob("@*")), folder / "current"]

    def owners(self, apps: set[int]) -> set[int]:
        """Return the parents of the apps: there is one for each."""
        return {above for app in apps if (above := parent(app)) is not None}

    def quit(self) -> None:
        """HUP: runsvdir ends every runsv, and each its app."""
        self._end_process(signal.SIGHUP)

    def _write(self, name: str, words: Sequence[str]) -> None:
        folder = self.folder / "service" / name
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / "run.new"
        fresh.write_text(f"#!/bin/sh\nexec {shlex.join(words)}\n")
        fresh.chmod(0o755)
        os.replace(fresh, folder / "run")

    def _services(self) -> list[str]:
        return [str(self.folder / "service" / name) for name in self.apps]


class S6(Runit):
    """s6-svscan, with an s6-supervise for each app."""

    name = "s6"

    def logger(self, name: str) -> Sequence[str]:
        """Return s6-log, with a time before each line."""
        program = self._beside("s6-log") if self.peer is not None else "s6-log"
        return [program, "t", "s10000000", "n1000", str(self.folder / "output" / name)]

    def start(self) -> None:
        """Begin s6-svscan, for up to 2,000 of its processes."""
        self._begin(self._beside("s6-svscan"), "-c", "2000", str(self.folder / "service"))

    def stop(self) -> None:
        """`s6-svc -d` for each, and a wait for each."""
        self._each(f"{self._beside('s6-svc')} -wD -T 10000 -d")

    def status(self) -> None:
        """`s6-svstat` for each."""
        self._each(self._beside("s6-svstat"))

    def edit(self, name: str, words: Sequence[str]) -> None:
        """`s6-svc -r`."""
        self._write(name, words)
        self._tell(self._beside("s6-svc"), "-r", str(self.folder / "service" / name))

    def quit(self) -> None:
        """`s6-svscanctl -t`."""
        self._tell(self._beside("s6-svscanctl"), "-t", str(self.folder / "service"))
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                await_end(self._process, PATIENCE)
        self._end_process()

    def _each(self, command: str) -> None:
        self._tell(
            "sh", "-c", f'for each in "$@"; do {command} "$each" & done; wait', "sh", *self._services()
        )
