"""The page of figures is made from what a run has kept, and says what that says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench import chart, goals, page, rows
from bench.report import Goal

REPOSITORY = Path(__file__).parents[3]


def turn(version: str, load: float, *, quick: bool = False) -> dict[str, Any]:
    return {"version": version, "began": "2026-11-30 04:00", "load": load, "quick": quick, "seconds": 90}


FOUND: dict[str, Any] = {
    "machine": ["2 x processor"],
    "missing": ["runit: not here, no apt"],
    "turns": {"procman": turn("1.0", 0.4), "other": turn("2.0", 12.0, quick=True)},
    "samples": {
        "start": {"procman": [300.0, 100.0, 200.0], "other": [1500.0]},
        "status": {"procman": [20.0], "other": [10.5]},
        "bare": {"procman": [10.0], "other": [9.0]},
        "log bulk": {"procman": [1000.0], "other": [2000.0], "cat > file": [3000.0]},
        "survivors": {"procman": [0], "other": [8]},
        "edit others": {"procman": [0, 0, 1]},
        "edit": {"procman": []},
    },
    "failures": {"stop": {"other": "TimeoutError: too slow"}},
}


def test_the_page_is_that_of_the_results_that_are_kept() -> None:
    found = json.loads(page.RESULTS.read_text())
    text = page.PAGE.read_text()
    assert text == page.render_page(text, found), "python -m bench.page makes it anew"
    assert page.CHART.read_text() == chart.render_chart(found), "python -m bench.page makes it anew"


def test_a_figure_is_the_median_of_its_samples() -> None:
    assert rows.medians(FOUND, "start") == {"procman": 200.0, "other": 1500.0}
    assert rows.medians(FOUND, "edit") == {}
    assert rows.medians(FOUND, "not measured") == {}


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (8, "8"), (0.254, "0.25"), (7.25, "7.2"), (12.0, "12"), (12.34, "12.3"), (1500.4, "1,500")],
)
def test_a_figure_has_the_digits_that_mean_something(value: float, text: str) -> None:
    assert rows.spell(value) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(0.034, "×0.034"), (0.951, "×0.95"), (1.26, "×1.3"), (7.5, "×7.5"), (1234.5, "×1,234")],
)
def test_a_ratio_has_two_digits(ratio: float, text: str) -> None:
    assert page.spell_ratio(ratio) == text


def test_each_rival_stands_beside_ours_and_nothing_is_made_up() -> None:
    assert page.tables(FOUND) == [
        "| What one waits for | procman | other |",
        "| --- | ---: | ---: |",
        "| start of 100 apps, from nothing, ms | **200** | 1,500 (×7.5) |",
        "| stop of 100 apps, ms | - | failed |",
        "| other apps begun anew by that edit | 0 | - |",
        "| `status` of 100 apps, ms | 20 | **10.5** (×0.53) |",
        "| the bare interpreter beside it, ms | 10 | 9 |",
        "",
        "| Output | procman | other | cat > file |",
        "| --- | ---: | ---: | ---: |",
        "| large writes, MB/s | 1,000 | 2,000 (×2) | **3,000** (×3) |",
        "",
        "| The worst day | procman | other |",
        "| --- | ---: | ---: |",
        "| of 8 hostile processes, left after a stop | **0** | 8 |",
    ]


def test_it_says_where_a_peer_is_better() -> None:
    reason = "knows neither times nor streams, and rotates nothing"
    assert page.better(FOUND) == [
        "- `status` of 100 apps: other 10.5; procman 20 ms",
        f"- large writes: cat > file 3,000 ({reason}), other 2,000; procman 1,000 MB/s",
    ]


def test_the_page_names_machine_versions_and_what_is_missing() -> None:
    text = page.render_page(f"before\n{page.BEGIN}\nstale\n{page.END}\nafter\n", FOUND)
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "stale" not in text
    for words in (
        "- 2 x processor",
        "other 2.0",
        "procman 0.4",
        "3 min in all",
        "(`--quick`): other",
        "- runit: not here, no apt",
        "- failed: stop, other: TimeoutError",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("target", "line"),
    [
        (
            goals.Target("soon", lambda found: goals.ours("start", found), Goal(150), "ms"),
            "| soon | 200 ms | **missed** |",
        ),
        (
            goals.Target("as fast", lambda found: goals.beside("status", "other", found), Goal(2), "×"),
            "| as fast | 1.90 × | met |",
        ),
        (
            goals.Target("lean", lambda found: goals.within("status", "bare", found), Goal(3), "×"),
            "| lean | 2.00 × | met |",
        ),
        (
            goals.Target("alone", lambda found: goals.worst("edit others", found), Goal(0)),
            "| alone | 1 | **missed** |",
        ),
        (
            goals.Target(
                "first", lambda found: goals.beside_best("start", ("other", "none"), found), Goal(1)
            ),
            "| first | 0.13 | met |",
        ),
        (
            goals.Target("unknown", lambda found: goals.beside("edit", "other", found), Goal(1)),
            "| unknown | - | not measured |",
        ),
    ],
    ids=lambda each: each.text if isinstance(each, goals.Target) else "",
)
def test_a_goal_is_judged_by_the_samples_alone(target: goals.Target, line: str) -> None:
    assert target.verdict(FOUND) == line


def test_every_goal_asks_for_samples_that_a_run_has() -> None:
    everything = {row.key: {name: [1.0] for name in ("procman", *goals.PYTHON_AND_NODE)} for row in rows.ROWS}
    for target in goals.TARGETS:
        assert target.figure({"samples": everything}) == 1.0, target.text


def test_the_chart_has_a_bar_for_each_rival_as_long_as_its_figure() -> None:
    svg = ElementTree.fromstring(chart.render_chart(FOUND))
    bars = [
        each for each in svg.iter("{http://www.w3.org/2000/svg}rect") if each.get("class") in ("ours", "bar")
    ]
    widths = [float(each.get("width", "0")) for each in bars[:2]]
    assert [each.get("class") for each in bars[:2]] == ["ours", "bar"]
    assert widths[0] / widths[1] == pytest.approx(200 / 1500, abs=0.01)


def test_a_panel_of_large_factors_shows_them_as_equal_widths() -> None:
    near, far = chart.Scale([100.0, 200.0]), chart.Scale([1.0, 10.0, 100.0, 0.0])
    assert (near.is_log, near.part(100.0), near.part(200.0), near.rules) == (False, 0.5, 1.0, [])
    assert far.is_log
    assert far.part(0.0) == 0.0
    assert 0 < far.part(1.0) < far.part(10.0) < far.part(100.0) == 1.0
    assert far.part(10.0) - far.part(1.0) == pytest.approx(far.part(100.0) - far.part(10.0))
    assert chart.Scale([0.0]).part(0.0) == 0.0


def test_a_newer_run_takes_the_place_of_its_rivals_alone() -> None:
    new = {
        **FOUND,
        "turns": {"other": turn("3.0", 1.0)},
        "samples": {"start": {"other": [5.0]}},
        "failures": {},
    }
    merged = page.merge(FOUND, new)
    assert {name: each["version"] for name, each in merged["turns"].items()} == {
        "procman": "1.0",
        "other": "3.0",
    }
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
