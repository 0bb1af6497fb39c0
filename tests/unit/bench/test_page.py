"""The page of figures is made from what a run has kept, and says what that says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench import page

REPOSITORY = Path(__file__).parents[3]
FOUND: dict[str, Any] = {
    "machine": ["2 x processor"],
    "versions": {"procman": "1.0", "other": "2.0"},
    "loads": {"procman": 0.4, "other": 12.0},
    "missing": ["runit: not here, no apt"],
    "samples": {
        "start": {"procman": [300.0, 100.0, 200.0], "other": [1500.0]},
        "status": {"procman": [20.0], "other": [10.5]},
        "survivors": {"procman": [0], "other": [8]},
        "edit": {"procman": []},
    },
    "failures": {"memory": {"other": "TimeoutError: too slow"}},
}


def test_the_page_is_that_of_the_results_that_are_kept() -> None:
    found = json.loads(page.RESULTS.read_text())
    text = page.PAGE.read_text()
    assert text == page.render_page(text, found), "python -m bench.page makes it anew"
    assert page.CHART.read_text() == page.render_chart(found), "python -m bench.page makes it anew"


def test_a_figure_is_the_median_of_its_samples() -> None:
    assert page.medians(FOUND, "start") == {"procman": 200.0, "other": 1500.0}
    assert page.medians(FOUND, "edit") == {}
    assert page.medians(FOUND, "not measured") == {}


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (8, "8"), (0.25, "0.2"), (7.25, "7.2"), (12.0, "12.0"), (1500.4, "1,500")]
)
def test_a_figure_has_the_digits_that_mean_something(value: float, text: str) -> None:
    assert page.spell(value) == text


def test_the_best_of_each_line_is_bold_and_nothing_is_made_up() -> None:
    head, _, *lines = page.table(FOUND)
    assert head == "| | procman | other |"
    assert lines == [
        "| 100 apps started, from nothing to the last exec, ms | **200** | 1,500 |",
        "| status of 100 apps, as a command, ms | 20.0 | **10.5** |",
        "| of 8 hostile processes, left after a stop | **0** | 8 |",
    ]


def test_it_says_where_a_peer_is_better() -> None:
    assert page.better(FOUND) == ["- status of 100 apps, as a command: other 10.5; procman 20.0 ms"]


def test_the_page_names_machine_versions_and_what_is_missing() -> None:
    text = page.render_page(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n", FOUND)
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    for words in (
        "2 x processor",
        "other 2.0",
        "procman 0.4",
        "runit: not here, no apt",
        "memory, other: TimeoutError",
    ):
        assert words in text


def test_the_chart_has_a_bar_for_each_rival_as_long_as_its_figure() -> None:
    svg = ElementTree.fromstring(page.render_chart(FOUND))
    bars = [each for each in svg.iter("{http://www.w3.org/2000/svg}rect") if each.get("class")]
    widths = [float(each.get("width", "0")) for each in bars[:2]]
    assert [each.get("class") for each in bars[:2]] == ["ours", "bar"]
    assert widths[0] / widths[1] == pytest.approx(200 / 1500, abs=0.01)


def test_a_newer_run_takes_the_place_of_its_rivals_alone() -> None:
    new = {
        **FOUND,
        "versions": {"other": "3.0"},
        "samples": {"start": {"other": [5.0]}},
        "failures": {},
        "loads": {"other": 1.0},
    }
    merged = page.merge(FOUND, new)
    assert merged["loads"] == {"procman": 0.4, "other": 1.0}
    assert merged["versions"] == {"procman": "1.0", "other": "3.0"}
    assert merged["samples"]["start"] == {"procman": [300.0, 100.0, 200.0], "other": [5.0]}
    assert merged["samples"]["status"] == {"procman": [20.0]}
    assert merged["failures"] == {}


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--help"], "--only"), (["speed"], "no measurement is called `speed`"), (["--only", "me"], "no peer")],
)
def test_its_command_line_says_what_there_is(words: list[str], said: str) -> None:
    command = [sys.executable, "-m", "bench", *words]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert said in done.stdout + done.stderr
    assert done.returncode == (0 if words == ["--help"] else 2)
