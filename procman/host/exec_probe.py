"""A check by a command: its exit code is the answer, and the end of what it prints says why."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Protocol

from procman.core.secrets import show_command
from procman.host.base import Answer, Ended, Health, Order, ProbeOrder, SpawnError, Stage

OUTPUT_SHOWN = 200  # bytes of a command's output in the detail, the last ones

Spawn = Callable[[Order, Callable[[Ended], None]], Callable[[], None]]  # returns what kills its group


class Output(Protocol):
    """What a command prints: it goes to `writing`, and its end is kept to be shown."""

    writing: int  # the command's end, to be closed once it has started

    def read(self) -> bytes:
        """Return the last bytes of what was printed until now, at most `OUTPUT_SHOWN`."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class PipedOutput:
    """A pipe, emptied as soon as something is in it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._reading, self.writing = os.pipe()
        self._tail = b""
        if sys.platform != "win32":  # where another output is used, for no loop waits for a pipe there
            os.set_blocking(self._reading, False)
        loop.add_reader(self._reading, self._on_output)

    def read(self) -> bytes:
        """Return the last bytes of what was printed until now."""
        self._take()
        return self._tail

    def close(self) -> None:
        """Let go of it."""
        self._loop.remove_reader(self._reading)
        os.close(self._reading)

    def _on_output(self) -> None:
        if not self._take():
            self._loop.remove_reader(self._reading)

    def _take(self) -> bool:
        """Take what is there, without waiting; return False at the end of the output."""
        while True:
            try:
                chunk = os.read(self._reading, 65536)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not chunk:
                return False
            self._tail = (self._tail + chunk)[-OUTPUT_SHOWN:]


class ExecProbe:
    """A command as a check: exit code 0 passes. It runs in a session of its own and dies with its group."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        order: ProbeOrder,
        on_answer: Callable[[Answer], None],
        spawn: Spawn,
        output: Callable[[asyncio.AbstractEventLoop], Output],
    ) -> None:
        assert order.check.command is not None, "an exec check has a command"
        self._loop = loop
        self._command = order.check.command
        self._timeout = order.check.timeout
        self._on_answer: Callable[[Answer], None] | None = on_answer
        self._begun = loop.time()
        self._kill: Callable[[], None] | None = None
        self._output: Output | None = None
        self._timer = loop.call_later(self._timeout, self._time_out)
        try:
            self._output = output(loop)
            self._start(order, spawn, self._output.writing)
        except (SpawnError, OSError) as error:
            ours = not isinstance(error, SpawnError) or error.stage in (Stage.FORK, Stage.PIPES)
            health = Health.NOT_MADE if ours else Health.FAILED
            loop.call_soon(self._finish, health, f"the check {error}" if ours else str(error))

    def cancel(self) -> None:
        """Kill the command and answer no more."""
        self._on_answer = None
        self._timer.cancel()
        if self._kill is not None:
            self._kill()
            self._kill = None
        if self._output is not None:
            self._output.close()
            self._output = None

    def _start(self, order: ProbeOrder, spawn: Spawn, writing: int) -> None:
        try:
            command = Order(
                arguments=self._command.words,
                shell=self._command.shell,
                cwd=order.cwd,
                environment=order.environment,
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                rights=order.rights,
            )
            self._kill = spawn(command, self._on_exit)
        finally:
            os.close(writing)

    def _on_exit(self, end: Ended) -> None:
        if self._output is None:
            return
        self._kill = None
        words = f"exited with code {end.code}" if end.signal is None else f"was killed by {end.signal}"
        said = self._said()  # an orphan may hold the output for ever, so its end is not waited for
        health = Health.PASSED if end.code == 0 else Health.FAILED
        self._finish(health, f"`{show_command(self._command.words)}` {words}{said}")

    def _said(self) -> str:
        """Return what the command has printed last, on one line."""
        tail = b"" if self._output is None else self._output.read()
        text = " ".join(tail.decode("utf-8", "replace").split())
        return f": {text}" if text else ""

    def _time_out(self) -> None:
        said = self._said()
        self._finish(
            Health.TIMED_OUT,
            f"`{show_command(self._command.words)}` did not end within {self._timeout:g}s{said}",
        )

    def _finish(self, health: Health, detail: str) -> None:
        on_answer = self._on_answer
        if on_answer is None:
            return
        self.cancel()
        on_answer(Answer(health, detail, self._loop.time() - self._begun))
