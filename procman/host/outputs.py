"""Where the output of a run is between its app and its manager: in named pipes, on Windows in files."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from procman.host.windows.spool import RunFifos as RunFifos
    from procman.host.windows.spool import waiting as waiting
else:
    from procman.host.posix.fifo import RunFifos as RunFifos
    from procman.host.posix.fifo import waiting as waiting
