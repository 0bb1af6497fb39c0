"""`procman attach`: an app's terminal in this one."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator

import click

from procman.cli import exits, options, talk
from procman.cli.choose import choose
from procman.cli.failure import Failure
from procman.cli.foreground import signals_as_bytes
from procman.cli.project import find_project
from procman.control.ask import Lost, NotRunning, Refused
from procman.control.client import Conversation
from procman.control.protocol import Frame, Keys, Request, Resize

# Ctrl-] as a terminal sends it; as one that an app has asked to tell all keys apart does (kitty, xterm).
LEAVE = (b"\x1d", b"\x1b[93;5u", b"\x1b[27;5;93~")
TICK = 0.25  # seconds between looks at the size of the window
AT_A_TIME = 1 << 14  # bytes of keys in one line to the manager
MOST_WAITING = 1 << 20  # bytes that wait for the manager while the app reads nothing; more is not typed
ALTERNATE = b"\x1b[?1049h"  # an app that takes the whole screen begins with it
# Colours, the cursor, pasting and the mouse as a shell has them: the app goes on, and may have changed them.
AS_BEFORE = b"\x1b[0m\x1b[?25h\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l"
LEAVE_ALTERNATE = b"\x1b[?1049l"


@click.command()
@click.argument("app", shell_complete=options.app_names)
@click.pass_obj
def command(file: str | None, app: str) -> int:
    """Show the terminal of APP here, and type into it; Ctrl-] leaves, and the app goes on.

    The app needs `tty = true`. Who else is attached sees the same, in the size of the newest window.
    """
    if sys.platform == "win32":
        raise Failure(exits.FAILED, "an app can have no terminal of its own on Windows")
    project = find_project(file)
    project.demand_its_manager()
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        choose((app,), project.read().enabled_apps())
        hint = f"`procman logs -f {app}` shows what it prints, also without a terminal"
        raise Failure(exits.USAGE, "`attach` needs a terminal to show another one in", hint)

    def ask() -> Conversation:
        size = os.get_terminal_size(sys.stdout.fileno())
        return Conversation(project.home, Request("attach", (app,), columns=size.columns, rows=size.lines))

    try:
        with ask() as conversation:
            return _attend(conversation, ask)
    except (NotRunning, Lost, Refused) as error:
        raise project.failure(error) from error


def _attend(conversation: Conversation, ask: Callable[[], Conversation]) -> int:
    """Wait until the manager has attached us, be the app's terminal, and return the exit code.

    Args:
        conversation: has asked for it.
        ask: asks once more.
    """
    frames = conversation.receive()
    while frames == []:
        frames = conversation.receive()
    if frames is None:
        raise Lost("the manager ended in the middle of its answer")
    first = frames.pop(0)
    if first["type"] == "error":
        raise Refused(first)
    name = first["app"]
    with signals_as_bytes() as interrupts, _raw(sys.stdin.fileno()):
        window = Window(conversation, ask, sys.stdin.fileno(), sys.stdout.fileno(), interrupts)
        try:
            window.say(f"attached to `{name}`; Ctrl-] leaves")
            last = window.run(frames)
        finally:
            window.restore()
    if last is None:
        talk.note(f"left `{name}`, which goes on")
        return exits.DONE
    talk.note(f"`{name}` has ended: {last['reason']}")
    return int(last["code"])


class Window:
    """This terminal, in which another one is shown; owned by the main thread.

    Nothing here waits but for this terminal itself, so that Ctrl-] is heard also while an app reads nothing.
    """

    def __init__(
        self,
        conversation: Conversation,
        ask: Callable[[], Conversation],
        keyboard: int,
        screen: int,
        interrupts: socket.socket,
    ) -> None:
        self._conversation = conversation
        self._ask = ask
        self._keyboard = keyboard
        self._screen = screen
        self._interrupts = interrupts
        self._outgoing = bytearray()
        self._is_within_line = False  # what was sent last of it
        self._size = os.get_terminal_size(screen)
        self._is_alternate = False

    def run(self, frames: list[Frame]) -> Frame | None:
        """Show and type until the run ends, and return the frame that says how; None if its user leaves.

        Args:
            frames: what has come already.
        """
        while True:
            for frame in frames:
                if frame["type"] == "error":
                    raise Refused(frame)
                if frame["type"] == "done":
                    return frame
                self._show(frame)
            frames = []
            self._follow_size()
            sources = [self._keyboard, self._interrupts.fileno(), self._conversation.fileno()]
            sinks = [self._conversation.fileno()] if self._outgoing else []
            readable, writable, _ = select.select(sources, sinks, [], TICK)
            if self._interrupts.fileno() in readable or (self._keyboard in readable and not self._type()):
                return None
            if writable:
                self._send()
            if self._conversation.fileno() in readable:
                received = self._conversation.receive()
                if received is None:
                    self._begin_again()
                else:
                    frames = received

    def say(self, text: str) -> None:
        """Show a line of our own."""
        self._write(f"{text}\r\n".encode())

    def restore(self) -> None:
        """Undo what the app has done to this terminal, as far as a shell would suffer from it."""
        with contextlib.suppress(OSError):
            self._write(AS_BEFORE + (LEAVE_ALTERNATE if self._is_alternate else b"") + b"\r\n")

    def _show(self, frame: Frame) -> None:
        if frame["type"] == "output":
            data = b64decode(frame["data"])
            if ALTERNATE in data or LEAVE_ALTERNATE in data:
                self._is_alternate = data.rfind(ALTERNATE) > data.rfind(LEAVE_ALTERNATE)
            self._write(data)
        elif frame["type"] == "missed":
            text = f"procman: {frame['bytes']:,} bytes are missing here; `procman logs` has them"
            self._write(b"\r\n")
            self.say(text)

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._screen, data) :]

    def _type(self) -> bool:
        """Take what was typed; return False if that says to leave, or the terminal is gone."""
        try:
            typed = os.read(self._keyboard, AT_A_TIME)
        except OSError:
            return False
        typed, leaves = until_leave(typed)
        if typed and len(self._outgoing) <= MOST_WAITING:
            self._outgoing += Keys(typed).spell()
        if leaves and self._outgoing and select.select([], [self._conversation], [], 0)[1]:
            self._send()
        return bool(typed) and not leaves

    def _send(self) -> None:
        try:
            count = self._conversation.send(bytes(self._outgoing))
        except Lost:
            return  # what it has said before its end is read, and then its successor asked
        if count:
            self._is_within_line = self._outgoing[count - 1] != ord("\n")
            del self._outgoing[:count]

    def _begin_again(self) -> None:
        """Attach to the same terminal once more: a manager that was upgraded has it still, and hangs up once.

        What the app has printed meanwhile is what the new one shows first.
        """
        try:
            self._conversation.replace(self._ask())
        except NotRunning as error:
            raise Lost("the manager has ended, and the terminal with it") from error
        if self._is_within_line:  # its first part went to the other one
            del self._outgoing[: self._outgoing.find(b"\n") + 1]
            self._is_within_line = False

    def _follow_size(self) -> None:
        """Tell the manager of another size of the window: looked at, for the signal of it is the app's."""
        size = self._size
        with contextlib.suppress(OSError):
            size = os.get_terminal_size(self._screen)
        if size != self._size and size.columns and size.lines:
            self._size = size
            self._outgoing += Resize(size.columns, size.lines).spell()


def until_leave(typed: bytes) -> tuple[bytes, bool]:
    """Return what was typed before Ctrl-], and whether that was typed."""
    places = [place for key in LEAVE if (place := typed.find(key)) >= 0]
    return (typed[: min(places)], True) if places else (typed, False)


@contextlib.contextmanager
def _raw(keyboard: int) -> Iterator[None]:
    """Let every key through as it is; at the end the terminal is as it was, whatever ends this."""
    if sys.platform == "win32":
        raise AssertionError("no app has a terminal there")
    import termios
    import tty

    before = termios.tcgetattr(keyboard)
    try:
        tty.setraw(keyboard, termios.TCSADRAIN)  # what was typed meanwhile is kept
        yield
    finally:
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
