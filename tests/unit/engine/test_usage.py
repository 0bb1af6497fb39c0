"""What trees use, from two looks at them."""

from __future__ import annotations

from pathlib import Path

import pytest

from procman.core.identity import Identity
from procman.engine.usage import Look, look, shown
from procman.host.base import Order, Run, Vitals
from tests.fakes.host import PROCESS_SIZE, FakeHost
from tests.fakes.programs import Child, Program
from tests.simulation.village import Village

RUN = Run(Identity(1, 1, "boot"), "p:web:1")
OTHER = Run(Identity(9, 9, "boot"), "p:api:1")


def process(pid: int, cpu_s: float, *, age_s: float = 100.0, memory: int = 1000) -> Vitals:
    """Return a process that is seen."""
    name = f"node {pid}"
    return Vitals(Identity(pid, pid, "boot"), 1, name, (name,), "S", cpu_s, memory, age_s)


def at(when: float, *processes: Vitals) -> Look:
    """Return a look at the run."""
    return Look(when, {RUN: processes, OTHER: (process(9, when * 50),)})


def test_a_tree_uses_what_its_processes_use() -> None:
    before = at(10.0, process(1, 5.0), process(2, 1.0))
    after = at(10.2, process(1, 5.1, memory=3_000), process(2, 1.2, memory=4_000))
    assert shown(RUN, before, after) == {"cpu_s": 6.3, "cpu_percent": 150.0, "memory_bytes": 7_000}


def test_what_was_born_in_between_counts_from_its_birth() -> None:
    after = at(11.0, process(1, 5.0), process(2, 0.5, age_s=0.9))
    assert shown(RUN, at(10.0, process(1, 5.0)), after)["cpu_percent"] == 50.0


def test_what_was_missed_by_the_first_look_has_not_done_all_in_between() -> None:
    after = at(11.0, process(1, 5.0), process(2, 3600.0))
    assert shown(RUN, at(10.0, process(1, 5.0)), after)["cpu_percent"] == 0.0


def test_what_has_ended_in_between_takes_nothing_away() -> None:
    before = at(10.0, process(1, 5.0), process(2, 100.0))
    assert shown(RUN, before, at(11.0, process(1, 5.5)))["cpu_percent"] == 50.0


@pytest.mark.parametrize("run", [None, RUN, Run(Identity(2, 2, "boot"), "p:gone:1")])
def test_nobody_uses_nothing(run: Run | None) -> None:
    nothing = {"cpu_s": None, "cpu_percent": None, "memory_bytes": None}
    assert shown(run, at(10.0), at(11.0)) == nothing


def test_looks_of_the_same_moment_tell_no_percentage() -> None:
    assert shown(RUN, at(10.0, process(1, 5.0)), at(10.0, process(1, 5.0))) == {
        "cpu_s": 5.0,
        "cpu_percent": None,
        "memory_bytes": 1000,
    }


def test_a_look_sees_the_trees_of_all_runs() -> None:
    host = FakeHost()
    host.machine.programs["busy"] = Program(burns=True, children=(Child(Program(memory=5_000)),))
    host.machine.programs["idle"] = Program()
    runs = []
    for command in ("busy", "idle"):
        order = Order((command,), False, "/", {"PROCMAN_RUN": command}, -1, -1, -1)
        runs.append(Run(host.spawn(order, lambda ended: None), command))
    host.advance(1.0)
    before = look(host, runs)
    host.advance(0.2)
    after = look(host, runs)
    busy, idle = (shown(run, before, after) for run in runs)
    assert busy == {"cpu_s": 1.2, "cpu_percent": 100.0, "memory_bytes": 2 * PROCESS_SIZE + 5_000}
    assert idle == {"cpu_s": 0.0, "cpu_percent": 0.0, "memory_bytes": PROCESS_SIZE}


def test_a_status_has_what_the_trees_use_only_where_there_was_a_look_before(tmp_path: Path) -> None:
    text = '[apps.busy]\ncommand = "busy"\n\n[apps.idle]\ncommand = "idle"\nautostart = false\n'
    village = Village(tmp_path, text)
    village.machine.programs["busy"] = Program(burns=True)
    village.up()
    village.until(lambda: village.states() == {"busy": "running", "idle": "stopped"})
    before = village.engine.look()
    village.advance(0.2)
    busy, idle = village.engine.status(before)["apps"]
    assert busy["cpu_percent"] == 100.0
    assert busy["memory_bytes"] == PROCESS_SIZE
    assert (idle["cpu_s"], idle["cpu_percent"], idle["memory_bytes"]) == (None, None, None)
    assert not {"cpu_s", "cpu_percent", "memory_bytes"} & village.engine.status()["apps"][0].keys()
    village.end()
