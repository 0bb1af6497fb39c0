"""Measures how fast output gets from an app into its log, beside what `cat > file` makes of the same output.

    python -m bench.log_throughput [MIB]

Each figure is the best of three turns, taken by turns, so that a busy moment of the machine hits every way.
CPU is what the reading side uses per GiB. The nap is what an event loop does after a short read.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from procman.core.config import LogBudget
from procman.logs.capture import Capture
from procman.logs.read import last_lines

TURNS = 3
NAP_S = 0.001
SHORT_READ = 1 << 17  # bytes; an eighth of the pipe
BULK = ["head", "-c", "{bytes}", "/dev/zero"]
PER_LINE = """
import os
line = b"x" * 99 + b"\\n"
for _ in range({bytes} // 100):
    os.write(1, line)
"""


@dataclass(frozen=True, slots=True)
class Turn:
    """How fast it went, and at what cost."""

    mb_per_s: float
    cpu_s_per_gib: float


def measured(size: int, way: Callable[[Path], float], folder: Path) -> Turn:
    """Time a way to move `size` bytes into `folder`, which returns the CPU seconds of its reading side."""
    begin = time.perf_counter()
    cpu = way(folder)
    return Turn(size / (time.perf_counter() - begin) / 1e6, cpu * (1 << 30) / size)


def cat(writer: list[str], folder: Path) -> float:
    """Let `cat` store what the writer prints."""
    with (folder / "copy").open("wb") as copy, subprocess.Popen(writer, stdout=subprocess.PIPE) as app:
        reader = subprocess.Popen(["cat"], stdin=app.stdout, stdout=copy)
        _, status, usage = os.wait4(reader.pid, 0)
        reader.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def capture(writer: list[str], folder: Path, budget: LogBudget, nap_s: float) -> float:
    """Let a capture store it, as an event loop would drive it."""
    (folder / "run").mkdir()
    captured = Capture(folder / "logs", folder / "run", "app", budget)
    streams = captured.begin(1)
    begin = time.process_time()
    with subprocess.Popen(writer, stdin=streams.stdin, stdout=streams.stdout, stderr=streams.stderr):
        captured.release()
        waiting = select.poll()
        left = set(captured.readable_descriptors())
        for descriptor in left:
            waiting.register(descriptor, select.POLLIN)
        while left:
            for descriptor, _ in waiting.poll():
                moved = captured.on_readable(descriptor)
                if moved.ended:
                    waiting.unregister(descriptor)
                    left.discard(descriptor)
                elif moved.count < SHORT_READ and nap_s:
                    time.sleep(nap_s)
    captured.end()
    captured.close()
    return time.process_time() - begin


def compare(title: str, writer: list[str], size: int) -> None:
    """Print one line for each way of storing what the writer prints."""
    ways: dict[str, Callable[[Path], float]] = {
        "cat > file": lambda folder: cat(writer, folder),
        "one file": lambda folder: capture(writer, folder, LogBudget(1 << 40, 0), NAP_S),
        "one file, no nap": lambda folder: capture(writer, folder, LogBudget(1 << 40, 0), 0),
        "10 MB x 5": lambda folder: capture(writer, folder, LogBudget(), NAP_S),
    }
    best: dict[str, Turn] = {}
    for _ in range(TURNS):
        for name, way in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                turn = measured(size, way, Path(folder))
            if name not in best or turn.mb_per_s > best[name].mb_per_s:
                best[name] = turn
    print(f"{title}, {size >> 20} MiB")
    for name, turn in best.items():
        ratio = turn.mb_per_s / best["cat > file"].mb_per_s
        print(f"  {name:18}{turn.mb_per_s:7.0f} MB/s {ratio:6.2f} x cat {turn.cpu_s_per_gib:7.2f} CPU s/GiB")


def read_back(size: int) -> None:
    """Print how long the last 100 lines take, of a log of one line and of one of `size` bytes."""
    for title, length in (("1 line", 100), (f"{size >> 20} MiB", size)):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            writer = ["sh", "-c", f"yes {'x' * 99} | head -c {length}"]
            capture(writer, folder, LogBudget(1 << 40, 0), NAP_S)
            begin = time.perf_counter()
            count = sum(1 for _ in last_lines(folder / "logs", "app", 100))
            print(f"last {count} of {title}: {(time.perf_counter() - begin) * 1000:.1f} ms")


def main() -> None:
    """Run everything."""
    size = (int(sys.argv[1]) if len(sys.argv) > 1 else 1024) << 20
    compare("bulk", [word.format(bytes=size) for word in BULK], size)
    lined = size >> 3
    compare("one write of 100 bytes per line", [sys.executable, "-c", PER_LINE.format(bytes=lined)], lined)
    read_back(size)


if __name__ == "__main__":
    main()
