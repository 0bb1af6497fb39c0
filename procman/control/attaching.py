"""`attach`: passes on what an app prints into its terminal, and types what its client sends.

Neither side can hold up the other. What a slow client does not read in time is counted instead of kept; keys
that a busy app does not read wait here and then in the client, a few kilobytes each.
"""

from __future__ import annotations

import asyncio
import base64

from procman.control.contract import Terminal
from procman.control.protocol import Code, Frame, Keys, Resize, done, error
from procman.control.watching import Call
from procman.core.app import Ending
from procman.engine.attaching import NoTerminal

BACKLOG = 1 << 18  # bytes of frames that wait for a client; beyond that, output is only counted
TRY_AGAIN = 0.02  # seconds until a terminal is typed into again, or a client asked, that took nothing


async def attach(call: Call) -> Frame:
    """Attach a client to one app until its run ends, and return the frame that says how."""
    names = call.engine.select(call.request.apps)
    if len(names) != 1:
        meant = ", ".join(f"`{name}`" for name in names) or "no app"
        said = " ".join(call.request.apps) or "no name"
        return error(Code.USAGE, "bad request", f"`{said}` means {meant}", "a terminal is one app's: name it")
    session = _Session(call, names[0])
    try:
        terminal = call.engine.attach(names[0], session.show, session.finish)
    except NoTerminal as problem:
        return error(Code.FAILED, "no terminal", str(problem), problem.hint)
    return await session.run(terminal)


class _Session:
    """One client at one terminal; owned by that client's task."""

    def __init__(self, call: Call, name: str) -> None:
        self._call = call
        self._name = name
        self._missed = 0  # bytes
        self._answer: Frame | None = None
        self._changed = asyncio.Event()

    async def run(self, terminal: Terminal) -> Frame:
        """Pass on and type until the terminal ends."""
        request = self._call.request
        if request.columns and request.rows:
            terminal.resize(request.columns, request.rows)
        self._call.send({"type": "attached", "app": self._name})
        if terminal.recent:
            self.show(terminal.recent)
        typing = asyncio.create_task(self._type(terminal))
        try:
            while self._answer is None:
                await self._changed.wait()
                self._changed.clear()
                while self._missed and self._answer is None and not self._catch_up():
                    await asyncio.sleep(TRY_AGAIN)
            self._tell_missed()
            return self._answer
        finally:
            typing.cancel()
            terminal.leave()

    def show(self, data: bytes) -> None:
        """Pass on what the app has printed, or count it."""
        if not self._catch_up():
            self._missed += len(data)
            self._changed.set()
            return
        self._call.send({"type": "output", "data": base64.b64encode(data).decode()})

    def finish(self) -> None:
        """The terminal has ended: its run is over, or has lost it. What comes next is not known yet."""
        app = self._call.engine.apps.get(self._name)
        ending = app.ending if app is not None else None
        if app is None or ending is None:
            self._answer = done(Code.FAILED, reason="its terminal is gone")
        else:
            failed = ending in (Ending.UNHEALTHY, Ending.NOT_PREPARED)
            if ending is Ending.EXITED:
                failed = app.last_exit is None or not app.last_exit.clean
            self._answer = done(Code.FAILED if failed else Code.DONE, reason=app.reason)
        self._changed.set()

    def _catch_up(self) -> bool:
        """Return whether the client has read enough to be sent more; it is told what it has missed."""
        if self._call.backlog() > BACKLOG:
            return False
        self._tell_missed()
        return True

    def _tell_missed(self) -> None:
        if self._missed:
            missed, self._missed = self._missed, 0
            self._call.send({"type": "missed", "bytes": missed})

    async def _type(self, terminal: Terminal) -> None:
        while True:
            match await self._call.incoming.get():
                case Resize(columns, rows):
                    terminal.resize(columns, rows)
                case Keys(data):
                    while data := data[terminal.type(data) :]:
                        await asyncio.sleep(TRY_AGAIN)
