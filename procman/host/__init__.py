"""Everything an operating system gives, behind the one contract of `base.py`; one file for each system."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from procman.host.base import Host


def make_host(loop: asyncio.AbstractEventLoop) -> Host:
    """Return the host of the machine we run on, importing that one alone.

    Call it from the main thread: it takes over the loop's SIGCHLD.

    Raises:
        Unsupported: there is none for this system.
    """
    if sys.platform == "linux":
        from procman.host.linux import LinuxHost

        return LinuxHost(loop)
    if sys.platform == "darwin":
        from procman.host.macos import MacHost

        return MacHost(loop)
    from procman.host.base import Unsupported

    raise Unsupported(f"procman does not run on `{sys.platform}` yet\nhint: on Windows, run it in WSL 2")
