"""Looks for a world in which a promise is broken, and makes it small."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.simulation.world.generator import generate
from tests.simulation.world.play import play
from tests.simulation.world.scenario import Scenario
from tests.simulation.world.shrink import shrink, spell


@dataclass(frozen=True, slots=True)
class Found:
    """A world in which a promise was broken."""

    seed: int
    promise: str
    broken: str


def first_broken(seeds: Iterable[int]) -> Found | None:
    """Return the first world of these in which a promise is broken."""
    for seed in seeds:
        story = play(generate(seed))
        if story.broken is not None:
            return Found(seed, story.broken.promise, str(story.broken))
    return None


def minimise(seed: int) -> str:
    """Return the story of the smallest part of a world that breaks the same promise, and its command."""
    whole = generate(seed)
    broken = play(whole).broken
    assert broken is not None, "a promise was broken"

    def breaks_too(scenario: Scenario) -> bool:
        again = play(scenario).broken
        return again is not None and again.promise == broken.promise

    small = shrink(whole, breaks_too)
    counted = (
        f"{len(small.steps)} of {len(whole.steps)} steps, {len(small.tables)} of {len(whole.tables)} apps"
    )
    return f"{play(small).text()}\n\n{counted} are left; again with: make simulate {spell(small, whole)}"


WORLDS = 2100  # that `make test` plays, and among which each planted bug has to be found: 20 ms each
FILES = 3  # that play them: a file has one worker
AT_ONCE = 50  # in one test


def share(number: int) -> list[range]:
    """Return the seeds that one of the `FILES` plays, in chunks."""
    size = WORLDS // FILES
    first = number * size
    return [range(at, at + AT_ONCE) for at in range(first, first + size, AT_ONCE)]


def keeps_every_promise(seeds: Iterable[int]) -> None:
    """Fail with the story of the smallest part of a world in which a promise is broken."""
    found = first_broken(seeds)
    if found is not None:
        raise AssertionError(f"{found.broken}\n\n{minimise(found.seed)}")
