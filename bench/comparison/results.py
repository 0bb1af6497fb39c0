"""Samples by measurement and rival, and why others have none."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.rivals import Unable


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured, and so how long a comparison takes."""

    starts: int  # of 100 apps
    rounds: int  # of kills, edits and status
    breaks: int  # of apps that close their port, and as many that hang
    idle: float  # s
    memory: tuple[int, ...]  # numbers of apps beside 100
    floods: int  # of output
    bytes: dict[str, int]  # of output, by the kind of flood


FULL = Size(3, 7, 5, 40.0, (1, 10, 1000), 3, {"bulk": 512 << 20, "lines": 64 << 20})
QUICK = Size(1, 3, 2, 10.0, (1,), 1, {"bulk": 128 << 20, "lines": 16 << 20})


@dataclass
class Results:
    """What a run has found until now."""

    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    failures: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, measurement: str, rival: str, *values: float) -> None:
        """Keep samples."""
        self.samples.setdefault(measurement, {}).setdefault(rival, []).extend(round(v, 3) for v in values)

    @contextlib.contextmanager
    def attempt(self, measurement: str, rival: str) -> Iterator[None]:
        """Measure within this: what fails costs this figure of this rival, and its reason is kept."""
        try:
            yield
        except Unable:
            pass
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            reason = f"{type(error).__name__}: {error}"
            self.failures.setdefault(measurement, {})[rival] = " ".join(reason.split())[:200]
