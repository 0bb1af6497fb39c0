"""Programs that keep apps running, each driven as its users would: one small class for each.

A rival gets a folder of its own and apps as names with their words. What it can't do is None, or raises
`Unable`, and is left out of the tables. Whatever it started is ended by pid when its context ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench import peers
from bench.footprint import descendants
from bench.peers import Missing, Peer
from bench.project import DEFAULTS, procman
from bench.stamps import PATIENCE

Apps = Mapping[str, Sequence[str]]
WITHIN = 60.0  # s for one command of a rival


class Unable(Exception):
    """This rival has no such thing."""


class Rival:
    """One program in one folder. `root` is the pid that begins it, or keeps it."""

    name = ""
    restarts = True  # what ends
    hears_closed = False  # is woken by every listener that anybody on the machine closes

    def __init__(self, peer: Peer | None, folder: Path, apps: Apps) -> None:
        self.peer = peer
        self.folder = folder
        self.apps = dict(apps)
        self.environment = {**os.environ, **(peer.environment if peer is not None else {})}
        self.root = 0
        self.seen: set[int] = set()  # what is to be gone at the end
        self._process: subprocess.Popen[bytes] | None = None
        self.configure()

    def configure(self) -> None:
        """Write what it reads."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin it, with all apps; returns before they run."""
        raise NotImplementedError

    def stop(self) -> None:
        """Have it stop every app, and return when it says that they are."""
        raise NotImplementedError

    def status(self) -> None:
        """Have it say how every app is."""
        raise Unable

    def edit(self, name: str, words: Sequence[str]) -> None:
        """Change one app, and have that applied."""
        raise Unable

    def quit(self) -> None:
        """End it."""
        self._end_process()

    def own(self, apps: set[int]) -> set[int]:
        """Return the pids of its own processes, given those of the apps."""
        below = {pid for app in apps for pid in descendants(app)}
        return descendants(self.root) - below - apps

    # helpers

    def _begin(self, *words: str) -> None:
        self._process = subprocess.Popen(
            words,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.root = self._process.pid

    def _tell(self, *words: str, check: bool = False) -> None:
        subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=check,
            timeout=WITHIN,
        )

    def _end_process(self) -> None:
        if self._process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE)
                return

    def _beside(self, name: str) -> str:
        """Return another program of the same installation."""
        assert self.peer is not None, "it was installed"
        return str(Path(self.peer.command).with_name(name))


class Procman(Rival):
    """This project."""

    name = "procman"
    hears_closed = True
    defaults = DEFAULTS

    def configure(self) -> None:
        """Write portwatch.toml, by rename."""
        fresh = self.folder / "portwatch.new"
        fresh.write_text("\n".join([self.defaults, *(self.table(*app) for app in self.apps.items())]))
        os.replace(fresh, self.folder / "portwatch.toml")

    def table(self, name: str, words: Sequence[str]) -> str:
        """Return the table of an app."""
        return f"[apps.{name}]\ncommand = {json.dumps(list(words))}\n"

    def start(self) -> None:
        """`procman up -d`, from nothing."""
        self._tell(*procman("up", "-d", "--no-wait"), check=True)
        done = subprocess.run(
            procman("status", "--json"), cwd=self.folder, stdout=subprocess.PIPE, check=True
        )
        self.root = int(json.loads(done.stdout)["manager"]["pid"])

    def stop(self) -> None:
        """`procman stop`."""
        self._tell(*procman("stop", "*"))

    def status(self) -> None:
        """`procman status`."""
        self._tell(*procman("status"))

    def edit(self, name: str, words: Sequence[str]) -> None:
        """Save the file."""
        self.apps[name] = words
        self.configure()

    def quit(self) -> None:
        """`procman down`."""
        self._tell(*procman("down"))


class Supervisord(Rival):
    """supervisord and supervisorctl."""

    name = "supervisord"

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
            f"[program:{name}]\ncommand = {shlex.join(words)}\nautorestart = true\n"
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

    def _control(self, *words: str) -> None:
        self._tell(self._beside("supervisorctl"), "-c", "supervisord.conf", *words)


