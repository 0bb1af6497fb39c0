"""An app that prints a line each millisecond once it is asked to: `python talker.py FIFO`.

It writes `talks` into FIFO, prints when it gets SIGUSR1, writes `silent` when it has, and lives on. A line
that nobody takes does not end it: as with most libraries for logging.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

LINES = 5000
EACH = 0.001  # s


def line(number: int) -> bytes:
    """Return what is printed: 100 bytes."""
    return b"line %07d of the talker " % number + b"x" * 72 + b"\n"


def say(what: str) -> None:
    """Write one line into the FIFO."""
    to = os.open(sys.argv[1], os.O_WRONLY)
    os.write(to, f"{what} {os.getpid()} {time.clock_gettime_ns(time.CLOCK_MONOTONIC)}\n".encode())
    os.close(to)


def main() -> None:
    """Wait, print, and live on."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    say("talks")
    signal.sigwait([signal.SIGUSR1])
    for number in range(LINES):
        with contextlib.suppress(OSError):
            os.write(1, line(number))
        time.sleep(EACH)
    say("silent")
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
