"""A third of the worlds that are played in every run of the tests; `make simulate` plays more."""

from __future__ import annotations

import pytest

from tests.simulation.world.hunt import keeps_every_promise, share


@pytest.mark.parametrize("seeds", share(2), ids=str)
def test_every_promise_is_kept(seeds: range) -> None:
    keeps_every_promise(seeds)
