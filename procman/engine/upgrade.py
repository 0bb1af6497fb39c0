"""Replaces the running manager by the version that is installed now, in place: same process, same children.

exec keeps the pid, so every app stays our child and its exit code comes to us; it keeps the descriptors that
are told to stay, so the lock is never free, no client finds the socket gone, and no app its terminal. All
else is left in the records and taken back, as after a `kill -9`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import Callable, Sequence

from procman.engine.engine import Engine
from procman.host.base import Host
from procman.host.claim import Claim

TRIAL_TIMEOUT = 30.0  # seconds for the new version to import itself and read the file


class Upgrade:
    """What is needed to replace one manager; owned by the event loop's thread.

    `command` starts a manager; `before` is called last.
    """

    def __init__(
        self,
        engine: Engine,
        host: Host,
        claimed: Claim,
        *,
        command: Sequence[str],
        file: str,
        home: str,
        before: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._host = host
        self._claimed = claimed
        self._command = tuple(command)
        self._file = file
        self._home = home
        self._before = before

    async def replace(self, listener: Callable[[], socket.socket | None]) -> str:
        """Become the installed version and never return; or return why that can't be.

        Args:
            listener: returns the listening socket, which is made anew with the state folder.
        """
        if listener() is None:
            return "this system can't replace a running program: `procman down` and `procman up` do it"
        problem = await self._try()
        if problem is not None:
            return problem
        if self._engine.closing:
            return "the manager is stopping"
        door = listener()
        assert door is not None, "it was there"
        lock, connections = self._claimed.pass_on(), door.fileno()
        options = {
            "--file": self._file,
            "--home": self._home,
            "--ready": "-1",
            "--lock": str(lock),
            "--socket": str(connections),
        }
        terminals = self._engine.hand_over()
        if terminals:
            options["--terminals"] = json.dumps(terminals)
        self._host.close()
        self._before()
        _keep_open(lock, connections, *(each for _, *ends in terminals.values() for each in ends))
        for name in ("SIGHUP", "SIGINT", "SIGTERM"):
            number = signal.Signals[name]
            signal.signal(number, signal.SIG_IGN)  # exec keeps that: none ends us before we can take it
        words = [word for option in options.items() for word in option]
        try:
            os.execv(self._command[0], [*self._command, *words])
        finally:
            os._exit(1)  # nobody holds the apps any more; with the lock free, the next `up` takes them back

    async def _try(self) -> str | None:
        """Return why the installed version could not take over, or None."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *("--trial", "yes", "--file", self._file),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            said, _ = await asyncio.wait_for(process.communicate(), TRIAL_TIMEOUT)
        except TimeoutError:
            process.kill()
            await process.wait()
            return f"the installed version was not ready within {TRIAL_TIMEOUT:g}s"
        if process.returncode == 0:
            return None
        text = said.decode(errors="replace").strip()
        return f"the installed version can't take over:\n{text}"


def _keep_open(*kept: int) -> None:
    """Let exec close every descriptor but these and the standard ones: watchdog's inotify would stay open."""
    folder = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    for descriptor in map(int, os.listdir(folder)):
        if descriptor > 2:
            with contextlib.suppress(OSError):  # the listing's own
                os.set_inheritable(descriptor, descriptor in kept)
