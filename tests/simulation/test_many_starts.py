"""Very many apps that start or stop at once: no round lasts so long that nobody is answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from procman.core.identity import Identity, Member
from procman.engine import turn
from procman.host.base import Ended, Order, Run
from tests.fakes.host import FakeHost
from tests.fakes.programs import Program
from tests.simulation.village import Village

COUNT, TAKES_S = 60, 0.02  # apps, and what a start takes
TEXT = "".join(f'[apps.app-{number}]\ncommand = "node {number}.js"\n' for number in range(COUNT))


@pytest.fixture
def village(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Village]:
    """A project of so many apps on a machine that is slow to start them."""
    spawn = FakeHost.spawn

    def slow(host: FakeHost, order: Order, on_exit: Callable[[Ended], None]) -> Identity:
        host.machine.now += TAKES_S
        return spawn(host, order, on_exit)

    monkeypatch.setattr(FakeHost, "spawn", slow)
    village = Village(tmp_path, TEXT)
    village.machine.programs |= {f"node {number}.js": Program() for number in range(COUNT)}
    yield village
    village.end()


def test_they_start_in_portions_and_all_of_them_do(village: Village) -> None:
    began = village.host.now()
    village.up()
    assert village.host.now() - began <= turn.LONGEST + TAKES_S, "whoever asked is answered"
    waiting = [name for name, app in village.engine.apps.items() if app.reason == turn.REASON]
    assert len(waiting) > COUNT / 2
    village.until(village.is_up)
    assert village.host.now() - began < COUNT * TAKES_S + 5


def test_where_all_are_restarted_each_in_its_own_round_they_start_in_portions_too(village: Village) -> None:
    village.up()
    village.until(village.is_up)
    told: set[str] = set()

    def have_all_restarted() -> bool:
        told.update(name for name, app in village.engine.apps.items() if app.reason == turn.REASON)
        return village.is_up() and all(app.generation == 2 for app in village.engine.apps.values())

    village.engine.restart(tuple(village.engine.apps))
    village.until(have_all_restarted)
    assert len(told) > COUNT / 2


def test_a_stop_in_the_middle_is_heeded(village: Village) -> None:
    village.up()
    village.engine.stop(tuple(village.engine.apps))
    village.until(lambda: set(village.states().values()) == {"stopped"})
    assert not any(village.pids(app) for app in village.engine.apps)


def test_a_manager_that_is_killed_in_the_middle_leaves_the_rest_to_the_next_one(village: Village) -> None:
    village.up()
    village.kill_manager()
    village.manage()
    village.until(village.is_up)


def test_a_stop_of_all_begins_with_one_look_at_their_trees(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    village.up()
    village.until(village.is_up)
    looks: list[int] = []
    trees = FakeHost.trees

    def counted(host: FakeHost, runs: Sequence[Run]) -> list[tuple[Member, ...]]:
        looks.append(len(runs))
        return trees(host, runs)

    monkeypatch.setattr(FakeHost, "trees", counted)
    village.engine.stop(tuple(village.engine.apps))
    village.until(lambda: set(village.states().values()) == {"stopped"})
    assert looks == [COUNT]
