"""More port checks than can be connected to: most are answered by one look, and nothing is missed by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from procman.engine.rounds import CONNECTS
from tests.fakes.machine import Process
from tests.fakes.programs import Listen, Program, server
from tests.simulation.village import Village

COUNT = 80  # apps, each checked each second
TEXT = "".join(
    f'[apps.app-{number}]\ncommand = "node {number}.js"\nport = {3000 + number}\ncheck_interval = "1s"\n'
    for number in range(COUNT)
)


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    """A project of so many apps, all of them up for a while."""
    village = Village(tmp_path, TEXT)
    village.machine.programs |= {f"node {number}.js": server(after=0.3) for number in range(COUNT)}
    village.up()
    village.until(village.is_up)
    village.advance(3)
    village.notices.clear()
    yield village
    village.end()


@pytest.fixture
def asked(village: Village, monkeypatch: pytest.MonkeyPatch) -> Counter[int | None]:
    """How often each port has been connected to."""
    counter: Counter[int | None] = Counter()
    probe = village.host.probe

    def counted(order: Any, on_answer: Callable[[Any], None]) -> Any:
        counter[order.port] += 1
        return probe(order, on_answer)

    monkeypatch.setattr(village.host, "probe", counted)
    return counter


def process_of(village: Village, app: str) -> Process:
    (process,) = village.processes(app)
    return process


def test_no_more_are_connected_to_than_may_be_and_each_has_its_turn(
    village: Village, asked: Counter[int | None]
) -> None:
    village.advance(9)
    assert sum(asked.values()) <= 10 * CONNECTS
    assert len(asked) == COUNT
    assert min(asked.values()) >= 4, "nobody waits much longer than others do"
    assert village.is_up()
    assert not village.notices


def test_the_looks_of_all_are_one(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, listeners = 0, village.host.listeners

    def counted() -> Any:
        nonlocal looks
        looks += 1
        return listeners()

    monkeypatch.setattr(village.host, "listeners", counted)
    village.advance(10)
    assert looks < 10 * COUNT / 5


def test_a_listener_that_nobody_has_announced_as_closed_is_missed_within_a_second(village: Village) -> None:
    victim = process_of(village, "app-7")
    village.machine.sockets.remove(next(each for each in village.machine.sockets if each.owner is victim))
    assert village.until(lambda: village.states()["app-7"] == "unhealthy") < 1.5
    village.until(lambda: village.engine.apps["app-7"].restarts == 1)


def test_another_one_in_the_place_of_its_listener_is_no_longer_believed(village: Village) -> None:
    victim = process_of(village, "app-7")
    socket = next(each for each in village.machine.sockets if each.owner is victim)
    village.machine.sockets.remove(socket)
    village.machine.start(Program(listens=(Listen(socket.listener.port),)), "python3 -m http.server")
    village.until(lambda: village.verdict("app-7") == "stranger", within=2.0)
    assert village.engine.apps["app-7"].restarts == 0


def test_a_hung_app_is_found_when_its_turn_comes(village: Village) -> None:
    village.machine.signal(process_of(village, "app-7"), "SIGSTOP")
    village.until(lambda: village.verdict("app-7") == "hung", within=COUNT / CONNECTS + 10)
    village.until(lambda: village.engine.apps["app-7"].restarts == 1)


def test_an_edited_check_is_made_before_it_is_believed(village: Village, asked: Counter[int | None]) -> None:
    village.advance(1)
    asked.clear()
    village.edit('port = 3007\ncheck_interval = "1s"', 'port = 3007\ncheck_interval = "900ms"')
    village.engine.reload()
    village.until(lambda: asked[3007] > 0, within=1.5)
