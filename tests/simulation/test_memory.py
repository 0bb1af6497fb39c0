"""`max_memory` on the simulated machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from procman.host.base import Ended
from tests.fakes.host import PROCESS_SIZE
from tests.fakes.programs import Program, npm
from tests.simulation.village import Village

LEAKS = npm(Program(memory=600_000_000))  # the tree: npm, sh and node
TREE = 3 * PROCESS_SIZE + 600_000_000


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    village = Village(tmp_path, '[apps.web]\ncommand = "node web.js"\nmax_memory = "500MB"\n')
    village.machine.programs["node web.js"] = LEAKS
    yield village
    village.end()


def test_an_app_over_its_limit_in_three_looks_is_restarted_with_the_figures(village: Village) -> None:
    village.up()
    village.until(village.is_up)
    took = village.until(lambda: village.starts("node web.js") == 2)
    assert 29 <= took <= 33
    app = village.engine.apps["web"]
    why = "uses 630MB, more than `max_memory` (500MB), in 3 looks in a row"
    assert app.cause == f"restarted at once: {why}"
    assert app.restarts == 1
    assert any(record.data.get("reason") == why for record in village.records)


def test_what_leaks_again_and_again_is_given_up(village: Village) -> None:
    village.edit('max_memory = "500MB"', 'max_memory = "500MB"\ngive_up = { starts = 3, within = "1h" }')
    village.engine.reload()
    village.up()
    village.until(lambda: village.states() == {"web": "failed"}, within=300)
    assert village.starts("node web.js") == 3


def test_two_looks_and_a_rest_are_no_reason(village: Village) -> None:
    village.machine.programs["node web.js"] = npm(Program())
    village.up()
    village.until(village.is_up)
    (node,) = [each for each in village.processes("web") if not each.program.children]
    for _ in range(4):
        node.program = Program(memory=600_000_000)
        village.advance(20)
        node.program = Program()
        village.advance(10)
    assert village.starts("node web.js") == 1


def test_an_edit_of_the_limit_counts_at_once_and_touches_no_process(village: Village) -> None:
    village.up()
    village.until(village.is_up)
    village.advance(15)
    village.edit("500MB", "900MB")
    village.engine.reload()
    village.advance(120)
    assert village.starts("node web.js") == 1
    village.edit("900MB", "600MB")
    village.engine.reload()
    assert village.until(lambda: village.starts("node web.js") == 2) >= 20


def test_an_app_that_is_never_restarted_is_left_alone(village: Village) -> None:
    village.edit("max_memory", 'restart = "never"\nmax_memory')
    village.engine.reload()
    village.up()
    village.until(village.is_up)
    village.advance(120)
    assert village.starts("node web.js") == 1
    assert village.is_up()


def test_without_an_app_that_has_a_limit_nothing_wakes(village: Village) -> None:
    village.up()
    village.until(village.is_up)
    assert village.engine._circle.upkeep._memory._timer is not None
    for process in village.processes("web"):
        village.machine.end(process, Ended(0, None))
    village.engine.stop(["web"])
    village.until(lambda: village.states() == {"web": "stopped"})
    assert village.engine._circle.upkeep._memory._timer is None
