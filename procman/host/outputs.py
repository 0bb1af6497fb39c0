"""Where the output of a run is between its app and its manager: in named pipes, on Windows in files.

`fifo` and `pty` are the modules that this system has for it.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from procman.host.windows import no_pty as pty
    from procman.host.windows import spool as fifo
else:
    from procman.host.posix import fifo, pty

__all__ = ["fifo", "pty"]
