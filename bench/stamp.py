"""What stamp.c does, where there is no C compiler; the interpreter's own start is in every figure then."""

import os
import signal
import socket
import sys
import time

began = time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def say(what: str, at: int) -> None:
    """Write one line into the FIFO."""
    to = os.open(sys.argv[1], os.O_WRONLY)
    os.write(to, f"{what} {os.getpid()} {at}\n".encode())
    os.close(to)


say("began", began)
if len(sys.argv) > 2:
    listener = socket.create_server(("127.0.0.1", int(sys.argv[2])))

    def close_listener(*_: object) -> None:
        """Close the listener, and say so."""
        say("closed", time.clock_gettime_ns(time.CLOCK_MONOTONIC))  # before: the manager may end us at once
        listener.close()

    signal.signal(signal.SIGUSR1, close_listener)
    while listener.fileno() >= 0:
        try:
            listener.accept()[0].close()
        except OSError:
            break
while True:
    signal.pause()
