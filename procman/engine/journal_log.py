"""The manager's own log, as systemd's journal takes it."""

from __future__ import annotations

import logging
import os

from procman.host.notify import never_wait

STDERR = 2


class JournalHandler(logging.Handler):
    """Writes to the journal, through stderr: a line is `<4>web: …`, and its time is when it was written.

    The journal is never waited for: what it can't take at once is counted, and told when it takes more.
    """

    def __init__(self) -> None:
        super().__init__()
        never_wait(STDERR)
        self._missed = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write each line of a record with its level."""
        level = 3 if record.levelno >= logging.ERROR else 4 if record.levelno >= logging.WARNING else 6
        text = self.format(record)
        if self._missed:
            text = f"{self._missed} messages are not in the journal; `manager.log` has them\n{text}"
        data = "".join(f"<{level}>{line}\n" for line in text.splitlines()).encode(errors="replace")
        try:
            os.write(STDERR, data)
        except OSError:
            self._missed += 1
        else:
            self._missed = 0
