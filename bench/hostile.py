"""Apps that are hard to stop: `python hostile.py KIND FIFO`; each of their processes says that it has begun.

Four kinds of two processes: what an app may do to get out of its group, or not hear a signal.
"""

from __future__ import annotations

import os
import signal
import sys
import time

KINDS = ("daemon", "deaf", "group", "heir")
PROCESSES = 2  # of each


def say(fifo: str) -> None:
    """Write who has begun, as stamp.c does."""
    to = os.open(fifo, os.O_WRONLY)
    os.write(to, f"began {os.getpid()} {time.clock_gettime_ns(time.CLOCK_MONOTONIC)}\n".encode())
    os.close(to)


def live() -> None:
    """Do nothing, for a long time."""
    while True:
        time.sleep(1000)


def main() -> None:
    """Be one of the kinds."""
    kind, fifo = sys.argv[1:]
    if kind == "daemon":  # out of the session, and no child of anybody here
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                say(fifo)
                live()
            os._exit(0)
        os.wait()
    elif kind == "deaf":  # both ignore SIGTERM
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:
            say(fifo)
            live()
    elif kind == "group":  # in a group of its own
        if os.fork() == 0:
            os.setpgid(0, 0)
            say(fifo)
            live()
    elif os.fork() == 0:  # the parent ends at SIGTERM and leaves one that does not
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        say(fifo)
        live()
    say(fifo)
    live()


if __name__ == "__main__":
    main()
