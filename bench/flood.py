"""An app that prints as fast as it can: `python flood.py bulk|lines BYTES SAID GO`.

It writes its pid into the named pipe SAID, waits until GO is closed by whoever opened it for writing, prints
`BYTES` bytes in lines of 100, then a last line, and says in SAID when it began. In `bulk` each write has 640
lines, of which the first is numbered; in `lines` each line is numbered and a write of its own.
"""

from __future__ import annotations

import os
import sys
import time

LINE = 100  # bytes, with the newline
BLOCK = 640  # lines per write in bulk: 64,000 bytes
LAST = b"this is the end\n"


def numbered(number: int) -> bytes:
    """Return the line that is looked for."""
    return b"number %09d " % number + b"x" * (LINE - 18) + b"\n"


def flood(kind: str, size: int) -> None:
    """Print."""
    lines = size // LINE
    if kind == "bulk":
        rest = (b"x" * (LINE - 1) + b"\n") * (BLOCK - 1)
        for number in range(lines // BLOCK):
            block = memoryview(numbered(number) + rest)
            while block:
                block = block[os.write(1, block) :]
    else:
        for number in range(lines):
            os.write(1, numbered(number))
    os.write(1, LAST)


def main() -> None:
    """Be told to begin, print, and live on: what restarts it would print again."""
    kind, size, said, go = sys.argv[1:]
    speaker = os.open(said, os.O_WRONLY)
    os.write(speaker, b"%d\n" % os.getpid())
    with open(go, "rb") as waiting:
        waiting.read()
    began = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    flood(kind, int(size))
    os.write(speaker, b"%d\n" % began)
    os.close(speaker)
    while True:
        time.sleep(1000)


if __name__ == "__main__":
    main()
