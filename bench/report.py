"""What a measurement prints: medians with their range, beside what they are compared with and their goal."""

from __future__ import annotations

import os
import platform
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from procman import __version__


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should be at most, or at least: itself, or its ratio to what it is compared with."""

    bound: float
    of_ratio: bool = False
    or_more: bool = False

    def __str__(self) -> str:
        return f"{'ratio ' if self.of_ratio else ''}{'>=' if self.or_more else '<='} {self.bound:g}"

    def is_met(self, value: float) -> bool:
        """Return whether a figure, or its ratio, is what it should be."""
        return value >= self.bound if self.or_more else value <= self.bound


class Report:
    """Prints figures as they come: a run takes minutes, and its first lines are of use before its last."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def text(self, *lines: str) -> None:
        """Print lines as they are."""
        print(*lines, sep="\n", file=self._out, flush=True)

    def title(self, text: str) -> None:
        """Begin a table."""
        self.text("", text)
        self.text(f"  {'':50}{'median':>9}{'lowest':>10}{'highest':>9}{'ratio':>12}   goal")

    def figure(
        self,
        name: str,
        samples: list[float],
        unit: str,
        *,
        against: list[float] | None = None,
        goal: Goal | None = None,
    ) -> None:
        """Print one row.

        Args:
            name: what was measured.
            samples: every measured value, in `unit`.
            unit: as it is printed.
            against: what the median is divided by the median of.
            goal: what the median, or that ratio, should be.
        """
        median = statistics.median(samples)
        ratio = None if against is None else median / statistics.median(against)
        row = f"  {name:50}{median:9.2f}{min(samples):10.2f}{max(samples):9.2f} {unit:6}"
        row += " " * 5 if ratio is None else f"{ratio:5.2f}"
        if goal is not None:
            value = ratio if goal.of_ratio else median
            assert value is not None, "a goal of a ratio needs something to compare with"
            row += f"   {goal}: {'met' if goal.is_met(value) else 'MISSED'}"
        self.text(row.rstrip())


def describe_machine() -> list[str]:
    """Return what a figure means nothing without."""
    return [
        f"procman {__version__}, {platform.python_implementation()} {platform.python_version()}",
        f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} x {_processor()}",
    ]


def _processor() -> str:
    """Return the model of the processor, as the system calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "processor unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "processor unknown"
