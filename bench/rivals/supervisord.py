"""supervisord, and superlance's httpok for its checks."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.rivals.base import Rival


class Supervisord(Rival):
    """supervisord and supervisorctl."""

    name = "supervisord"
    bare = (sys.executable, "-c", "pass")
    period = 1.0

    def configure(self) -> None:
        """Write supervisord.conf."""
        socket = self.folder / "s"
        head = (
            f"[supervisord]\nnodaemon = true\nminfds = 8192\nlogfile = {self.folder}/log\n"
            f"pidfile = {self.folder}/pid\nchildlogdir = {self.folder}\n"
            f"[unix_http_server]\nfile = {socket}\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
            f"[supervisorctl]\nserverurl = unix://{socket}\n"
        )
        programs = "".join(
            f"[program:{name}]\ncommand = {shlex.join(words)}\nautorestart = true\n" + self._log(name)
            for name, words in self.apps.items()
        )
        (self.folder / "supervisord.conf").write_text(head + programs + self.listeners())

    def listeners(self) -> str:
        """Return what else is in its file."""
        return ""

    def start(self) -> None:
        """Begin it in the foreground."""
        self._begin(self._beside("supervisord"), "-c", "supervisord.conf")

    def stop(self) -> None:
        """`supervisorctl stop all`."""
        self._control("stop", "all")

    def status(self) -> None:
        """`supervisorctl status`."""
        self._control("status")

    def edit(self, name: str, words: Sequence[str]) -> None:
        """`supervisorctl update`."""
        self.apps[name] = words
        self.configure()
        self._control("update")

    def files(self, name: str) -> list[Path]:
        """Return the files named in its settings."""
        old = sorted(self.folder.glob(f"{name}.out.*"), key=lambda path: -int(path.suffix[1:]))
        return [*old, self.folder / f"{name}.out"]

    def _log(self, name: str) -> str:
        """Return where output goes: to files of a size that it chooses, all of which are kept."""
        path = self.folder / f"{name}.out"
        return f"stdout_logfile = {path}\nstdout_logfile_backups = 1000\n" if self.logged else ""

    def _control(self, *words: str) -> None:
        self._tell(self._beside("supervisorctl"), "-c", "supervisord.conf", *words)


class CheckedSupervisord(Supervisord):
    """With httpok for each app, which looks every five seconds, as often as it can."""

    period = 5.0
    httpok = ""

    def listeners(self) -> str:
        """Return an event listener for each app."""
        return "".join(
            f"[eventlistener:check-{name}]\nevents = TICK_5\n"
            f"command = {self.httpok} -p {name} -t 1 http://127.0.0.1:{words[-1]}/\n"
            for name, words in self.apps.items()
        )
