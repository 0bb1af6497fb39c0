"""Attaching to the terminal of an app's present run."""

from __future__ import annotations

from collections.abc import Callable

from procman.engine.supervised import Supervised
from procman.logs.terminal import Attachment


class NoTerminal(Exception):
    """There is nothing to attach to; says why, and what to type."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def attach(
    supervised: Supervised, on_output: Callable[[bytes], None], on_end: Callable[[], None]
) -> Attachment:
    """Return an attachment to the terminal of the app's run.

    Raises:
        NoTerminal: it has no run, or that has none.
    """
    name = supervised.name
    terminal = supervised.capture.terminal
    if terminal is not None:
        return terminal.attach(on_output, on_end)
    if not supervised.config.tty:
        hint = f"`tty = true` in its table gives it one: `procman set {supervised.config.table}.tty true`"
        raise NoTerminal(f"`{name}` has no terminal", hint)
    raise NoTerminal(f"`{name}` is {supervised.app.state.value}", f"`procman start {name}` runs it")
