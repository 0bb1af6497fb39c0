"""The terminal of one run: what the app prints into it is shown to whoever is attached, who may type too."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from procman.host.outputs import pty

RECENT = 4096  # bytes that somebody who attaches is shown of what was printed before


@dataclass(slots=True, eq=False)
class Attachment:
    """Somebody at a terminal, until `leave` or its end."""

    terminal: Terminal
    on_output: Callable[[bytes], None]
    on_end: Callable[[], None]
    size: tuple[int, int] | None = None  # columns and rows of the window; None: not told

    @property
    def recent(self) -> bytes:
        """What was printed last."""
        return self.terminal.recent

    def type(self, data: bytes) -> int:
        """Type into the terminal, and return how many bytes it took; it takes none while the app is busy."""
        return self.terminal.type(data)

    def resize(self, columns: int, rows: int) -> None:
        """Say how large this one's window is; the newest window that told its size is what the app sees."""
        self.size = columns, rows
        self.terminal.fit()

    def leave(self) -> None:
        """Hear of nothing any more; the app goes on, in the size of who is left."""
        self.terminal.dismiss(self)


class Terminal:
    """A pseudo-terminal with what is to be known of it; owned by the thread of the event loop.

    Whoever is attached is called from inside of `show` and `close`, and may neither wait nor raise.
    """

    def __init__(self, ends: pty.Ends | None = None) -> None:
        """Open it, or go on with one that is open.

        Raises:
            OSError: there is none.
        """
        self.master, self.slave = ends or pty.open_terminal()
        self._recent = b""
        self._is_cut = False  # whether more was printed than is kept
        self._attached: list[Attachment] = []

    @property
    def recent(self) -> bytes:
        """What was printed last, from the beginning of a line where there is one."""
        newline = self._recent.find(b"\n") if self._is_cut else -1
        return self._recent[newline + 1 :]

    def show(self, data: bytes) -> None:
        """Pass on what the app has printed."""
        self._is_cut = self._is_cut or len(self._recent) + len(data) > RECENT
        self._recent = (self._recent + data)[-RECENT:]
        for each in tuple(self._attached):
            each.on_output(data)

    def attach(self, on_output: Callable[[bytes], None], on_end: Callable[[], None]) -> Attachment:
        """Call `on_output` with all that is printed from now on, and `on_end` once when the terminal ends."""
        made = Attachment(self, on_output, on_end)
        self._attached.append(made)
        return made

    def dismiss(self, attachment: Attachment) -> None:
        """Let somebody go."""
        if attachment in self._attached:
            self._attached.remove(attachment)
            self.fit()

    def type(self, data: bytes) -> int:
        """Type into it, and return how many bytes it took; a terminal that has ended swallows everything."""
        try:
            return pty.write(self.master, data) if self.master >= 0 else len(data)
        except OSError:  # nobody has it open any more
            return len(data)

    def fit(self) -> None:
        """Take the size of the newest window that is known."""
        sizes = [each.size for each in self._attached if each.size is not None]
        if sizes and self.master >= 0:
            pty.resize(self.master, *sizes[-1])

    def pass_on(self) -> pty.Ends:
        """Let go of it as it is, for who goes on with it; those who are attached hear of no end."""
        ends = pty.Ends(self.master, self.slave)
        self.slave = self.master = -1
        self._attached.clear()
        return ends

    def close(self) -> None:
        """End it: what runs in it gets SIGHUP, and who is attached is told."""
        for descriptor in (self.slave, self.master):
            os.close(descriptor)
        self.slave = self.master = -1
        attached, self._attached = self._attached, []
        for each in attached:
            each.on_end()
