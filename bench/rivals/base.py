"""What every rival is: one program in one folder, driven as its users would, and ended with all it began."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.footprint import descendants
from bench.peers import Peer
from bench.stamps import PATIENCE

Apps = Mapping[str, Sequence[str]]
WITHIN = 60.0  # s for one command of a rival
FOR_EACH = 0.3  # s more for each of its apps


class Unable(Exception):
    """This rival has no such thing."""


class Rival:
    """One program in one folder. `root` is the pid that begins it, or keeps it.

    Attributes:
        name: as it is called in the tables.
        bare: the least that its interpreter can do, if its commands run in one.
        restarts: it starts again what has ended.
        checks_alone: it is compared in checks, and in nothing else.
        hears_closed: it is woken by every listener that anybody on the machine closes.
        period: s between its looks at what it keeps; failures are not to come in step with them.
        flood: the share of the usual output that it is given, where all of it would take minutes.
    """

    name = ""
    bare: tuple[str, ...] = ()
    restarts = True
    checks_alone = False
    hears_closed = False
    period = 0.0
    flood = 1.0

    def __init__(self, peer: Peer | None, folder: Path, apps: Apps, *, logged: bool = False) -> None:
        """Write what it reads. With `logged` it keeps the output of apps, also if it would not by itself."""
        self.peer = peer
        self.folder = folder
        self.apps = dict(apps)
        self.logged = logged
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

    def files(self, name: str) -> list[Path]:
        """Return the files with an app's output, oldest first."""
        raise Unable

    def quit(self) -> None:
        """End it."""
        self._end_process()

    def own(self, apps: set[int]) -> set[int]:
        """Return the pids of its own processes, given those of the apps."""
        below = {pid for app in apps for pid in descendants(app)}
        return descendants(self.root) - below - apps

    def owners(self, apps: set[int]) -> set[int]:
        """Return the pids of those who started the apps and restart them."""
        return {self.root}

    # helpers

    def _begin(self, *words: str, output: Path | None = None) -> None:
        with contextlib.ExitStack() as opened:
            self._process = subprocess.Popen(
                words,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if output is None else opened.enter_context(output.open("ab")),
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.root = self._process.pid

    def _tell(self, *words: str, check: bool = False) -> None:
        with subprocess.Popen(
            words,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                code = await_end(process, WITHIN + FOR_EACH * len(self.apps))
            except BaseException:
                process.kill()
                raise
        if check and code:
            raise subprocess.CalledProcessError(code, words)

    def _end_process(self, *first: signal.Signals) -> None:
        """Send one signal after the other until the process that was begun last has ended."""
        if self._process is None:
            return
        for number in (*first, signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                await_end(self._process, PATIENCE)
                return

    def _beside(self, name: str) -> str:
        """Return another program of the same installation."""
        assert self.peer is not None, "it was installed"
        return str(Path(self.peer.command).with_name(name))


@contextmanager
def running(
    kind: type[Rival], peer: Peer | None, folder: Path, apps: Apps, *, logged: bool = False
) -> Iterator[Rival]:
    """A rival that may be started; at the end nothing of it is left."""
    rival = kind(peer, folder, apps, logged=logged)
    try:
        yield rival
    finally:
        rival.seen |= descendants(rival.root) if rival.root else set()
        with contextlib.suppress(subprocess.SubprocessError, OSError):
            rival.quit()
        end(rival.seen | marked(folder))
        end(marked(folder))  # what a manager that was asked to end has begun meanwhile


def await_end(process: subprocess.Popen[bytes], seconds: float) -> int:
    """Return the exit code of a child as soon as it has ended.

    `Popen.wait` with a timeout looks after 0.5, 1.5, 3.5… ms, so that what takes 32 ms seems to take 64.

    Raises:
        subprocess.TimeoutExpired: it has not ended by then.
    """
    if process.poll() is None:
        descriptor = os.pidfd_open(process.pid)
        try:
            if not select.select([descriptor], [], [], seconds)[0]:
                raise subprocess.TimeoutExpired(process.args, seconds)
        finally:
            os.close(descriptor)
    return process.wait()


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
    return parent(pid) is not None


def parent(pid: int) -> int | None:
    """Return the parent of a process that runs; None if it does not."""
    try:
        state, above = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return None
    return None if state in "ZX" else int(above)


if sys.platform != "linux":
    raise ImportError("the rivals are looked at through /proc")
