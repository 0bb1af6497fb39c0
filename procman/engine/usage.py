"""What the trees of the apps use of the machine: two looks at them, for `status --wide`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from procman.core.identity import Identity
from procman.host.base import Host, Run, Vitals


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of all trees at one moment."""

    at: float = 0.0  # monotonic seconds
    trees: Mapping[Run, tuple[Vitals, ...]] = field(default_factory=dict)


def look(host: Host, runs: Sequence[Run]) -> Look:
    """Return what the trees of these runs use now."""
    trees = dict(zip(runs, map(host.vitals, host.trees(runs)), strict=True))
    return Look(host.now(), trees)


def shown(run: Run | None, before: Look, after: Look) -> dict[str, Any]:
    """Return the keys that `status --wide` adds to an app: all null where nothing of it lives.

    The percentage is of one processor, and of the time between the looks: a tree can have more than 100, and
    what it did an hour ago is no part of it. What was born in between counts from its birth; what was born
    before, and not seen then, counts with the next look.
    """
    seen = after.trees.get(run, ()) if run is not None else ()
    if run is None or not seen:
        return {"cpu_s": None, "cpu_percent": None, "memory_bytes": None}
    took = after.at - before.at
    known = {each.identity: each.cpu_s for each in before.trees.get(run, ())}
    busy = max(0.0, sum(each.cpu_s - _then(each, known, took) for each in seen))
    return {
        "cpu_s": round(sum(each.cpu_s for each in seen), 3),
        "cpu_percent": round(100 * busy / took, 1) if took > 0 else None,
        "memory_bytes": sum(each.memory_bytes for each in seen),
    }


def _then(process: Vitals, known: Mapping[Identity, float], took: float) -> float:
    """Return the CPU time that a process had at the first look."""
    return known.get(process.identity, 0.0 if process.age_s <= took else process.cpu_s)
