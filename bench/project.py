"""A project with a manager of its own, for one measurement."""

from __future__ import annotations

import json
import os
import select
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from bench.stamps import PATIENCE, Program, Stamps, now
from procman.control.ask import NotRunning, ask_status
from procman.control.client import Conversation, call
from procman.control.endpoint import home_of
from procman.control.launch import ensure_manager
from procman.control.protocol import Request

# Every restart is the first after a healthy run, so none has to wait; no check is due in a measurement.
DEFAULTS = """\
[defaults]
check_interval = "5m"
backoff = { reset_after = 0 }
give_up = 0
"""


class Project:
    """A folder with a file of `count` apps; its manager, if one runs, is ended with the context."""

    def __init__(self, program: Program, count: int, *, ports: bool = False, extra: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="procman-bench-"))
        self.file = self.folder / "portwatch.toml"
        self.home = home_of(self.file)
        self.stamps = Stamps(self.folder / "stamps")
        self.names = [f"app-{number:03}" for number in range(count)]
        taken = free_ports(count) if ports else [None] * count
        self.ports = dict(zip(self.names, taken, strict=True))
        self._tables = {
            name: f"[apps.{name}]\ncommand = {json.dumps(program.command(self.stamps, port))}\n"
            + (f"port = {port}\n" if port is not None else "")
            + extra
            for name, port in self.ports.items()
        }
        self.write()

    def __enter__(self) -> Project:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()
        self.stamps.close()
        shutil.rmtree(self.folder)

    def write(self, more: str = "") -> int:
        """Replace the file, with `more` in the table of its first app, and return when it was in place."""
        first, *others = self._tables.values()
        fresh = self.file.with_suffix(".new")
        fresh.write_text("\n".join([DEFAULTS, first + more, *others]))
        at = now()
        os.replace(fresh, self.file)
        return at

    def begin(self) -> None:
        """Start the manager, with nothing to do yet."""
        ensure_manager(str(self.file), self.home)

    def up(self, *, wait: bool = True) -> int:
        """Ask the manager for every app, and return when the request was sent."""
        request = Request("up", wait=wait)
        at = now()
        for _ in call(self.home, request):
            pass
        return at

    def down(self) -> None:
        """End every app and the manager, and return when it is gone."""
        try:
            conversation = Conversation(self.home, Request("down", force=True))
        except NotRunning:
            return
        with conversation:
            for _ in conversation.frames():
                pass
            conversation.wait_gone(PATIENCE)

    def status(self) -> dict[str, Any]:
        """Return the manager's status."""
        document: dict[str, Any] = json.loads(ask_status(self.home))
        return document

    def manager(self) -> int:
        """Return the manager's pid."""
        return int(self.status()["manager"]["pid"])

    def pids(self) -> dict[str, int]:
        """Return the pid of every app."""
        return {app["name"]: app["pid"] for app in self.status()["apps"]}


class Follower:
    """What a manager tells of its apps, as soon as it does."""

    def __init__(self, project: Project) -> None:
        self._conversation = Conversation(project.home, Request("follow"))
        self._frames: list[dict[str, Any]] = []
        self.wait_for("chosen", {})

    def close(self) -> None:
        """Listen no longer."""
        self._conversation.close()

    def left(self, app: str, state: str) -> int:
        """Return when the app was heard to have left a state."""
        return self.wait_for("transition", {"app": app, "old": state})

    def reached(self, app: str, state: str) -> int:
        """Return when the app was heard to have reached a state."""
        return self.wait_for("transition", {"app": app, "new": state})

    def wait_for(self, kind: str, wanted: dict[str, str]) -> int:
        """Return when a frame of this kind was read that says what is wanted; those before it are dropped.

        Raises:
            TimeoutError: none came.
        """
        until = time.monotonic() + PATIENCE
        while True:
            while self._frames:
                frame = self._frames.pop(0)
                if frame["type"] == kind and wanted.items() <= frame.items():
                    return int(frame["read"])
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._conversation], [], [], left)[0]:
                raise TimeoutError(f"the manager has not told of {kind} {wanted}")
            received = self._conversation.receive()
            if received is None:
                raise TimeoutError("the manager has ended")
            at = now()
            self._frames += [{**frame, "read": at} for frame in received]


def free_ports(count: int) -> list[int]:
    """Return ports on which nobody listens."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def procman(*words: str) -> Sequence[str]:
    """Return how a user of this interpreter's `procman` runs it."""
    installed = shutil.which("procman", path=os.path.dirname(sys.executable))
    return [installed, *words] if installed else [sys.executable, "-m", "procman.cli.entry", *words]