class Circus(Rival):
    """circusd and circusctl, over sockets in the folder."""

    name = "circus"

    def configure(self) -> None:
        """Write circus.ini."""
        head = (
            f"[circus]\nendpoint = ipc://{self.folder}/e\npubsub_endpoint = ipc://{self.folder}/p\n"
            "statsd = False\n"
        )
        watchers = "".join(
            f"[watcher:{name}]\ncmd = {words[0]}\nargs = {shlex.join(words[1:])}\n"
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

    def _control(self, *words: str) -> None:
        self._tell(self._beside("circusctl"), "--endpoint", f"ipc://{self.folder}/e", *words)


class Honcho(Rival):
    """honcho, which restarts nothing and stops with its apps."""

    name = "honcho"
    restarts = False

    def configure(self) -> None:
        """Write a Procfile."""
        lines = (f"{name}: exec {shlex.join(words)}\n" for name, words in self.apps.items())
        (self.folder / "Procfile").write_text("".join(lines))

    def start(self) -> None:
        """`honcho start`."""
        self._begin(self._beside("honcho"), "start")

    def stop(self) -> None:
        """SIGTERM."""
        self._end_process()


class Pm2(Rival):
    """pm2, with a daemon of its own for the folder."""

    name = "pm2"

    def configure(self) -> None:
        """Write ecosystem.config.json."""
        self.environment |= {"HOME": str(self.folder), "PM2_HOME": str(self.folder / "pm2")}
        apps = [
            {"name": name, "script": words[0], "args": list(words[1:]), "interpreter": "none"}
            for name, words in self.apps.items()
        ]
        (self.folder / "ecosystem.config.json").write_text(json.dumps({"apps": apps}))

    def start(self) -> None:
        """`pm2 start`, from nothing."""
        self._pm2("start", "ecosystem.config.json")
        self.root = int((self.folder / "pm2" / "pm2.pid").read_text())

    def stop(self) -> None:
        """`pm2 stop all`."""
        self._pm2("stop", "all")

    def status(self) -> None:
        """`pm2 list`."""
        self._pm2("list")

    def edit(self, name: str, words: Sequence[str]) -> None:
        """`pm2 delete` and `pm2 start` of that app alone: what it takes for new arguments."""
        self.apps[name] = words
        self.configure()
        self._pm2("delete", name)
        self._pm2("start", "ecosystem.config.json", "--only", name)

    def quit(self) -> None:
        """`pm2 kill`."""
        self._pm2("kill")

    def _pm2(self, *words: str) -> None:
        assert self.peer is not None, "it was installed"
        self._tell(self.peer.command, *words)


class Runit(Rival):
    """runsvdir, with a runsv for each app."""

    name = "runit"

    def configure(self) -> None:
        """Write a folder with a `run` for each app."""
        for name, words in self.apps.items():
            self._write(name, words)

    def start(self) -> None:
        """Begin runsvdir."""
        self._begin(self._beside("runsvdir"), str(self.folder / "service"))

    def stop(self) -> None:
        """`sv stop`."""
        self._tell(self._beside("sv"), "-w", "30", "stop", *self._services())

    def status(self) -> None:
        """`sv status`."""
        self._tell(self._beside("sv"), "status", *self._services())

    def edit(self, name: str, words: Sequence[str]) -> None:
        """`sv restart`."""
        self._write(name, words)
        self._tell(self._beside("sv"), "restart", str(self.folder / "service" / name))

    def quit(self) -> None:
        """HUP: runsvdir ends every runsv, and each its app."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGHUP)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE)
        self._end_process()

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

    def start(self) -> None:
        """Begin s6-svscan."""
        self._begin(self._beside("s6-svscan"), "-c", "2000", str(self.folder / "service"))

    def stop(self) -> None:
        """`s6-svc -d` for each, and a wait for each."""
        self._each(f"{self._beside('s6-svc')} -wD -T 30000 -d")

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
                self._process.wait(PATIENCE)
        self._end_process()

    def _each(self, command: str) -> None:
        self._tell(
            "sh", "-c", f'for each in "$@"; do {command} "$each" & done; wait', "sh", *self._services()
        )


FIND: dict[type[Rival], Callable[[], Peer] | None] = {
    Procman: None,
    Supervisord: peers.supervisord,
    Circus: peers.circus,
    Honcho: peers.honcho,
    Pm2: peers.pm2,
    Runit: peers.runit,
    S6: peers.s6,
}


def available(say: Callable[[str], None]) -> dict[type[Rival], Peer | None]:
    """Return the rivals that can be had here; `say` is told of the others."""
    found: dict[type[Rival], Peer | None] = {}
    for kind, find in FIND.items():
        try:
            found[kind] = find() if find is not None else None
        except Missing as error:
            say(f"  {kind.name}: not here, {error}")
    return found


@contextmanager
def running(kind: type[Rival], peer: Peer | None, folder: Path, apps: Apps) -> Iterator[Rival]:
    """A rival that may be started; at the end nothing of it is left."""
    rival = kind(peer, folder, apps)
    try:
        yield rival
    finally:
        rival.seen |= descendants(rival.root) if rival.root else set()
        with contextlib.suppress(subprocess.SubprocessError, OSError):
            rival.quit()
        end(rival.seen | marked(folder))


def marked(folder: Path) -> set[int]:
    """Return every process that has the folder in its command line: apps name a pipe in it."""
    wanted, found = os.fsencode(str(folder)), set()
    for entry in os.listdir("/proc"):
        if entry.isdecimal() and int(entry) != os.getpid():
            with contextlib.suppress(OSError):
                if wanted in Path(f"/proc/{entry}/cmdline").read_bytes():
                    found.add(int(entry))
    return found


def end(pids: set[int]) -> None:
    """Kill what is left of a rival that was asked to end, and wait until it is gone."""
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and any(alive(pid) for pid in pids):
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Return whether the process runs: a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


if sys.platform != "linux":
    raise ImportError("the rivals are looked at through /proc")
