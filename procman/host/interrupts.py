"""How a manager is told to end or to read its file again by whoever has no connection to it."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from types import FrameType


def take_signals(
    loop: asyncio.AbstractEventLoop, stop: Callable[[str], None], reload: Callable[[], object]
) -> None:
    """Have INT and TERM call `stop` with their name, and HUP `reload`; on Windows, Ctrl-C and Break `stop`.

    To be called in the main thread.
    """
    if sys.platform == "win32":

        def post(number: int, _frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(stop, signal.Signals(number).name)

        signal.signal(signal.SIGINT, post)
        signal.signal(signal.SIGBREAK, post)
    else:
        loop.add_signal_handler(signal.SIGINT, stop, "SIGINT")
        loop.add_signal_handler(signal.SIGTERM, stop, "SIGTERM")
        loop.add_signal_handler(signal.SIGHUP, reload)
        # 280 children that end within one turn fill the loop's pipe of signals. One more SIGCHLD tells
        # nothing new, but for each that does not fit Python would write a traceback into the log.
        signal.set_wakeup_fd(signal.set_wakeup_fd(-1), warn_on_full_buffer=False)
