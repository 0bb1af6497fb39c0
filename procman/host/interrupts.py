"""How a manager is told to end or to read its file again by whoever has no connection to it."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType


def take_signals(
    loop: asyncio.AbstractEventLoop, stop: Callable[[str], None], reload: Callable[[], object]
) -> None:
    """Have INT and TERM call `stop` with their name, and HUP `reload`; on Windows, Ctrl-C and Break `stop`.

    To be called in the main thread. Not by `add_signal_handler`: that loads `inspect`, 0.8 MB, and has every
    SIGCHLD write into the loop's pipe, which 280 children that end within one turn fill.
    """

    def post(number: int, _frame: FrameType | None) -> None:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(stop, signal.Signals(number).name)

    def post_reload(_number: int, _frame: FrameType | None) -> None:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(reload)

    signal.signal(signal.SIGINT, post)
    if sys.platform == "win32":
        signal.signal(signal.SIGBREAK, post)
    else:
        signal.signal(signal.SIGTERM, post)
        signal.signal(signal.SIGHUP, post_reload)
