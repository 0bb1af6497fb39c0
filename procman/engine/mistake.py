"""A service whose file has a mistake: it waits for an edit, as a manager that runs would."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from procman.config.diagnostics import InvalidConfig
from procman.config.read import read_config
from procman.host.notify import Notifier

LOOK_EVERY = 1.0  # seconds; only as long as the mistake is there


def wait_until_valid(file: str, notifier: Notifier, complain: Callable[[str], None]) -> None:
    """Return once the file is valid; until then its mistake is the status of the service.

    To end instead would keep every app of a machine down that was booted in the middle of an edit, and leave
    those without a manager whose manager has died. The state folder is not claimed meanwhile.

    Args:
        file: the project's file.
        notifier: hears the mistake, and that we live.
        complain: is told each mistake once.
    """
    told = ""
    while True:
        try:
            read_config(file)
        except InvalidConfig as error:
            text = error.render()
            if text != told:
                told = text
                complain(text)
                status = f"{error.summary}; waits for an edit"
                notifier.insist(READY=1, MAINPID=os.getpid(), STATUS=status)
        else:
            return
        notifier.tell(WATCHDOG=1)
        time.sleep(LOOK_EVERY)
