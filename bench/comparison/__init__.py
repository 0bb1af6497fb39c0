"""All rivals, one after the other, on the same work: what they cost, and how long they let one wait.

A figure is one sample of one rival; a page is made of them by `bench.page`. Where a rival can't do a thing it
has no samples, and where it fails the reason is kept in their place.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from bench.comparison import checks, faults, life, output
from bench.comparison.results import FULL, QUICK, Results, Size
from bench.peers import Peer
from bench.report import describe_machine
from bench.rivals import Rival, available
from bench.stamps import Program, describe_folder
from procman import __version__

__all__ = ["FULL", "QUICK", "Found", "compare"]

Found = dict[str, Any]
Measure = Callable[[type[Rival], Peer | None, Program, Size, Results], None]

CHECKS: tuple[Measure, ...] = (checks.checks,)
ALL: tuple[Measure, ...] = (
    life.hundred,
    life.edits,
    life.memory,
    faults.hostile,
    faults.dead_owner,
    output.output,
    *CHECKS,
)


def compare(
    program: Program,
    names: list[str],
    size: Size,
    say: Callable[[str], None],
    keep: Callable[[Found], None],
) -> Found:
    """Measure the rivals that are named, or all that are here; return all that was found.

    After each rival `keep` is called with what there is until then.
    """
    results = Results()
    missing: list[str] = []
    rivals = available(names, missing.append)
    found: Found = {
        "machine": [*describe_machine(), program.description, describe_folder()],
        "missing": missing,
        "turns": {},
        "samples": results.samples,
        "failures": results.failures,
    }
    say("\n".join(["", *missing]))
    for kind, peer in rivals.items():
        begin = time.monotonic()
        turn = {
            "version": __version__ if peer is None else peer.version,
            "began": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
            "load": round(os.getloadavg()[0], 1),
            "quick": size is QUICK,
        }
        for measure in CHECKS if kind.checks_alone else ALL:
            say(f"  {kind.name}: {measure.__name__.replace('_', ' ')}")
            with results.attempt(measure.__name__, kind.name):
                measure(kind, peer, program, size, results)
        found["turns"][kind.name] = {**turn, "seconds": round(time.monotonic() - begin)}
        keep(found)
    return found
