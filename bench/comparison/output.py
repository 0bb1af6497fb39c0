"""How fast output gets from an app to where a rival keeps it, what that costs it, and what is lost.

An app prints numbered lines as fast as it can, and the time is taken until its last line is in a file. What
is there is then read back and counted.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench import footprint
from bench.comparison.results import Results, Size
from bench.flood import BLOCK, LAST, LINE
from bench.peers import Peer
from bench.rivals import Procman, Rival, running
from bench.stamps import Program, now

FLOOD = Path(__file__).parents[1] / "flood.py"
LOOK_EVERY = 0.001  # s
PATIENCE = 180.0  # s for one flood
READ = 1 << 22


class Cat(Rival):
    """`app | cat > file`: what a copy takes at least."""

    name = "cat > file"

    def configure(self) -> None:
        """Nothing is to be written."""

    def start(self) -> None:
        """Begin both."""
        (words,) = self.apps.values()
        self._begin("sh", "-c", f"{shlex.join(words)} | cat > out; :")

    def files(self, name: str) -> list[Path]:
        """Return the copy."""
        return [self.folder / "out"]


def output(kind: type[Rival], peer: Peer | None, program: Program, size: Size, results: Results) -> None:
    """Measure floods of both kinds; in the turn of procman `cat` is measured beside it."""
    for flood in size.bytes:
        for _ in range(size.floods):
            for each in (kind, Cat) if kind is Procman else (kind,):
                with results.attempt(f"log {flood}", each.name):
                    _flood(each, peer, flood, int(size.bytes[flood] * each.flood), results)


def _flood(kind: type[Rival], peer: Peer | None, flood: str, size: int, results: Results) -> None:
    """Time from an app's first write until its last line is in a file; take the CPU; count the lines."""
    with tempfile.TemporaryDirectory(prefix="procman-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        said, go = folder / "said", folder / "go"
        os.mkfifo(said)
        os.mkfifo(go)
        app = [sys.executable, "-I", "-S", str(FLOOD), flood, str(size), str(said), str(go)]
        with running(kind, peer, folder, {"app": app}, logged=True) as rival:
            rival.start()
            with said.open() as speaker:
                own = rival.own({int(speaker.readline())})
                before = footprint.activity(own)
                go.open("w").close()
                began = int(
                    speaker.readline()
                )  # said when all is printed: until then nobody takes CPU to look
                ended = _wait_for_the_end(rival)
                after = footprint.activity(own)
            results.add(f"log {flood}", kind.name, size / (ended - began) * 1e3)
            results.add(f"log {flood} cpu", kind.name, (after[1] - before[1]) / 1e3 * (1 << 30) / size)
            results.add(f"log {flood} lost", kind.name, lost(rival.files("app"), flood, size))


def _wait_for_the_end(rival: Rival) -> int:
    """Return when the app's last line was seen in the newest file."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with contextlib.suppress(FileNotFoundError, IndexError), rival.files("app")[-1].open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - len(LAST)))
            if file.read() == LAST:
                return now()
        time.sleep(LOOK_EVERY)
    raise TimeoutError(f"the last line has not come within {PATIENCE:g} s")


def lost(files: list[Path], flood: str, size: int) -> int:
    """Return how many of an app's lines are not in these files, or are there behind a later one.

    What a rival puts before each line does not count.
    """
    step = BLOCK if flood == "bulk" else 1
    wanted = size // LINE // step * step
    prefix, newest, found, disordered = 0, -1, 0, 0
    for line in _lines(files):
        if newest < 0:
            prefix = max(0, line.find(b"number "))
        text = line[prefix:]
        if len(text) != LINE - 1:
            continue  # what a rival says itself, or a line that was torn
        found += 1
        if text.startswith(b"number "):
            number = int(text[7:16])
            disordered += number <= newest
            newest = number
    return wanted - found + disordered


def _lines(files: list[Path]) -> Iterator[bytes]:
    """Return the lines of several files as of one."""
    rest = b""
    for path in files:
        with path.open("rb") as file:
            while data := file.read(READ):
                *lines, rest = (rest + data).split(b"\n")
                yield from lines
