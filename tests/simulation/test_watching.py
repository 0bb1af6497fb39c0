"""`watch` on the simulated machine, with real files."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from procman.engine.events import Problem
from tests.fakes.programs import Program, server
from tests.simulation.village import Village

WEB = """
[apps.web]
command = "node web.js"
watch = ["src/**/*.js", "*.json"]
watch_ignore = "*.test.js"
"""
COUNTER = itertools.count()


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    (tmp_path / "src/deep").mkdir(parents=True)
    village = Village(tmp_path, WEB)
    village.machine.programs["node web.js"] = Program()
    yield village
    village.end()


def change(village: Village, name: str) -> None:
    file = village.file.parent / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(str(next(COUNTER)))
    village.advance(0.01)


def runs(village: Village) -> int:
    return village.starts("node web.js")


def up(village: Village) -> None:
    village.up()
    village.until(village.is_up)
    village.advance(10)


def problems(village: Village) -> list[str]:
    return [each.text for each in village.notices if isinstance(each, Problem)]


def test_a_change_restarts_the_app_with_the_files_name(village: Village) -> None:
    up(village)
    change(village, "src/deep/a.js")
    took = village.until(lambda: runs(village) == 2)
    assert took < 0.5
    village.until(village.is_up)
    assert village.engine.apps["web"].cause == "restarted: `src/deep/a.js` has changed"
    assert village.engine.apps["web"].restarts == 0, "its user asked for it"


def test_many_changes_at_once_make_one_restart(village: Village) -> None:
    up(village)
    for number in range(20):
        change(village, f"src/{number}.js")
    village.advance(5)
    assert runs(village) == 2


def test_changes_without_an_end_do_not_put_it_off_for_ever(village: Village) -> None:
    up(village)
    for _ in range(30):
        change(village, "src/a.js")
        village.advance(0.1)
    assert runs(village) > 1


def test_other_files_change_nothing(village: Village) -> None:
    up(village)
    for name in ("README.md", "src/a.test.js", "src/a.js~", "node_modules/a.json", "dist/b.json"):
        change(village, name)
    village.advance(5)
    assert runs(village) == 1


def test_a_failed_app_gets_another_try_and_a_stopped_one_does_not(village: Village) -> None:
    village.machine.programs["node web.js"] = [Program(exits_after=0.1, code=1)] * 10 + [Program()]
    village.up()
    village.until(lambda: village.states() == {"web": "failed"}, within=600)
    change(village, "src/a.js")
    village.until(village.is_up)
    began = runs(village)
    village.engine.stop(["web"])
    village.until(lambda: village.states() == {"web": "stopped"})
    change(village, "src/a.js")
    village.advance(5)
    assert runs(village) == began


def own_changes(village: Village, times: int) -> None:
    """Let the app write a file of its own 0.5 s after each of its starts."""
    for _ in range(times):
        before = runs(village)
        village.advance(0.5)
        change(village, "state.json")
        village.advance(1.0)
        if runs(village) == before:
            return


def test_the_guard_names_the_file_and_ends_when_all_is_quiet(village: Village) -> None:
    up(village)
    change(village, "src/a.js")
    village.until(lambda: runs(village) == 2)
    own_changes(village, 20)
    assert runs(village) == 4, "a change by its user, and three of its own of which the last is too much"
    (told,) = problems(village)
    assert told == (
        "`state.json` changes right after each restart that it causes, so changes restart it no more until "
        "there is none for 60s; put it into `watch_ignore`"
    )
    change(village, "src/a.js")
    village.advance(5)
    assert runs(village) == 4
    village.advance(61)
    change(village, "src/a.js")
    village.until(lambda: runs(village) == 5)


def test_an_edit_of_the_table_ends_the_guard(village: Village) -> None:
    up(village)
    change(village, "src/a.js")
    village.until(lambda: runs(village) == 2)
    own_changes(village, 20)
    before = runs(village)
    village.edit('watch_ignore = "*.test.js"', 'watch_ignore = ["*.test.js", "state.json"]')
    village.engine.reload()
    assert runs(village) == before, "what is watched is taken over by the app as it runs"
    change(village, "src/a.js")
    village.until(lambda: runs(village) == before + 1)
    own_changes(village, 3)
    assert runs(village) == before + 1


def test_a_person_who_saves_now_and_then_is_never_held(village: Village) -> None:
    up(village)
    for number in range(10):
        change(village, "src/a.js")
        village.advance(3)
        assert runs(village) == number + 2
    assert problems(village) == []


def test_a_server_is_watched_as_well(tmp_path: Path) -> None:
    village = Village(tmp_path, '[apps.web]\ncommand = "node web.js"\nport = 3000\nwatch = "*.js"\n')
    village.machine.programs["node web.js"] = server(after=0.3)
    up(village)
    change(village, "a.js")
    village.until(lambda: runs(village) == 2)
    village.until(village.is_up)
    village.end()
