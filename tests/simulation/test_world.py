"""The simulation itself: a seed is one world, in every process, and a broken promise has a small story."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import pytest

from procman.core.app import State
from tests.simulation.world import scenario
from tests.simulation.world.__main__ import main
from tests.simulation.world.bugs import BUGS, planted
from tests.simulation.world.generator import generate
from tests.simulation.world.hunt import WORLDS
from tests.simulation.world.play import play
from tests.simulation.world.scenario import Asks, Edits, ManagerComes, Scenario, Step
from tests.simulation.world.shrink import cut, shrink, spell
from tests.simulation.world.table import PROGRAMS, Table
from tests.simulation.world.timetable import BEGINS

REPOSITORY = Path(__file__).parents[2]
FEW = range(12)
DIGESTS = """
from tests.simulation.world.generator import generate
from tests.simulation.world.play import play
print(*[play(generate(seed)).digest() for seed in range(12)])
"""


def test_a_seed_is_one_story() -> None:
    for seed in FEW:
        first, second = play(generate(seed)), play(generate(seed))
        assert first.lines() == second.lines()
        assert len(first.lines()) > 3, "something happens in it"


def test_a_story_is_the_same_in_every_process_whatever_its_hashes() -> None:
    here = [play(generate(seed)).digest() for seed in FEW]
    for hashes in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hashes}
        command = [sys.executable, "-c", DIGESTS]
        told = subprocess.run(
            command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
        )
        assert told.stdout.split() == here


def test_everything_that_can_happen_does() -> None:
    worlds = [generate(seed) for seed in range(WORLDS)]
    kinds = Counter(type(step.what) for world in worlds for step in world.steps)
    assert set(kinds) == set(scenario.Happening.__args__)
    assert {table.program for world in worlds for table in world.tables} == set(PROGRAMS)
    assert {len(world.tables) for world in worlds} == {1, 2, 3, 4}
    assert {world.reload for world in worlds} == {"auto", "ask", "off"}
    assert {world.begins for world in worlds} == {"plain", *BEGINS}


def test_every_key_of_a_table_varies() -> None:
    worlds = [generate(seed) for seed in range(300)]
    tables = [table for world in worlds for table in world.tables]
    edits = [step.what.what for world in worlds for step in world.steps if isinstance(step.what, Edits)]
    for key in (field.name for field in fields(Table)):
        assert len({getattr(table, key) for table in tables}) > 1 or key in edits, key


def test_the_worlds_reach_every_state() -> None:
    seen: set[str] = set()
    for seed in range(60):
        seen |= play(generate(seed)).states()
    assert seen == {state.value for state in State}


def test_a_world_without_trouble_has_a_short_story() -> None:
    table = Table("web", "steady", 3000)
    steps = (Step(0.0, ManagerComes(), 0), Step(5.0, Asks("stop", ("web",)), 1))
    story = play(Scenario(0, (table,), steps))
    assert story.broken is None
    moves = [line.partition("state: ")[2] for line in story.lines() if "state: " in line]
    assert [move.partition(":")[0] for move in moves] == [
        "stopped -> waiting",
        "waiting -> starting",
        "starting -> running",
        "running -> stopping",
        "stopping -> stopped",
    ]


def test_a_broken_promise_is_told_in_the_fewest_steps_that_break_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bug = next(bug for bug in BUGS if bug.name == "never_forces")
    with planted(bug):
        assert main(["--seeds", "20", "--jobs", "1"]) == 1
        text = capsys.readouterr().out
        found = re.search(r"make simulate SEED=(\d+) STEPS='(.*)' APPS='(.*)'", text)
        assert found is not None, text
        seed, steps, apps = found.groups()
        assert len(steps.split()) <= 3
        assert len(apps.split()) == 1
        again = ["--seed", seed, "--steps", steps, "--apps", apps]
        assert main(again) == 1
    assert "broken: every stop ends within its budget" in text
    assert main(again) == 0, "it is the bug that breaks it"


def test_what_is_left_of_a_scenario_can_be_spelled_and_cut_again() -> None:
    whole = generate(7)
    part = replace(
        whole, steps=(whole.steps[0], replace(whole.steps[3], after=0.125)), tables=whole.tables[:1]
    )
    spelled = spell(part, whole)
    steps, apps = spelled.split("STEPS='")[1].split("' APPS='")
    assert cut(whole, steps, apps.strip("'")) == part


def test_shrinking_ends_where_nothing_can_be_left_out() -> None:
    whole = generate(3)
    needed = {whole.steps[2].number, whole.steps[4].number}

    def breaks(candidate: Scenario) -> bool:
        return needed <= {step.number for step in candidate.steps}

    small = shrink(whole, breaks)
    assert {step.number for step in small.steps} == needed
    assert [step.after for step in small.steps] == [0.0, 0.0]
    assert len(small.tables) == 1


def test_one_world_is_told_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "1"]) == 0
    assert "all promises were kept" in capsys.readouterr().out


def test_many_worlds_are_played_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "4", "--jobs", "1"]) == 0
    assert "4 worlds from seed 0: every promise was kept" in capsys.readouterr().out
