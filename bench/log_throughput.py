"""How fast output gets from an app to where it is kept, and what that costs the keeper.

An app prints numbered lines as fast as it can, and the time is taken until its last line is in a file. What
is there is then read back and counted. A round measures every keeper once, so that a busy moment hits all.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.flood import BLOCK, LAST, LINE
from bench.keepers import Keeper, Kept, available
from bench.report import Goal, Report
from bench.stamps import now

ROUNDS = 7
SIZES = {"bulk": 512 << 20, "lines": 64 << 20}
TITLES = {
    "bulk": "bulk, 512 MiB in writes of 64,000 bytes",
    "lines": "a write for each line of 100 bytes, 64 MiB",
}
LOOK_EVERY = 0.001  # s
PATIENCE = 300.0  # s for one keeper
READ = 1 << 22


@dataclass(slots=True)
class Figures:
    """What was measured of one keeper."""

    speed: list[float] = field(default_factory=list)  # MB/s
    cost: list[float] = field(default_factory=list)  # s of CPU per GiB
    lost: int = 0  # lines, in all rounds
    disordered: bool = False


def measure(report: Report) -> None:
    """Print the figures of every keeper that is here."""
    report.text("", "logs: what keeps an app's output")
    keepers = available(report.text)
    for kind, title in TITLES.items():
        all_figures = {name: Figures() for name in keepers}
        for _ in range(ROUNDS):
            for name, keeper in keepers.items():
                _one(keeper, kind, all_figures[name])
        _print(report, title, all_figures)


def _print(report: Report, title: str, all_figures: dict[str, Figures]) -> None:
    report.title(title)
    for name, figures in all_figures.items():
        report.figure(name, figures.speed, "MB/s")
        report.figure("  its CPU per GiB", figures.cost, "s")
        if figures.lost or figures.disordered:
            report.text(f"  {name} has lost {figures.lost:,} lines{', and their order' * figures.disordered}")
    ours = all_figures["procman"].speed
    for name, ratio in (("supervisord", 1.0), ("pm2", 3.0)):
        goal = Goal(ratio, of_ratio=True, or_more=True)
        for full, figures in all_figures.items():
            if full.startswith(name):
                report.figure(f"procman beside {full}", ours, "MB/s", against=figures.speed, goal=goal)


def _one(keeper: Keeper, kind: str, figures: Figures) -> None:
    """Measure one keeper once."""
    size = SIZES[kind]
    with tempfile.TemporaryDirectory(prefix="procman-bench-") as name:
        folder = Path(name)
        said, go = folder / "said", folder / "go"
        os.mkfifo(said)
        os.mkfifo(go)
        app = [sys.executable, "-I", "-S", str(Path(__file__).with_name("flood.py")), kind, str(size)]
        with keeper(folder, [*app, str(said), str(go)]) as kept, said.open() as speaker:
            speaker.readline()
            before = _cpu(kept.pid)
            go.open("w").close()
            began = int(speaker.readline())  # said when all is printed: until then nobody takes CPU to look
            ended = _wait_for_the_end(kept)
            cost = _cpu(kept.pid) - before
            figures.speed.append(size / (ended - began) * 1e3)
            figures.cost.append(cost * (1 << 30) / size)
            lost, ordered = _check(kept, kind, size)
            figures.lost += lost
            figures.disordered |= not ordered


def _wait_for_the_end(kept: Kept) -> int:
    """Return when the app's last line was seen in the newest file."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with contextlib.suppress(FileNotFoundError, IndexError):
            newest = kept.files()[-1]
            with newest.open("rb") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(0, end - len(LAST)))
                if file.read() == LAST:
                    return now()
        time.sleep(LOOK_EVERY)
    raise TimeoutError("the last line has not come")


def _check(kept: Kept, kind: str, size: int) -> tuple[int, bool]:
    """Return how many lines are not there, and whether the others are in their order.

    What a keeper has rotated away is not lost: counted is from the first line that is there.
    """
    wanted = size // LINE // (BLOCK if kind == "bulk" else 1) * (BLOCK if kind == "bulk" else 1)
    first, last, found, ordered = None, -1, 0, True
    for line in _lines(kept.files()):
        text = line[kept.prefix :]
        found += len(text) == LINE - 1
        if text.startswith(b"number "):
            number = int(text[7:16]) * (BLOCK if kind == "bulk" else 1)
            first = number if first is None else first
            if first == number:
                found = 1
            ordered &= number > last
            last = number
    return wanted - (first or 0) - found, ordered


def _lines(files: list[Path]) -> Iterator[bytes]:
    rest = b""
    for path in files:
        with path.open("rb") as file:
            while data := file.read(READ):
                *lines, rest = (rest + data).split(b"\n")
                yield from lines


def _cpu(pid: int) -> float:
    """Return the seconds of CPU that a process has had so far, all threads together."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
