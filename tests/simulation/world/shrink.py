"""A scenario that breaks a promise to a smaller one that does: fewer apps, fewer steps, no waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.simulation.world.scenario import Scenario, Step
from tests.simulation.world.table import Table

ENOUGH = 400  # plays, of 5 to 50 ms each
SHORTER = (0.0, 0.1, 1.0)  # s to try in the place of a pause


def shrink(scenario: Scenario, breaks: Callable[[Scenario], bool]) -> Scenario:
    """Return the smallest scenario found that `breaks` still holds for; deterministic, as it is."""
    plays = 0
    while plays < ENOUGH:
        for smaller in _smaller(scenario):
            plays += 1
            if breaks(smaller):
                scenario = smaller
                break
            if plays >= ENOUGH:
                break
        else:
            return scenario
    return scenario


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    """Yield what is a little less, what takes most away first."""
    steps, tables = scenario.steps, scenario.tables
    size = len(steps)
    while size := size // 2:
        for at in range(0, len(steps), size):
            yield replace(scenario, steps=(*steps[:at], *steps[at + size :]))
    if len(tables) > 1:
        for table in reversed(tables):
            yield replace(scenario, tables=tuple(each for each in tables if each is not table))
    for at, step in enumerate(steps):
        for after in SHORTER:
            if after < step.after:
                yield replace(scenario, steps=(*steps[:at], replace(step, after=after), *steps[at + 1 :]))


def spell(scenario: Scenario, whole: Scenario) -> str:
    """Return what is left of the whole, as arguments of `make simulate`."""
    pauses = {step.number: step.after for step in whole.steps}
    left = [
        f"{step.number}" if step.after == pauses[step.number] else f"{step.number}@{step.after:g}"
        for step in scenario.steps
    ]
    apps = " ".join(table.name for table in scenario.tables)
    return f"SEED={scenario.seed} STEPS='{' '.join(left)}' APPS='{apps}'"


def cut(whole: Scenario, steps: str, apps: str) -> Scenario:
    """Return the part of a scenario that `spell` has spelled."""
    by_number = {step.number: step for step in whole.steps}
    kept: list[Step] = []
    for written in steps.split():
        number, _, after = written.partition("@")
        step = by_number[int(number)]
        kept.append(replace(step, after=float(after)) if after else step)
    tables: tuple[Table, ...] = tuple(each for each in whole.tables if each.name in apps.split())
    return replace(whole, steps=tuple(kept), tables=tables)
