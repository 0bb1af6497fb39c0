"""`procman up` in a terminal: follows the apps, and makes Ctrl-C the end of all of them.

The manager is a process of its own and knows nothing of the terminal. Here a thread prints what the apps
print, the main thread what the manager says, and signals only write to a pipe that the main thread waits on.
"""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence

from procman.cli import exits, render, talk
from procman.cli.logs import safe
from procman.cli.project import Project
from procman.cli.pursue import Outcome
from procman.control.ask import Lost, NotRunning, Refused
from procman.control.client import Conversation, call
from procman.control.launch import Manager
from procman.control.protocol import Frame, Request
from procman.logs.read import Follower

SPEAKER = "procman"  # whose lines are the manager's
PATIENCE = 10.0  # seconds for a manager that has nothing left to do to end
if sys.platform == "win32":
    _SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGBREAK)
else:
    _SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Screen:
    """Prints whole lines from two threads; a terminal that is gone swallows them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._coloured = talk.wants_colour(sys.stdout)
        self._prefixes = render.Prefixes([*names, SPEAKER], coloured=self._coloured)
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Print something of the manager's."""
        self._print("".join(f"{self._prefixes.of(SPEAKER)}{line}\n" for line in text.splitlines()))

    def follow(self, follower: Follower, chosen: frozenset[str] | None) -> None:
        """Print what apps print, until the follower is stopped; what is printed first stays first."""
        for line in follower:
            if chosen is None or line.app in chosen:
                self._print(f"{self._prefixes.of(line.app)}{safe(line, coloured=self._coloured)}\n")

    def _print(self, text: str) -> None:
        # A closed terminal answers EIO: no reason to end, for the apps have to be stopped all the same.
        with self._lock, contextlib.suppress(OSError):
            sys.stdout.write(text)
            sys.stdout.flush()


class Foreground:
    """One `up` in a terminal, from the request to the end of its apps or its own."""

    def __init__(
        self, project: Project, manager: Manager, patterns: Sequence[str], names: Sequence[str]
    ) -> None:
        self._project = project
        self._manager = manager
        self._patterns = tuple(patterns)
        self._screen = Screen(names)
        self._chosen: frozenset[str] | None = None  # None: all, also those that a later edit adds
        self._down: Conversation | None = None
        self._kill: Conversation | None = None  # only asks: `_down` hears of the end, also of a quicker one
        self._is_over = False  # the manager has said that every app is stopped
        self._has_left = False
        self._outcome = Outcome()

    def run(self) -> int:
        """Start the apps and follow them, and return the exit code."""
        follower = Follower(self._project.logs, last=0)
        with signals_as_bytes() as interrupts, contextlib.closing(self._follow()) as notices:
            for frame in call(self._project.home, Request("up", self._patterns, wait=False)):
                if frame["type"] == "chosen" and self._patterns:
                    self._chosen = frozenset(frame["apps"])
            printer = threading.Thread(target=self._screen.follow, args=(follower, self._chosen), daemon=True)
            printer.start()
            try:
                code = self._attend(interrupts, notices)
            finally:
                follower.stop()
                printer.join()  # the apps' last lines come before the sum
                for conversation in (self._down, self._kill):
                    if conversation is not None:
                        conversation.close()
        self._screen.say(self._sum(code))
        return code

    def _attend(self, interrupts: socket.socket, notices: Conversation) -> int:
        """Wait for signals and for the manager until either ends this, and return the exit code."""
        while True:
            sources = [interrupts.fileno(), notices.fileno()]
            down = self._down
            if down is not None:
                sources = [interrupts.fileno(), down.fileno()] if self._is_over else [*sources, down.fileno()]
            readable, _, _ = select.select(sources, [], [])
            if notices.fileno() in readable and not self._hear(notices):
                notices.replace(self._follow())
            if down is not None and down.fileno() in readable:
                code = self._end_of(down)
                if code is not None:
                    while not self._is_over and select.select([notices], [], [], 0)[0]:
                        if not self._hear(notices):
                            break
                    return code
            if interrupts.fileno() in readable:
                for _ in interrupts.recv(64):
                    self._interrupt()
            if self._has_left or (self._is_over and self._down is None):
                return exits.DONE

    def _interrupt(self) -> None:
        """Stop everything, and kill at once the second time; or leave what another command has started."""
        if not self._manager.is_ours:
            self._has_left = True
            return
        if self._is_over or self._kill is not None:
            return
        if self._down is not None:
            self._screen.say("killing")
            with contextlib.suppress(NotRunning):  # it was quicker, and `_down` has its word
                self._kill = Conversation(self._project.home, Request("down", force=True))
            return
        self._screen.say("stopping; Ctrl-C again kills at once")
        self._outcome.receipts.clear()  # those of restarts before; the sum at the end is of this stop
        try:
            self._down = Conversation(self._project.home, Request("down"))
        except NotRunning as error:
            raise Lost(_DIED) from error

    def _follow(self) -> Conversation:
        """Begin to hear what the manager has to say; also again, from one that was upgraded in place."""
        try:
            return Conversation(self._project.home, Request("follow"))
        except NotRunning as error:
            raise Lost(_DIED) from error

    def _hear(self, notices: Conversation) -> bool:
        """Tell what the manager has to say; return False once it has hung up."""
        frames = notices.receive()
        for frame in frames or ():
            if frame["type"] == "done":
                self._is_over = True
            elif frame["type"] != "chosen" and self._concerns(frame):
                self._outcome.take(frame)
                if render.is_news(frame):
                    self._screen.say(render.notice(frame))
        return frames is not None

    def _concerns(self, frame: Frame) -> bool:
        """Return whether to show a notice: a stop is about all apps, also those that others have started."""
        about = frame.get("app")
        return about is None or self._chosen is None or about in self._chosen or self._down is not None

    def _end_of(self, down: Conversation) -> int | None:
        """Return the exit code of the stop once it is over."""
        frames = down.receive()
        if frames is None:
            raise Lost(_DIED)
        for frame in frames:
            if frame["type"] == "error":
                raise Refused(frame)
            if frame["type"] == "done":
                if frame["code"] == exits.DONE and down.wait_gone(PATIENCE):
                    self._manager.reap()
                return int(frame["code"])
        return None

    def _sum(self, code: int) -> str:
        if self._has_left:
            return "left; the apps go on, `procman down` stops them"
        if self._down is None:
            return "the manager was stopped"
        if code == exits.DONE:
            return f"stopped {render.counted(len(self._outcome.stopped), 'app')}"
        left = ", ".join(frame["app"] for frame in self._outcome.receipts if frame["survivors"])
        return f"something survived the stop of {left}"


_DIED = "the manager has ended without a word; `procman up` takes its apps back"


@contextlib.contextmanager
def signals_as_bytes(numbers: Sequence[signal.Signals] = _SIGNALS) -> Iterator[socket.socket]:
    """Give a socket that gets the number of each of these signals, as a byte.

    No pipe: Windows can wait for sockets alone.
    """
    read, write = socket.socketpair()
    write.setblocking(False)
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    waking = signal.set_wakeup_fd(write.fileno())
    try:
        yield read
    finally:
        signal.set_wakeup_fd(waking)
        for number, handler in before.items():
            signal.signal(number, handler)
        read.close()
        write.close()
