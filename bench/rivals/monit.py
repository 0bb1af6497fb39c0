"""monit, which checks from outside what others have started; it is compared in its checks alone."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from bench.rivals.base import Rival


class Monit(Rival):
    """monit in cycles of one second; the port of an app is the last of its words."""

    name = "monit"
    checks_alone = True
    period = 1.0
    protocol = ""

    def configure(self) -> None:
        """Write monitrc, and a script that starts an app in the background as monit demands it."""
        start = self.folder / "start"
        start.write_text('#!/bin/sh\npid=$1\nshift\nsetsid "$@" >/dev/null 2>&1 &\necho $! >"$pid"\n')
        start.chmod(0o700)
        head = (
            f"set daemon 1\nset logfile {self.folder}/log\nset pidfile {self.folder}/pid\n"
            f"set idfile {self.folder}/id\nset statefile {self.folder}/state\n"
        )
        settings = self.folder / "monitrc"
        settings.write_text(head + "".join(self._check(*app) for app in self.apps.items()))
        settings.chmod(0o600)  # it reads no other

    def start(self) -> None:
        """Start the apps, as somebody else does for it, and begin it in the foreground."""
        assert self.peer is not None, "it was installed"
        for app in self.apps.items():
            self._tell(*self._start(*app))
        self._begin(self.peer.command, "-I", "-c", str(self.folder / "monitrc"))

    def _check(self, name: str, words: Sequence[str]) -> str:
        """Return an entry: a port that does not answer is a failure at once."""
        pid = self._pid(name)
        return (
            f"check process {name} with pidfile {pid}\n"
            # It looks at no port before a program has had this long, by default 30 s.
            f'  start program = "{shlex.join(self._start(name, words))}" with timeout 2 seconds\n'
            f"  stop program = \"/bin/sh -c 'kill -9 $(cat {pid})'\"\n"
            f"  if failed port {words[-1]} {self.protocol} with timeout 1 seconds then restart\n"
        )

    def _start(self, name: str, words: Sequence[str]) -> list[str]:
        return [str(self.folder / "start"), str(self._pid(name)), *words]

    def _pid(self, name: str) -> Path:
        return self.folder / f"{name}.pid"


class HttpMonit(Monit):
    """It asks by HTTP: to a program that hangs the kernel connects as before."""

    protocol = "protocol http"
